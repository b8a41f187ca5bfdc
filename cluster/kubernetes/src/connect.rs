//! Where the API server is, and which pods are asked for.

use k8s_openapi::api::core::v1;
use kube::{Api, Client, Config};
use protocol::ports::{PodWatch, Pods};
use protocol::{Error, Result};
use tokio::time::Duration;

use crate::follow::Follow;

/// The pods of one namespace that a label selector chooses.
#[derive(Clone)]
pub struct Kubernetes {
    pub(crate) api: Api<v1::Pod>,
    pub(crate) selector: String,
    pub(crate) limits: Limits,
}

/// How much at once, and how long it waits.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Pods in one page of a list: as Kubernetes' own clients do.
    pub page: u32,
    /// The pause after a failure. It doubles, up to the longest, while nothing gets better.
    pub first_pause: Duration,
    pub longest_pause: Duration,
    /// One answer of the server; of a watch, its beginning.
    pub answer: Duration,
    /// How long the server shall keep a watch open, in whole seconds. What was silently cut is noticed then.
    pub watch: Duration,
    /// A watch that ends sooner than this has failed, however politely: it is not asked for again at once.
    pub short: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            page: 500,
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(30),
            answer: Duration::from_secs(30),
            watch: Duration::from_secs(60),
            short: Duration::from_secs(1),
        }
    }
}

impl Kubernetes {
    /// As the pod that this process runs in: its namespace, its service account.
    ///
    /// # Errors
    /// This is no pod, or it has no token.
    pub fn of_this_pod(selector: impl Into<String>) -> Result<Self> {
        let config = Config::incluster().map_err(|error| {
            Error::invalid(format!("this process has no service account of Kubernetes: {error}"))
        })?;
        Self::open(config, selector.into())
    }

    /// A server without TLS and without a token.
    pub fn at(url: http::Uri, namespace: &str, selector: impl Into<String>) -> Result<Self> {
        let mut config = Config::new(url);
        namespace.clone_into(&mut config.default_namespace);
        Self::open(config, selector.into())
    }

    fn open(mut config: Config, selector: String) -> Result<Self> {
        // pauses between tries are ours: a client that tries by itself would multiply them
        config.default_retry = false;
        let client = Client::try_from(config).map_err(Error::internal)?;
        Ok(Kubernetes { api: Api::default_namespaced(client), selector, limits: Limits::default() })
    }

    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }
}

impl Pods for Kubernetes {
    fn watch(&self) -> Box<dyn PodWatch> {
        Box::new(Follow::new(self.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two of them in one program, or none, and the first connection with TLS would panic.
    #[tokio::test]
    async fn tls_finds_the_one_provider_that_there_is() {
        let mut config = Config::new("https://127.0.0.1:1".parse().expect("a URL"));
        config.root_cert = Some(Vec::new());
        assert!(Kubernetes::open(config, String::new()).is_ok());
    }
}
