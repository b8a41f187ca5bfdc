//! A call gets the activeflow whose id it already carries. An incoming one runs at once: its flow is what
//! answers. An outgoing one runs when the other side answers, or when it rings if that was wished.

use std::sync::Arc;

use protocol::{Address, Context, Event, Result, Row, Scope, Status};
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::action::{Action, Media};
use super::begin::{Birth, Program, Sources};
use super::flows::Flows;
use super::hear::Heard;
use super::variables::{DIGITS, Texts};
use crate::call::api::{CALL, EndCall, Finished, Reason};

#[derive(Deserialize)]
struct Call {
    id: Uuid,
    customer_id: Uuid,
    activeflow_id: Uuid,
    flow_id: Uuid,
    direction: String,
    source: Address,
    destination: Address,
    master_call_id: Uuid,
    early_execution: bool,
    /// Checked; what runs when there is no flow.
    actions: Vec<Action>,
    variables: Map<String, Value>,
    #[serde(default)]
    finished: Option<Finished>,
}

impl Call {
    fn is_incoming(&self) -> bool {
        self.direction == "incoming"
    }

    /// What its flow may say about it.
    fn variables(&self) -> Texts {
        let mut texts = Texts::from([
            (DIGITS.to_owned(), String::new()),
            ("voipbin.call.id".to_owned(), self.id.to_string()),
            ("voipbin.call.direction".to_owned(), self.direction.clone()),
            ("voipbin.call.master_call_id".to_owned(), self.master_call_id.to_string()),
        ]);
        for (side, address) in [("source", &self.source), ("destination", &self.destination)] {
            let parts = [
                ("name", &address.name),
                ("detail", &address.detail),
                ("target", &address.target),
                ("target_name", &address.target_name),
                ("type", &address.r#type),
            ];
            texts.extend(parts.map(|(part, text)| (format!("voipbin.call.{side}.{part}"), text.clone())));
        }
        texts
    }
}

pub(super) async fn created(flows: Arc<Flows>, event: Arc<Event>) -> Result<()> {
    let call: Call = event.read()?;
    if call.activeflow_id.is_nil() {
        return Ok(());
    }
    let (id, customer, activeflow) = (call.id, call.customer_id, call.activeflow_id);
    let runs_at_once = call.is_incoming();
    match begin(&flows, call).await {
        Ok(()) if runs_at_once => flows.tell(activeflow, Heard::Start).await,
        Ok(()) => Ok(()),
        Err(error) if matches!(error.status, Status::Unavailable | Status::Internal) => Err(error),
        Err(error) => {
            tracing::info!(call = %id, %error, "a call without a flow ends");
            let by = Context::own(Scope::Customer(customer));
            flows.deps.ask(&CALL, id, EndCall { reason: Reason::Failed }, &by).await
        }
    }
}

/// Again for the same call, it is there already.
async fn begin(flows: &Arc<Flows>, call: Call) -> Result<()> {
    let by = Context::own(Scope::Customer(call.customer_id));
    let system = call.variables();
    let program = match call.flow_id.is_nil() {
        true => Program { actions: call.actions, ..Program::default() },
        false => flows.program(by.scope, call.flow_id).await?,
    };
    let birth = Birth {
        id: call.activeflow_id,
        program,
        reference_type: "call".to_owned(),
        reference_id: call.id,
        reference_activeflow_id: Uuid::nil(),
        media: Media::Rtc,
        waits: call.direction != "incoming",
        complete_count: 0,
        variables: Sources { before: None, external: texts(call.variables), system },
        columns: Row::new(),
    };
    match flows.begin(birth, &by).await {
        Err(error) if error.status != Status::AlreadyExists => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Variables as a request gives them: what is no text becomes one, what has no text is left out.
pub(super) fn texts(given: Map<String, Value>) -> Texts {
    let text = |value| match value {
        Value::String(text) => Some(text),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    given.into_iter().filter_map(|(name, value)| Some((name, text(value)?))).collect()
}

pub(super) async fn ringing(flows: Arc<Flows>, event: Arc<Event>) -> Result<()> {
    let call: Call = event.read()?;
    match call.is_incoming() || call.early_execution {
        true => flows.tell(call.activeflow_id, Heard::Start).await,
        false => Ok(()),
    }
}

/// The answer may be what the flow waited for.
pub(super) async fn progressing(flows: Arc<Flows>, event: Arc<Event>) -> Result<()> {
    let call: Call = event.read()?;
    flows.tell(call.activeflow_id, Heard::Start).await?;
    match call.finished {
        Some(finished) => flows.tell(call.activeflow_id, finished.into()).await,
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_flow_knows_its_call() {
        let id = Uuid::max();
        let row = json!({
            "id": id, "customer_id": id, "activeflow_id": id, "flow_id": Uuid::nil(),
            "direction": "incoming", "master_call_id": Uuid::nil(), "early_execution": false,
            "source": {"type": "tel", "target": "+15551234567", "target_name": "Ann"},
            "destination": {"type": "extension", "target": "1"},
            "actions": [{"id": id, "type": "answer"}], "variables": {}, "status": "ringing",
        });
        let call: Call = serde_json::from_value(row).expect("a call");
        let variables = call.variables();
        for (name, expected) in [
            ("voipbin.call.source.target", "+15551234567"),
            ("voipbin.call.source.target_name", "Ann"),
            ("voipbin.call.source.name", ""),
            ("voipbin.call.destination.type", "extension"),
            ("voipbin.call.direction", "incoming"),
            ("voipbin.call.digits", ""),
        ] {
            assert_eq!(variables.get(name).map(String::as_str), Some(expected), "{name}");
        }
        assert_eq!(variables.len(), 14);
    }

    #[test]
    fn given_variables_become_texts() {
        let given = json!({"a": "x", "b": 1.5, "c": true, "d": null, "e": [1], "f": {}});
        let Value::Object(given) = given else { unreachable!() };
        let expected = [("a", "x"), ("b", "1.5"), ("c", "true")];
        assert_eq!(texts(given), expected.map(|(k, v)| (k.to_owned(), v.to_owned())).into());
    }
}
