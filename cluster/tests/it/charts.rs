//! The chart, as a cluster is given it: Helm itself renders, Kubernetes' schemas are held against what comes, and
//! what no schema knows is checked here.
//!
//! `charts/check/install` brings Helm and the schemas. A test that needs them says so and does nothing where they
//! are not; a pipeline (`CI=true`) must have them.

mod database;
mod files;
mod groups;
mod helm;
mod monitoring;
mod network;
mod object;
mod pods;
mod references;
mod refusals;
mod scale;
mod sentinel;
mod settings;

use std::path::PathBuf;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}
