//! Order within a pool: work with one key in line, other work side by side, so much at the same time.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};

use uuid::Uuid;

/// Who works on what, and what waits. Whoever waits for a key that is at work waits in its lane, and needs no worker of
/// its own; everybody else waits in the order of arrival.
pub(super) struct Lanes<W> {
    /// Workers without work. The one that worked last is the first to work again.
    idle: Vec<usize>,
    /// The keys that are at work, and what came for them meanwhile.
    busy: HashMap<Uuid, VecDeque<W>>,
    /// What found no idle worker. While there is any, no worker is idle.
    queue: VecDeque<(Uuid, W)>,
}

impl<W> Lanes<W> {
    pub(super) fn of(workers: usize) -> Self {
        Lanes { idle: (0..workers).rev().collect(), busy: HashMap::new(), queue: VecDeque::new() }
    }

    /// The worker that begins with it now, if it need not wait.
    pub(super) fn enter(&mut self, key: Uuid, work: W) -> Option<(usize, W)> {
        if let Some(lane) = self.busy.get_mut(&key) {
            lane.push_back(work);
            return None;
        }
        let Some(worker) = self.idle.pop() else {
            self.queue.push_back((key, work));
            return None;
        };
        self.busy.insert(key, VecDeque::new());
        Some((worker, work))
    }

    /// What a worker does next that has done something for `key`. `None`: it is idle.
    pub(super) fn next(&mut self, worker: usize, key: Uuid) -> Option<(Uuid, W)> {
        if let Some(work) = self.busy.get_mut(&key).and_then(VecDeque::pop_front) {
            return Some((key, work));
        }
        self.busy.remove(&key);
        while let Some((key, work)) = self.queue.pop_front() {
            match self.busy.entry(key) {
                Entry::Occupied(mut lane) => lane.get_mut().push_back(work),
                Entry::Vacant(lane) => {
                    lane.insert(VecDeque::new());
                    return Some((key, work));
                }
            }
        }
        self.idle.push(worker);
        None
    }

    /// Everything that waits goes.
    pub(super) fn clear(&mut self) {
        self.busy.clear();
        self.queue.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn key(n: u128) -> Uuid {
        Uuid::from_u128(n)
    }

    #[test]
    fn one_key_is_in_line_and_another_beside_it() {
        let mut lanes = Lanes::of(2);
        assert_eq!(lanes.enter(key(1), "a"), Some((0, "a")));
        assert_eq!(lanes.enter(key(1), "b"), None);
        assert_eq!(lanes.enter(key(2), "c"), Some((1, "c")));
        assert_eq!(lanes.next(0, key(1)), Some((key(1), "b")));
        assert_eq!(lanes.next(0, key(1)), None);
        assert_eq!(lanes.next(1, key(2)), None);
        assert_eq!(lanes.enter(key(1), "d"), Some((1, "d")), "the one that worked last");
    }

    #[test]
    fn without_a_worker_one_waits_in_the_order_of_arrival_and_of_its_key() {
        let mut lanes = Lanes::of(1);
        assert_eq!(lanes.enter(key(1), "a"), Some((0, "a")));
        for (of, work) in [(2, "b"), (3, "c"), (2, "d"), (1, "e"), (2, "f")] {
            assert_eq!(lanes.enter(key(of), work), None);
        }
        let mut served = Vec::new();
        let mut last = key(1);
        while let Some((of, work)) = lanes.next(0, last) {
            served.push(work);
            last = of;
        }
        // of one key in order, and each of the others before the second of one that waited as long
        assert_eq!(served, ["e", "b", "c", "d", "f"]);
        assert_eq!(lanes.enter(key(3), "g"), Some((0, "g")));
    }

    #[test]
    fn what_was_queued_for_a_key_that_is_at_work_by_then_takes_no_second_worker() {
        let mut lanes = Lanes::of(2);
        assert!(lanes.enter(key(1), "a").is_some() && lanes.enter(key(2), "b").is_some());
        for work in ["c", "d"] {
            assert_eq!(lanes.enter(key(3), work), None);
        }
        assert_eq!(lanes.next(0, key(1)), Some((key(3), "c")));
        assert_eq!(lanes.next(1, key(2)), None, "the other one is in line behind the first");
        assert_eq!(lanes.next(0, key(3)), Some((key(3), "d")));
        assert_eq!(lanes.next(0, key(3)), None);
    }
}
