//! Who is served next. A customer whose endpoint hangs fills its own places and nobody else's.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;
use uuid::Uuid;

/// Attempts at once: sockets and answers in memory. More than a hundred customers must hang before one
/// that does not has to wait.
const PLACES: usize = 1024;
/// Of one customer.
const PLACES_EACH: usize = 8;
/// Deliveries that wait, by id: more stay in the store until their timers offer them again.
const WAITING: usize = 16_384;
/// Of one customer.
const WAITING_EACH: usize = 1024;

#[derive(Default)]
pub(super) struct Desk {
    inner: Mutex<Inner>,
    changed: Notify,
}

#[derive(Default)]
struct Inner {
    lines: HashMap<Uuid, Line>,
    /// Customers that have somebody waiting and a place free, each once: they take turns.
    turns: VecDeque<Uuid>,
    /// Deliveries that wait or are served.
    known: HashSet<Uuid>,
    busy: usize,
}

#[derive(Default)]
struct Line {
    waiting: VecDeque<Uuid>,
    busy: usize,
    in_turn: bool,
}

/// One attempt's place. Dropping it, in whatever way the attempt ended, frees it.
pub(super) struct Place {
    desk: Arc<Desk>,
    pub(super) customer: Uuid,
    pub(super) delivery: Uuid,
}

impl Desk {
    /// Takes a delivery in, in the order of a customer's offers. One that is here already stays where it
    /// is. One that finds no room is left to its timer.
    pub(super) fn offer(&self, customer: Uuid, delivery: Uuid) {
        let mut inner = self.lock();
        let full = inner.known.len() >= WAITING
            || inner.lines.get(&customer).is_some_and(|line| line.waiting.len() >= WAITING_EACH);
        if full || !inner.known.insert(delivery) {
            return;
        }
        inner.lines.entry(customer).or_default().waiting.push_back(delivery);
        inner.queue_up(customer);
        inner.tell();
        drop(inner);
        self.changed.notify_one();
    }

    /// The next attempt, if there is one and a place for it.
    pub(super) fn take(self: &Arc<Self>) -> Option<Place> {
        let (customer, delivery) = self.lock().next()?;
        Some(Place { desk: self.clone(), customer, delivery })
    }

    /// Returns when [`Desk::take`] may have something.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("nothing panics while it holds the desk")
    }
}

impl Inner {
    fn next(&mut self) -> Option<(Uuid, Uuid)> {
        if self.busy >= PLACES {
            return None;
        }
        let customer = self.turns.pop_front()?;
        let line = self.lines.get_mut(&customer)?;
        line.in_turn = false;
        let delivery = line.waiting.pop_front()?;
        line.busy += 1;
        self.busy += 1;
        self.queue_up(customer);
        self.tell();
        Some((customer, delivery))
    }

    fn queue_up(&mut self, customer: Uuid) {
        let Some(line) = self.lines.get_mut(&customer) else { return };
        if !line.in_turn && !line.waiting.is_empty() && line.busy < PLACES_EACH {
            line.in_turn = true;
            self.turns.push_back(customer);
        }
    }

    fn leave(&mut self, customer: Uuid, delivery: Uuid) {
        self.known.remove(&delivery);
        self.busy = self.busy.saturating_sub(1);
        self.tell();
        let Some(line) = self.lines.get_mut(&customer) else { return };
        line.busy = line.busy.saturating_sub(1);
        if line.busy == 0 && line.waiting.is_empty() {
            self.lines.remove(&customer);
            return;
        }
        self.queue_up(customer);
    }

    /// How many wait, and how many are served.
    fn tell(&self) {
        let waiting = self.known.len().saturating_sub(self.busy);
        metrics::gauge!("webhooks_waiting").set(waiting as f64);
        metrics::gauge!("webhooks_under_way").set(self.busy as f64);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.desk.lock().leave(self.customer, self.delivery);
        self.desk.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(count: usize) -> Vec<Uuid> {
        (1..=count).map(|n| Uuid::from_u128(n as u128)).collect()
    }

    fn taken(desk: &Arc<Desk>) -> Vec<Place> {
        std::iter::from_fn(|| desk.take()).collect()
    }

    #[test]
    fn one_customer_has_its_places_and_no_more() {
        let (desk, deliveries) = (Arc::new(Desk::default()), ids(20));
        let (slow, quick) = (Uuid::from_u128(1), Uuid::from_u128(2));
        deliveries.iter().for_each(|id| desk.offer(slow, *id));
        let mut hanging = taken(&desk);
        assert_eq!(hanging.iter().map(|p| p.delivery).collect::<Vec<_>>(), deliveries[..PLACES_EACH]);
        desk.offer(quick, Uuid::max());
        assert_eq!(taken(&desk).iter().map(|p| p.delivery).collect::<Vec<_>>(), [Uuid::max()]);
        drop(hanging.pop());
        assert_eq!(taken(&desk).len(), 1);
    }

    #[test]
    fn customers_take_turns() {
        let desk = Arc::new(Desk::default());
        for (at, id) in ids(6).into_iter().enumerate() {
            desk.offer(Uuid::from_u128(if at < 3 { 1 } else { 2 }), id);
        }
        let order: Vec<_> = taken(&desk).iter().map(|place| place.customer.as_u128()).collect();
        assert_eq!(order, [1, 2, 1, 2, 1, 2]);
    }

    #[test]
    fn a_delivery_is_here_once() {
        let (desk, [id, other]) = (Arc::new(Desk::default()), [Uuid::from_u128(7), Uuid::from_u128(8)]);
        desk.offer(Uuid::max(), id);
        desk.offer(Uuid::max(), id);
        let places = taken(&desk);
        assert_eq!(places.len(), 1);
        desk.offer(Uuid::max(), id);
        assert_eq!(taken(&desk).len(), 0);
        drop(places);
        desk.offer(Uuid::max(), id);
        desk.offer(Uuid::max(), other);
        assert_eq!(taken(&desk).len(), 2);
    }

    #[test]
    fn a_line_has_an_end_and_nothing_is_left_behind() {
        let desk = Arc::new(Desk::default());
        ids(WAITING_EACH + 50).into_iter().for_each(|id| desk.offer(Uuid::max(), id));
        let mut served = 0;
        while let Some(place) = desk.take() {
            served += 1;
            drop(place);
        }
        assert_eq!(served, WAITING_EACH);
        let inner = desk.lock();
        assert!(
            inner.lines.is_empty() && inner.known.is_empty() && inner.turns.is_empty() && inner.busy == 0
        );
    }

    #[test]
    fn all_together_have_so_many_places() {
        let desk = Arc::new(Desk::default());
        for (at, id) in ids(PLACES + 100).into_iter().enumerate() {
            desk.offer(Uuid::from_u128(1 + at as u128), id);
        }
        let places = taken(&desk);
        assert_eq!(places.len(), PLACES);
        drop(places);
        assert_eq!(taken(&desk).len(), 100);
    }
}
