//! The contacts of one extension as RFC 3261 10.3 keeps them. Pure: stored bindings and a REGISTER in, the
//! bindings that are left out.

use chrono::TimeDelta;
use protocol::ports::voice::Contact;
use protocol::time::{self, Time};
use protocol::{Error, Result};
use serde::{Deserialize, Serialize};

/// Telephones of one extension at the same time.
const MOST: usize = 3;
/// Contacts of one REGISTER. More than can be kept are a mistake or an attack.
const MOST_GIVEN: usize = 10;

/// A contact and when it was last bound. Its `expires` counts from then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Binding {
    pub(super) contact: Contact,
    /// RFC 3339.
    bound_at: String,
}

impl Binding {
    fn new(contact: Contact, now: Time) -> Self {
        Binding { contact, bound_at: time::stamp(now) }
    }

    /// The contact with the seconds it has left; `None` when its time is over.
    pub(super) fn at(&self, now: Time) -> Option<Contact> {
        let end = time::parse(&self.bound_at)? + TimeDelta::seconds(self.contact.expires.into());
        let left = u32::try_from((end - now).num_seconds()).ok().filter(|left| *left > 0)?;
        Some(Contact { expires: left, ..self.contact.clone() })
    }
}

/// What is left after a REGISTER. A contact that an earlier message of the same Call-ID tries to change fails
/// the whole of it: nothing is bound then.
pub(super) fn bind(kept: Vec<Binding>, given: Vec<Contact>, all: bool, now: Time) -> Result<Vec<Binding>> {
    if given.len() > MOST_GIVEN {
        return Err(Error::invalid("too many contacts"));
    }
    let mut kept: Vec<Binding> = kept.into_iter().filter(|binding| binding.at(now).is_some()).collect();
    if given.iter().any(|contact| kept.iter().any(|binding| is_late(&binding.contact, contact))) {
        return Err(Error::state("a later REGISTER has changed this contact already"));
    }
    if all {
        kept.clear();
    }
    for contact in given {
        kept.retain(|binding| binding.contact.uri != contact.uri);
        if contact.expires > 0 {
            kept.push(Binding::new(contact, now));
        }
    }
    // the newest are last
    let surplus = kept.len().saturating_sub(MOST);
    kept.drain(..surplus);
    Ok(kept)
}

fn is_late(kept: &Contact, given: &Contact) -> bool {
    kept.uri == given.uri && kept.call_id == given.call_id && given.cseq < kept.cseq
}

/// Oldest first, whatever order the store answered in.
pub(super) fn in_order(mut bindings: Vec<Binding>) -> Vec<Binding> {
    bindings.sort_by(|a, b| (&a.bound_at, &a.contact.uri).cmp(&(&b.bound_at, &b.contact.uri)));
    bindings
}

#[cfg(test)]
mod tests {
    use protocol::ports::voice::Transport;

    use super::*;

    fn contact(uri: &str, expires: u32, cseq: u32) -> Contact {
        Contact {
            uri: uri.into(),
            source: ([192, 0, 2, 1], 5060).into(),
            transport: Transport::Udp,
            expires,
            call_id: "c".into(),
            cseq,
            user_agent: String::new(),
        }
    }

    fn at(seconds: i64) -> Time {
        time::parse("2026-01-01T00:00:00Z").expect("a time") + TimeDelta::seconds(seconds)
    }

    fn uris(bindings: &[Binding]) -> Vec<&str> {
        bindings.iter().map(|binding| binding.contact.uri.as_str()).collect()
    }

    #[test]
    fn the_fourth_telephone_replaces_the_oldest() {
        let mut kept = Vec::new();
        for (second, uri) in ["a", "b", "c", "d"].into_iter().enumerate() {
            kept = bind(kept, vec![contact(uri, 60, 1)], false, at(second as i64)).expect("bound");
        }
        assert_eq!(uris(&kept), ["b", "c", "d"]);
        let again = bind(kept, vec![contact("b", 60, 2)], false, at(9)).expect("bound");
        assert_eq!(uris(&again), ["c", "d", "b"]);
    }

    #[test]
    fn a_binding_ends_at_its_time_or_when_it_is_taken_back() {
        let kept =
            bind(Vec::new(), vec![contact("a", 60, 1), contact("b", 30, 1)], false, at(0)).expect("bound");
        assert_eq!(kept.iter().filter_map(|b| b.at(at(40))).map(|c| c.expires).collect::<Vec<_>>(), [20]);
        let left = bind(kept.clone(), Vec::new(), false, at(40)).expect("bound");
        assert_eq!(uris(&left), ["a"]);
        let none =
            bind(kept.clone(), vec![contact("a", 0, 2), contact("b", 0, 2)], false, at(1)).expect("bound");
        assert!(none.is_empty());
        assert!(bind(kept, Vec::new(), true, at(1)).expect("bound").is_empty());
    }

    #[test]
    fn an_older_message_of_the_same_call_changes_nothing() {
        let kept = bind(Vec::new(), vec![contact("a", 60, 5)], false, at(0)).expect("bound");
        assert!(bind(kept.clone(), vec![contact("b", 60, 6), contact("a", 0, 4)], false, at(1)).is_err());
        let mut other = contact("a", 30, 1);
        other.call_id = "restarted".into();
        let rebound = bind(kept.clone(), vec![other], false, at(1)).expect("bound");
        assert_eq!(rebound[0].contact.call_id, "restarted");
        // the same message once more is no mistake
        assert!(bind(kept, vec![contact("a", 60, 5)], false, at(1)).is_ok());
    }

    #[test]
    fn bindings_are_kept_oldest_first() {
        let early = Binding::new(contact("z", 60, 1), at(0));
        let late = Binding::new(contact("a", 60, 1), at(1));
        assert_eq!(uris(&in_order(vec![late, early])), ["z", "a"]);
    }
}
