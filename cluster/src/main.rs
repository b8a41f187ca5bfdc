//! `branchline`: reads the settings and does what they ask.

use std::process::ExitCode;

fn main() -> ExitCode {
    cluster::run::run(cluster::config::from_process())
}
