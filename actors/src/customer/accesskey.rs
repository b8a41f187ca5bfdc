//! A new access key. Its token is shown once; only the token's digest is stored, so a stolen database opens
//! nothing.

use std::sync::Arc;

use chrono::TimeDelta;
use protocol::time::{self, Time};
use protocol::{Context, Error, Result, Row, read};
use ring::digest::{SHA256, digest};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Customers;
use super::create::random;

const DAY: i64 = 86_400;
/// A key without a wish lives this long, in seconds.
const USUAL: i64 = 365 * DAY;
/// The longest life of a key, in seconds: ten years.
const LONGEST: i64 = 3650 * DAY;
/// What a token begins with: who finds one in a file knows what it opens.
pub(super) const MARK: &str = "vb_";
/// Characters of a token that stay readable, so that a person can tell keys apart.
const PREFIX: usize = 11;

#[derive(Deserialize)]
struct Wish {
    #[serde(default)]
    expire: i64,
}

/// 0 means that the caller has no wish.
pub(super) fn check_expire(value: &Value) -> Result<()> {
    match value.as_i64() {
        Some(0 | DAY..=LONGEST) => Ok(()),
        Some(_) | None => Err(Error::invalid(format!("must be {DAY} to {LONGEST} seconds"))),
    }
}

pub(super) async fn create(customers: Arc<Customers>, by: Context, mut row: Row) -> Result<Value> {
    by.customer()?;
    let token = format!("{MARK}{}", random());
    let seconds = Some(read::<Wish>(&row)?.expire).filter(|expire| *expire > 0).unwrap_or(USUAL);
    row.extend(given(&token, seconds, customers.deps.clock.now()));
    let mut row = customers.keys().insert(row, &by).await?;
    row.insert("token".into(), json!(token));
    Ok(Value::Object(row))
}

/// What a new key has and nobody chooses.
pub(super) fn given(token: &str, seconds: i64, now: Time) -> [(String, Value); 4] {
    let prefix: String = token.chars().take(PREFIX).collect();
    [
        ("expire".to_owned(), json!(seconds)),
        ("token_prefix".to_owned(), json!(prefix)),
        ("token_hash".to_owned(), json!(hash(token))),
        ("tm_expire".to_owned(), json!(time::stamp(now + TimeDelta::seconds(seconds)))),
    ]
}

/// SHA-256, lower-case hex.
pub(super) fn hash(token: &str) -> String {
    digest(&SHA256, token.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_is_a_day_to_ten_years() {
        for (expire, expected) in
            [(0, true), (-1, false), (DAY - 1, false), (DAY, true), (LONGEST, true), (LONGEST + 1, false)]
        {
            assert_eq!(check_expire(&json!(expire)).is_ok(), expected, "{expire}");
        }
    }

    #[test]
    fn a_token_is_stored_as_its_digest() {
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash("abc"), expected);
    }
}
