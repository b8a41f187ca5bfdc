//! Entries of the ledger: how they are named, and the part of one that the domain reads.

use protocol::{Row, time};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::balance::{Balance, Hold};
use super::cost::Price;

/// What an entry may be about.
pub(super) const REFERENCES: &[&str] = &[
    "",
    "call",
    "call_extension",
    "sms",
    "email",
    "number",
    "number_renew",
    "credit_free_tier",
    "monthly_allowance",
    "credit_adjustment",
    "token_adjustment",
    "speaking",
    "recording",
];

/// The entry of a call. It follows from the call, so that no call has two.
pub(super) fn of_call(call: Uuid) -> Uuid {
    Uuid::new_v5(&call, b"call")
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Entry {
    pub(super) customer_id: Uuid,
    pub(super) account_id: Uuid,
    pub(super) status: String,
    pub(super) tm_billing_start: Option<String>,
    #[serde(default)]
    tm_billing_end: Option<String>,
    rate_token_per_unit: i64,
    rate_credit_per_unit: i64,
    #[serde(flatten)]
    pub(super) hold: Hold,
}

impl Entry {
    pub(super) fn is_open(&self) -> bool {
        self.status == "progressing"
    }

    /// What was set aside was given back, because nothing had been heard of the call for so long.
    pub(super) fn has_lapsed(&self) -> bool {
        !self.is_open() && self.tm_billing_start.is_none() && self.tm_billing_end.is_none()
    }

    pub(super) fn price(&self) -> Price {
        Price { token: self.rate_token_per_unit, credit: self.rate_credit_per_unit }
    }
}

/// What an entry says of the account after it.
pub(super) fn snapshot(balance: &Balance) -> Row {
    fields([
        ("balance_token_snapshot", json!(balance.token())),
        ("balance_credit_snapshot", json!(balance.credit())),
    ])
}

pub(super) fn fields<const N: usize>(fields: [(&str, Value); N]) -> Row {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Seconds from an answer to an end; `None` when there was no answer. Fractions are cut.
pub(super) fn duration(start: Option<&str>, end: Option<&str>) -> Option<i64> {
    let (start, end) = (time::parse(start?)?, time::parse(end?)?);
    Some((end - start).num_seconds().max(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_lasts_from_its_answer_to_its_end() {
        let at = |second: &str| format!("2026-01-01T00:00:{second}Z");
        let check = |start: Option<&str>, end: Option<&str>, expected| {
            let (start, end) = (start.map(at), end.map(at));
            assert_eq!(duration(start.as_deref(), end.as_deref()), expected);
        };
        check(Some("10"), Some("30"), Some(20));
        check(Some("10.5"), Some("30.4"), Some(19));
        check(Some("30"), Some("10"), Some(0));
        check(None, Some("10"), None);
        check(Some("10"), None, None);
    }

    #[test]
    fn an_entry_is_read_with_what_it_has_set_aside() {
        let row = json!({
            "customer_id": Uuid::nil(), "account_id": Uuid::nil(), "status": "progressing",
            "tm_billing_start": null, "rate_token_per_unit": 1, "rate_credit_per_unit": 2,
            "reserved_units": 3, "reserved_token": 4, "reserved_credit": 5, "other": "ignored",
        });
        let entry: Entry = serde_json::from_value(row).expect("an entry");
        assert!(entry.is_open());
        assert_eq!(entry.price(), Price { token: 1, credit: 2 });
        assert_eq!(
            Value::Object(entry.hold.patch()),
            json!({
                "reserved_units": 3, "reserved_token": 4, "reserved_credit": 5,
            })
        );
    }

    #[test]
    fn an_entry_that_ended_without_a_call_has_lapsed() {
        let check = |status: &str, start: Option<&str>, end: Option<&str>, expected| {
            let row = json!({
                "customer_id": Uuid::nil(), "account_id": Uuid::nil(), "status": status,
                "tm_billing_start": start, "tm_billing_end": end, "rate_token_per_unit": 0,
                "rate_credit_per_unit": 1, "reserved_units": 0, "reserved_token": 0, "reserved_credit": 0,
            });
            let entry: Entry = serde_json::from_value(row).expect("an entry");
            assert_eq!(entry.has_lapsed(), expected, "{status} {start:?} {end:?}");
        };
        check("end", None, None, true);
        check("progressing", None, None, false);
        check("end", None, Some("2026-01-01T00:00:00Z"), false);
        check("end", Some("2026-01-01T00:00:00Z"), Some("2026-01-01T00:00:10Z"), false);
    }
}
