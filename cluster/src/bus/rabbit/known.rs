//! Facts of other nodes that are on this one right now, so that one that comes by way of several queues is read once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use lapin::message::Delivery;
use protocol::Event;
use uuid::Uuid;

use super::wire;

/// Facts that are looked after, those that are gone among them. Beyond that the gone ones are forgotten, or all.
const MOST: usize = 4096;

#[derive(Default)]
pub(super) struct Known(Mutex<HashMap<Uuid, Weak<Event>>>);

impl Known {
    /// The fact that was delivered.
    pub(super) fn read(&self, delivery: &Delivery) -> Result<Arc<Event>, serde_json::Error> {
        if let Some(event) = wire::id(delivery).and_then(|id| self.find(id)) {
            return Ok(event);
        }
        let event = Arc::new(wire::event(delivery)?);
        self.here(&event);
        Ok(event)
    }

    /// A fact is here as long as somebody holds it.
    fn here(&self, event: &Arc<Event>) {
        let mut facts = self.facts();
        if facts.len() >= MOST {
            facts.retain(|_, fact| fact.strong_count() > 0);
        }
        if facts.len() >= MOST {
            facts.clear();
        }
        facts.insert(event.id, Arc::downgrade(event));
    }

    fn find(&self, id: Uuid) -> Option<Arc<Event>> {
        self.facts().get(&id)?.upgrade()
    }

    fn facts(&self) -> MutexGuard<'_, HashMap<Uuid, Weak<Event>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use lapin::BasicProperties;

    use super::*;

    fn event(id: Uuid) -> Arc<Event> {
        let event = serde_json::json!({"type": "tag_created", "publisher": "tag-manager", "data_type": "", "id": id,
            "time": "2026-01-02T03:04:05.000006Z"});
        Arc::new(serde_json::from_value(event).expect("an event"))
    }

    fn delivery(properties: BasicProperties, event: &Event) -> Delivery {
        let mut delivery =
            Delivery::mock(1, "".into(), "".into(), false, serde_json::to_vec(event).expect("JSON"));
        delivery.properties = properties;
        delivery
    }

    #[test]
    fn a_fact_is_read_once_while_it_is_here() {
        let (known, fact) = (Known::default(), event(Uuid::from_u128(1)));
        let named = || delivery(wire::of_event(&fact, &BTreeSet::new()), &fact);
        let first = known.read(&named()).expect("an event");
        assert!(Arc::ptr_eq(&first, &known.read(&named()).expect("an event")));
        drop(first);
        assert!(known.find(fact.id).is_none());
        known.here(&fact);
        assert!(Arc::ptr_eq(&fact, &known.read(&named()).expect("an event")));
    }

    #[test]
    fn what_does_not_say_which_fact_it_is_is_read() {
        let (known, fact) = (Known::default(), event(Uuid::from_u128(1)));
        known.here(&fact);
        let read = known.read(&delivery(BasicProperties::default(), &fact)).expect("an event");
        assert!(!Arc::ptr_eq(&fact, &read) && fact == read);
    }

    #[test]
    fn facts_that_are_gone_make_room() {
        let (known, kept) = (Known::default(), event(Uuid::from_u128(1)));
        known.here(&kept);
        (2..3 * MOST as u128).for_each(|id| known.here(&event(Uuid::from_u128(id))));
        assert!(known.find(kept.id).is_some() && known.facts().len() <= MOST);
    }
}
