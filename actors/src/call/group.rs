//! A group of calls of which the first answer wins: an extension with several phones, an agent with several
//! addresses, a list of destinations.

use std::collections::VecDeque;
use std::sync::Arc;

use protocol::ports::Unit;
use protocol::{Address, Command, Context, Error, Result, Row, Status, Verb, read};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::calls::{Calls, on_behalf, patch};
use super::outgoing::{self, Leg};
use super::status::Reason;
use super::{GROUPCALL, bridge, session};
use crate::agent::api::{AGENT, ReadReach};
use crate::flow::api::check_actions;
use crate::kernel::{Living, Myself, Then, id_of};
use crate::registrar::api::{EXTENSION, FindExtension, ReadContacts};

/// The most phones that one group rings.
const MOST_LEGS: usize = 30;

/// Ends a group and every call of it.
#[derive(Serialize, Deserialize)]
pub(super) struct HangupGroup {}

impl Command for HangupGroup {
    const VERB: Verb = Verb::post("hangup");
    type Reply = Row;
}

pub(super) enum Msg {
    /// Dial: all, or the first.
    Begin,
    Answered(Uuid),
    Gone(Uuid),
    Hangup(Option<oneshot::Sender<Result<Row>>>),
}

/// A group to start: `leg` is what its calls have in common.
pub(super) struct NewGroup {
    pub(super) leg: Leg,
    pub(super) destinations: Vec<Address>,
    pub(super) linear: bool,
}

#[derive(Deserialize)]
struct Body {
    source: Address,
    destinations: Vec<Address>,
    flow_id: Uuid,
    #[serde(default)]
    actions: Vec<Value>,
    #[serde(default)]
    ring_method: String,
}

pub(super) async fn create(calls: Arc<Calls>, by: Context, mut row: Row) -> Result<Value> {
    GROUPCALL.fill(&mut row);
    let body: Body = read(&row).map_err(|_| Error::invalid("source and destinations must be addresses"))?;
    let actions = if body.flow_id.is_nil() { check_actions(&body.actions)? } else { Vec::new() };
    let source = body.source.normalise()?;
    let leg = Leg { id: Uuid::new_v4(), source, flow_id: body.flow_id, actions, ..Leg::default() };
    let destinations = body.destinations.into_iter().map(Address::normalise).collect::<Result<Vec<_>>>()?;
    let new = NewGroup { leg, destinations, linear: body.ring_method == "linear" };
    start(&calls, &by, new).await.map(Value::Object)
}

pub(super) async fn hangup(calls: Arc<Calls>, by: Context, id: Uuid, _: HangupGroup) -> Result<Row> {
    let row = calls.group_rows().get(by.scope, id).await?;
    if !calls.groups.has(id) {
        return Ok(row);
    }
    calls.groups.ask(id, &by, |reply| Msg::Hangup(Some(reply))).await
}

/// Finds every phone of the destinations, stores the group, and starts to ring them.
pub(super) async fn start(calls: &Arc<Calls>, by: &Context, new: NewGroup) -> Result<Row> {
    let mut legs = Vec::new();
    let mut linear = new.linear;
    for destination in &new.destinations {
        linear |= expand(calls, by, &new.leg, destination, &mut legs).await?;
    }
    if legs.is_empty() {
        let message = "None of the destinations has a phone that can ring.";
        return Err(Error::new(Status::FailedPrecondition, "NO_CONTACT", message));
    }
    legs.truncate(MOST_LEGS);
    let owner = legs.first().map(|leg| leg.owner_id).unwrap_or_default();
    let row = patch([
        ("id", json!(new.leg.id)),
        ("owner_type", json!(if owner.is_nil() { "" } else { "agent" })),
        ("owner_id", json!(owner)),
        ("flow_id", json!(new.leg.flow_id)),
        ("source", json!(new.leg.source)),
        ("destinations", json!(new.destinations)),
        ("master_call_id", json!(new.leg.master_call_id)),
        ("ring_method", json!(if linear { "linear" } else { "ring_all" })),
        ("legs", json!(legs)),
        ("confbridge_id", json!(new.leg.confbridge_id)),
        ("node", json!(calls.deps.settings.node)),
    ]);
    let row = calls.groups.stored(calls.group_rows().insert(row, by).await)?;
    calls.groups.spawn(new.leg.id, Group::new(calls.clone(), row.clone())?).await?;
    calls.groups.insist(new.leg.id, Msg::Begin)?;
    Ok(row)
}

