//! The interpreter as its users see it: JSON in, a trace of effects out.

mod refusals;
mod replay;
mod stack;
mod steps;

use protocol::time::{self, Time};
use serde_json::{Value, json};
use uuid::Uuid;

use super::action::{Action, Media};
use super::check;
use super::machine::{Effect, Input, Outcome, resume, step};
use super::state::{BUDGET, State};
use super::variables::Variables;

/// The flow that all names of actions here belong to.
const FLOW: Uuid = Uuid::from_u128(0xf10);

fn now() -> Time {
    time::parse("2026-01-02T03:04:05Z").expect("a time")
}

fn id(name: &str) -> Uuid {
    Uuid::new_v5(&FLOW, name.as_bytes())
}

fn actions(list: Value) -> Vec<Action> {
    check::actions(&list, FLOW, &|_| false).expect("a valid flow")
}

fn talk(name: &str) -> Value {
    json!({"id": name, "type": "talk", "option": {"text": name}})
}

fn talks(names: &[&str]) -> Vec<Action> {
    actions(names.iter().map(|name| talk(name)).collect())
}

/// An activeflow and what it asked for so far: `run talk`, `do fetch`, `cancel`, `failed`, `ended`.
struct Player {
    state: State,
    trace: Vec<String>,
    /// Between two inputs the state goes through its journal.
    crashes: bool,
}

impl Player {
    fn of(media: Media, list: Value) -> Self {
        let state = State::new(FLOW, media, actions(list), Variables::default(), BUDGET);
        Player { state, trace: Vec::new(), crashes: false }
    }

    /// A call's flow, started.
    fn call(list: Value) -> Self {
        let mut player = Player::of(Media::Rtc, list);
        player.feed(Input::Start);
        player
    }

    fn feed(&mut self, input: Input) {
        self.try_feed(input).expect("accepted");
    }

    fn try_feed(&mut self, input: Input) -> protocol::Result<()> {
        if self.crashes {
            let journal = serde_json::to_string(&self.state).expect("json");
            let restored = serde_json::from_str(&journal).expect("a state");
            assert_eq!(self.state, restored);
            self.state = restored;
        }
        let (state, effects) = step(&self.state, input, now())?;
        assert!(
            effects.first() == Some(&Effect::Changed) || state == self.state,
            "a change that nobody would keep"
        );
        self.state = state;
        self.trace.extend(effects.iter().filter_map(word));
        Ok(())
    }

    /// The current action is through.
    fn done(&mut self) {
        self.done_with(Outcome::default());
    }

    fn done_with(&mut self, outcome: Outcome) {
        let turn = self.state.waiting_for().expect("something is being carried out");
        self.feed(Input::Finished { turn, outcome });
    }

    fn press(&mut self, keys: &str) {
        keys.chars().for_each(|key| self.feed(Input::Digit(key)));
    }

    fn variable(&self, name: &str) -> &str {
        self.state.variables().get(name)
    }

    #[track_caller]
    fn expect(&mut self, trace: &[&str]) {
        assert_eq!(std::mem::take(&mut self.trace), trace);
    }
}

/// An effect in short; texts and bridges by what they say, the rest by its type.
fn word(effect: &Effect) -> Option<String> {
    let of = |instruction| {
        let json = serde_json::to_value(instruction).expect("json");
        let text = json.pointer("/option/text").unwrap_or(&json["type"]);
        text.as_str().unwrap_or_default().to_owned()
    };
    Some(match effect {
        Effect::Changed => return None,
        Effect::Run { instruction, .. } => format!("run {}", of(instruction)),
        Effect::Do { instruction, .. } => format!("do {}", of(instruction)),
        Effect::Cancel { .. } => "cancel".to_owned(),
        Effect::Failed { .. } => "failed".to_owned(),
        Effect::Ended { failure: None } => "ended".to_owned(),
        Effect::Ended { failure: Some(_) } => "broken".to_owned(),
    })
}

fn executed(state: &State) -> Vec<Uuid> {
    state.executed.iter().map(|action| action.id).collect()
}

/// What a restart would carry out again.
fn resumed(state: &State) -> Option<String> {
    resume(state).as_ref().and_then(word)
}
