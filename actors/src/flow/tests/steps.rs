//! One action after another: order, jumps, conditions, digits, variables.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{Player, actions, executed, id, resumed, talk};
use crate::flow::action::{FINISH, Media, START};
use crate::flow::machine::{Input, Outcome};
use crate::flow::state::{State, Turn};
use crate::flow::variables::{DIGITS, Texts, Variables};

/// Runs a call's flow in which every action succeeds at once, with these variables.
#[track_caller]
fn check(variables: &[(&str, &str)], list: Value, expected: &[&str]) {
    let mut player = Player::of(Media::Rtc, list);
    let set: Texts = variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    if !set.is_empty() {
        player.feed(Input::Variables { set, remove: Vec::new() });
    }
    player.feed(Input::Start);
    for _ in 0..50 {
        if player.state.waiting_for().is_some() {
            player.done();
        }
    }
    player.expect(expected);
}

#[test]
fn actions_run_one_after_another_to_the_end() {
    let mut player = Player::call(json!([{"id": "a", "type": "answer"}, talk("b")]));
    player.expect(&["run answer"]);
    player.done();
    player.expect(&["run b"]);
    assert_eq!(resumed(&player.state).as_deref(), Some("run b"));
    player.done();
    player.expect(&["ended"]);
    assert_eq!(executed(&player.state), [START, id("a"), id("b")]);
    assert_eq!((player.state.current().id, player.state.is_ended()), (FINISH, true));
}

#[test]
fn a_stale_report_changes_nothing() {
    let mut player = Player::call(json!([talk("a"), talk("b")]));
    let first = player.state.waiting_for().expect("a");
    player.done();
    player.feed(Input::Finished { turn: first, outcome: Outcome::default() });
    player.feed(Input::Failed { turn: first, message: "late".into() });
    player.feed(Input::Start);
    player.expect(&["run a", "run b"]);
    let foreign = Turn { action_id: id("b"), number: 1 };
    player.feed(Input::Finished { turn: foreign, outcome: Outcome::default() });
    player.expect(&[]);
    player.done();
    player.expect(&["ended"]);
    player.feed(Input::Start);
    player.feed(Input::Stop);
    player.press("1");
    player.expect(&[]);
}

#[test]
fn an_empty_flow_ends_at_once() {
    check(&[], json!([]), &["ended"]);
}

#[test]
fn next_id_skips() {
    let a = json!({"id": "a", "type": "answer", "next_id": "c"});
    check(&[], json!([a, talk("b"), talk("c")]), &["run answer", "run c", "ended"]);
    let a = json!({"id": "a", "type": "answer", "next_id": FINISH});
    check(&[], json!([a, talk("b")]), &["run answer", "ended"]);
}

#[test]
fn an_unknown_next_id_is_the_end() {
    let mut list = actions(json!([talk("a"), talk("b")]));
    list[0].next_id = Uuid::from_u128(77);
    let state = State::new(id("f"), Media::Rtc, list, Variables::default(), 10);
    let mut player = Player { state, trace: Vec::new(), crashes: false };
    player.feed(Input::Start);
    player.done();
    player.expect(&["run a", "ended"]);
}

#[test]
fn actions_that_do_not_suit_the_media_are_skipped() {
    check(&[], json!([{"type": "block"}, talk("a")]), &["run a", "ended"]);
    let mut player = Player::of(Media::NonRtc, json!([talk("a"), {"type": "block"}, talk("b")]));
    player.feed(Input::Start);
    player.expect(&[]);
    assert_eq!(player.state.current().kind, crate::flow::action::Kind::Block);
    player.done();
    player.expect(&["ended"]);
    let mut player =
        Player::of(Media::of_reference(""), json!([talk("a"), {"type": "block"}, {"type": "stop"}]));
    player.feed(Input::Start);
    player.expect(&["ended"]);
}

#[test]
fn a_branch_goes_where_the_variable_says() {
    let flow = |variable: &str, default: &str| {
        let option = json!({"variable": variable, "default_target_id": default, "target_ids": {"1": "one"}});
        json!([{"type": "branch", "option": option}, talk("never"), talk("one"), talk("other")])
    };
    check(&[("v", "1")], flow("v", "other"), &["run one", "run other", "ended"]);
    check(&[("v", "9")], flow("v", "other"), &["run other", "ended"]);
    check(&[(DIGITS, "1")], flow("", "other"), &["run one", "run other", "ended"]);
    check(&[("v", "9")], flow("v", ""), &["broken"]);
}

#[test]
fn a_branch_empties_its_variable() {
    let option = json!({"variable": "v", "target_ids": {"1": "a"}});
    let mut player = Player::of(Media::Rtc, json!([{"type": "branch", "option": option}, talk("a")]));
    player.feed(Input::Variables { set: Texts::from([("v".into(), "1".into())]), remove: vec![] });
    player.feed(Input::Start);
    assert_eq!(player.variable("v"), "");
}

