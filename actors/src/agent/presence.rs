//! Whether an agent is free, from its own calls. Only `available` gives way to them: who is away or offline
//! stays so.

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::ports::Unit;
use protocol::{Context, Event, Result, Row, Scope, Status, read};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::{Agents, again};

/// Calls of one agent that are kept in mind. More at the same time change nothing about its status.
const MOST: usize = 50;

#[derive(Deserialize)]
struct Call {
    id: Uuid,
    customer_id: Uuid,
    #[serde(default)]
    owner_id: Uuid,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Stage {
    Ringing,
    Progressing,
}

type Calls = BTreeMap<Uuid, Stage>;

#[derive(Deserialize)]
struct Presence {
    status: String,
    chosen_status: String,
    calls: Calls,
}

pub(super) fn is_an_agents(event: &Event) -> bool {
    event.data.get("owner_type").is_some_and(|owner| owner == "agent")
}

pub(super) async fn follow(agents: Arc<Agents>, event: Arc<Event>) -> Result<()> {
    let call: Call = event.read()?;
    if call.owner_id.is_nil() {
        return Ok(());
    }
    match again(|| update(&agents, &event.r#type, &call)).await {
        // of an agent that is gone
        Err(error) if error.status == Status::NotFound => Ok(()),
        outcome => outcome,
    }
}

async fn update(agents: &Agents, event: &str, call: &Call) -> Result<()> {
    let by = Context::own(Scope::Customer(call.customer_id));
    let row = agents.rows().get(by.scope, call.owner_id).await?;
    let Presence { status, chosen_status, calls } = read(&row)?;
    let now = after(calls.clone(), event, call.id);
    if now == calls {
        return Ok(());
    }
    let next = shown(&chosen_status, &now);
    // what others see of a change that leaves the status as it is, is nothing
    let what = if next == status { "calls_updated" } else { "status_updated" };
    let patch = Row::from_iter([("calls".to_owned(), json!(now)), ("status".to_owned(), json!(next))]);
    let mut unit = Unit::default();
    agents.rows().amend(&mut unit, (&row, patch), what, &by)?;
    agents.deps.store.commit(unit).await
}

fn after(mut calls: Calls, event: &str, call: Uuid) -> Calls {
    match event {
        "call_hangup" => drop(calls.remove(&call)),
        "call_progressing" if calls.contains_key(&call) || calls.len() < MOST => {
            calls.insert(call, Stage::Progressing);
        }
        // a late `ringing` takes nothing back
        "call_ringing" if calls.len() < MOST => drop(calls.entry(call).or_insert(Stage::Ringing)),
        _ => {}
    }
    calls
}

fn shown<'a>(chosen: &'a str, calls: &Calls) -> &'a str {
    match chosen {
        "available" if calls.values().any(|stage| *stage == Stage::Progressing) => "busy",
        "available" if !calls.is_empty() => "ringing",
        chosen => chosen,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Uuid = Uuid::from_u128(1);
    const B: Uuid = Uuid::from_u128(2);

    fn check(chosen: &str, events: &[(&str, Uuid)], expected: &[&str]) {
        let mut calls = Calls::new();
        let mut seen = Vec::new();
        for (event, call) in events {
            calls = after(calls, event, *call);
            seen.push(shown(chosen, &calls).to_owned());
        }
        assert_eq!(seen, expected, "{chosen} {events:?}");
    }

    #[test]
    fn an_available_agent_is_free_again_after_its_last_call() {
        let one = [("call_ringing", A), ("call_progressing", A), ("call_hangup", A)];
        check("available", &one, &["ringing", "busy", "available"]);
        let two = [("call_progressing", A), ("call_ringing", B), ("call_hangup", A), ("call_hangup", B)];
        check("available", &two, &["busy", "busy", "ringing", "available"]);
        check("available", &[("call_ringing", A), ("call_hangup", A)], &["ringing", "available"]);
    }

    #[test]
    fn calls_do_not_bring_an_agent_back() {
        let one = [("call_ringing", A), ("call_progressing", A), ("call_hangup", A)];
        check("away", &one, &["away"; 3]);
        check("offline", &one, &["offline"; 3]);
        check("busy", &one, &["busy"; 3]);
    }

    #[test]
    fn repeats_and_reorderings_do_not_matter() {
        let late = [("call_progressing", A), ("call_ringing", A), ("call_hangup", A), ("call_hangup", A)];
        check("available", &late, &["busy", "busy", "available", "available"]);
    }
}
