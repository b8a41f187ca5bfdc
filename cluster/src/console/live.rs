//! What keeps the page alive: one stream with the state of the installation every two seconds, and every event.
//!
//! An event's id in the stream is where to go on: a browser that lost the connection shows the last one, and
//! misses nothing.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream::{BoxStream, Stream, StreamExt as _, iter, select, unfold};
use http::StatusCode;
use proto::admin::v1::{Call, ListCallsRequest, Party};
use protocol::{Page, Result, time};
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval};

use super::answer::{answer, refuse, typed};
use super::{Parts, session};
use crate::admin::{Desk, EVERY, Wanted, Watcher};

/// Events that the page begins with.
const BACKLOG: usize = 50;
/// Dead letters that the page lists; it says how many there are.
const LETTERS: i64 = 50;

pub(super) async fn live(State(parts): State<Arc<Parts>>, request: Request) -> Response {
    if let Err(refusal) = session::look(&parts.gate, &request) {
        return *refusal;
    }
    let last = request.headers().get("last-event-id").and_then(|id| id.to_str().ok()).unwrap_or_default();
    let events = match events(&parts.desk, last).await {
        Ok(events) => events,
        Err(error) => return answer(Err::<(), _>(error)),
    };
    let frames = select(states(parts.desk.clone()), events).map(Ok);
    match parts.desk.watches.open(frames) {
        // the stop of the node ends the stream as if it were over: the browser tries again by itself
        Ok(frames) => {
            let frames = frames.take_while(|frame| std::future::ready(frame.is_ok()));
            typed(StatusCode::OK, "text/event-stream", Body::from_stream(frames))
        }
        Err(full) => refuse(StatusCode::SERVICE_UNAVAILABLE, full.message()),
    }
}

fn states(desk: Arc<Desk>) -> impl Stream<Item = Bytes> + Send {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let watcher = Watcher::new(desk.nodes.clone());
    unfold((watcher, ticks, desk), async |(mut watcher, mut ticks, desk)| {
        ticks.tick().await;
        let frame = match state(&desk, &mut watcher).await {
            Ok(state) => frame("state", None, &state),
            Err(error) => frame("fault", None, &json!({"message": error.message})),
        };
        Some((frame, (watcher, ticks, desk)))
    })
}

async fn state(desk: &Desk, watcher: &mut Watcher) -> Result<Value> {
    let page = Page::of(LETTERS, None);
    let (nodes, calls, dead, letters) = tokio::join!(
        watcher.look(),
        desk.calls.list(ListCallsRequest::default()),
        desk.dead.count(),
        desk.dead.list(&page)
    );
    let calls = calls?;
    Ok(json!({
        "at": time::stamp(chrono::Utc::now()),
        "asked": desk.nodes.here.node,
        "nodes": nodes?,
        "calls": calls.calls.iter().map(call).collect::<Vec<_>>(),
        "more_calls": !calls.next_page_token.is_empty(),
        "dead": dead?,
        "letters": letters?.0,
    }))
}

fn call(call: &Call) -> Value {
    json!({
        "id": call.id,
        "customer_id": call.customer_id,
        "status": call.status,
        "direction": call.direction,
        "from": party(call.source.as_ref()),
        "to": party(call.destination.as_ref()),
        "step": call.action_type,
        "since": call.since,
    })
}

fn party(party: Option<&Party>) -> String {
    party.map(|party| party.target.clone()).unwrap_or_default()
}

/// What happened after `last`, or the newest events, and then all that happens.
async fn events(desk: &Desk, last: &str) -> Result<BoxStream<'static, Bytes>> {
    let wanted = Wanted::default;
    // watched before it is listed: what comes in between comes twice, and the page knows its id
    let (backlog, words) = match desk.events.watch(wanted(), last).await {
        Ok(words) if !last.is_empty() => (Vec::new(), words.boxed()),
        // too long ago, or nothing that we gave: the page begins anew
        Err(error) if last.is_empty() || error.status == protocol::Status::Unavailable => return Err(error),
        _ => {
            let words = desk.events.watch(wanted(), "").await?;
            (desk.events.list(&wanted(), BACKLOG).await?.0, words.boxed())
        }
    };
    let begun = iter(backlog).map(|told| frame("event", None, &json!(told)));
    let told = words.take_while(|word| std::future::ready(word.is_ok())).filter_map(async |word| {
        let word = word.ok()?;
        Some(frame("event", Some(&word.token), &json!(word.event)))
    });
    Ok(begun.chain(told).boxed())
}

/// JSON has no line breaks of its own, so a frame is one line of data.
fn frame(name: &str, id: Option<&str>, data: &Value) -> Bytes {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    Bytes::from(format!("event: {name}\n{id}data: {data}\n\n"))
}
