//! A key that somebody holds, and what that means for whoever comes next.

use protocol::idempotency::{Answer, KEPT, LEASE, Outcome, Standing};
use protocol::ports::Vault;
use protocol::time::{self, Time};
use protocol::{Error, Result};
use serde::Deserialize;
use uuid::Uuid;

#[derive(Deserialize)]
pub(super) struct Held {
    pub(super) id: Uuid,
    pub(super) rev: i64,
    pub(super) status: String,
    fingerprint: String,
    tm_create: String,
    code: u16,
    content_type: String,
    body: String,
}

impl Held {
    /// No longer kept: the key is free, whether or not the row was cleaned up yet.
    pub(super) fn is_over(&self, now: Time) -> bool {
        self.age(now).is_none_or(|age| age >= KEPT)
    }

    pub(super) fn standing(self, fingerprint: &str, now: Time, vault: &dyn Vault) -> Result<Standing> {
        if self.fingerprint != fingerprint {
            return Ok(Standing::Another);
        }
        let outcome = match self.status.as_str() {
            "claimed" if self.age(now).is_some_and(|age| age < LEASE) => return Ok(Standing::InProgress),
            "claimed" | "unknown" => Outcome::Unknown,
            "too_large" => Outcome::TooLarge(self.code),
            "answered" => {
                let body = vault.open(&self.body)?;
                Outcome::Answered(Answer { code: self.code, content_type: self.content_type, body })
            }
            other => return Err(Error::internal(format!("a claim is {other}"))),
        };
        Ok(Standing::Settled(outcome))
    }

    fn age(&self, now: Time) -> Option<chrono::TimeDelta> {
        Some(now - time::parse(&self.tm_create)?)
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    const CLAIMED: &str = "2026-01-02T00:00:00.000000Z";

    /// Turns texts round.
    struct Mirror;

    impl Vault for Mirror {
        fn seal(&self, secret: &str) -> Result<String> {
            Ok(secret.chars().rev().collect())
        }
        fn open(&self, sealed: &str) -> Result<String> {
            self.seal(sealed)
        }
    }

    fn held(status: &str) -> Held {
        Held {
            id: Uuid::nil(),
            rev: 1,
            status: status.to_owned(),
            fingerprint: "f".to_owned(),
            tm_create: CLAIMED.to_owned(),
            code: 201,
            content_type: "text/plain".to_owned(),
            body: "cba".to_owned(),
        }
    }

    fn after(age: TimeDelta) -> Time {
        time::parse(CLAIMED).expect("a time") + age
    }

    fn check(status: &str, fingerprint: &str, age: TimeDelta, expected: &Standing) {
        let standing = held(status).standing(fingerprint, after(age), &Mirror).expect("a standing");
        assert_eq!(standing, *expected, "{status} {fingerprint} {age}");
    }

    #[test]
    fn a_key_stands_for_one_request_and_its_end() {
        let unknown = Standing::Settled(Outcome::Unknown);
        let answer = Answer { code: 201, content_type: "text/plain".into(), body: "abc".into() };
        let soon = LEASE - TimeDelta::seconds(1);
        check("claimed", "f", soon, &Standing::InProgress);
        check("claimed", "f", LEASE, &unknown);
        check("unknown", "f", TimeDelta::zero(), &unknown);
        check("too_large", "f", soon, &Standing::Settled(Outcome::TooLarge(201)));
        check("answered", "f", soon, &Standing::Settled(Outcome::Answered(answer)));
        for status in ["claimed", "unknown", "too_large", "answered"] {
            check(status, "another", soon, &Standing::Another);
        }
    }

    #[test]
    fn a_key_is_kept_for_a_day() {
        assert!(!held("answered").is_over(after(KEPT - TimeDelta::microseconds(1))));
        assert!(held("answered").is_over(after(KEPT)));
    }
}
