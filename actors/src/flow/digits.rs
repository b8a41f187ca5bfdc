//! What the caller typed, and when it counts.
//!
//! `voipbin.call.digits` is all that flows see of it. While a `digits_receive` runs it grows digit by digit;
//! the terminator stays in it, as VoIPBIN's clients expect. While anything else runs, what is typed is kept
//! as type-ahead and shown in the variable too (a `talk` that a digit cuts off is followed by a branch on
//! it). The next `digits_receive` takes from the type-ahead only what it needs; the rest waits for the one
//! after. Unlike VoIPBIN's it otherwise starts empty: digits of an earlier menu never answer a later one.

use serde::{Deserialize, Serialize};

use super::literal::is_key;
use super::option::DigitsReceive;
use super::variables::{DIGITS, Variables};

/// The longest text of digits; more are dropped. No menu asks for so many.
const MOST: usize = 100;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Digits {
    /// Typed, and not yet taken by a `digits_receive`.
    ahead: String,
    /// The variable shows `ahead`, not what a `digits_receive` took.
    shown: bool,
}

impl Digits {
    /// A `digits_receive` begins. True: what was typed ahead is all it needs.
    pub(super) fn begin(&mut self, wanted: &DigitsReceive, variables: &mut Variables) -> bool {
        let typed = std::mem::take(&mut self.ahead);
        self.shown = false;
        let enough = (1..=typed.len()).find(|len| is_enough(wanted, &typed[..*len]));
        let (taken, rest) = typed.split_at(enough.unwrap_or(typed.len()));
        variables.put(DIGITS, taken);
        self.ahead = rest.to_owned();
        enough.is_some()
    }

    /// A digit for the running `digits_receive`. True: it was the last one needed.
    pub(super) fn receive(&mut self, digit: char, wanted: &DigitsReceive, variables: &mut Variables) -> bool {
        let mut typed = variables.get(DIGITS).to_owned();
        push(&mut typed, digit);
        let enough = is_enough(wanted, &typed);
        variables.put(DIGITS, typed);
        enough
    }

    /// A digit while nothing waits for one.
    pub(super) fn keep(&mut self, digit: char, variables: &mut Variables) {
        push(&mut self.ahead, digit);
        self.shown = true;
        variables.put(DIGITS, self.ahead.as_str());
    }

    /// The flow itself wrote or cleared the variable, as a branch does: what it showed is used up.
    pub(super) fn spend(&mut self) {
        if self.shown {
            self.ahead.clear();
        }
        self.shown = false;
    }
}

/// The form in which a key is kept, or `None` if no telephone has it.
pub(super) fn key(pressed: char) -> Option<char> {
    Some(pressed.to_ascii_uppercase()).filter(|key| is_key(*key))
}

/// `length` digits, or any of the terminators in `key`.
pub(super) fn is_match(typed: &str, length: i64, key: &str) -> bool {
    let typed_length = i64::try_from(typed.len()).unwrap_or(i64::MAX);
    (length > 0 && typed_length >= length) || typed.contains(|digit| key.contains(digit))
}

fn is_enough(wanted: &DigitsReceive, typed: &str) -> bool {
    is_match(typed, wanted.length, &wanted.key)
}

fn push(typed: &mut String, digit: char) {
    if typed.len() < MOST {
        typed.push(digit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::literal::Milliseconds;

    fn wanted(length: i64, key: &str) -> DigitsReceive {
        DigitsReceive { duration: Milliseconds(1_000), length, key: key.to_owned() }
    }

    /// Types `ahead`, then runs a `digits_receive`: whether it is done, its variable, what stays ahead.
    fn check(ahead: &str, length: i64, terminators: &str, expected: (bool, &str, &str)) {
        let (mut digits, mut variables) = (Digits::default(), Variables::default());
        ahead.chars().for_each(|digit| digits.keep(digit, &mut variables));
        let done = digits.begin(&wanted(length, terminators), &mut variables);
        assert_eq!((done, variables.get(DIGITS), digits.ahead.as_str()), expected, "{ahead}");
    }

    #[test]
    fn type_ahead_is_taken_as_far_as_it_is_needed() {
        check("", 1, "", (false, "", ""));
        check("12", 3, "#", (false, "12", ""));
        check("12", 1, "", (true, "1", "2"));
        check("12#34", 0, "#*", (true, "12#", "34"));
        check("12", 0, "", (false, "12", ""));
    }

    #[test]
    fn a_new_digits_receive_starts_empty() {
        let (mut digits, mut variables) = (Digits::default(), Variables::default());
        assert!(!digits.begin(&wanted(2, ""), &mut variables));
        assert!(!digits.receive('1', &wanted(2, ""), &mut variables));
        assert!(digits.receive('2', &wanted(2, ""), &mut variables));
        assert_eq!(variables.get(DIGITS), "12");
        assert!(!digits.begin(&wanted(2, ""), &mut variables));
        assert_eq!(variables.get(DIGITS), "");
    }

    #[test]
    fn a_branch_uses_up_only_what_it_saw() {
        let (mut digits, mut variables) = (Digits::default(), Variables::default());
        digits.keep('1', &mut variables);
        digits.keep('2', &mut variables);
        digits.begin(&wanted(1, ""), &mut variables);
        digits.spend();
        assert_eq!(digits.ahead, "2", "the digit for the next menu stays");
        digits.keep('3', &mut variables);
        digits.spend();
        assert_eq!(digits.ahead, "", "the branch saw 23");
    }
}
