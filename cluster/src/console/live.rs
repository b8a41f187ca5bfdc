//! What keeps the page alive: one stream with the state of the installation every two seconds, and every event.
//!
//! An event's id in the stream is where to go on: a browser that lost the connection shows the last one, and
//! misses nothing.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::stream::{BoxStream, Stream, StreamExt as _, iter, select, unfold};
use http::StatusCode;
use proto::admin::v1::{Call, ListCallsRequest, Party};
use protocol::{Error, Page, Result, time};
use serde_json::{Value, json};
use tokio::time::{Duration, MissedTickBehavior, interval, sleep, timeout};
use tonic::Status;
use tracing::debug;

use super::answer::{refuse, typed};
use super::{Parts, session};
use crate::admin::{Desk, EVERY, Wanted, Watcher, Word};

type Frames = BoxStream<'static, Result<Bytes, Status>>;

/// Events that the page begins with.
const BACKLOG: usize = 50;
/// Dead letters that the page lists; it says how many there are.
const LETTERS: i64 = 50;
/// A store that takes longer is as good as away.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) async fn live(State(parts): State<Arc<Parts>>, request: Request) -> Response {
    let left = match session::look(&parts.gate, &request) {
        Ok(left) => left,
        Err(refusal) => return *refusal,
    };
    let last = request.headers().get("last-event-id").and_then(|id| id.to_str().ok()).unwrap_or_default();
    let events = opened(parts.desk.clone(), last.to_owned()).flatten_stream();
    // with the session its stream ends, too: the browser tries again and is asked for the token
    let frames = select(states(parts.desk.clone()).map(Ok), events).take_until(sleep(left));
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
        let frame = frame("state", None, &state(&desk, &mut watcher).await);
        Some((frame, (watcher, ticks, desk)))
    })
}

/// The nodes are seen also while the store is away; what only it knows is then missing, and that is said.
async fn state(desk: &Desk, watcher: &mut Watcher) -> Value {
    let (nodes, rows) = tokio::join!(watcher.look(), timeout(PATIENCE, rows(desk)));
    let mut state = match rows.unwrap_or_else(|_| Err(Error::timeout())) {
        Ok(rows) => rows,
        Err(error) => json!({
            "calls": [], "more_calls": false, "dead": 0, "letters": [],
            "fault": format!("calls, events and other nodes are not seen: {}", error.message),
        }),
    };
    state["at"] = time::stamp(chrono::Utc::now()).into();
    state["asked"] = desk.nodes.here.node.clone().into();
    state["nodes"] = json!(nodes);
    state
}

/// What the store knows.
async fn rows(desk: &Desk) -> Result<Value> {
    let page = Page::of(LETTERS, None);
    let (calls, dead, letters) =
        tokio::join!(desk.calls.list(ListCallsRequest::default()), desk.dead.count(), desk.dead.list(&page));
    let calls = calls?;
    Ok(json!({
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

/// The events as soon as the store has them: the page opens without it too.
async fn opened(desk: Arc<Desk>, last: String) -> Frames {
    loop {
        match events(&desk, &last).await {
            Ok(events) => return events,
            Err(error) => debug!(%error, "the console waits for events"),
        }
        sleep(EVERY).await;
    }
}

/// What happened after `last`, or the newest events, and then all that happens.
async fn events(desk: &Desk, last: &str) -> Result<Frames> {
    let wanted = Wanted::default;
    // watched before it is listed: what comes in between comes twice, and the page knows its id
    let (backlog, mut words) = match desk.events.watch(wanted(), last).await {
        Ok(words) if !last.is_empty() => (Vec::new(), words.boxed()),
        // too long ago, or nothing that we gave: the page begins anew
        Err(error) if last.is_empty() || error.status == protocol::Status::Unavailable => return Err(error),
        _ => {
            let words = desk.events.watch(wanted(), "").await?;
            (desk.events.list(&wanted(), BACKLOG).await?.0, words.boxed())
        }
    };
    // the first word only says where to go on: a browser must know that before it has seen anything
    let first = words.next().await.map(told);
    let begun = iter(backlog).map(|told| Ok(frame("event", None, &json!(told))));
    Ok(iter(first).chain(begun).chain(words.map(told)).boxed())
}

fn told(word: Result<Word>) -> Result<Bytes, Status> {
    match word {
        Ok(word) => Ok(frame("event", Some(&word.token), &json!(word.event))),
        // it ends the whole stream, so that the browser begins anew
        Err(error) => Err(Status::aborted(error.message)),
    }
}

/// JSON has no line breaks of its own, so a frame is one line of data.
fn frame(name: &str, id: Option<&str>, data: &Value) -> Bytes {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    Bytes::from(format!("event: {name}\n{id}data: {data}\n\n"))
}