/// Adds the phones of a destination. `true`: its owner wants them rung one after another.
async fn expand(
    calls: &Calls,
    by: &Context,
    common: &Leg,
    to: &Address,
    legs: &mut Vec<Leg>,
) -> Result<bool> {
    match to.r#type.as_str() {
        "extension" => phones(calls, by, common, to, legs).await.map(|()| false),
        "agent" => {
            let agent = to.target.parse().map_err(|_| Error::invalid("an agent's target is its id"))?;
            let reach = calls.deps.ask(&AGENT, agent, ReadReach {}, by).await?;
            let common = Leg { owner_id: agent, ..common.clone() };
            for address in &reach.addresses {
                match address.r#type.as_str() {
                    "extension" => phones(calls, by, &common, address, legs).await?,
                    _ => legs.push(leg_to(&common, address.clone())),
                }
            }
            Ok(reach.ring_method == "linear")
        }
        "tel" | "sip" => {
            legs.push(leg_to(common, to.clone()));
            Ok(false)
        }
        other => Err(Error::invalid(format!("a group cannot ring an address of type {other:?}"))),
    }
}

fn leg_to(common: &Leg, destination: Address) -> Leg {
    Leg { id: Uuid::new_v4(), destination, groupcall_id: common.id, ..common.clone() }
}

/// One leg per registered contact. The target is an extension's id, or its number.
async fn phones(calls: &Calls, by: &Context, common: &Leg, to: &Address, legs: &mut Vec<Leg>) -> Result<()> {
    let (id, name) = match to.target.parse::<Uuid>() {
        Ok(id) => (id, to.target_name.clone()),
        Err(_) => {
            let find = FindExtension { customer_id: by.customer()?, extension: to.target.clone() };
            let found = calls.deps.ask_all(&EXTENSION, find, by).await?;
            let found = found.ok_or_else(|| Error::no_such("extension"))?;
            (found.id, found.extension)
        }
    };
    let owner_id = match common.owner_id.is_nil() {
        true => outgoing::owner_of(calls, by, &Address::new("extension", id.to_string())).await,
        false => common.owner_id,
    };
    for contact in calls.deps.ask(&EXTENSION, id, ReadContacts {}, by).await? {
        let destination = Address { target: id.to_string(), target_name: name.clone(), ..to.clone() };
        legs.push(Leg { owner_id, contact: Some(contact), ..leg_to(common, destination) });
    }
    Ok(())
}

pub(super) struct Group {
    pub(super) id: Uuid,
    calls: Arc<Calls>,
    row: Arc<Row>,
    facts: Facts,
    waiting: VecDeque<Leg>,
    alive: Vec<Uuid>,
    all: Vec<Uuid>,
    answered: Option<Uuid>,
    ending: bool,
}

#[derive(Deserialize)]
struct Facts {
    id: Uuid,
    customer_id: Uuid,
    ring_method: String,
    confbridge_id: Uuid,
    legs: VecDeque<Leg>,
    call_ids: Vec<Uuid>,
    answer_call_id: Uuid,
}

impl Group {
    pub(super) fn new(calls: Arc<Calls>, row: Row) -> Result<Self> {
        let mut facts: Facts = read(&row)?;
        let waiting = std::mem::take(&mut facts.legs);
        let (all, answered) = (facts.call_ids.clone(), facts.answer_call_id);
        let answered = (!answered.is_nil()).then_some(answered);
        Ok(Group {
            id: facts.id,
            calls,
            row: Arc::new(row),
            facts,
            waiting,
            alive: all.clone(),
            all,
            answered,
            ending: false,
        })
    }

