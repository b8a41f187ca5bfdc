//! Who is asked about pods: nobody, the API server of Kubernetes, or whom a test brings along.

use std::sync::Arc;

use protocol::ports::Pods;
use protocol::{Error, Result};

use crate::node::serves;

/// Who tells of them.
const SENTINEL: &str = "sentinel-manager";

/// The pods that are watched.
#[derive(Clone, Default)]
pub enum Watched {
    #[default]
    Nothing,
    /// Those with these labels in the namespace of the pod that this node runs in.
    Own(String),
    Of(Arc<dyn Pods>),
}

/// Where the domain is not served nothing is opened: other nodes have no token for it.
pub(crate) fn open(watched: Watched, serve: &[String]) -> Result<Option<Arc<dyn Pods>>> {
    match watched {
        Watched::Nothing => Ok(None),
        Watched::Of(pods) => Ok(Some(pods)),
        Watched::Own(selector) => own(selector, serves(serve, SENTINEL)),
    }
}

#[cfg(feature = "kubernetes")]
fn own(selector: String, served: bool) -> Result<Option<Arc<dyn Pods>>> {
    if !served {
        return Ok(None);
    }
    let pods = kubernetes::Kubernetes::of_this_pod(selector);
    let pods = pods.map_err(|error| Error { message: format!("--pods: {}", error.message), ..error })?;
    Ok(Some(Arc::new(pods)))
}

#[cfg(not(feature = "kubernetes"))]
fn own(_: String, _: bool) -> Result<Option<Arc<dyn Pods>>> {
    let without = "--pods: this program was built without Kubernetes; build it with --features kubernetes";
    Err(Error::invalid(without))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_wants_pods_where_there_are_none_is_told_so() {
        let refused = open(Watched::Own("app=a".into()), &["*".into()]).err().expect("this is no pod");
        assert!(refused.message.starts_with("--pods: this pro"), "{refused}");
        assert!(open(Watched::Nothing, &["*".into()]).is_ok_and(|pods| pods.is_none()));
    }
}
