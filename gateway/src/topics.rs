//! The names under which an event is heard, up to four (more for chats), as VoIPBIN's.

use protocol::Event;
use serde_json::Value;

/// Subscriptions are prefixes, by text: `customer_id:<id>` hears everything below it.
pub(crate) fn of(event: &Event, customer: uuid::Uuid) -> Vec<String> {
    let r#type = event.r#type.as_str();
    let space = r#type.split('_').next().unwrap_or_default();
    let id = text(event, "id");
    let subject = subject(event, space).unwrap_or_else(|| format!("{space}:{id}"));
    let mut listeners = vec![format!("customer_id:{customer}")];
    listeners.extend(owners(event).map(|owner| format!("agent_id:{owner}")));
    let forms = |who: &String| [format!("{who}:{subject}"), format!("{who}:{space}:{type}:{id}")];
    listeners.iter().flat_map(forms).collect()
}

/// What belongs to something larger is heard under that.
fn subject(event: &Event, space: &str) -> Option<String> {
    let (name, field) = match space {
        "aimessage" => ("aicall", "aicall_id"),
        "chat" => ("chat", "id"),
        "chatmessage" | "chatparticipant" => ("chat", "chat_id"),
        "webchat" if event.data.contains_key("session_id") => ("webchat_session", "session_id"),
        "webchat" => ("webchat_session", "id"),
        _ => return None,
    };
    Some(format!("{name}:{}", text(event, field)))
}

fn owners(event: &Event) -> impl Iterator<Item = &str> {
    const NOBODY: &str = "00000000-0000-0000-0000-000000000000";
    let own = event.data.get("owner_id").and_then(Value::as_str);
    let participants = event.data.get("participants").and_then(Value::as_array).into_iter().flatten();
    let others = participants.filter_map(|participant| participant.get("owner_id")?.as_str());
    own.into_iter().chain(others).filter(|id| *id != NOBODY && !id.is_empty())
}

fn text<'e>(event: &'e Event, field: &str) -> &'e str {
    event.data.get(field).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn check(r#type: &str, data: Value, expected: &[&str]) {
        let Value::Object(data) = data else { unreachable!("an object is given") };
        let event = Event {
            r#type: r#type.into(),
            publisher: String::new(),
            data_type: String::new(),
            data: data.into(),
            id: Uuid::nil(),
            time: String::new(),
            resource: String::new(),
            about: uuid::Uuid::nil(),
            request_id: String::new(),
        };
        let customer = Uuid::max();
        let expected: Vec<_> =
            expected.iter().map(|topic| topic.replace('C', &customer.to_string())).collect();
        assert_eq!(of(&event, customer), expected);
    }

    #[test]
    fn events_have_voipbins_topics() {
        check(
            "call_hangup",
            json!({"id": "i", "owner_id": "o"}),
            &[
                "customer_id:C:call:i",
                "customer_id:C:call:call_hangup:i",
                "agent_id:o:call:i",
                "agent_id:o:call:call_hangup:i",
            ],
        );
        check(
            "aimessage_created",
            json!({"id": "i", "aicall_id": "a"}),
            &["customer_id:C:aicall:a", "customer_id:C:aimessage:aimessage_created:i"],
        );
    }
}
