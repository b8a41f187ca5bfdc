//! Tokens of agents: HS256 only, signed with the node's key. They say who, never what one may do.
//!
//! `expire` is VoIPBIN's claim, compared as text; `exp` is the standard's. A token lacks neither.

use std::sync::Arc;

use chrono::TimeDelta;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use protocol::ports::Clock;
use protocol::{Error, Result, time};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// VoIPBIN's life of a login.
pub(crate) const LIFE: TimeDelta = TimeDelta::days(7);

const AGENT: &str = "agent";

#[derive(Serialize, Deserialize)]
struct Claims {
    #[serde(default = "agent")]
    r#type: String,
    agent: Bearer,
    exp: i64,
    expire: String,
}

fn agent() -> String {
    AGENT.to_owned()
}

/// The agent that a token was issued to.
#[derive(Serialize, Deserialize)]
pub(crate) struct Bearer {
    pub(crate) id: Uuid,
    pub(crate) customer_id: Uuid,
    #[serde(default)]
    pub(crate) username: String,
}

pub(crate) struct Tokens {
    signing: EncodingKey,
    checking: DecodingKey,
    validation: Validation,
    clock: Arc<dyn Clock>,
}

impl Tokens {
    pub(crate) fn new(key: &[u8], clock: Arc<dyn Clock>) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        // the times are compared below, with the node's clock and without leeway
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.set_required_spec_claims(&["exp"]);
        let (signing, checking) = (EncodingKey::from_secret(key), DecodingKey::from_secret(key));
        Tokens { signing, checking, validation, clock }
    }

    pub(crate) fn issue(&self, agent: Bearer) -> Result<String> {
        let until = self.clock.now() + LIFE;
        let claims =
            Claims { r#type: AGENT.to_owned(), agent, exp: until.timestamp(), expire: time::stamp(until) };
        encode(&Header::new(Algorithm::HS256), &claims, &self.signing).map_err(Error::internal)
    }

    /// `None` for whatever is not a token of ours that still lives.
    pub(crate) fn check(&self, token: &str) -> Option<Bearer> {
        let claims = decode::<Claims>(token, &self.checking, &self.validation).ok()?.claims;
        let now = self.clock.now();
        let alive = claims.exp > now.timestamp() && time::parse(&claims.expire)? > now;
        (alive && claims.r#type == AGENT).then_some(claims.agent)
    }
}
