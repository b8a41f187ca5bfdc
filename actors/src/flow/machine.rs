//! The interpreter: one input, one new state, and what is to be done about it. Nothing here waits, asks or
//! knows the time.
//!
//! The caller keeps the new state before it carries out the effects, so after a crash an effect may be
//! carried out twice ([`resume`]) but never lost. What arrives twice or too late is ignored.

use std::ops::ControlFlow;

use protocol::time::Time;
use protocol::{Error, Result};
use uuid::Uuid;

use super::action::{Action, FINISH, Kind, Performer};
use super::digits;
use super::option::{Branch, DigitsHandle, Instruction};
use super::state::{State, Status, Turn};
use super::variables::{DIGITS, Texts};

/// So many actions may run within one step, without anything outside being done: more are a loop.
pub(super) const COMPUTED: usize = 1_000;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Input {
    /// Begins; a second time it does nothing.
    Start,
    /// The action was carried out. Any turn but the current one is ignored.
    Finished { turn: Turn, outcome: Outcome },
    /// It could not be carried out. Ends the flow if the action is essential.
    Failed { turn: Turn, message: String },
    /// A service puts actions on top, with ids unique among them: they run when the current action is
    /// through, those pushed last first. `frame` is the id for its `ServiceStop`, or nil.
    Pushed { frame: Uuid, actions: Vec<Action> },
    /// A service adds actions behind the current one, which it pushed.
    Inserted { actions: Vec<Action> },
    /// A service ends: its frame and all above it go, wherever it lies. If the current action was in one of
    /// them it is cancelled and the flow goes on below.
    ServiceStop { frame: Uuid },
    /// The next action is this one; `now`: without waiting for the end of the current one.
    Forward { action_id: Uuid, now: bool },
    /// The caller pressed a key.
    Digit(char),
    /// Another domain, or the customer, changes variables.
    Variables { set: Texts, remove: Vec<String> },
    /// The call is over, or somebody stops the flow.
    Stop,
}

/// What an action brought.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) variables: Texts,
    /// Run before what follows: the list that `fetch` got, the bridge that `connect` made.
    pub(crate) actions: Vec<Action>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Effect {
    /// The state is another one: keep it, with the row. Always the first.
    Changed,
    /// The call carries it out and reports this turn.
    Run { turn: Turn, instruction: Instruction },
    /// The flow domain carries it out and reports this turn.
    Do { turn: Turn, instruction: Instruction },
    /// Whoever carries it out stops; nobody waits for a report.
    Cancel { turn: Turn },
    /// An action failed and the flow went on.
    Failed { turn: Turn, message: String },
    /// The last one. A call without a flow is hung up by its domain.
    Ended { failure: Option<String> },
}

impl Effect {
    /// Nothing but the beginning of an action.
    pub(super) fn is_begin(&self) -> bool {
        match self {
            Effect::Changed | Effect::Run { .. } | Effect::Do { .. } => true,
            Effect::Cancel { .. } | Effect::Failed { .. } | Effect::Ended { .. } => false,
        }
    }
}

/// # Errors
/// The input is refused and nothing changed: an unknown target or frame, too many variables or frames, a flow
/// that has ended.
pub(crate) fn step(state: &State, input: Input, at: Time) -> Result<(State, Vec<Effect>)> {
    let mut run = Interpreter { state: state.clone(), effects: Vec::new(), at };
    if run.take(input)? {
        run.effects.insert(0, Effect::Changed);
    }
    Ok((run.state, run.effects))
}

/// What has to be carried out again after a restart: the current action, under its old turn.
pub(crate) fn resume(state: &State) -> Option<Effect> {
    let turn = state.waiting_for()?;
    let instruction = state.instruction().ok()?;
    match state.current.kind.performer() {
        Performer::Call => Some(Effect::Run { turn, instruction }),
        Performer::Flow => Some(Effect::Do { turn, instruction }),
        Performer::Interpreter => None,
    }
}

struct Interpreter {
    state: State,
    effects: Vec<Effect>,
    at: Time,
}

/// Whether the next action runs at once.
type Next = ControlFlow<()>;

