//! An object of Kubernetes, read by path.

use std::collections::BTreeMap;

use serde_json::Value;

pub(super) struct Object(pub(super) Value);

pub(super) type Labels = BTreeMap<String, String>;

/// The texts of a map.
pub(super) fn labels(value: &Value) -> Labels {
    let entries = value.as_object().into_iter().flatten();
    entries.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
}

/// The entries of a list; none if there is no list.
pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Every value below `value`, itself included.
pub(super) fn below(value: &Value) -> Vec<&Value> {
    let mut all = vec![value];
    match value {
        Value::Array(items) => all.extend(items.iter().flat_map(below)),
        Value::Object(entries) => all.extend(entries.values().flat_map(below)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    all
}

impl Object {
    /// `/spec/template`; null if there is none.
    pub(super) fn at(&self, path: &str) -> &Value {
        self.0.pointer(path).unwrap_or(&Value::Null)
    }

    pub(super) fn kind(&self) -> &str {
        text(self.at("/kind"))
    }

    pub(super) fn name(&self) -> &str {
        text(self.at("/metadata/name"))
    }

    pub(super) fn labels(&self) -> Labels {
        labels(self.at("/metadata/labels"))
    }

    pub(super) fn pod(&self) -> &Value {
        self.at("/spec/template/spec")
    }

    pub(super) fn pod_labels(&self) -> Labels {
        labels(self.at("/spec/template/metadata/labels"))
    }

    pub(super) fn pod_label(&self, name: &str) -> String {
        self.pod_labels().remove(name).unwrap_or_default()
    }

    /// The one container: there are no others.
    pub(super) fn container(&self) -> &Value {
        let containers = list(&self.pod()["containers"]);
        assert_eq!(containers.len(), 1, "{}", self.name());
        &containers[0]
    }

    /// The plain value of a variable of the container.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        let variables = list(&self.container()["env"]);
        variables.iter().find(|variable| variable["name"] == name)?["value"].as_str()
    }
}
