//! What nodes ask each other on behalf of operators: a few small questions over the bus, as JSON.
//!
//! `GET /ping` is answered by every node that lives, also while its domains are starting: whoever wants to know
//! whether a node lives asks it.

use protocol::{Error, Result, sock};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::time::Duration;

const JSON: &str = "application/json";
const PING: &str = "ping";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub(crate) enum Question {
    Ping,
    /// How the whole node is: its tree without the crowd, its figures, its log.
    Stand,
    /// What is at a place of its tree.
    Tree {
        path: String,
        depth: u32,
    },
    /// Does something to one actor; `rehearse`: says only what it would do to users.
    Act {
        path: String,
        act: Act,
        rehearse: bool,
    },
    /// Puts a fault before the mailbox of an actor.
    Hinder {
        path: String,
        fault: Fault,
        seconds: u64,
    },
    /// What the fault at a path has done so far.
    Hindered {
        path: String,
    },
    /// Ends the fault at a path.
    Lift {
        path: String,
    },
    /// Changes what is logged, or says what is.
    Log {
        directives: Option<String>,
    },
    /// Begins the planned stop.
    Drain,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Act {
    Restart,
    Kill,
}

impl From<Act> for actors::kernel::Act {
    fn from(act: Act) -> Self {
        match act {
            Act::Restart => actors::kernel::Act::Restart,
            Act::Kill => actors::kernel::Act::Kill,
        }
    }
}

/// What happens to messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fault {
    Delay { ms: u64 },
    Drop { count: usize },
}

impl Question {
    /// The question as another node takes it, with the time that its answer is waited for.
    pub(crate) fn encode(&self, publisher: &str, patience: Duration) -> Result<sock::Request> {
        let data = serde_json::to_value(self).map_err(Error::internal)?;
        let name = data.get("ask").and_then(Value::as_str).unwrap_or_default();
        Ok(sock::Request {
            uri: format!("/{name}"),
            method: if self.is_reading() { "GET" } else { "POST" }.to_owned(),
            publisher: publisher.to_owned(),
            data_type: JSON.to_owned(),
            request_id: String::new(),
            traceparent: String::new(),
            customer_id: None,
            timeout_ms: u64::try_from(patience.as_millis()).ok(),
            data,
        })
    }

    /// # Errors
    /// It is no question of this version.
    pub(crate) fn decode(request: &sock::Request) -> Result<Question> {
        let name = request.uri.trim_start_matches('/');
        if name == PING {
            return Ok(Question::Ping);
        }
        let mut data = request.data.as_object().cloned().unwrap_or_else(Map::new);
        data.insert("ask".to_owned(), name.into());
        serde_json::from_value(Value::Object(data)).map_err(|error| {
            Error::invalid(format!("/{name} is no question that this node answers: {error}"))
        })
    }

    /// What only reads may be asked again by the bus.
    fn is_reading(&self) -> bool {
        match self {
            Question::Ping | Question::Stand | Question::Tree { .. } | Question::Hindered { .. } => true,
            Question::Log { directives } => directives.is_none(),
            Question::Act { rehearse, .. } => *rehearse,
            Question::Hinder { .. } | Question::Lift { .. } | Question::Drain => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_arrives_as_it_was_asked() {
        let act = Question::Act { path: "call-manager/pool".into(), act: Act::Kill, rehearse: false };
        let tree = Question::Tree { path: "call-manager".into(), depth: 2 };
        let log = Question::Log { directives: Some("debug".into()) };
        let path = || "call-manager/pool".to_owned();
        let hinder = Question::Hinder { path: path(), fault: Fault::Delay { ms: 5 }, seconds: 1 };
        let (hindered, lift) = (Question::Hindered { path: path() }, Question::Lift { path: path() });
        let all = [Question::Ping, Question::Stand, act, tree, log, Question::Drain, hinder, hindered, lift];
        for question in all {
            let sent = question.encode("n1", Duration::from_secs(2)).expect("a request");
            assert_eq!(Question::decode(&sent).expect("a question"), question);
        }
    }

    #[test]
    fn a_ping_needs_nothing_but_its_name() {
        let request = serde_json::json!({"uri": "/ping", "method": "GET", "publisher": "x", "data_type": ""});
        let request: sock::Request = serde_json::from_value(request).expect("a request");
        assert_eq!(Question::decode(&request).expect("a question"), Question::Ping);
        let other = sock::Request { uri: "/explode".into(), ..request };
        assert!(Question::decode(&other).expect_err("refused").message.contains("/explode"));
    }
}
