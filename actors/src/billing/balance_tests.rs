//! Examples of the arithmetic, and a long random life of accounts in which it must always add up.

use rand::{Rng, SeedableRng, rngs::StdRng};

use super::*;

const PSTN: Price = Price { token: 0, credit: 10_000 };
const VIRTUAL: Price = Price { token: 1, credit: 1_000 };

fn with(credit: i64, token: i64) -> Balance {
    Balance { balance_credit: credit, balance_token: token, ..Balance::default() }
}

fn charge(credit: i64, token: i64, price: Price, minutes: i64) -> (i64, i64) {
    let charge = with(credit, token).settle(Hold::default(), price, minutes);
    (charge.token, charge.credit)
}

#[test]
fn tokens_pay_first_and_credit_the_rest() {
    assert_eq!(charge(10_000, 5, VIRTUAL, 5), (5, 0));
    assert_eq!(charge(10_000, 5, VIRTUAL, 8), (5, 3_000));
    assert_eq!(charge(10_000, 0, VIRTUAL, 2), (0, 2_000));
    assert_eq!(charge(10_000, 5, VIRTUAL, 0), (0, 0));
    let dear = Price { token: 3, credit: 30_000 };
    assert_eq!(charge(90_000, 5, dear, 2), (3, 30_000));
    assert_eq!(charge(90_000, 2, dear, 1), (0, 30_000));
}

#[test]
fn tokens_never_open_the_telephone_network() {
    assert_eq!(with(9_999, 1_000).hold(Hold::default(), PSTN), None);
    assert_eq!(charge(20_000, 1_000, PSTN, 2), (0, 20_000));
}

#[test]
fn money_for_one_minute_opens_one_call() {
    let mut account = with(10_000, 0);
    let calls = (0..200).filter(|_| account.hold(Hold::default(), PSTN).is_some()).count();
    assert_eq!((calls, account.free_credit()), (1, 0));
}

#[test]
fn what_was_never_answered_is_given_back() {
    let mut account = with(10_000, 1);
    let hold = account.hold(Hold::default(), VIRTUAL).expect("a minute");
    assert_eq!((hold.token, hold.credit, account.free_token()), (1, 0, 0));
    assert_eq!(account.settle(hold, VIRTUAL, 0), Charge::default());
    assert_eq!(account, with(10_000, 1));
}

#[test]
fn a_balance_is_never_overdrawn() {
    assert_eq!(charge(15_000, 0, PSTN, 3), (0, 15_000));
    let mut account = with(20_000, 0);
    account.hold(Hold::default(), PSTN).expect("a minute");
    assert_eq!(account.adjust(-10_001), None);
    assert_eq!(account.adjust(-10_000), Some(()));
    assert_eq!(account.adjust(i64::MAX), None);
}

#[test]
fn a_new_allowance_replaces_the_old_one() {
    let mut account = with(0, 30);
    assert_eq!((account.top_up(100), account.token()), (70, 100));
    let hold = account.hold(Hold::default(), VIRTUAL).expect("a minute");
    assert_eq!((account.top_up(0), account.token()), (-99, 1));
    assert_eq!(account.settle(hold, VIRTUAL, 1).token, 1);
}

/// A ledger beside the balance, as entries beside the account's row.
struct Books {
    account: Balance,
    credit: i64,
    token: i64,
    calls: Vec<(Hold, Price)>,
}

impl Books {
    fn step(&mut self, rng: &mut StdRng) {
        let price = [PSTN, VIRTUAL, Price::FREE, Price { token: 3, credit: 0 }][rng.random_range(0..4)];
        match rng.random_range(0..10) {
            0 => {
                let amount = rng.random_range(-50_000..60_000);
                self.credit += self.account.adjust(amount).map_or(0, |()| amount);
            }
            1 => self.token += self.account.top_up(rng.random_range(0..20)),
            2..6 => self.calls.extend(self.account.hold(Hold::default(), price).map(|hold| (hold, price))),
            _ if self.calls.is_empty() => {}
            at @ 6..8 => {
                let at = at % self.calls.len();
                let (hold, price) = self.calls[at];
                self.calls[at].0 = self.account.hold(hold, price).unwrap_or(hold);
            }
            _ => {
                let (hold, price) = self.calls.swap_remove(rng.random_range(0..self.calls.len()));
                let charge = self.account.settle(hold, price, rng.random_range(0..hold.minutes + 3));
                assert!(charge.token >= 0 && charge.credit >= 0);
                self.token -= charge.token;
                self.credit -= charge.credit;
            }
        }
    }

    fn check(&self) {
        let Balance { balance_credit, balance_token, reserved_credit, reserved_token } = self.account;
        assert_eq!((balance_credit, balance_token), (self.credit, self.token), "the ledger adds up");
        let held = self.calls.iter().map(|(hold, _)| (hold.credit, hold.token));
        let held = held.fold((0, 0), |sum, hold| (sum.0 + hold.0, sum.1 + hold.1));
        assert_eq!((reserved_credit, reserved_token), held, "what is set aside is the calls'");
        assert!(reserved_credit <= balance_credit && reserved_token <= balance_token, "and is there");
        assert!(balance_credit >= 0 && balance_token >= 0, "nothing is overdrawn");
    }
}

#[test]
fn the_ledger_always_adds_up() {
    for seed in 0..200 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut books = Books { account: Balance::default(), credit: 0, token: 0, calls: Vec::new() };
        for _ in 0..500 {
            books.step(&mut rng);
            books.check();
        }
    }
}

#[test]
fn what_was_set_aside_always_pays_for_its_minutes() {
    for seed in 0..200 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut account = with(rng.random_range(0..100_000), rng.random_range(0..10));
        let mut hold = Hold::default();
        while let Some(more) = account.hold(hold, VIRTUAL) {
            hold = more;
        }
        let charge = account.settle(hold, VIRTUAL, hold.minutes);
        assert_eq!(charge.token + charge.credit / VIRTUAL.credit, hold.minutes, "seed {seed}");
    }
}
