//! What cannot be saved, and the words in which it is refused.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{FLOW, id};
use crate::flow::check;
use crate::flow::option::Instruction;
use crate::flow::reader::Stage;

#[track_caller]
fn check(list: Value, expected: &str) {
    let error = check::actions(&list, FLOW, &|_| false).expect_err("refused");
    assert_eq!(error.message, expected);
    let field = error.details.first().and_then(|detail| detail.get("field")).and_then(Value::as_str);
    assert!(field.is_some_and(|field| error.message.starts_with(field)), "{error:?}");
}

/// The only action of a flow, with this option.
#[track_caller]
fn option(kind: &str, option: Value, expected: &str) {
    check(json!([{"id": "a", "type": kind, "option": option}]), &format!("actions[0].option{expected}"));
}

#[test]
fn a_wrong_field_is_named_by_its_path() {
    let sleep = |duration: Value| json!({"type": "sleep", "option": {"duration": duration}});
    let list = json!([sleep(json!(1)), sleep(json!(2)), sleep(json!("${w}")), sleep(json!("5000"))]);
    check(list, "actions[3].option.duration must be an integer of milliseconds");
    option("sleep", json!({"duration": -1}), ".duration must be an integer of milliseconds");
    option("sleep", json!({"duration": 1.5}), ".duration must be an integer of milliseconds");
    option("sleep", json!({}), ".duration is required");
    option("sleep", json!([]), " must be an object");
    option("talk", json!({"text": "a", "async": 1}), ".async must be true or false");
    option("talk", json!({"text": " "}), ".text is required");
    option("talk", json!({"text": "a", "digits_handle": "stop"}), ".digits_handle must be next or empty");
    option("talk", json!({"text": "a", "txt": "b"}), ".txt is not a field of this action");
    option("answer", json!({"now": true}), ".now is not a field of this action");
    option("play", json!({"stream_urls": []}), ".stream_urls is required");
    option(
        "play",
        json!({"stream_urls": ["https://a.example/x", "ftp://a"]}),
        ".stream_urls[1] must be an http or https URL",
    );
    option("digits_send", json!({"digits": "12E"}), ".digits must be at most 100 of 0-9, A-D, * and #");
    option(
        "digits_send",
        json!({"digits": "1", "duration": 50}),
        ".duration must be an integer of milliseconds from 100 to 1000",
    );
    option("confbridge_join", json!({"confbridge_id": Uuid::nil()}), ".confbridge_id is required");
    option("confbridge_join", json!({"confbridge_id": "x"}), ".confbridge_id must be a UUID");
    option(
        "hangup",
        json!({"reason": "tired"}),
        ".reason must be one of normal, failed, busy, cancel, timeout, noanswer, dialout, amd",
    );
    option(
        "webhook_send",
        json!({"uri": "https://a.example", "method": "PATCH"}),
        ".method must be one of POST, GET, PUT, DELETE",
    );
    option("fetch", json!({"event_url": "file:///etc/passwd"}), ".event_url must be an http or https URL");
    option("fetch", json!({"event_url": "https:///x"}), ".event_url must be an http or https URL");
}

#[test]
fn addresses_are_checked_to_their_last_field() {
    let to = |address: Value| json!({"source": {}, "destinations": [{"type": "tel", "target": "+1 555"}, address]});
    option(
        "connect",
        to(json!({"type": "fax"})),
        ".destinations[1] must be an address of a known type, not \"fax\"",
    );
    option(
        "connect",
        to(json!({"type": "tel", "number": "1"})),
        ".destinations[1].number is not a field of this action",
    );
    option("connect", to(json!({"type": "tel", "target": 1})), ".destinations[1].target must be a text");
    option(
        "connect",
        to(json!({"type": "tel", "target": "nobody"})),
        ".destinations[1] must be an address whose target must be a telephone number such as +15551234567",
    );
    option("connect", json!({"destinations": "tel"}), ".destinations must be an array");
    let later = json!([{"type": "connect", "option": to(json!({"type": "tel", "target": "${n}"}))}]);
    assert!(check::actions(&later, FLOW, &|_| false).is_ok());
}

#[test]
fn types_are_known_or_refused_with_their_reason() {
    let refused = |list: Value| check::actions(&list, FLOW, &|_| false).expect_err("refused");
    check(json!([{"id": "a"}]), "actions[0].type is required");
    check(json!([{"type": ""}]), "actions[0].type is required");
    check(json!([{"type": "empty"}]), "actions[0].type \"empty\" is not a type of action");
    check(json!([{"type": "amd"}]), "actions[0].type \"amd\" is not available on this platform");
    assert_eq!(refused(json!([{"type": "amd"}])).reason, "INVALID_ACTION_TYPE");
    let option = json!({"destinations": [{"type": "tel", "target": "1"}], "anonymous": "maybe"});
    check(
        json!([{"type": "call", "option": option.clone()}]),
        "actions[0].option.anonymous must be yes, no, auto or empty",
    );
    assert_eq!(refused(json!([{"type": "call", "option": option}])).reason, "INVALID_ANONYMOUS_VALUE");
}

#[test]
fn every_type_of_voipbin_is_known_by_name() {
    let names = "ai_summary ai_talk ai_task amd answer beep block branch call case_create condition_call_digits \
        condition_call_status condition_datetime condition_variable conference_join confbridge_join connect \
        conversation_send digits_receive digits_send echo email_send external_media_start external_media_stop \
        fetch fetch_flow goto hangup message_send mute play queue_join recording_start recording_stop sleep stop \
        stream_echo talk transcribe_recording transcribe_start transcribe_stop variable_set webhook_send";
    let names: Vec<&str> = names.split_whitespace().collect();
    assert_eq!(names.len(), 43);
    for name in names {
        let known = check::actions(&json!([{"type": name}]), FLOW, &|_| false);
        assert!(!known.is_err_and(|error| error.message.contains("is not a type")), "{name}");
    }
}

