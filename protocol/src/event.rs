//! Something that happened. Facts only: the past tense, and the whole resource after the change.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::resource::{Row, read};
use crate::{Error, Result};

/// VoIPBIN's `sock.Event`, field for field, and what it lacks: an id, a time, the resource. Peers that do
/// not know the additions ignore them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    pub r#type: String,
    pub publisher: String,
    pub data_type: String,
    /// Shared with the change that it tells of.
    #[serde(default, with = "shared")]
    pub data: Arc<Row>,
    /// Stable over redelivery: a follower that has seen it has seen this event.
    #[serde(default)]
    pub id: Uuid,
    /// When the change was made, RFC 3339 with microseconds.
    #[serde(default)]
    pub time: String,
    /// The name of the resource in `data`.
    #[serde(default)]
    pub resource: String,
    /// Whose events this one stands in line with, when that is not its own row: a digit is its call's.
    #[serde(default, skip_serializing_if = "Uuid::is_nil")]
    pub about: Uuid,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub request_id: String,
}

impl Event {
    /// The row the event is about.
    pub fn row_id(&self) -> Result<Uuid> {
        self.uuid("id").ok_or_else(|| Error::invalid("the event carries no id"))
    }

    /// Events of one lane are delivered in order.
    pub fn lane(&self) -> Uuid {
        if self.about.is_nil() { self.uuid("id").unwrap_or_default() } else { self.about }
    }

    /// The customer whose row it is; `None` for the installation's own.
    pub fn customer_id(&self) -> Option<Uuid> {
        match self.resource.as_str() {
            "customer" => self.uuid("id"),
            _ => self.uuid("customer_id"),
        }
        .filter(|id| !id.is_nil())
    }

    /// Reads the part of the row that a follower needs.
    pub fn read<T: serde::de::DeserializeOwned>(&self) -> Result<T> {
        read(&self.data)
    }

    /// Is it of a service that is not ours?
    pub fn is_foreign(&self) -> bool {
        self.resource.is_empty()
    }

    fn uuid(&self, name: &str) -> Option<Uuid> {
        self.data.get(name).and_then(Value::as_str)?.parse().ok()
    }
}

/// A row as the others of its kind, wherever it is kept.
mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::Row;

    pub(super) fn serialize<S: Serializer>(row: &Arc<Row>, to: S) -> Result<S::Ok, S::Error> {
        row.as_ref().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<Row>, D::Error> {
        Row::deserialize(from).map(Arc::new)
    }
}

/// The pattern of what services other than ours publish: their events have no routing key and name no resource.
pub const FOREIGN: &str = "";

/// Does `pattern` (exact, `call_*`, `*`) cover this event type?
pub fn covers(pattern: &str, r#type: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => r#type.starts_with(prefix),
        None => pattern == r#type,
    }
}
