//! A watch as a test uses it: what was seen by name, and never for ever.

use kubernetes::{Kubernetes, Limits};
use protocol::ports::{Pod, PodWatch, Pods as _, Sighting};
use tokio::time::{Duration, timeout};

use crate::api_server::{ApiServer, NAMESPACE, SELECTOR};

const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Watcher(Box<dyn PodWatch>);

/// Pauses that a test can wait for.
pub(crate) fn limits() -> Limits {
    Limits {
        page: 500,
        first_pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(8),
        // on a busy machine, too
        short: PATIENCE,
        ..Limits::default()
    }
}

impl Watcher {
    pub(crate) fn of(server: &ApiServer) -> Watcher {
        Self::with(server, limits())
    }

    pub(crate) fn with(server: &ApiServer, limits: Limits) -> Watcher {
        let kubernetes = Kubernetes::at(server.url(), NAMESPACE, SELECTOR).unwrap().limits(limits);
        Watcher(kubernetes.watch())
    }

    /// What is seen next, and how many failures came before it.
    pub(crate) async fn next(&mut self) -> (Vec<Sighting>, usize) {
        let mut failures = 0;
        loop {
            match timeout(PATIENCE, self.0.next()).await.expect("something is seen") {
                Ok(seen) => return (seen, failures),
                Err(_) => failures += 1,
            }
        }
    }

    pub(crate) async fn fails(&mut self) {
        let outcome = timeout(PATIENCE, self.0.next()).await.expect("something happens");
        assert!(outcome.is_err(), "{outcome:?}");
    }

    /// So many sightings, in words.
    pub(crate) async fn sees(&mut self, many: usize) -> Vec<String> {
        let mut words = Vec::new();
        while words.len() < many {
            words.extend(self.next().await.0.into_iter().map(in_words));
        }
        words
    }
}

fn in_words(sighting: Sighting) -> String {
    match sighting {
        Sighting::All(pods) => format!("all: {}", pods.iter().map(named).collect::<Vec<_>>().join(" ")),
        Sighting::There(pod) => format!("there: {}", named(&pod)),
        Sighting::Gone(pod) => format!("gone: {}", named(&pod)),
    }
}

fn named(pod: &Pod) -> &str {
    &pod.name
}
