//! The timeline as it happens, one line an event, and whether all that must happen did.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use protocol::{Error, Event, Result};
use serde_json::Value;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Duration, Instant, sleep};
use tokio_util::task::AbortOnDropHandle;

use crate::Node;

/// What a complete call leaves behind.
const MUST: &[&str] = &[
    "call_created",
    "activeflow_created",
    "call_ringing",
    "call_progressing",
    "dtmf_received",
    "groupcall_created",
    "confbridge_joined",
    "call_hangup",
    "billing_updated",
];
/// The last events may need a moment.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct Story {
    seen: Arc<Mutex<HashSet<String>>>,
    _teller: AbortOnDropHandle<()>,
}

impl Story {
    #[expect(clippy::disallowed_methods, reason = "the story owns its teller")]
    pub(super) async fn follow(node: &Node) -> Result<Story> {
        let events = node.deps.bus.watch().await?;
        let seen = Arc::new(Mutex::default());
        let teller = AbortOnDropHandle::new(tokio::spawn(tell(events, seen.clone())));
        Ok(Story { seen, _teller: teller })
    }

    /// Every event that must be was seen.
    pub(super) async fn complete(&self) -> Result<()> {
        let limit = Instant::now() + PATIENCE;
        loop {
            let seen = self.seen.lock().expect("nothing panics while it holds this").clone();
            let missing: Vec<_> = MUST.iter().filter(|must| !seen.contains(**must)).collect();
            match (missing.is_empty(), Instant::now() < limit) {
                (true, _) => return Ok(()),
                (false, true) => sleep(Duration::from_millis(50)).await,
                (false, false) => return Err(Error::internal(format!("never seen: {missing:?}"))),
            }
        }
    }
}

async fn tell(mut events: Receiver<Arc<Event>>, seen: Arc<Mutex<HashSet<String>>>) {
    loop {
        match events.recv().await {
            Ok(event) => {
                println!("{}", line(&event));
                seen.lock().expect("nothing panics while it holds this").insert(event.r#type.clone());
            }
            Err(RecvError::Lagged(lost)) => println!("  ... {lost} events not shown"),
            Err(RecvError::Closed) => return,
        }
    }
}

fn line(event: &Event) -> String {
    let time = event.time.get(11..23).unwrap_or_default();
    let text = |name: &str| match event.data.get(name) {
        Some(Value::String(text)) if !text.is_empty() => Some(format!("{name}={text}")),
        Some(Value::Number(number)) => Some(format!("{name}={number}")),
        _ => None,
    };
    let facts = ["status", "name", "number", "digit", "hangup_reason", "amount_credit", "balance_credit"];
    let facts: Vec<_> = facts.into_iter().filter_map(text).collect();
    let id = event.data.get("id").and_then(Value::as_str).unwrap_or_default();
    let action = event.data.get("action").and_then(|action| action.get("type")).and_then(Value::as_str);
    let action =
        action.filter(|_| event.r#type == "call_updated").map(|a| format!("action={a} ")).unwrap_or_default();
    format!("  {time}  {:<28} {:.8}  {action}{}", event.r#type, id, facts.join(" "))
}
