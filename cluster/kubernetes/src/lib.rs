//! Pods as the API server of Kubernetes tells of them: the port `Pods` over kube's client.
//!
//! List and watch are written out in `follow.rs`. kube's own `watcher` retries a list that fails every 0.8 s for
//! ever, opens a watch that is closed at once again without a pause, asks again with a version that was refused
//! as too old, and reads on behind a line that it cannot read: here that is a deletion nobody hears of.

mod connect;
mod follow;
mod list;
mod patience;
mod read;

pub use connect::{Kubernetes, Limits};
