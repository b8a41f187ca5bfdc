//! Carrying out one action, beside the mailbox of its activeflow: the call does it, others do, or a server is
//! asked what comes next.

use bytes::Bytes;
use http::Method;
use protocol::ports::Send as Outgoing;
use protocol::{Error, Result, Status};
use serde_json::{Map, Value, json};
use tokio::time::{Duration, sleep};
use uuid::Uuid;

use super::action::{Action, Kind};
use super::check;
use super::flows::Flows;
use super::machine::{Input, Outcome};
use super::option::{Anonymous, Call, Connect, Fetch, HttpMethod, Instruction, WebhookSend};
use super::run::Subject;
use super::state::{State, Turn};
use crate::call::api::{Act, CALL, ConnectTo, CutShort, Place};
use crate::webhook::api::{DELIVERY, SendWebhook};

/// Tries while another domain is unavailable, and the pauses between them: together as long as a node needs to
/// be back, or another one to take over what it had. The caller hears silence meanwhile.
const TRIES: u32 = 20;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// A caller waits while the next actions are fetched.
const FETCH_TIME: Duration = Duration::from_secs(10);
/// The largest list of actions that may be stored.
const FETCH_SIZE: usize = 1 << 20;

/// How carrying an action out went.
pub(super) enum Report {
    /// An event will tell how it ended.
    Began,
    Done(Outcome),
    Failed(String),
    /// The call that it is for is over.
    Over,
}

impl Report {
    pub(super) fn input(self, turn: Turn) -> Option<Input> {
        match self {
            Report::Began => None,
            Report::Done(outcome) => Some(Input::Finished { turn, outcome }),
            Report::Failed(message) => Some(Input::Failed { turn, message }),
            Report::Over => Some(Input::Stop),
        }
    }
}

/// Has the call begin an action. Asked twice for one turn, it does it once.
pub(super) async fn act(flows: &Flows, of: &Subject, turn: Turn, instruction: &Instruction) -> Report {
    let by = of.by();
    let attempt = || {
        let act = Act { turn, instruction: instruction.clone() };
        flows.deps.ask(&CALL, of.reference_id, act, &by)
    };
    match patiently(|error| error.status == Status::Unavailable, attempt).await {
        Ok(()) => Report::Began,
        Err(error) if matches!(error.status, Status::NotFound | Status::FailedPrecondition) => Report::Over,
        Err(error) => Report::Failed(error.to_string()),
    }
}

/// Best effort: the next action on the call ends this one too.
pub(super) async fn cut_short(flows: &Flows, of: &Subject, turn: Turn) {
    if let Err(error) = flows.deps.ask(&CALL, of.reference_id, CutShort { turn }, &of.by()).await {
        tracing::debug!(activeflow = %of.id, %error, "action not cut short");
    }
}

/// Carries out what is no call's business.
pub(super) async fn perform(
    flows: &Flows,
    of: &Subject,
    state: &State,
    (turn, instruction): (Turn, Instruction),
) -> Report {
    let outcome = match instruction {
        Instruction::Connect(to) => connect(flows, of, turn, to).await,
        Instruction::Call(to) => call(flows, of, state, to).await,
        Instruction::Fetch(from) => fetch(flows, of, state, from).await,
        Instruction::WebhookSend(what) => webhook_send(flows, of, turn, what).await,
        Instruction::Answer
        | Instruction::Beep
        | Instruction::Block
        | Instruction::Branch(_)
        | Instruction::ConditionCallDigits(_)
        | Instruction::ConditionVariable(_)
        | Instruction::ConfbridgeJoin(_)
        | Instruction::DigitsReceive(_)
        | Instruction::DigitsSend(_)
        | Instruction::Goto(_)
        | Instruction::Hangup(_)
        | Instruction::Play(_)
        | Instruction::Sleep(_)
        | Instruction::Stop
        | Instruction::Talk(_)
        | Instruction::VariableSet(_) => Err(Error::internal("not an action of the flow domain")),
    };
    outcome.map_or_else(|error| Report::Failed(error.to_string()), Report::Done)
}

async fn connect(flows: &Flows, of: &Subject, turn: Turn, to: Connect) -> Result<Outcome> {
    let attempt = || async {
        let to = ConnectTo {
            // actions keep their ids in every run of a flow
            key: Uuid::new_v5(&of.id, turn.run().as_bytes()),
            source: to.source.clone(),
            destinations: to.destinations.clone(),
            early_media: to.early_media,
            anonymous: word(to.anonymous).to_owned(),
        };
        flows.deps.ask(&CALL, of.reference_id, to, &of.by()).await
    };
    let made = patiently(is_surely_undone, attempt).await?;
    let mut actions = vec![action(Kind::ConfbridgeJoin, ("confbridge_id", made.confbridge_id))];
    let placed = made.placed.call_ids.iter().chain(&made.placed.groupcall_ids).next();
    if let Some(first) = placed.filter(|_| to.relay_reason) {
        actions.push(action(Kind::Hangup, ("reference_id", *first)));
    }
    Ok(Outcome { actions, ..Outcome::default() })
}

