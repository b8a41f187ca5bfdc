//! The arithmetic of an account: setting aside, charging, adjusting. Pure; nothing here goes below zero.

use protocol::{Result, Row, read};
use serde::Deserialize;
use serde_json::json;

use super::cost::Price;

/// What an account has, and how much of it running calls have set aside.
/// Always: 0 <= reserved <= balance, for credit and for tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Balance {
    balance_credit: i64,
    balance_token: i64,
    reserved_credit: i64,
    reserved_token: i64,
}

/// What one call has set aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Hold {
    /// Minutes.
    #[serde(rename = "reserved_units")]
    pub(super) minutes: i64,
    #[serde(rename = "reserved_token")]
    token: i64,
    #[serde(rename = "reserved_credit")]
    credit: i64,
}

/// What was taken from an account, not negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Charge {
    pub(super) token: i64,
    pub(super) credit: i64,
}

impl Balance {
    pub(super) fn of(account: &Row) -> Result<Self> {
        read(account)
    }

    pub(super) fn credit(&self) -> i64 {
        self.balance_credit
    }

    pub(super) fn token(&self) -> i64 {
        self.balance_token
    }

    fn free_credit(&self) -> i64 {
        (self.balance_credit - self.reserved_credit).max(0)
    }

    fn free_token(&self) -> i64 {
        (self.balance_token - self.reserved_token).max(0)
    }

    /// Sets one more minute aside: tokens first where they pay. `None` when neither is left for it.
    pub(super) fn hold(&mut self, hold: Hold, price: Price) -> Option<Hold> {
        let minutes = hold.minutes + 1;
        if price.token > 0 && self.free_token() >= price.token {
            self.reserved_token += price.token;
            return Some(Hold { minutes, token: hold.token + price.token, ..hold });
        }
        if self.free_credit() < price.credit {
            return None;
        }
        self.reserved_credit += price.credit;
        Some(Hold { minutes, credit: hold.credit + price.credit, ..hold })
    }

    /// Gives back what was set aside and takes the price of `minutes`: as many whole minutes as the tokens
    /// cover in tokens, the rest in credit. More than is there, and than others have not set aside, is
    /// not taken.
    pub(super) fn settle(&mut self, hold: Hold, price: Price, minutes: i64) -> Charge {
        self.reserved_token = (self.reserved_token - hold.token).max(0);
        self.reserved_credit = (self.reserved_credit - hold.credit).max(0);
        let by_token = match price.token {
            0 => 0,
            each => minutes.min(self.free_token() / each),
        };
        let owed = (minutes - by_token).saturating_mul(price.credit);
        let charge = Charge { token: by_token * price.token, credit: owed.min(self.free_credit()) };
        self.balance_token -= charge.token;
        self.balance_credit -= charge.credit;
        charge
    }

    /// Adds money, or takes it when negative. `None` when that much is not free, or no balance can hold it.
    pub(super) fn adjust(&mut self, credit: i64) -> Option<()> {
        let balance = self.balance_credit.checked_add(credit)?;
        if balance < self.reserved_credit {
            return None;
        }
        self.balance_credit = balance;
        Some(())
    }

    /// Sets the tokens to the month's allowance and answers the difference. What running calls have set
    /// aside stays.
    pub(super) fn top_up(&mut self, tokens: i64) -> i64 {
        let before = self.balance_token;
        self.balance_token = tokens.max(self.reserved_token);
        self.balance_token - before
    }

    pub(super) fn patch(&self) -> Row {
        Row::from_iter([
            ("balance_credit".to_owned(), json!(self.balance_credit)),
            ("balance_token".to_owned(), json!(self.balance_token)),
            ("reserved_credit".to_owned(), json!(self.reserved_credit)),
            ("reserved_token".to_owned(), json!(self.reserved_token)),
        ])
    }
}

impl Hold {
    pub(super) fn patch(&self) -> Row {
        Row::from_iter([
            ("reserved_units".to_owned(), json!(self.minutes)),
            ("reserved_token".to_owned(), json!(self.token)),
            ("reserved_credit".to_owned(), json!(self.credit)),
        ])
    }
}

#[cfg(test)]
#[path = "balance_tests.rs"]
mod tests;
