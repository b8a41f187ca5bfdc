//! VoIPBIN's wire form between services. The only module that knows it.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::{Duration, Instant};

use crate::request::TIMEOUT;
use crate::{Catalog, Context, Error, Op, Request as Parsed, Result, Scope, Status, catalog};

const JSON: &str = "application/json";
const ERROR: &str = "voipbin_error";

/// `sock.Request` and our additions, which VoIPBIN's decoders ignore.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    pub uri: String,
    pub method: String,
    pub publisher: String,
    pub data_type: String,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub data: Value,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub request_id: String,
    /// The customer that the gateway granted; absent for the platform itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<uuid::Uuid>,
    /// Time left when it was sent. Clocks of nodes differ, durations do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// The trace that the request is a part of, as W3C writes it; empty where none is exported.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub traceparent: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Response {
    pub status_code: u16,
    pub data_type: String,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub data: Value,
}

/// The queue that any node serving `domain` takes requests from.
pub fn request_queue(domain: &str) -> String {
    format!("bin-manager.{domain}.request")
}

/// The queue of what lives on one node only.
pub fn node_queue(domain: &str, node: &str) -> String {
    format!("bin-manager.{domain}.request.{node}")
}

/// The queue of one node for what operators and other nodes ask of the node itself. Ours, not VoIPBIN's.
pub fn admin_queue(node: &str) -> String {
    format!("branchline.admin.request.{node}")
}

/// The exchange that `domain` publishes its facts to.
pub fn event_exchange(domain: &str) -> String {
    format!("bin-manager.{domain}.event")
}

/// The queue in which the facts that `domain` follows wait.
pub fn subscribe_queue(domain: &str) -> String {
    format!("bin-manager.{domain}.subscribe")
}

impl Request {
    pub fn encode(request: &Parsed, publisher: &str) -> Self {
        let path = request.resource.path;
        let (method, uri) = match &request.op {
            Op::List(page) => {
                let token = page.after.as_ref().map(|cursor| cursor.token()).unwrap_or_default();
                ("GET", format!("/v1/{path}?page_size={}&page_token={token}", page.size))
            }
            Op::Create => ("POST", format!("/v1/{path}")),
            Op::Get(id) => ("GET", format!("/v1/{path}/{id}")),
            Op::Update(id) => ("PUT", format!("/v1/{path}/{id}")),
            Op::Delete(id) => ("DELETE", format!("/v1/{path}/{id}")),
            Op::Verb(id, verb) => (verb.method.name(), format!("/v1/{path}/{id}/{}", verb.name)),
            Op::Ask(verb) => (verb.method.name(), format!("/v1/{path}/{}", verb.name)),
        };
        let left = request.context.remaining().as_millis();
        Request {
            uri,
            method: method.into(),
            publisher: publisher.into(),
            data_type: JSON.into(),
            data: request.body.clone(),
            request_id: request.context.request_id.to_string(),
            customer_id: request.context.scope.customer(),
            timeout_ms: Some(u64::try_from(left).unwrap_or(u64::MAX)),
            traceparent: String::new(),
        }
    }

    pub fn decode(self, catalog: &Catalog) -> Result<Parsed> {
        let uri = self.uri.strip_prefix("/v1/").unwrap_or(&self.uri);
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        let pairs = || query.split('&').filter_map(|pair| pair.split_once('='));
        let (resource, op) = catalog.route(&self.method, path, || catalog::page(pairs()))?;
        let left = self.timeout_ms.map_or(TIMEOUT, Duration::from_millis).min(4 * TIMEOUT);
        let context = Context {
            scope: self.customer_id.map_or(Scope::Platform, Scope::Customer),
            deadline: Instant::now() + left,
            request_id: self.request_id.into(),
        };
        Ok(Parsed { resource, op, body: self.data, context })
    }
}

impl From<Result<Value>> for Response {
    fn from(result: Result<Value>) -> Self {
        match result {
            Ok(data) => Response { status_code: 200, data_type: JSON.into(), data },
            Err(error) => Response {
                status_code: error.status.http(),
                data_type: ERROR.into(),
                data: serde_json::to_value(&error).unwrap_or_default(),
            },
        }
    }
}

impl From<Response> for Result<Value> {
    fn from(response: Response) -> Self {
        if response.status_code < 300 {
            return Ok(response.data);
        }
        Err(serde_json::from_value(response.data).unwrap_or_else(|_| {
            let code = response.status_code;
            match code {
                404 => Error::not_found(),
                _ => Error::new(Status::Internal, "INTERNAL", format!("the peer answered {code}")),
            }
        }))
    }
}
