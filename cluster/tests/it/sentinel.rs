//! Pods of a pretended API server, through the real client, as facts on the bus of a whole node.

use std::collections::BTreeSet;
use std::sync::Arc;

use cluster::pods::Watched;
use cluster::telemetry::metrics;
use cluster::{Node, Plan};
use kubernetes::{Kubernetes, Limits};
use protocol::ports::{Filter, Pods};
use protocol::{Event, Page, Row, Scope};
use serde_json::json;
use tokio::sync::mpsc::Receiver;
use tokio::time::{Duration, timeout};

use crate::api_server::{ApiServer, NAMESPACE, SELECTOR, pod, uuid, with};
use crate::platform::{PATIENCE, Platform, plan};

fn pods(server: &ApiServer) -> Arc<dyn Pods> {
    let limits = Limits { first_pause: Duration::from_millis(1), ..Limits::default() };
    Arc::new(Kubernetes::at(server.url(), NAMESPACE, SELECTOR).unwrap().limits(limits))
}
