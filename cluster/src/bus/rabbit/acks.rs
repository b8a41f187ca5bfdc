//! Acknowledgements of one channel. Of requests that came in a row and are all answered one word is enough.

use std::collections::VecDeque;

use lapin::options::BasicAckOptions;
use lapin::types::DeliveryTag;

/// What was taken and is not acknowledged yet, in the order of the tags, and whether it is answered.
#[derive(Default)]
pub(super) struct Acks(VecDeque<(DeliveryTag, bool)>);

impl Acks {
    pub(super) fn taken(&mut self, tag: DeliveryTag) {
        self.0.push_back((tag, false));
    }

    /// It was acknowledged, or given back, by a word of its own.
    pub(super) fn settled(&mut self, tag: DeliveryTag) {
        if let Some(at) = self.place(tag) {
            self.0.remove(at);
        }
    }

    pub(super) fn answered(&mut self, tag: DeliveryTag) {
        if let Some((_, answered)) = self.place(tag).and_then(|at| self.0.get_mut(at)) {
            *answered = true;
        }
    }

    /// What is to be said now. Nothing waits for one that takes long: behind it each has a word of its own.
    pub(super) fn due(&mut self) -> Vec<(DeliveryTag, BasicAckOptions)> {
        let row = self.0.iter().take_while(|(_, answered)| *answered).count();
        let all =
            self.0.drain(..row).next_back().map(|(tag, _)| (tag, BasicAckOptions { multiple: row > 1 }));
        let mut due: Vec<_> = all.into_iter().collect();
        self.0.retain(|(tag, answered)| {
            if *answered {
                due.push((*tag, BasicAckOptions { multiple: false }));
            }
            !answered
        });
        due
    }

    fn place(&self, tag: DeliveryTag) -> Option<usize> {
        self.0.binary_search_by_key(&tag, |(tag, _)| *tag).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acks(tags: &[DeliveryTag]) -> Acks {
        let mut acks = Acks::default();
        tags.iter().for_each(|tag| acks.taken(*tag));
        acks
    }

    fn said(acks: &mut Acks) -> Vec<(DeliveryTag, bool)> {
        acks.due().into_iter().map(|(tag, options)| (tag, options.multiple)).collect()
    }

    #[test]
    fn a_row_is_acknowledged_with_its_last_and_each_only_once() {
        let mut acks = acks(&[1, 2, 3, 4]);
        [3, 1, 2].into_iter().for_each(|tag| acks.answered(tag));
        assert_eq!(said(&mut acks), [(3, true)]);
        acks.answered(4);
        assert_eq!(said(&mut acks), [(4, false)]);
        acks.answered(4);
        assert_eq!(said(&mut acks), []);
    }

    #[test]
    fn one_that_takes_long_holds_up_no_other() {
        let mut acks = acks(&[1, 2, 3, 4]);
        [3, 4].into_iter().for_each(|tag| acks.answered(tag));
        assert_eq!(said(&mut acks), [(3, false), (4, false)]);
        [1, 2].into_iter().for_each(|tag| acks.answered(tag));
        assert_eq!(said(&mut acks), [(2, true)]);
    }

    #[test]
    fn what_has_had_a_word_of_its_own_stands_in_nobodys_way() {
        let mut acks = acks(&[5, 6, 7]);
        acks.settled(6);
        [5, 7].into_iter().for_each(|tag| acks.answered(tag));
        assert_eq!(said(&mut acks), [(7, true)]);
        acks.settled(9);
        acks.answered(9);
        assert_eq!(said(&mut acks), []);
    }
}