impl Interpreter {
    /// Whether anything changed.
    fn take(&mut self, input: Input) -> Result<bool> {
        match input {
            Input::Start if self.state.status == Status::Ready => self.advance(),
            Input::Finished { turn, outcome } if self.is_current(turn) => self.finished(outcome),
            Input::Failed { turn, message } if self.is_current(turn) => self.failed(message),
            Input::Pushed { frame, actions } => return self.pushed(frame, actions),
            Input::Inserted { actions } => return self.inserted(actions),
            Input::ServiceStop { frame } => self.service_stop(frame)?,
            Input::Forward { action_id, now } => self.forward(action_id, now)?,
            Input::Digit(pressed) => return Ok(self.digit(pressed)),
            Input::Variables { set, remove } => self.change_variables(set, &remove)?,
            Input::Stop if !self.state.is_ended() => self.end(None),
            Input::Start | Input::Finished { .. } | Input::Failed { .. } | Input::Stop => return Ok(false),
        }
        Ok(true)
    }

    fn is_current(&self, turn: Turn) -> bool {
        self.state.waiting_for() == Some(turn)
    }

    fn finished(&mut self, outcome: Outcome) {
        if let Err(error) = self.state.variables.set(outcome.variables) {
            self.note(error.message);
        }
        if !outcome.actions.is_empty() {
            self.state.stack.trim();
            if let Err(error) = self.state.stack.push(Uuid::nil(), outcome.actions) {
                return self.end(Some(error.message));
            }
        }
        self.advance();
    }

    fn failed(&mut self, message: String) {
        if self.trouble(message).is_continue() {
            self.advance();
        }
    }

    fn pushed(&mut self, frame: Uuid, actions: Vec<Action>) -> Result<bool> {
        self.must_live()?;
        if actions.is_empty() {
            return Ok(false);
        }
        self.state.stack.push(frame, actions)?;
        Ok(true)
    }

    fn inserted(&mut self, actions: Vec<Action>) -> Result<bool> {
        self.must_live()?;
        let any = !actions.is_empty();
        self.state.stack.insert(self.state.depth, self.state.current.id, actions)?;
        Ok(any)
    }

    fn service_stop(&mut self, frame: Uuid) -> Result<()> {
        self.must_live()?;
        let missing = || Error::state("the service has no actions in this activeflow");
        let cut = self.state.stack.cut(frame).ok_or_else(missing)?;
        if self.state.depth >= cut {
            self.interrupt();
        }
        Ok(())
    }

    fn forward(&mut self, action_id: Uuid, now: bool) -> Result<()> {
        self.must_live()?;
        if !self.state.stack.aim(action_id) {
            return Err(Error::invalid("forward_action_id must be the id of an action of this activeflow"));
        }
        self.state.depth = self.state.depth.min(self.state.stack.depth() - 1);
        self.state.forward = action_id;
        if now {
            self.interrupt();
        }
        Ok(())
    }

    fn digit(&mut self, pressed: char) -> bool {
        let Some(digit) = digits::key(pressed).filter(|_| !self.state.is_ended()) else { return false };
        let listens = matches!(self.state.current.kind, Kind::DigitsReceive | Kind::Talk);
        let running =
            if listens && self.state.waiting_for().is_some() { self.state.instruction().ok() } else { None };
        let State { digits, variables, .. } = &mut self.state;
        let goes_on = match running {
            Some(Instruction::DigitsReceive(wanted)) => digits.receive(digit, &wanted, variables),
            Some(Instruction::Talk(talk)) => {
                digits.keep(digit, variables);
                talk.digits_handle == DigitsHandle::Next
            }
            Some(_) | None => {
                digits.keep(digit, variables);
                false
            }
        };
        if goes_on {
            self.interrupt();
        }
        true
    }

    fn change_variables(&mut self, set: Texts, remove: &[String]) -> Result<()> {
        self.must_live()?;
        if set.contains_key(DIGITS) || remove.iter().any(|name| name == DIGITS) {
            self.state.digits.spend();
        }
        self.state.variables.set(set)?;
        for name in remove {
            self.state.variables.remove(name);
        }
        Ok(())
    }

    fn must_live(&self) -> Result<()> {
        match self.state.is_ended() {
            true => Err(Error::state("the activeflow has ended")),
            false => Ok(()),
        }
    }