fn action(kind: Kind, (name, id): (&str, Uuid)) -> Action {
    Action::new(Uuid::now_v7(), kind, Map::from_iter([(name.to_owned(), json!(id))]))
}

/// The new calls begin with the variables that this flow has now.
async fn call(flows: &Flows, of: &Subject, state: &State, to: Call) -> Result<Outcome> {
    let chained = to.chained && of.reference_type == "call";
    let actions = match to.flow_id.is_nil() {
        true => check::actions(&json!(to.actions), state.names, &|_| false)?,
        false => Vec::new(),
    };
    let actions: Vec<Value> = actions.into_iter().map(|action| json!(action)).collect();
    let variables = state.variables().all().iter().map(|(name, value)| (name.clone(), json!(value)));
    let variables: Map<String, Value> = variables.collect();
    let attempt = || async {
        let place = Place {
            source: to.source.clone(),
            destinations: to.destinations.clone(),
            flow_id: to.flow_id,
            actions: actions.clone(),
            master_call_id: if chained { of.reference_id } else { Uuid::nil() },
            anonymous: word(to.anonymous).to_owned(),
            early_execution: to.early_execution,
            variables: variables.clone(),
        };
        flows.deps.ask_all(&CALL, place, &of.by()).await
    };
    patiently(is_surely_undone, attempt).await.map(|_| Outcome::default())
}

fn word(anonymous: Anonymous) -> &'static str {
    match anonymous {
        Anonymous::Unset => "",
        Anonymous::Yes => "yes",
        Anonymous::No => "no",
        Anonymous::Auto => "auto",
    }
}

/// The answer is checked like a flow that is saved: it comes from a server that may be anybody's by now.
async fn fetch(flows: &Flows, of: &Subject, state: &State, from: Fetch) -> Result<Outcome> {
    let body = json!({"activeflow_id": of.id, "reference_id": of.reference_id});
    let request = Outgoing {
        method: method(from.event_method),
        url: from.event_url.0,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: Bytes::from(body.to_string()),
        timeout: FETCH_TIME,
        most: FETCH_SIZE,
    };
    let answer = flows.deps.outward.send(request).await?;
    if answer.status != 200 {
        return Err(Error::invalid(format!("the server answered {}", answer.status)));
    }
    let document: Value = serde_json::from_slice(&answer.body)
        .map_err(|error| Error::invalid(format!("the answer must be JSON: {error}")))?;
    Ok(Outcome { actions: state.check_fetched(&document)?, ..Outcome::default() })
}

fn method(method: HttpMethod) -> Method {
    match method {
        HttpMethod::Post => Method::POST,
        HttpMethod::Get => Method::GET,
        HttpMethod::Put => Method::PUT,
        HttpMethod::Delete => Method::DELETE,
    }
}

/// Done when it is taken over for delivery. `sync` asks for no more than that, and without it nothing is
/// faster.
async fn webhook_send(flows: &Flows, of: &Subject, turn: Turn, what: WebhookSend) -> Result<Outcome> {
    let attempt = || async {
        let send = SendWebhook {
            customer_id: of.customer_id,
            uri: what.uri.0.clone(),
            method: method(what.method).to_string(),
            data_type: what.data_type.clone(),
            data: what.data.clone(),
            key: Some(Uuid::new_v5(&of.id, &turn.number.to_be_bytes())),
        };
        flows.deps.ask_all(&DELIVERY, send, &of.by()).await
    };
    patiently(|error| error.status == Status::Unavailable, attempt).await.map(|_| Outcome::default())
}

/// A request that nobody answered in time may have been carried out.
fn is_surely_undone(error: &Error) -> bool {
    error.status == Status::Unavailable && error.reason != "REQUEST_TIMEOUT"
}

/// Tries again while `again` says so.
async fn patiently<T, F>(again: impl Fn(&Error) -> bool, attempt: impl Fn() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let mut pause = FIRST_PAUSE;
    for _ in 1..TRIES {
        match attempt().await {
            Err(error) if again(&error) => sleep(pause).await,
            outcome => return outcome,
        }
        pause = (2 * pause).min(LONGEST_PAUSE);
    }
    attempt().await
}
