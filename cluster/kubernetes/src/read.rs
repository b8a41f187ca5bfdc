//! A pod of Kubernetes in the platform's words.

use k8s_openapi::api::core::v1;
use protocol::ports::Pod;

/// The whole pod once more, put there by `kubectl apply`: long, and of no use to anybody here.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

pub(crate) fn read(pod: v1::Pod) -> Pod {
    let (meta, status) = (pod.metadata, pod.status.unwrap_or_default());
    let mut annotations = meta.annotations.unwrap_or_default();
    annotations.remove(LAST_APPLIED);
    let conditions = status.conditions.unwrap_or_default();
    Pod {
        name: meta.name.unwrap_or_default(),
        namespace: meta.namespace.unwrap_or_default(),
        uid: meta.uid.unwrap_or_default(),
        labels: meta.labels.unwrap_or_default(),
        annotations,
        phase: status.phase.unwrap_or_default(),
        ready: conditions.iter().any(|one| one.type_ == "Ready" && one.status == "True"),
        stopping_since: meta.deletion_timestamp.map(|time| time.0.to_string()),
        ip: status.pod_ip.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_missing_is_empty() {
        assert_eq!(read(v1::Pod::default()), Pod::default());
    }

    #[test]
    fn what_matters_of_a_pod_is_read() {
        let pod = json!({
            "metadata": {
                "name": "call-0", "namespace": "telephony", "uid": "u", "deletionTimestamp": "2026-01-01T00:00:00Z",
                "labels": {"app": "call"}, "annotations": {"a": "b", LAST_APPLIED: "{}"},
            },
            "status": {
                "phase": "Running", "podIP": "10.0.0.7",
                "conditions": [{"type": "Initialized", "status": "False"}, {"type": "Ready", "status": "True"}],
            },
        });
        let pod = read(serde_json::from_value(pod).expect("a pod"));
        let expected = Pod {
            name: "call-0".into(),
            namespace: "telephony".into(),
            uid: "u".into(),
            labels: [("app".to_owned(), "call".to_owned())].into(),
            annotations: [("a".to_owned(), "b".to_owned())].into(),
            phase: "Running".into(),
            ready: true,
            stopping_since: Some("2026-01-01T00:00:00Z".into()),
            ip: "10.0.0.7".into(),
        };
        assert_eq!(pod, expected);
    }
}
