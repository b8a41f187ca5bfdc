//! The list of all pods, page by page, as they are at one version.
//!
//! It is asked of the server's storage, never of its cache: one that lags would make pods look gone.

use kube::api::ListParams;
use protocol::ports::Pod;
use protocol::{Error, Result};
use tokio::time::timeout;

use crate::connect::Kubernetes;
use crate::read::read;

impl Kubernetes {
    /// Every page, or nothing; and the version that a watch goes on from.
    pub(crate) async fn list(&self) -> Result<(Vec<Pod>, String)> {
        let mut params = ListParams::default().labels(&self.selector).limit(self.limits.page);
        let mut pods = Vec::new();
        loop {
            let page = self.answer(self.api.list(&params)).await?.map_err(|error| failed("list", &error))?;
            pods.extend(page.items.into_iter().map(read));
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params = params.continue_token(&token),
                None => {
                    let version = page.metadata.resource_version.filter(|version| !version.is_empty());
                    let version = version.ok_or_else(|| Error::unavailable("a list without a version"))?;
                    return Ok((pods, version));
                }
            }
        }
    }

    pub(crate) async fn answer<T>(&self, asked: impl Future<Output = T>) -> Result<T> {
        let answered = timeout(self.limits.answer, asked).await;
        answered.map_err(|_| Error::unavailable("the API server did not answer in time"))
    }
}

pub(crate) fn failed(what: &str, error: &kube::Error) -> Error {
    Error::unavailable(format!("{what} of pods: {error}"))
}
