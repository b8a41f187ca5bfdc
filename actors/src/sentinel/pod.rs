//! A pod as it is stored and published: so much of Kubernetes' object as VoIPBIN's services read, and `node`.

use std::collections::BTreeMap;

use protocol::ports::Pod;
use protocol::{Access, Field, Ops, Resource, Result, Row, read};
use serde::Deserialize;
use serde_json::json;

/// A pod from when it was first seen until it is gone.
pub(crate) static POD: Resource = Resource::new(
    "pod",
    "pods",
    &[
        // Kubernetes' own; a pod that loses the label and has it again is another row
        Field::text("uid").unique(),
        // the node of this platform that runs in it
        Field::text("node"),
        Field::json("metadata"),
        Field::json("status"),
    ],
)
.ops(Ops::NONE)
.access(Access::INTERNAL)
.shared();

/// Names the node that runs in a pod, when that is not the pod's name.
const NODE: &str = "branchline.io/node";
/// Labels that say what a pod is of, the first that it has.
const APP: [&str; 2] = ["app.kubernetes.io/component", "app"];

/// The columns of a pod.
pub(super) fn row(pod: &Pod) -> Row {
    let mut metadata = json!({
        "name": pod.name, "namespace": pod.namespace, "uid": pod.uid,
        "labels": pod.labels, "annotations": pod.annotations,
    });
    if let (Some(metadata), Some(since)) = (metadata.as_object_mut(), &pod.stopping_since) {
        metadata.insert("deletionTimestamp".to_owned(), json!(since));
    }
    let ready = if pod.ready { "True" } else { "False" };
    let status = json!({
        "phase": pod.phase, "podIP": pod.ip, "conditions": [{"type": "Ready", "status": ready}],
    });
    Row::from_iter([
        ("uid".to_owned(), json!(pod.uid)),
        ("node".to_owned(), json!(pod.annotations.get(NODE).unwrap_or(&pod.name))),
        ("metadata".to_owned(), metadata),
        ("status".to_owned(), status),
    ])
}

/// What is looked into of a stored pod.
#[derive(Deserialize)]
pub(super) struct Stored {
    pub(super) uid: String,
    metadata: Metadata,
    status: Status,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    namespace: String,
    labels: BTreeMap<String, String>,
    deletion_timestamp: Option<String>,
}

#[derive(Deserialize)]
struct Status {
    phase: String,
    conditions: Vec<Condition>,
}

#[derive(Deserialize, PartialEq)]
struct Condition {
    status: String,
}

impl Stored {
    pub(super) fn of(row: &Row) -> Result<Stored> {
        read(row)
    }

    /// Nothing has happened to the pod that anybody acts upon: labels and times change all the time.
    pub(super) fn is_in_the_state_of(&self, other: &Stored) -> bool {
        self.status.phase == other.status.phase
            && self.status.conditions == other.status.conditions
            && self.metadata.deletion_timestamp.is_some() == other.metadata.deletion_timestamp.is_some()
    }

    /// For counting: its namespace and what it is of.
    pub(super) fn origin(&self) -> (String, String) {
        let app = APP.iter().find_map(|label| self.metadata.labels.get(*label));
        (self.metadata.namespace.clone(), app.cloned().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod() -> Pod {
        let labels = [("app".to_owned(), "old".to_owned()), (APP[0].to_owned(), "call".to_owned())];
        Pod {
            name: "call-0".into(),
            namespace: "telephony".into(),
            uid: "u".into(),
            labels: labels.into(),
            phase: "Running".into(),
            ready: true,
            ..Pod::default()
        }
    }

    fn stored(pod: &Pod) -> Stored {
        Stored::of(&row(pod)).expect("what is written is read")
    }

    #[test]
    fn a_node_is_named_as_its_pod_unless_the_pod_says_otherwise() {
        assert_eq!(row(&pod()).get("node"), Some(&json!("call-0")));
        let annotations = [(NODE.to_owned(), "east".to_owned())].into();
        assert_eq!(row(&Pod { annotations, ..pod() }).get("node"), Some(&json!("east")));
    }

    #[test]
    fn only_phase_readiness_and_being_told_to_stop_are_a_state() {
        let is_same = |other: Pod| stored(&pod()).is_in_the_state_of(&stored(&other));
        assert!(is_same(Pod { labels: BTreeMap::new(), ip: "10.0.0.9".into(), ..pod() }));
        assert!(!is_same(Pod { phase: "Failed".into(), ..pod() }));
        assert!(!is_same(Pod { ready: false, ..pod() }));
        assert!(!is_same(Pod { stopping_since: Some("2026-01-01T00:00:00Z".into()), ..pod() }));
    }

    #[test]
    fn a_pod_is_counted_by_its_component_else_by_its_app_else_by_neither() {
        assert_eq!(stored(&pod()).origin(), ("telephony".to_owned(), "call".to_owned()));
        let labels = [("app".to_owned(), "old".to_owned())].into();
        assert_eq!(stored(&Pod { labels, ..pod() }).origin().1, "old");
        assert_eq!(stored(&Pod { labels: BTreeMap::new(), ..pod() }).origin().1, "");
    }
}
