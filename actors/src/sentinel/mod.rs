//! The pods that nodes run in: a pod that is gone is a fact, and so whoever has calls there hears of it.
//!
//! Nobody deletes a pod here, and a pod that was told to stop is not gone: it may have calls for minutes. What is
//! known is stored, so that a pod that went while nobody watched is missed in the next list.

mod pod;
mod roll;
mod watch;

use protocol::ports::Deps;

use crate::kernel::Domain;

pub(crate) use pod::POD;

const NAME: &str = "sentinel-manager";

/// Without pods to ask about it has no `watch` in its tree, and does nothing.
pub(crate) fn domain(deps: &Deps) -> Domain {
    let domain = Domain::new(NAME, deps).resource(&POD);
    match &deps.pods {
        Some(pods) => domain.child(watch::watch(deps, pods.clone())),
        None => domain,
    }
}
