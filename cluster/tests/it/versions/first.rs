//! The wire form as the first build of the protocol had it. Never changed: it is what old nodes speak.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Request {
    pub(super) uri: String,
    pub(super) method: String,
    pub(super) publisher: String,
    pub(super) data_type: String,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub(super) data: Value,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) request_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) customer_id: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) timeout_ms: Option<u64>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Response {
    pub(super) status_code: u16,
    pub(super) data_type: String,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub(super) data: Value,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Event {
    pub(super) r#type: String,
    pub(super) publisher: String,
    pub(super) data_type: String,
    #[serde(default)]
    pub(super) data: Map<String, Value>,
    #[serde(default)]
    pub(super) id: Uuid,
    #[serde(default)]
    pub(super) time: String,
    #[serde(default)]
    pub(super) resource: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) request_id: String,
}
