//! Who is asked about pods: nobody, the API server of Kubernetes, or whom a test brings along.

use std::sync::Arc;

use protocol::Result;
use protocol::ports::Pods;

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
        Watched::Own(selector) if serves(serve, SENTINEL) => of_this_pod(selector).map(Some),
        Watched::Of(pods) => Ok(Some(pods)),
        Watched::Nothing | Watched::Own(_) => Ok(None),
    }
}

#[cfg(feature = "kubernetes")]
fn of_this_pod(selector: String) -> Result<Arc<dyn Pods>> {
    let pods = kubernetes::Kubernetes::of_this_pod(selector);
    Ok(Arc::new(pods.map_err(|error| protocol::Error { message: format!("--pods: {}", error.message), ..error })?))
}

#[cfg(not(feature = "kubernetes"))]
fn of_this_pod(selector: String) -> Result<Arc<dyn Pods>> {
    let without = format!("--pods {selector}: this program was built without Kubernetes");
    Err(protocol::Error::invalid(without))
}