    async fn write(&mut self, mut change: Row, what: &str) -> Result<()> {
        change.extend(patch([
            ("call_ids", json!(self.all)),
            ("call_count", json!(self.alive.len())),
            ("legs", json!(self.waiting)),
        ]));
        let mut unit = Unit::default();
        let by = on_behalf(self.facts.customer_id);
        let row = self.calls.group_rows().amend(&mut unit, (&self.row, change), what, &by)?;
        match self.calls.deps.store.commit(unit).await {
            // deleted while its calls were still ending: nobody is left to be told
            Err(error) if error.status == Status::NotFound => Ok(()),
            outcome => outcome.map(|()| self.row = row),
        }
    }

    /// Dials the next leg, or all. One that is refused is skipped: the others may be reached.
    async fn dial(&mut self) -> Result<()> {
        let by = on_behalf(self.facts.customer_id);
        while let Some(leg) = self.waiting.pop_front() {
            match outgoing::place(&self.calls, &by, leg).await {
                Ok(row) => {
                    let id = id_of(&row)?;
                    self.alive.push(id);
                    self.all.push(id);
                    if self.facts.ring_method == "linear" {
                        break;
                    }
                }
                Err(error) => tracing::info!(group = %self.id, %error, "leg refused"),
            }
        }
        self.write(Row::new(), "updated").await
    }

    async fn answered(&mut self, call: Uuid) -> Result<()> {
        if self.answered.is_some() {
            self.drop_call(call);
            return Ok(());
        }
        self.answered = Some(call);
        self.waiting.clear();
        self.write(patch([("answer_call_id", json!(call))]), "progressing").await?;
        for other in self.alive.iter().filter(|other| **other != call) {
            self.drop_call(*other);
        }
        Ok(())
    }

    fn drop_call(&self, call: Uuid) {
        let _ = self.calls.live.insist(call, session::Msg::End(Reason::Normal, None));
    }

    async fn gone(&mut self, call: Uuid) -> Result<Then> {
        self.alive.retain(|id| *id != call);
        if self.alive.is_empty() && self.answered.is_none() && !self.ending && !self.waiting.is_empty() {
            self.dial().await?;
        } else if !self.alive.is_empty() {
            self.write(Row::new(), "updated").await?;
        }
        self.settle().await
    }

    /// Over when nobody is alive and nobody waits.
    async fn settle(&mut self) -> Result<Then> {
        if !self.alive.is_empty() {
            return Ok(Then::Go);
        }
        self.write(patch([("status", json!("hangup"))]), "hangup").await?;
        if !self.facts.confbridge_id.is_nil() {
            let _ = self.calls.bridges.insist(self.facts.confbridge_id, bridge::Msg::Gone(self.id));
        }
        Ok(Then::End)
    }

    async fn hangup(&mut self) -> Result<Then> {
        if !self.ending {
            self.ending = true;
            self.waiting.clear();
            self.write(patch([("status", json!("hangingup"))]), "updated").await?;
            for call in &self.alive {
                self.drop_call(*call);
            }
        }
        self.settle().await
    }
}

impl Living for Group {
    type Message = Msg;

    async fn handle(&mut self, message: Msg, _: &Myself<Msg>) -> Result<Then> {
        match message {
            Msg::Begin => {
                self.dial().await?;
                self.settle().await
            }
            Msg::Answered(call) => self.answered(call).await.map(|()| Then::Go),
            Msg::Gone(call) => self.gone(call).await,
            Msg::Hangup(reply) => {
                let then = self.hangup().await?;
                reply.map(|reply| reply.send(Ok(Row::clone(&self.row))));
                Ok(then)
            }
        }
    }
}
