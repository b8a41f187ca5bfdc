//! What the benches share: processor time, rounds, tables, servers in processes of their own.
//!
//! Every figure that matters is processor time per unit of work and a ratio of two sides measured in turns, so
//! a busy machine spoils it less than it spoils a rate.

pub mod api;
pub mod counted;
pub mod cpu;
pub mod flags;
pub mod machine;
pub mod node;
pub mod rounds;
pub mod scene;
pub mod served;
pub mod servers;
pub mod sipp;
pub mod wal;

use std::process::ExitCode;

use protocol::{Error, Result};

/// Runs a bench that is also its own servers: the runtime is made here, so that a node makes its own.
pub fn run(bench: impl Future<Output = Result<()>>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Error::internal);
    match runtime.and_then(|runtime| runtime.block_on(bench)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:?}");
            ExitCode::FAILURE
        }
    }
}