#[test]
fn every_target_exists() {
    let goto = |target: Value| json!([{"type": "goto", "option": {"target_id": target}}, {"id": "b", "type": "beep"}]);
    check(goto(json!("c")), "actions[0].option.target_id must be the id of an action of this flow");
    check(goto(json!(null)), "actions[0].option.target_id is required");
    assert!(check::actions(&goto(json!("b")), FLOW, &|_| false).is_ok());
    assert!(check::actions(&goto(json!("${to}")), FLOW, &|_| false).is_ok());
    let branch = json!([{"id": "a", "type": "branch", "option": {"target_ids": {"1": "a", "2": "x"}}}]);
    check(branch, "actions[0].option.target_ids.2 must be the id of an action of this flow");
    check(
        json!([{"id": "a", "type": "beep", "next_id": "b"}]),
        "actions[0].next_id must be the id of an action of this flow",
    );
}

#[test]
fn ids_are_kept_named_or_made() {
    let own = Uuid::from_u128(0xabc);
    let list = json!([{"id": own, "type": "beep"}, {"id": "a1", "type": "beep"}, {"type": "beep"}, {"id": "", "type": "beep"}]);
    let got = check::actions(&list, FLOW, &|_| false).expect("valid");
    assert_eq!((got[0].id, got[1].id), (own, id("a1")));
    assert!(!got[2].id.is_nil() && got[2].id != got[3].id);
    let stored = serde_json::to_value(&got).expect("json");
    assert_eq!(
        check::actions(&stored, FLOW, &|_| false).expect("valid"),
        got,
        "saving twice changes nothing"
    );
}

#[test]
fn ids_are_unique_and_not_reserved() {
    let beep = |id: &str| json!({"id": id, "type": "beep"});
    check(json!([beep("a"), beep("b"), beep("a")]), "actions[2].id is the id of an earlier action");
    check(json!([beep("00000000-0000-0000-0000-000000000002")]), "actions[0].id is reserved");
    check(json!([{"id": 1, "type": "beep"}]), "actions[0].id must be a text");
}

#[test]
fn lists_and_options_have_a_largest_size() {
    check(json!({}), "actions must be an array");
    check(json!([1]), "actions[0] must be an object");
    check(json!([{"type": "beep", "option": 1}]), "actions[0].option must be an object");
    check(vec![json!({"type": "beep"}); 1_001].into(), "actions must not have more than 1000 actions");
    option("talk", json!({"text": "x".repeat(65_536)}), " must not be larger than 65536 bytes");
    let large = json!({"type": "talk", "option": {"text": "x".repeat(60_000)}});
    check(vec![large; 20].into(), "actions must not be larger than 1048576 bytes");
}

#[test]
fn the_flow_inside_a_call_is_checked_too() {
    let call = |actions: Value| json!([{"type": "call", "option": {"destinations": [{"type": "tel", "target": "1"}], "actions": actions}}]);
    check(call(json!([{"type": "talk"}])), "actions[0].option.actions[0].option.text is required");
    let deep = (0..5).fold(json!([{"type": "beep"}]), |inner, _| call(inner));
    let error = check::actions(&deep, FLOW, &|_| false).expect_err("refused");
    assert!(error.message.ends_with("must not be nested more than 4 deep"), "{error}");
    let text = call(json!([{"type": "talk", "option": {"text": "${voipbin.call.id}"}}]));
    assert!(check::actions(&text, FLOW, &|_| false).is_ok());
}

#[test]
fn an_instruction_travels_as_voipbin_writes_it() {
    let to = json!([{"type": "tel", "target": "+15550001"}]);
    let list = json!([
        {"type": "answer"},
        {"type": "stop"},
        {"type": "block"},
        {"type": "play", "option": {"stream_urls": ["https://a.example/x.wav"]}},
        {"type": "talk", "option": {"text": "hi", "provider": "gcp", "digits_handle": "next", "async": true}},
        {"type": "sleep", "option": {"duration": 5}},
        {"type": "digits_receive", "option": {"length": 2}},
        {"type": "digits_send", "option": {"digits": "1a#"}},
        {"type": "branch", "option": {"target_ids": {"1": "x"}}},
        {"type": "goto", "option": {"target_id": "x", "loop_count": 1}},
        {"type": "condition_variable", "option": {"condition": ">=", "variable": "${a}",
            "value_type": "number", "value_number": 1.5, "false_target_id": "x"}},
        {"type": "condition_call_digits", "option": {"key": "#", "false_target_id": "x"}},
        {"type": "variable_set", "option": {"key": "k", "value": "v"}},
        {"type": "fetch", "option": {"event_url": "https://a.example/", "event_method": ""}},
        {"type": "webhook_send", "option": {"uri": "https://a.example/", "method": "PUT"}},
        {"type": "call", "option": {"destinations": to, "actions": [{"type": "beep"}]}},
        {"type": "connect", "option": {"destinations": to, "anonymous": "auto"}},
        {"type": "confbridge_join", "option": {"confbridge_id": FLOW}},
        {"type": "hangup", "option": {"reason": ""}},
        {"id": "x", "type": "beep"},
    ]);
    for action in check::actions(&list, FLOW, &|_| false).expect("valid") {
        let path = String::from("option");
        let read =
            Instruction::read(action.kind, &action.option, path, Stage::Running).expect("an instruction");
        let sent = serde_json::to_value(&read).expect("json");
        assert_eq!(sent["type"], serde_json::to_value(action.kind).expect("json"));
        assert_eq!(serde_json::from_value::<Instruction>(sent).expect("an instruction"), read);
    }
}
