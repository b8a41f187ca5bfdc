//! Messages as the broker carries them: properties and headers around the JSON of `sock`.

use lapin::BasicProperties;
use lapin::message::Delivery;
use lapin::types::{AMQPValue, FieldTable};
use protocol::ports::{Clock as _, SystemClock};
use protocol::{Event, Result, sock, time};
use tokio::time::Duration;
use uuid::Uuid;

use super::super::answer::patience;
use super::super::subscriptions::Names;

/// What VoIPBIN puts on everything, JSON or not.
const TEXT: &str = "text/plain";
const PERSISTENT: u8 = 2;

/// RabbitMQ's own: a reply to it goes straight to the channel that asked.
pub(super) const REPLY_TO: &str = "amq.rabbitmq.reply-to";

/// The header of a fact that names the subscriptions which need not read it: its node sees to them.
const SEEN_TO: &str = "branchline-seen-to";

pub(super) fn of_event(event: &Event, seen_to: &Names) -> BasicProperties {
    let properties = BasicProperties::default()
        .with_content_type(TEXT.into())
        .with_delivery_mode(PERSISTENT)
        .with_message_id(event.id.to_string().into());
    if seen_to.is_empty() {
        return properties;
    }
    let names: Vec<_> = seen_to.iter().map(|name| AMQPValue::LongString(name.as_str().into())).collect();
    let mut headers = FieldTable::default();
    headers.insert(SEEN_TO.into(), AMQPValue::FieldArray(names.into()));
    properties.with_headers(headers)
}

/// Does the node that published it see to this subscription?
pub(super) fn is_seen_to(delivery: &Delivery, subscription: &str) -> bool {
    let headers = delivery.properties.headers().as_ref();
    let names = headers.and_then(|headers| headers.inner().get(SEEN_TO)).and_then(AMQPValue::as_array);
    let is_it = |name: &AMQPValue| {
        name.as_long_string().is_some_and(|name| name.as_bytes() == subscription.as_bytes())
    };
    names.is_some_and(|names| names.as_slice().iter().any(is_it))
}

/// It expires in the queue when its asker has gone.
pub(super) fn of_request(id: &str, left: Duration) -> BasicProperties {
    let left = left.as_millis().max(1);
    BasicProperties::default()
        .with_content_type(TEXT.into())
        .with_reply_to(REPLY_TO.into())
        .with_correlation_id(id.into())
        .with_expiration(left.to_string().into())
}

/// With the correlation id of the request, if it had one; VoIPBIN's have none.
pub(super) fn of_response(request: &BasicProperties) -> BasicProperties {
    let properties = BasicProperties::default().with_content_type(TEXT.into());
    match request.correlation_id() {
        Some(id) => properties.with_correlation_id(id.clone()),
        None => properties,
    }
}

/// How long the sender of a request waits for its reply.
pub(super) fn left(request: &Result<sock::Request>) -> Duration {
    patience(request.as_ref().ok().and_then(|request| request.timeout_ms))
}

/// May the request be carried out twice? One that cannot be read changes nothing.
pub(super) fn only_reads(request: &Result<sock::Request>) -> bool {
    request.as_ref().map_or(true, |request| request.method == "GET")
}

/// Which fact it is, if it says so without being read.
pub(super) fn id(delivery: &Delivery) -> Option<Uuid> {
    let id: Uuid = delivery.properties.message_id().as_ref()?.as_str().parse().ok()?;
    Some(id).filter(|id| !id.is_nil())
}

/// An event of VoIPBIN's own services has neither id nor time: it gets the time of receipt, as VoIPBIN's
/// timeline has it, and an id that lasts until it is delivered again.
pub(super) fn event(delivery: &Delivery) -> Result<Event, serde_json::Error> {
    let mut event: Event = serde_json::from_slice(&delivery.data)?;
    if event.id.is_nil() {
        event.id = id(delivery).unwrap_or_else(Uuid::now_v7);
    }
    if event.time.is_empty() {
        event.time = time::stamp(SystemClock.now());
    }
    Ok(event)
}
