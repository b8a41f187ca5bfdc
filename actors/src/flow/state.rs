//! Where an activeflow stands. Journalled as a whole after every step: with it, and nothing else, the flow
//! goes on at the same action after a crash.

use std::collections::VecDeque;

use protocol::time::{self, Time};
use protocol::{Result, Row};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::action::{Action, Media, START};
use super::check;
use super::digits::Digits;
use super::option::{Call, Instruction};
use super::reader::Stage;
use super::stack::Stack;
use super::template;
use super::variables::Variables;

/// How many of the last executed actions are kept: all that VoIPBIN's flows could ever have.
const EXECUTED: usize = 101;
/// An option larger than this, in bytes of JSON, is left out of the list of executed actions.
const EXECUTED_OPTION: usize = 4_096;
/// The actions that one activeflow may execute when the installation says nothing else.
pub(crate) const BUDGET: u64 = 10_000;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    pub(super) status: Status,
    /// What the thing that it runs for offers.
    pub(super) media: Media,
    /// The flow's id: names of actions in fetched lists are ids within it.
    pub(super) names: Uuid,
    pub(super) budget: u64,
    pub(super) stack: Stack,
    /// The frame of the current action.
    pub(super) depth: usize,
    /// With its variables filled in.
    pub(super) current: Action,
    /// The number of actions executed, and so of the current one.
    pub(super) turn: u64,
    pub(super) executed: VecDeque<Action>,
    /// Where the next step goes on request; shown to the customer, already arranged in the stack.
    pub(super) forward: Uuid,
    pub(super) variables: Variables,
    pub(super) digits: Digits,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    /// Made, and nothing ran yet.
    Ready,
    /// The current action is being carried out.
    Waiting,
    Ended,
}

/// One execution of one action. In a loop the same action has many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Turn {
    pub(crate) action_id: Uuid,
    pub(crate) number: u64,
}

impl Turn {
    /// Names this execution within its activeflow, for those who may be asked for it twice.
    pub(crate) fn run(self) -> Uuid {
        Uuid::new_v5(&self.action_id, &self.number.to_be_bytes())
    }
}

impl State {
    /// A new activeflow. `names` is the id of the flow that `actions` are from, `budget` the most actions it
    /// may execute.
    pub(crate) fn new(
        names: Uuid,
        media: Media,
        actions: Vec<Action>,
        variables: Variables,
        budget: u64,
    ) -> Self {
        State {
            status: Status::Ready,
            media,
            names,
            budget,
            stack: Stack::new(actions),
            depth: 0,
            current: Action::mark(START),
            turn: 0,
            executed: VecDeque::new(),
            forward: Uuid::nil(),
            variables,
            digits: Digits::default(),
        }
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.status == Status::Ended
    }

    pub(crate) fn variables(&self) -> &Variables {
        &self.variables
    }

    /// What is being carried out now.
    pub(crate) fn waiting_for(&self) -> Option<Turn> {
        (self.status == Status::Waiting).then_some(Turn { action_id: self.current.id, number: self.turn })
    }

    /// The current action, as the row shows it.
    pub(crate) fn current(&self) -> &Action {
        &self.current
    }

    /// Checks the document that a `fetch` got. It may jump to actions of the frames it is pushed upon.
    pub(crate) fn check_fetched(&self, actions: &Value) -> Result<Vec<Action>> {
        check::actions(actions, self.names, &|id| self.stack.reaches(id))
    }

    /// The columns of the activeflow's row that this state decides.
    pub(crate) fn columns(&self) -> Row {
        Row::from_iter([
            ("status".to_owned(), json!(if self.is_ended() { "ended" } else { "running" })),
            ("current_action".to_owned(), json!(self.current)),
            ("executed_actions".to_owned(), json!(self.executed)),
            ("forward_action_id".to_owned(), json!(self.forward)),
            ("execute_count".to_owned(), json!(self.turn)),
        ])
    }

    /// The current action as types. Its variables are filled in already, and are not again.
    pub(super) fn instruction(&self) -> Result<Instruction> {
        let current = &self.current;
        Instruction::read(current.kind, &current.option, "option".to_owned(), Stage::Running)
    }

    /// Makes an action the current one. Should filling in its variables fail, its option is empty.
    pub(super) fn enter(&mut self, action: Action, at: Time) -> Result<()> {
        let filled = template::expand_option(&action.option, Call::OWN_FLOW, &self.variables);
        let (option, failure) = match filled {
            Ok(option) => (option, Ok(())),
            Err(error) => (Default::default(), Err(error)),
        };
        let tm_execute = Some(time::outward(&time::stamp(at)).into_owned());
        self.turn += 1;
        self.forward = Uuid::nil();
        self.replace_current(Action { option, tm_execute, ..action });
        failure
    }

    pub(super) fn replace_current(&mut self, action: Action) {
        let mut before = std::mem::replace(&mut self.current, action);
        if json!(before.option).to_string().len() > EXECUTED_OPTION {
            before.option.clear();
        }
        if self.executed.len() == EXECUTED {
            self.executed.pop_front();
        }
        self.executed.push_back(before);
    }
}
