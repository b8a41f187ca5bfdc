//! The last facts of the outbox, as they were committed: what is sent on at once is not read again.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::Event;

use super::job::Told;

/// Facts kept at most. Whoever is further behind reads them from the database.
const MOST: usize = 4096;

pub(super) struct Tail(Mutex<Facts>);

/// Every fact with a number above `after`, in order.
struct Facts {
    after: i64,
    facts: VecDeque<(i64, Arc<Event>)>,
}

impl Tail {
    pub(super) fn new(after: i64) -> Self {
        Tail(Mutex::new(Facts { after, facts: VecDeque::new() }))
    }

    pub(super) fn add(&self, told: Told) {
        let mut all = self.lock();
        all.facts.extend(told);
        while all.facts.len() > MOST {
            if let Some((number, _)) = all.facts.pop_front() {
                all.after = number;
            }
        }
    }

    /// Nobody knows whether facts up to `last` are stored.
    pub(super) fn doubt(&self, last: i64) {
        *self.lock() = Facts { after: last, facts: VecDeque::new() };
    }

    /// The facts after `number`, at most `most`. `None`: they must be read from the database.
    pub(super) fn after(&self, number: i64, most: u32) -> Option<Told> {
        let all = self.lock();
        if number < all.after {
            return None;
        }
        let from = all.facts.partition_point(|(at, _)| *at <= number);
        Some(all.facts.iter().skip(from).take(most as usize).cloned().collect())
    }

    /// These facts are delivered.
    pub(super) fn forget(&self, delivered: &[i64]) {
        let mut all = self.lock();
        while all.facts.front().is_some_and(|(number, _)| delivered.contains(number)) {
            if let Some((number, _)) = all.facts.pop_front() {
                all.after = number;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Facts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(number: i64) -> (i64, Arc<Event>) {
        let event = serde_json::json!({"type": "call_created", "publisher": "call", "data_type": ""});
        (number, Arc::new(serde_json::from_value(event).expect("an event")))
    }

    fn numbers(tail: &Tail, after: i64, most: u32) -> Option<Vec<i64>> {
        tail.after(after, most).map(|facts| facts.iter().map(|(number, _)| *number).collect())
    }

    #[test]
    fn facts_are_given_in_order_from_any_number_it_knows_of() {
        let tail = Tail::new(10);
        tail.add(vec![fact(12), fact(13), fact(20)]);
        assert_eq!(numbers(&tail, 10, 9), Some(vec![12, 13, 20]));
        assert_eq!(numbers(&tail, 12, 1), Some(vec![13]));
        assert_eq!(numbers(&tail, 20, 9), Some(vec![]));
        assert_eq!(numbers(&tail, 9, 9), None);
        tail.forget(&[13, 12]);
        assert_eq!((numbers(&tail, 10, 9), numbers(&tail, 13, 9)), (None, Some(vec![20])));
    }

    #[test]
    fn after_a_doubt_and_behind_too_many_the_database_is_asked() {
        let tail = Tail::new(0);
        tail.add(vec![fact(1)]);
        tail.doubt(5);
        assert_eq!((numbers(&tail, 1, 9), numbers(&tail, 5, 9)), (None, Some(vec![])));
        tail.add((6..=6 + MOST as i64).map(fact).collect());
        assert_eq!((numbers(&tail, 5, 1), numbers(&tail, 6, 1)), (None, Some(vec![7])));
    }
}
