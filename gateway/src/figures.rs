//! What is counted of requests. Handles are looked up once for each route: counting is an addition.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use http::StatusCode;
use metrics::{Counter, Histogram, SharedString, counter, histogram};
use tokio::time::Duration;

/// As many as there are routes and codes: neither is made up by clients.
#[derive(Default)]
pub(crate) struct Figures(RwLock<HashMap<Served, (Histogram, Counter)>>);

/// A request that was answered, as its labels say it.
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct Served {
    pub(crate) method: &'static str,
    pub(crate) route: Cow<'static, str>,
    pub(crate) status: StatusCode,
}

impl Figures {
    pub(crate) fn count(&self, served: Served, took: Duration) {
        // a panic elsewhere cannot leave a half-made handle
        if let Some((durations, answers)) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&served)
        {
            durations.record(took);
            return answers.increment(1);
        }
        let (durations, answers) = handles(&served);
        durations.record(took);
        answers.increment(1);
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(served, (durations, answers));
    }
}

fn handles(served: &Served) -> (Histogram, Counter) {
    let (method, route) = (served.method, SharedString::from(served.route.clone()));
    let status = served.status.as_str().to_owned();
    (
        histogram!("http_request_duration_seconds", "method" => method, "route" => route.clone()),
        counter!("http_requests_total", "method" => method, "route" => route, "status" => status),
    )
}
