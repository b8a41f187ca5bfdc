//! Passwords: bcrypt, as VoIPBIN stores them. Hashing takes tens of milliseconds of a processor, so it runs
//! beside the async workers and only a few at a time.

use std::sync::Arc;

use protocol::{Command, Context, Error, Result, Row, Verb};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use uuid::Uuid;

use super::Agents;

const COST: u32 = 10;
const SHORTEST: usize = 8;
/// bcrypt reads no further.
const LONGEST: usize = 72;
/// Hashes computed at the same time: a storm of log-ins must not take the processors from calls.
const AT_ONCE: usize = 2;
/// A hash of nobody's password. Checking against it takes as long as against a real one.
const NOBODY: &str = "$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy";

pub(super) fn check(value: &Value) -> Result<()> {
    match value.as_str().map(str::len) {
        Some(SHORTEST..=LONGEST) => Ok(()),
        Some(_) | None => Err(Error::invalid(format!("must have {SHORTEST} to {LONGEST} bytes"))),
    }
}

pub(super) struct Hashing(Semaphore);

impl Default for Hashing {
    fn default() -> Self {
        Hashing(Semaphore::new(AT_ONCE))
    }
}

impl Hashing {
    pub(super) async fn hash(&self, password: String) -> Result<String> {
        let _turn = self.0.acquire().await.map_err(Error::internal)?;
        let hashed = spawn_blocking(move || bcrypt::hash(password, COST)).await;
        hashed.map_err(Error::internal)?.map_err(Error::internal)
    }

    /// Is it the password of this hash? Without a hash the answer is no, after the same work.
    pub(super) async fn verify(&self, password: String, hash: Option<String>) -> Result<bool> {
        let _turn = self.0.acquire().await.map_err(Error::internal)?;
        let known = hash.is_some() && password.len() <= LONGEST;
        let hash = hash.unwrap_or_else(|| NOBODY.to_owned());
        let same = spawn_blocking(move || bcrypt::verify(password, &hash)).await.map_err(Error::internal)?;
        Ok(same.map_err(Error::internal)? && known)
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct SetPassword {
    password: String,
}

impl Command for SetPassword {
    const VERB: Verb = Verb::put("password");
    type Reply = Row;
}

pub(super) async fn set_password(
    agents: Arc<Agents>,
    by: Context,
    id: Uuid,
    command: SetPassword,
) -> Result<Row> {
    check(&json!(command.password)).map_err(|error| Error::invalid(format!("password {}", error.message)))?;
    let patch =
        Row::from_iter([("password".to_owned(), json!(agents.hashing.hash(command.password).await?))]);
    agents.rows().change(id, patch, "updated", &by).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_has_8_to_72_bytes() {
        for (length, expected) in [(0, false), (7, false), (8, true), (72, true), (73, false)] {
            assert_eq!(check(&json!("x".repeat(length))).is_ok(), expected, "{length}");
        }
    }

    #[tokio::test]
    async fn only_the_right_password_of_somebody_passes() {
        let hashing = Hashing::default();
        let hash = hashing.hash("correct horse".into()).await.expect("a hash");
        let verify = |password: &str, hash: Option<&String>| hashing.verify(password.into(), hash.cloned());
        assert!(verify("correct horse", Some(&hash)).await.expect("an answer"));
        assert!(!verify("wrong horse", Some(&hash)).await.expect("an answer"));
        // the password of the hash that stands for nobody
        assert!(!verify("abc123xyz", None).await.expect("an answer"));
    }
}
