//! Which way a fact goes from its exchange. Its key is its type, and brings it to the queue of everybody who follows that.
//! When all of them are on the node of the fact, it would lie in their queues, on the disks of the brokers, to be let go
//! unread; so then its key has another word, which no queue is bound to.
//!
//! That takes a node that knows of everybody who follows the fact. It knows those of its own release. A later one in
//! which somebody follows more has another word ([`SEEN`]), and binds his queue to what he follows anew with the words of
//! the releases before: `call_hangup.seen1`. So nodes of both can work side by side.

use lapin::types::ShortString;
use protocol::{Event, event};

use super::super::subscriptions::Names;
use super::names::Known;

/// What the key of a fact ends with that nobody need read.
pub(super) const SEEN: &str = "seen1";

pub(super) struct Way {
    pub(super) key: ShortString,
    /// The subscriptions that need not read it, should they get it.
    pub(super) named: Names,
}

impl Way {
    /// Of a fact that those who are left out have otherwise, or do not want.
    pub(super) fn of(event: &Event, left_out: &Names, known: &Known) -> Way {
        // what VoIPBIN's services publish has no key, and what names no resource is theirs also when it is published again
        if event.is_foreign() {
            return Way { key: ShortString::default(), named: left_out.clone() };
        }
        let r#type = event.r#type.as_str();
        let follows = |pattern: &&str| event::covers(pattern, r#type);
        let followers = known.subscriptions.iter().filter(|(_, patterns)| patterns.iter().any(follows));
        let (seen, open): (Vec<_>, Vec<_>) = followers.partition(|(name, _)| left_out.contains(*name));
        let quiet = || ShortString::try_new(format!("{type}.{SEEN}", type = r#type)).ok();
        let key = quiet().filter(|_| known.is_all && open.is_empty());
        // a type that is too long for a key goes to whoever follows all, as VoIPBIN's do
        let key = key.unwrap_or_else(|| ShortString::try_new(r#type).unwrap_or_default());
        Way { key, named: seen.into_iter().map(|(name, _)| name.clone()).collect() }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn names(names: &[&str]) -> Names {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn way(resource: &str, left_out: &[&str], is_all: bool) -> (String, Names) {
        let patterns = |all: &[&'static str]| all.iter().copied().collect::<BTreeSet<_>>();
        let subscriptions = [
            ("billing", patterns(&["call_hangup"])),
            ("flow", patterns(&["call_hangup", "call_created"])),
            ("webhook", patterns(&["*"])),
            ("timeline", patterns(&[event::FOREIGN])),
        ];
        let subscriptions = subscriptions.map(|(name, patterns)| (name.to_owned(), patterns)).into();
        let known = Known { subscriptions, is_all, ..Known::default() };
        let fact = serde_json::json!({
            "type": "call_created", "publisher": "call-manager", "data_type": "", "resource": resource,
        });
        let fact: Event = serde_json::from_value(fact).expect("an event");
        let Way { key, named } = Way::of(&fact, &names(left_out), &known);
        (key.to_string(), named)
    }

    #[test]
    fn a_fact_goes_by_its_type_unless_everybody_who_follows_it_is_left_out() {
        let (loud, quiet) = ("call_created".to_owned(), "call_created.seen1".to_owned());
        assert_eq!(way("call", &[], true), (loud.clone(), names(&[])));
        assert_eq!(way("call", &["flow", "billing"], true), (loud.clone(), names(&["flow"])));
        assert_eq!(way("call", &["flow", "webhook"], true), (quiet, names(&["flow", "webhook"])));
        assert_eq!(way("call", &["flow", "webhook"], false), (loud, names(&["flow", "webhook"])));
    }

    #[test]
    fn what_is_foreign_goes_to_everybody() {
        assert_eq!(way("", &["flow", "webhook"], true), (String::new(), names(&["flow", "webhook"])));
    }
}
