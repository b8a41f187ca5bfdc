//! A crash between any two steps changes nothing, and no order of inputs breaks the interpreter.

use serde_json::{Value, json};

use super::{Player, executed, id, resumed, talk, talks};
use crate::flow::action::Media;
use crate::flow::machine::{Input, Outcome};
use crate::flow::variables::Texts;

/// A small generator, so that a seed is a scenario.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

fn scenarios() -> Vec<Value> {
    let receive =
        |name: &str| json!({"id": name, "type": "digits_receive", "option": {"length": 2, "key": "#"}});
    let branch = json!({"id": "b", "type": "branch", "option": {"default_target_id": "end", "target_ids": {"12": "f"}}});
    let fetch = json!({"id": "f", "type": "fetch", "option": {"event_url": "https://h.example/"}});
    let goto = json!({"id": "g", "type": "goto", "option": {"target_id": "a", "loop_count": 3}});
    let set = json!({"id": "s", "type": "variable_set", "option": {"key": "n", "value": "${n}x"}});
    let condition = json!({"id": "c", "type": "condition_variable", "option": {
        "variable": "${n}", "condition": "<", "value_type": "length", "value_length": 2, "false_target_id": "end"}});
    let connect = json!({"id": "k", "type": "connect", "option": {"destinations": [{"type": "tel", "target": "+${n}1"}]}});
    vec![
        json!([talk("a"), receive("r"), branch, fetch, talk("end"), goto]),
        json!([talk("a"), set, condition, goto, connect, talk("end")]),
        json!([{"id": "a", "type": "talk", "option": {"text": "a", "digits_handle": "next"}}, receive("r1"),
               receive("r2"), goto, {"id": "z", "type": "stop"}, talk("end")]),
    ]
}

fn input(player: &Player, dice: &mut Dice) -> Input {
    let turn = player.state.waiting_for();
    let frame = id(["s1", "s2"][usize::from(dice.roll(2) == 0)]);
    match (dice.roll(12), turn) {
        (0, _) => Input::Pushed { frame, actions: talks(&["x", "y"]) },
        (1, _) => Input::ServiceStop { frame },
        (2, _) => Input::Forward { action_id: id("a"), now: dice.roll(2) == 0 },
        (3, _) => Input::Inserted { actions: talks(&["i"]) },
        (4, Some(turn)) => Input::Failed { turn, message: "no".into() },
        (5, _) => Input::Variables { set: Texts::from([("n".into(), "${n}".into())]), remove: vec![] },
        (6, Some(turn)) => {
            let outcome = Outcome { actions: talks(&["p", "q"]), ..Outcome::default() };
            Input::Finished { turn, outcome }
        }
        (7..=9, Some(turn)) => Input::Finished { turn, outcome: Outcome::default() },
        (roll, _) => Input::Digit(["1", "2", "#"][(roll % 3) as usize].chars().next().unwrap_or('0')),
    }
}

/// The whole story of one seed: effects, refusals, cursor, variables.
fn story(list: &Value, seed: u64, crashes: bool) -> (Vec<String>, Value) {
    let mut player = Player::of(Media::Rtc, list.clone());
    player.crashes = crashes;
    player.feed(Input::Start);
    let mut dice = Dice(seed);
    for _ in 0..60 {
        let input = input(&player, &mut dice);
        if let Err(error) = player.try_feed(input) {
            player.trace.push(error.message);
        }
        player.trace.push(format!("{:?} {:?}", player.state.waiting_for(), resumed(&player.state)));
    }
    let end = json!([executed(&player.state), player.state.variables().all(), player.state.columns()]);
    (player.trace, end)
}

#[test]
fn a_crash_at_every_step_tells_the_same_story() {
    for (at, list) in scenarios().iter().enumerate() {
        for seed in 0..50 {
            assert_eq!(story(list, seed, false), story(list, seed, true), "scenario {at}, seed {seed}");
        }
    }
}

#[test]
fn an_ended_flow_stays_as_it_is() {
    for list in &scenarios() {
        for seed in 0..50 {
            let mut player = Player::call(list.clone());
            let mut dice = Dice(seed);
            player.feed(Input::Stop);
            let ended = player.state.clone();
            for _ in 0..20 {
                let input = input(&player, &mut dice);
                drop(player.try_feed(input));
            }
            assert_eq!(player.state, ended);
        }
    }
}

#[test]
fn values_from_outside_are_never_expanded_by_a_restart() {
    let mut player =
        Player::of(Media::Rtc, json!([{"id": "a", "type": "talk", "option": {"text": "${said}"}}]));
    player.crashes = true;
    let set = Texts::from([("said".into(), "${secret}".into()), ("secret".into(), "42".into())]);
    player.feed(Input::Variables { set, remove: vec![] });
    player.feed(Input::Start);
    player.expect(&["run ${secret}"]);
    assert_eq!(resumed(&player.state).as_deref(), Some("run ${secret}"));
}
