//! What a request carries: its JSON body, or its query in the place of one. Bounded in size and time.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use protocol::{Error, Field, Kind, Method, Op, Resource, Result, Status};
use serde_json::{Map, Value, json};
use tokio::time::{Duration, timeout};

use crate::query;

/// Credentials that may stand in a query are no parameters.
pub(crate) const CREDENTIALS: [&str; 2] = ["token", "accesskey"];

/// How much of a body that is too large is read and dropped, in multiples of the limit: a client that is
/// still sending reads the refusal only if the connection is not reset under it.
const PATIENCE: usize = 8;

pub(crate) async fn read(body: Incoming, limit: usize, within: Duration) -> Result<Bytes> {
    let late = |_| Error::new(Status::Unavailable, "REQUEST_TIMEOUT", "The body was not sent in time.");
    timeout(within, collect(body, limit)).await.map_err(late)?
}

async fn collect(mut body: Incoming, limit: usize) -> Result<Bytes> {
    let too_large = || Error::invalid(format!("The body must not be larger than {limit} bytes."));
    // nobody hears it: the client is gone or speaks no HTTP
    let cut = |_| Error::invalid("The body could not be read.");
    if body.size_hint().lower() > (PATIENCE * limit) as u64 {
        return Err(too_large());
    }
    let (mut read, mut length) = (BytesMut::new(), 0);
    while let Some(frame) = body.frame().await {
        let Ok(part) = frame.map_err(cut)?.into_data() else { continue };
        length += part.len();
        if length > PATIENCE * limit {
            break;
        }
        if length > limit {
            read.clear();
        } else if length == part.len() && body.is_end_stream() {
            return Ok(part);
        } else {
            read.extend_from_slice(&part);
        }
    }
    if length > limit { Err(too_large()) } else { Ok(read.freeze()) }
}

/// What a body that was read says to `op`.
pub(crate) fn of(resource: &Resource, op: &Op, bytes: &[u8]) -> Result<Value> {
    match bytes.trim_ascii().is_empty() && is_optional(resource, op) {
        true => Ok(json!({})),
        false => parse(bytes),
    }
}

/// The first JSON value of a body; what follows it is ignored.
fn parse(bytes: &[u8]) -> Result<Value> {
    let mut values = serde_json::Deserializer::from_slice(bytes).into_iter();
    match values.next() {
        Some(Ok(value @ Value::Object(_))) => Ok(value),
        Some(Ok(_)) => Err(bad("The body must be a JSON object.".to_owned())),
        Some(Err(error)) => Err(bad(format!("The body is not valid JSON: {error}."))),
        None => Err(bad("The body is empty.".to_owned())),
    }
}

fn bad(message: String) -> Error {
    Error::new(Status::InvalidArgument, "INVALID_JSON_BODY", message)
}

/// May `op` come without a body?
fn is_optional(resource: &Resource, op: &Op) -> bool {
    match op {
        Op::Create => !resource.fields.iter().any(|field| field.required),
        Op::Update(_) => false,
        // what sets something has to say to what
        Op::Verb(_, verb) | Op::Ask(verb) => verb.method != Method::Put,
        Op::List(_) | Op::Get(_) | Op::Delete(_) => true,
    }
}

/// The filter of a list: declared fields only, each of its kind.
pub(crate) fn filter(resource: &Resource, query: &str) -> Result<Value> {
    let mut filter = Map::new();
    for (name, text) in query::pairs(query).filter(|(_, text)| !text.is_empty()) {
        let Some(field) = resource.field(&name).filter(|field| field.filter) else { continue };
        if name == "customer_id" && !resource.shared {
            continue;
        }
        let value = field.admit(from_text(field, &text)).map_err(|mut error| {
            error.reason = "INVALID_REQUEST_PARAMETER".into();
            error
        })?;
        filter.insert(field.name.to_owned(), value);
    }
    Ok(Value::Object(filter))
}

fn from_text(field: &Field, text: &str) -> Value {
    let read = match field.kind {
        Kind::Int => text.parse::<i64>().ok().map(Value::from),
        Kind::Bool => text.parse::<bool>().ok().map(Value::from),
        Kind::List => Some(text.split(',').collect()),
        Kind::Id | Kind::Text | Kind::Map | Kind::Json | Kind::Time | Kind::Choice(_) => None,
    };
    read.unwrap_or_else(|| Value::from(text))
}

/// The command of a verb that is asked with GET.
pub(crate) fn parameters(query: &str) -> Value {
    let mut command = Map::new();
    for (name, text) in query::pairs(query).filter(|(name, _)| !CREDENTIALS.contains(&name.as_ref())) {
        let value = match (name.as_ref(), text.parse::<i64>()) {
            ("page_size", Ok(size)) => json!(size),
            _ => json!(text),
        };
        command.entry(name.into_owned()).or_insert(value);
    }
    Value::Object(command)
}