#[track_caller]
fn condition(value: &str, condition: &str, option: Value, expected: bool) {
    let mut option = option;
    option["variable"] = json!("${n}");
    option["condition"] = json!(condition);
    option["false_target_id"] = json!("no");
    let list = json!([{"type": "condition_variable", "option": option}, {"type": "beep"}, talk("no")]);
    let path: &[&str] = if expected { &["run beep", "run no", "ended"] } else { &["run no", "ended"] };
    check(&[("n", value)], list, path);
}

#[test]
fn numbers_compare_as_numbers() {
    let number = || json!({"value_type": "number", "value_number": 10});
    for (op, nine, ten) in [
        ("==", false, true),
        ("!=", true, false),
        (">", false, false),
        (">=", false, true),
        ("<", true, false),
        ("<=", true, true),
    ] {
        condition("9", op, number(), nine);
        condition(" 10.0 ", op, number(), ten);
        condition("abc", op, number(), false);
        condition("NaN", op, number(), false);
        condition("", op, number(), false);
    }
}

#[test]
fn texts_compare_by_letters_and_lengths_by_bytes() {
    condition("9", ">", json!({"value_type": "string", "value_string": "10"}), true);
    condition("abc", "==", json!({"value_type": "string", "value_string": "${n}"}), true);
    condition("é", "==", json!({"value_type": "length", "value_length": 2}), true);
    condition("abc", "<", json!({"value_type": "length", "value_length": 3}), false);
}

#[test]
fn call_digits_meet_a_length_or_a_key() {
    let flow = |option: Value| {
        let mut option = option;
        option["false_target_id"] = json!("no");
        json!([{"type": "condition_call_digits", "option": option}, {"type": "beep"}, talk("no")])
    };
    let (yes, no): (&[&str], &[&str]) = (&["run beep", "run no", "ended"], &["run no", "ended"]);
    check(&[(DIGITS, "12")], flow(json!({"length": 2})), yes);
    check(&[(DIGITS, "1")], flow(json!({"length": 2})), no);
    check(&[(DIGITS, "1#")], flow(json!({"key": "*#"})), yes);
    check(&[(DIGITS, "1")], flow(json!({})), no);
}

#[test]
fn a_goto_jumps_exactly_so_often() {
    for (count, times) in [(-1, 1), (0, 1), (1, 2), (3, 4)] {
        let goto = json!({"type": "goto", "option": {"target_id": "a", "loop_count": count}});
        let mut expected = vec!["run a"; times];
        expected.push("ended");
        check(&[], json!([talk("a"), goto]), &expected);
    }
}

#[test]
fn a_loop_that_waits_for_nothing_is_stopped() {
    let goto = json!({"id": "g", "type": "goto", "option": {"target_id": "v", "loop_count": 1_000_000}});
    let set = json!({"id": "v", "type": "variable_set", "option": {"key": "k", "value": "1"}});
    check(&[], json!([set, goto]), &["broken"]);
}

#[test]
fn the_budget_is_per_activeflow() {
    let goto = json!({"type": "goto", "option": {"target_id": "a", "loop_count": 100}});
    let state = State::new(id("f"), Media::Rtc, actions(json!([talk("a"), goto])), Variables::default(), 5);
    let mut player = Player { state, trace: Vec::new(), crashes: false };
    player.feed(Input::Start);
    while player.state.waiting_for().is_some() {
        player.done();
    }
    player.expect(&["run a", "run a", "run a", "broken"]);
}

#[test]
fn variables_are_filled_in_once() {
    let set =
        |key: &str, value: &str| json!({"type": "variable_set", "option": {"key": key, "value": value}});
    let list = json!([set("k", "${call}-x"), set("none", "<${unknown}>"), set("typed", "${evil}"), {
        "id": "t", "type": "talk", "option": {"text": "${k}${none}${typed}"}
    }]);
    check(&[("call", "c1"), ("evil", "${call}")], list, &["run c1-x<>${call}", "ended"]);
}

#[test]
fn an_option_that_a_variable_spoils_skips_the_action_or_ends_the_flow() {
    let sleep = json!({"type": "sleep", "option": {"duration": "${wait}"}});
    check(&[("wait", "500")], json!([sleep, talk("a")]), &["run sleep", "run a", "ended"]);
    check(&[("wait", "soon")], json!([sleep, talk("a")]), &["failed", "run a", "ended"]);
    let goto = json!({"type": "goto", "option": {"target_id": "${to}", "loop_count": 1}});
    check(&[("to", "nowhere")], json!([goto, talk("a")]), &["broken"]);
    check(&[("to", &id("b").to_string())], json!([goto, talk("a"), talk("b")]), &["run b", "ended"]);
}

