//! Frames: what services and `fetch` put on top, and how the flow comes back.

use serde_json::{Value, json};

use super::{Player, actions, id, talk, talks};
use crate::flow::machine::{Input, Outcome};

fn push(player: &mut Player, frame: &str, names: &[&str]) {
    player.feed(Input::Pushed { frame: id(frame), actions: talks(names) });
}

fn outcome(list: Vec<crate::flow::action::Action>) -> Outcome {
    Outcome { actions: list, ..Outcome::default() }
}

fn fetch(name: &str) -> Value {
    json!({"id": name, "type": "fetch", "option": {"event_url": "https://h.example/"}})
}

#[test]
fn a_frame_returns_behind_the_action_that_brought_it() {
    let mut player = Player::call(json!([fetch("f"), talk("b")]));
    player.done_with(outcome(talks(&["x", "y"])));
    player.done();
    player.done();
    player.expect(&["do fetch", "run x", "run y", "run b"]);
    let mut fetch = fetch("f");
    fetch["next_id"] = json!("c");
    let mut player = Player::call(json!([fetch, talk("b"), talk("c")]));
    player.done_with(outcome(talks(&["x"])));
    player.done();
    player.expect(&["do fetch", "run x", "run c"]);
}

#[test]
fn what_was_pushed_last_runs_first_and_nothing_is_lost() {
    let mut player = Player::call(json!([talk("a"), talk("b")]));
    push(&mut player, "s1", &["x1", "x2"]);
    push(&mut player, "s2", &["y"]);
    player.expect(&["run a"]);
    for _ in 0..5 {
        player.done();
    }
    player.expect(&["run y", "run x1", "run x2", "run b", "ended"]);
}

#[test]
fn actions_are_added_only_to_what_a_service_pushed() {
    let mut player = Player::call(json!([talk("a"), talk("b")]));
    assert!(player.try_feed(Input::Inserted { actions: talks(&["i"]) }).is_err());
    push(&mut player, "s", &["x", "y"]);
    player.done();
    player.feed(Input::Inserted { actions: talks(&["i", "j"]) });
    for _ in 0..4 {
        player.done();
    }
    player.expect(&["run a", "run x", "run i", "run j", "run y", "run b"]);
}

#[test]
fn a_service_stops_wherever_its_frame_lies() {
    let mut player = Player::call(json!([talk("a"), talk("b")]));
    push(&mut player, "queue", &["wait", "more"]);
    player.done();
    push(&mut player, "other", &["music"]);
    player.done();
    player.expect(&["run a", "run wait", "run music"]);
    assert!(player.try_feed(Input::ServiceStop { frame: id("nobody") }).is_err());
    player.feed(Input::ServiceStop { frame: id("queue") });
    player.expect(&["cancel", "run b"]);
    assert!(player.try_feed(Input::ServiceStop { frame: id("queue") }).is_err());
}

#[test]
fn a_service_that_has_not_begun_stops_without_a_sound() {
    let mut player = Player::call(json!([talk("a"), talk("b")]));
    push(&mut player, "s", &["x"]);
    player.feed(Input::ServiceStop { frame: id("s") });
    player.expect(&["run a"]);
    player.done();
    player.expect(&["run b"]);
}

#[test]
fn the_main_list_is_no_service() {
    let mut player = Player::call(json!([talk("a"), talk("b")]));
    assert!(player.try_feed(Input::ServiceStop { frame: uuid::Uuid::from_u128(1) }).is_err());
}

#[test]
fn forward_leaves_the_inner_frames() {
    let mut player = Player::call(json!([talk("a"), talk("b"), talk("c")]));
    push(&mut player, "s", &["x", "y"]);
    player.done();
    player.feed(Input::Forward { action_id: id("c"), now: false });
    assert_eq!(player.state.columns()["forward_action_id"], json!(id("c")));
    player.expect(&["run a", "run x"]);
    player.done();
    player.expect(&["run c"]);
    assert!(player.try_feed(Input::Forward { action_id: id("y"), now: true }).is_err());
    player.feed(Input::Forward { action_id: id("a"), now: true });
    player.expect(&["cancel", "run a"]);
}

#[test]
fn an_action_whose_frame_was_left_is_not_cancelled_for_a_later_one() {
    let mut player = Player::call(json!([talk("a"), talk("b")]));
    push(&mut player, "s", &["x"]);
    player.done();
    player.feed(Input::Forward { action_id: id("b"), now: false });
    push(&mut player, "t", &["y"]);
    player.feed(Input::ServiceStop { frame: id("t") });
    player.expect(&["run a", "run x"]);
    player.done();
    player.expect(&["run b"]);
}

#[test]
fn stop_ends_everything_from_any_frame() {
    let mut player = Player::call(json!([fetch("f"), talk("b")]));
    player.done_with(outcome(actions(json!([talk("x"), {"type": "stop"}, talk("y")]))));
    player.done();
    player.expect(&["do fetch", "run x", "ended"]);
}

#[test]
fn a_fetched_list_may_jump_to_the_list_below() {
    let mut player = Player::call(json!([fetch("f"), talk("b"), talk("c")]));
    let goto = json!([{"type": "goto", "option": {"target_id": "c", "loop_count": 1}}]);
    let fetched = player.state.check_fetched(&goto).expect("c is known");
    let nowhere = json!([{"type": "goto", "option": {"target_id": "d", "loop_count": 1}}]);
    assert!(player.state.check_fetched(&nowhere).is_err());
    player.done_with(outcome(fetched));
    player.expect(&["do fetch", "run c"]);
}

#[test]
fn a_flow_that_fetches_for_ever_does_not_grow() {
    let mut player = Player::call(json!([fetch("f")]));
    for _ in 0..300 {
        player.done_with(outcome(actions(json!([fetch("f")]))));
    }
    assert!(player.state.stack.depth() <= 2, "{}", player.state.stack.depth());
    player.done();
    assert!(player.state.is_ended());
}

#[test]
fn frames_have_a_limit() {
    let mut player = Player::call(json!([talk("a")]));
    for _ in 0..99 {
        push(&mut player, "s", &["x"]);
    }
    assert!(player.try_feed(Input::Pushed { frame: id("s"), actions: talks(&["x"]) }).is_err());
    player.done();
    player.expect(&["run a", "run x"]);
}

#[test]
fn jumps_are_counted_anew_in_a_new_frame() {
    let list = || {
        actions(
            json!([talk("x"), {"id": "g", "type": "goto", "option": {"target_id": "x", "loop_count": 1}}]),
        )
    };
    let mut player = Player::call(json!([fetch("f1"), fetch("f2")]));
    player.done_with(outcome(list()));
    player.done();
    player.done();
    player.done_with(outcome(list()));
    player.done();
    player.done();
    player.expect(&["do fetch", "run x", "run x", "do fetch", "run x", "run x", "ended"]);
}
