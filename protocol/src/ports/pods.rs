//! The pods that run the platform, as whoever runs them sees them.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::Result;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pod {
    pub name: String,
    pub namespace: String,
    /// Another pod of the same name has another one.
    pub uid: String,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    /// Kubernetes' word: `Pending`, `Running`, `Succeeded`, `Failed`, `Unknown`.
    pub phase: String,
    pub ready: bool,
    /// When it was told to stop, RFC 3339; it may go on for long after that.
    pub stopping_since: Option<String>,
    pub ip: String,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Sighting {
    /// Every pod that there is: whatever was known before and is not among them is gone.
    All(Vec<Pod>),
    /// One that is new or has changed.
    There(Pod),
    /// One that does not exist any more, as it was at last.
    Gone(Pod),
}

pub trait Pods: Send + Sync {
    fn watch(&self) -> Box<dyn PodWatch>;
}

/// A watch over all pods. It does nothing while nobody asks it: whoever is slow is waited for.
#[async_trait]
pub trait PodWatch: Send {
    /// What has been seen since the last time, in order, at least one. The first sighting is
    /// [`Sighting::All`], and it is one again whenever something may have been missed.
    ///
    /// # Errors
    /// Something failed. It is tried again, after a pause, when it is asked the next time.
    async fn next(&mut self) -> Result<Vec<Sighting>>;
}