#[test]
fn only_the_failure_of_an_essential_action_ends_the_flow() {
    let fail = |list: Value, expected: &[&str]| {
        let mut player = Player::call(list);
        let turn = player.state.waiting_for().expect("something is being carried out");
        player.feed(Input::Failed { turn, message: "no".into() });
        player.expect(expected);
    };
    let webhook = json!({"type": "webhook_send", "option": {"uri": "https://h.example/", "data": "plain"}});
    fail(json!([webhook, talk("a")]), &["do webhook_send", "failed", "run a"]);
    fail(json!([{"type": "answer"}, talk("a")]), &["run answer", "failed", "run a"]);
    let fetch = json!({"type": "fetch", "option": {"event_url": "https://h.example/"}});
    fail(json!([fetch, talk("a")]), &["do fetch", "broken"]);
}

fn receive(name: &str, option: Value) -> Value {
    json!({"id": name, "type": "digits_receive", "option": option})
}

#[test]
fn digits_are_collected_until_there_are_enough() {
    let mut player = Player::call(json!([receive("r", json!({"length": 3, "key": "#"})), talk("a")]));
    player.press("12");
    assert_eq!(player.variable(DIGITS), "12");
    player.expect(&["run digits_receive"]);
    player.press("#");
    player.expect(&["cancel", "run a"]);
    assert_eq!(player.variable(DIGITS), "12#", "the terminator stays");
}

#[test]
fn a_later_menu_is_not_answered_by_earlier_digits() {
    let menu = |name: &str| receive(name, json!({"length": 1, "duration": 5000}));
    let mut player = Player::call(json!([menu("r1"), menu("r2"), talk("a")]));
    player.press("1");
    player.expect(&["run digits_receive", "cancel", "run digits_receive"]);
    assert_eq!(player.variable(DIGITS), "");
    player.done();
    player.expect(&["run a"]);
}

#[test]
fn type_ahead_answers_one_menu_after_another() {
    let menu = |name: &str| receive(name, json!({"length": 1}));
    let branch = json!({"id": "b", "type": "branch", "option": {"target_ids": {"1": "r2"}}});
    let mut player = Player::call(json!([talk("welcome"), menu("r1"), branch, menu("r2"), talk("a")]));
    player.press("12");
    player.done();
    player.expect(&["run welcome", "run a"]);
    assert_eq!(player.variable(DIGITS), "2");
}

#[test]
fn a_digit_cuts_off_a_talk_that_says_so() {
    let option = json!({"text": "press one", "digits_handle": "next"});
    let branch = json!({"id": "b", "type": "branch", "option": {"target_ids": {"1": "r"}}});
    let flow =
        json!([{"type": "talk", "option": option}, branch, receive("r", json!({"length": 2})), talk("a")]);
    let mut player = Player::call(flow);
    player.press("1");
    player.expect(&["run press one", "cancel", "run digits_receive"]);
    assert_eq!(player.variable(DIGITS), "", "the branch used the digit up");
    player.press("x!");
    player.press("a5");
    assert_eq!(player.variable(DIGITS), "A5");
    player.expect(&["cancel", "run a"]);
}

#[test]
fn stop_ends_the_flow_and_what_comes_later_is_refused() {
    let mut player = Player::call(json!([talk("a"), talk("b")]));
    player.feed(Input::Stop);
    player.expect(&["run a", "ended"]);
    assert!(player.try_feed(Input::Forward { action_id: id("b"), now: true }).is_err());
    assert!(player.try_feed(Input::ServiceStop { frame: id("s") }).is_err());
    assert!(player.try_feed(Input::Pushed { frame: id("s"), actions: super::talks(&["x"]) }).is_err());
    assert!(player.state.waiting_for().is_none() && resumed(&player.state).is_none());
}

#[test]
fn the_row_shows_the_action_with_its_variables() {
    let mut player =
        Player::of(Media::Rtc, json!([{"id": "a", "type": "talk", "option": {"text": "hi ${who}"}}]));
    player.feed(Input::Variables { set: Texts::from([("who".into(), "Ann".into())]), remove: vec![] });
    player.feed(Input::Start);
    let columns = player.state.columns();
    let expected = json!({
        "id": id("a"),
        "next_id": "00000000-0000-0000-0000-000000000000",
        "type": "talk",
        "option": {"text": "hi Ann"},
        "tm_execute": "2026-01-02T03:04:05Z",
    });
    assert_eq!(columns["current_action"], expected);
    assert_eq!(columns["status"], "running");
    assert_eq!(columns["execute_count"], 1);
    assert_eq!(columns["executed_actions"][0]["id"], json!(START));
}