    /// Goes on without the report of the current action.
    fn interrupt(&mut self) {
        if let Some(turn) = self.state.waiting_for() {
            self.effects.push(Effect::Cancel { turn });
            self.advance();
        }
    }

    fn advance(&mut self) {
        for _ in 0..COMPUTED {
            if self.next().is_break() {
                return;
            }
        }
        self.end(Some(format!("{COMPUTED} actions in a row waited for nothing")));
    }

    fn next(&mut self) -> Next {
        let Some((depth, action)) = self.state.stack.take() else { return self.finish() };
        if self.state.turn >= self.state.budget {
            self.end(Some(format!("the activeflow executed {} actions, its limit", self.state.budget)));
            return Next::Break(());
        }
        self.state.depth = depth;
        let entered = self.state.enter(action, self.at);
        if !self.state.media.offers(self.state.current.kind.media()) {
            return Next::Continue(());
        }
        let done = entered.and_then(|()| self.state.instruction()).and_then(|ready| self.perform(ready));
        done.unwrap_or_else(|error| self.trouble(error.message))
    }

    fn perform(&mut self, instruction: Instruction) -> Result<Next> {
        match instruction {
            Instruction::Branch(branch) => self.branch(&branch)?,
            Instruction::ConditionCallDigits(wanted) => {
                let typed = self.state.variables.get(DIGITS);
                let holds = digits::is_match(typed, wanted.length, &wanted.key);
                self.jump_unless(holds, wanted.false_target_id)?;
            }
            Instruction::ConditionVariable(wanted) => {
                self.jump_unless(wanted.holds(), wanted.false_target_id)?;
            }
            Instruction::Goto(goto) => {
                let may_jump = self.state.stack.jump(self.state.current.id, goto.loop_count);
                self.jump_unless(!may_jump, goto.target_id)?;
            }
            Instruction::VariableSet(set) => {
                self.change_variables(Texts::from([(set.key, set.value)]), &[])?
            }
            Instruction::DigitsReceive(wanted) => {
                if !self.state.digits.begin(&wanted, &mut self.state.variables) {
                    return Ok(self.wait());
                }
            }
            Instruction::Stop => return Ok(self.finish()),
            Instruction::Answer
            | Instruction::Beep
            | Instruction::Block
            | Instruction::Call(_)
            | Instruction::ConfbridgeJoin(_)
            | Instruction::Connect(_)
            | Instruction::DigitsSend(_)
            | Instruction::Fetch(_)
            | Instruction::Hangup(_)
            | Instruction::Play(_)
            | Instruction::Sleep(_)
            | Instruction::Talk(_)
            | Instruction::WebhookSend(_) => return Ok(self.wait()),
        }
        Ok(Next::Continue(()))
    }

    /// Reads a variable and empties it, so that the next branch does not decide on the same value.
    fn branch(&mut self, branch: &Branch) -> Result<()> {
        let value = self.state.variables.get(&branch.variable);
        let target = branch.target(value);
        if !value.is_empty() {
            self.state.variables.put(&branch.variable, "");
        }
        if branch.variable == DIGITS {
            self.state.digits.spend();
        }
        self.jump_unless(false, target)
    }

    fn jump_unless(&mut self, stays: bool, target: Uuid) -> Result<()> {
        match stays || self.state.stack.aim(target) {
            true => Ok(()),
            false => Err(Error::state(format!("there is no action {target} to go on with"))),
        }
    }

    fn wait(&mut self) -> Next {
        self.state.status = Status::Waiting;
        self.effects.extend(resume(&self.state));
        Next::Break(())
    }

    /// After the failure of the current action.
    fn trouble(&mut self, message: String) -> Next {
        if self.state.current.kind.is_essential() {
            self.end(Some(message));
            return Next::Break(());
        }
        self.note(message);
        Next::Continue(())
    }

    fn note(&mut self, message: String) {
        let turn = Turn { action_id: self.state.current.id, number: self.state.turn };
        self.effects.push(Effect::Failed { turn, message });
    }

    /// The end that the flow itself comes to.
    fn finish(&mut self) -> Next {
        self.state.replace_current(Action::mark(FINISH));
        self.end(None);
        Next::Break(())
    }

    fn end(&mut self, failure: Option<String>) {
        self.state.status = Status::Ended;
        self.effects.push(Effect::Ended { failure });
    }
}
