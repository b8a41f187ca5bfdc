//! A new activeflow, whatever it runs for.

use std::sync::Arc;

use protocol::ports::{Journal, Unit};
use protocol::time::Time;
use protocol::{Context, Result, Row, Scope, read};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::action::{Action, Media};
use super::flows::Flows;
use super::machine::{Effect, Input, step};
use super::run::Subject;
use super::state::{BUDGET, State};
use super::variables::{Texts, Variables};

/// The platform's own variables of an activeflow.
const ACTIVEFLOW: &str = "voipbin.activeflow";

pub(super) struct Birth {
    pub(super) id: Uuid,
    pub(super) program: Program,
    pub(super) reference_type: String,
    pub(super) reference_id: Uuid,
    /// The one that it follows, or nil.
    pub(super) reference_activeflow_id: Uuid,
    /// What the thing that it runs for offers by now.
    pub(super) media: Media,
    /// Its first action waits for the word of the call that it is for.
    pub(super) waits: bool,
    /// Its place in a chain of flows that follow one another.
    pub(super) complete_count: u32,
    pub(super) variables: Sources,
    /// Further columns.
    pub(super) columns: Row,
}

/// Where variables come from, weakest first.
#[derive(Default)]
pub(super) struct Sources {
    pub(super) before: Option<Variables>,
    pub(super) external: Texts,
    pub(super) system: Texts,
}

/// A copy of what runs: a flow may change while it does.
#[derive(Default, Deserialize)]
pub(super) struct Program {
    /// Nil: the actions are nobody's.
    #[serde(rename = "id")]
    pub(super) flow_id: Uuid,
    pub(super) actions: Vec<Action>,
    #[serde(default)]
    pub(super) on_complete_flow_id: Uuid,
}

impl Flows {
    /// What a stored flow does.
    ///
    /// # Errors
    /// `FLOW_NOT_FOUND` when there is none in this scope.
    pub(super) async fn program(&self, scope: Scope, flow_id: Uuid) -> Result<Program> {
        read(&*self.flow_rows().look(scope, flow_id).await?)
    }

    /// Adds a new activeflow to a unit: its row and where it stands.
    pub(super) fn draft(&self, unit: &mut Unit, birth: Birth, by: &Context) -> Result<(Row, State)> {
        let mut system = birth.activeflow_variables();
        let Birth { id, program, reference_type, reference_id, reference_activeflow_id, .. } = birth;
        system.extend(birth.variables.system);
        let Sources { before, external, .. } = birth.variables;
        let (variables, left_out) = Variables::seed(before.as_ref(), external, system);
        if let Some(left_out) = left_out {
            tracing::info!(activeflow = %id, ?left_out, "variables left out");
        }
        let names = if program.flow_id.is_nil() { id } else { program.flow_id };
        let state = State::new(names, birth.media, program.actions, variables, BUDGET);
        let state = if birth.waits { state } else { begun(state, self.deps.clock.now()) };
        let mut row = birth.columns;
        row.extend(state.columns());
        row.extend([
            ("id".to_owned(), json!(id)),
            ("flow_id".to_owned(), json!(program.flow_id)),
            ("on_complete_flow_id".to_owned(), json!(program.on_complete_flow_id)),
            ("reference_type".to_owned(), json!(reference_type)),
            ("reference_id".to_owned(), json!(reference_id)),
            ("reference_activeflow_id".to_owned(), json!(reference_activeflow_id)),
            ("node".to_owned(), json!(self.deps.settings.node)),
        ]);
        let row = self.rows().draft(unit, row, by)?;
        unit.journal.push(Journal::Put(self.entry(&read::<Subject>(&row)?, &state)?));
        Ok((row, state))
    }

    /// Stores a new activeflow and starts its actor.
    pub(super) async fn begin(self: &Arc<Self>, birth: Birth, by: &Context) -> Result<Row> {
        let mut unit = Unit::default();
        let (row, state) = self.draft(&mut unit, birth, by)?;
        self.live.stored(self.deps.store.commit(unit).await)?;
        self.enliven(row.clone(), state).await?;
        Ok(row)
    }
}

/// At the first action for which anything outside is to be done, so that both are stored at once. A flow of which
/// more is to be told begins when its actor does.
fn begun(state: State, now: Time) -> State {
    match step(&state, Input::Start, now) {
        Ok((begun, effects)) if effects.iter().all(Effect::is_begin) => begun,
        Ok(_) | Err(_) => state,
    }
}

impl Birth {
    fn activeflow_variables(&self) -> Texts {
        let named = |(name, value): (&str, String)| (format!("{ACTIVEFLOW}.{name}"), value);
        [
            ("id", self.id.to_string()),
            ("flow_id", self.program.flow_id.to_string()),
            ("reference_type", self.reference_type.clone()),
            ("reference_id", self.reference_id.to_string()),
            ("reference_activeflow_id", self.reference_activeflow_id.to_string()),
            ("complete_count", self.complete_count.to_string()),
        ]
        .into_iter()
        .map(named)
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::check;

    #[test]
    fn the_count_of_a_chain_is_a_variable_that_the_next_flow_reads() {
        let birth = Birth {
            id: Uuid::max(),
            program: Program::default(),
            reference_type: "api".to_owned(),
            reference_id: Uuid::nil(),
            reference_activeflow_id: Uuid::nil(),
            media: Media::NonRtc,
            waits: false,
            complete_count: 3,
            variables: Sources::default(),
            columns: Row::new(),
        };
        let (variables, _) = Variables::seed(None, Texts::new(), birth.activeflow_variables());
        assert_eq!(variables.next_complete_count(), Some(4));
        assert_eq!(variables.get("voipbin.activeflow.id"), Uuid::max().to_string());
    }

    #[test]
    fn a_flow_begins_with_its_first_action_unless_there_is_more_to_tell() {
        let begins = |actions: serde_json::Value| {
            let actions = check::actions(&actions, Uuid::max(), &|_| false).expect("actions");
            let state = State::new(Uuid::max(), Media::Rtc, actions, Variables::default(), BUDGET);
            begun(state, Time::default()).waiting_for().map(|turn| turn.number)
        };
        let set = json!({"type": "variable_set", "option": {"key": "a", "value": "b"}});
        let unready = json!({"type": "sleep", "option": {"duration": "${missing}"}});
        assert_eq!(begins(json!([{"type": "beep"}])), Some(1));
        assert_eq!(begins(json!([set, {"type": "beep"}])), Some(2));
        // it ends at once, or an action fails: its actor says so
        assert_eq!(begins(json!([set])), None);
        assert_eq!(begins(json!([unready, {"type": "beep"}])), None);
    }

    #[test]
    fn a_stored_flow_is_a_program() {
        let row = json!({
            "id": Uuid::max(), "name": "x", "on_complete_flow_id": Uuid::nil(),
            "actions": [{"id": Uuid::max(), "type": "answer"}],
        });
        let program: Program = serde_json::from_value(row).expect("a program");
        assert_eq!((program.flow_id, program.actions.len()), (Uuid::max(), 1));
    }
}
