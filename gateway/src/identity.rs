//! Who is calling: from a credential to a [`Caller`]. What the caller may do is `access`'s business.
//!
//! Standings are asked of their domains and remembered for at most a second, so a deleted agent, a revoked
//! key and a changed permission take effect at once, whatever a token says.

use std::borrow::Cow;
use std::sync::Arc;

use chrono::TimeDelta;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use protocol::identity::{
    AgentStanding, CustomerStanding, KeyStanding, Login, ReadAgent, ReadCustomer, ReadKey,
};
use protocol::{Command, Context, Error, Op, Request, Result, Scope, Status, time};
use serde_json::Map;
use tokio::time::Instant;
use tracing::warn;
use uuid::Uuid;

use crate::access::Caller;
use crate::fingerprint;
use crate::parts::Parts;
use crate::query;
use crate::recent::Recent;
use crate::token::{Bearer, Tokens};

/// What every access key starts with.
const KEY_PREFIX: &str = "vb_";

/// How long after the request to delete an account it is gone.
const GRACE: TimeDelta = TimeDelta::days(30);

pub(crate) enum Credential<'r> {
    Token(Cow<'r, str>),
    Key(Cow<'r, str>),
}

impl<'r> Credential<'r> {
    /// The first hit wins; one that turns out bad is not made up for by a later one.
    pub(crate) fn find(headers: &'r HeaderMap, query: &'r str) -> Result<Self> {
        let bearer =
            || headers.get(AUTHORIZATION)?.to_str().ok()?.split_once("Bearer ").map(|(_, text)| text);
        let token =
            || query::cookie(headers, "token").map(Cow::Borrowed).or_else(|| query::value(query, "token"));
        let key = || query::cookie(headers, "accesskey").map(Cow::Borrowed);
        if let Some(token) = token() {
            return Ok(Credential::Token(token));
        }
        match bearer().filter(|text| !text.is_empty()) {
            Some(text) if text.starts_with(KEY_PREFIX) => Ok(Credential::Key(text.into())),
            Some(text) => Ok(Credential::Token(text.into())),
            None => {
                key().or_else(|| query::value(query, "accesskey")).map(Credential::Key).ok_or_else(required)
            }
        }
    }

    pub(crate) fn into_owned(self) -> Credential<'static> {
        match self {
            Credential::Token(text) => Credential::Token(text.into_owned().into()),
            Credential::Key(text) => Credential::Key(text.into_owned().into()),
        }
    }
}

fn required() -> Error {
    Error::new(Status::Unauthenticated, "AUTHENTICATION_REQUIRED", "Authentication is required.")
}

fn invalid() -> Error {
    Error::new(Status::Unauthenticated, "INVALID_CREDENTIALS", "The provided credentials are invalid.")
}

pub(crate) struct Authority {
    parts: Parts,
    tokens: Tokens,
    agents: Recent<Uuid, Caller>,
    keys: Recent<[u8; 32], Caller>,
    customers: Recent<Uuid, Standing>,
}

#[derive(Clone)]
enum Standing {
    Served,
    Frozen(Option<String>),
    Gone,
}

impl Authority {
    pub(crate) fn new(parts: Parts, key: &[u8]) -> Self {
        let tokens = Tokens::new(key, parts.clock.clone());
        let (agents, keys, customers) = (Recent::new(), Recent::new(), Recent::new());
        Authority { parts, tokens, agents, keys, customers }
    }

    pub(crate) async fn caller(&self, credential: &Credential<'_>, request_id: &Arc<str>) -> Result<Caller> {
        match credential {
            Credential::Token(token) => self.agent(token, request_id).await,
            Credential::Key(key) => self.key(key, request_id).await,
        }
    }

    async fn agent(&self, token: &str, request_id: &Arc<str>) -> Result<Caller> {
        let bearer = self.tokens.check(token).ok_or_else(invalid)?;
        if let Some(caller) = self.agents.get(&bearer.id) {
            return Ok(caller);
        }
        let asked = Instant::now();
        let op = Op::Verb(bearer.id, const { &ReadAgent::VERB });
        let context = Context::new(Scope::Customer(bearer.customer_id), request_id.clone());
        let standing: AgentStanding = self.ask("agent", op, &ReadAgent {}, context).await.map_err(unknown)?;
        let caller = Caller::agent(standing.customer_id, standing.id, standing.permission);
        self.agents.put(bearer.id, caller, asked);
        Ok(caller)
    }

    async fn key(&self, key: &str, request_id: &Arc<str>) -> Result<Caller> {
        let hash = fingerprint::of(key);
        if let Some(caller) = self.keys.get(&hash) {
            return Ok(caller);
        }
        let asked = Instant::now();
        let command = ReadKey { token_hash: fingerprint::hex(&hash) };
        let op = Op::Ask(const { &ReadKey::VERB });
        let context = Context::new(Scope::Platform, request_id.clone());
        let standing: KeyStanding = self.ask("accesskey", op, &command, context).await.map_err(unknown)?;
        let caller = Caller::key(standing.customer_id);
        self.keys.put(hash, caller, asked);
        Ok(caller)
    }

    /// Refuses the callers of a frozen or deleted customer. A standing that cannot be read refuses nobody.
    pub(crate) async fn admit(&self, caller: &Caller, request_id: &Arc<str>) -> Result<()> {
        if caller.is_exempt() {
            return Ok(());
        }
        let id = caller.customer_id();
        let standing = match self.customers.get(&id) {
            Some(standing) => standing,
            None => self.standing(id, request_id).await,
        };
        match standing {
            Standing::Served => Ok(()),
            Standing::Gone => Err(invalid()),
            Standing::Frozen(since) => Err(frozen(since.as_deref())),
        }
    }

    async fn standing(&self, id: Uuid, request_id: &Arc<str>) -> Standing {
        let asked = Instant::now();
        let op = Op::Verb(id, const { &ReadCustomer::VERB });
        let context = Context::new(Scope::Customer(id), request_id.clone());
        let standing = match self.ask::<_, CustomerStanding>("customer", op, &ReadCustomer {}, context).await
        {
            Ok(customer) if customer.status == "frozen" => Standing::Frozen(customer.tm_deletion_scheduled),
            Ok(_) => Standing::Served,
            Err(error) if error.status == Status::NotFound => Standing::Gone,
            Err(error) => {
                warn!(customer = %id, %error, "standing of the customer not read");
                return Standing::Served;
            }
        };
        self.customers.put(id, standing.clone(), asked);
        standing
    }

    /// A token for whoever knows an agent's password.
    pub(crate) async fn login(
        &self,
        username: &str,
        password: String,
        request_id: &Arc<str>,
    ) -> Result<String> {
        let command = Login { username: username.to_owned(), password };
        let op = Op::Ask(const { &Login::VERB });
        let context = Context::new(Scope::Platform, request_id.clone());
        let standing: AgentStanding = self.ask("agent", op, &command, context).await?;
        self.tokens.issue(Bearer {
            id: standing.id,
            customer_id: standing.customer_id,
            username: standing.username,
        })
    }

    async fn ask<C: Command, R: serde::de::DeserializeOwned>(
        &self,
        name: &str,
        op: Op,
        command: &C,
        context: Context,
    ) -> Result<R> {
        let missing = || Error::unavailable("This service is not available.");
        let resource = self.parts.catalog()?.named(name).ok_or_else(missing)?.resource;
        let body = serde_json::to_value(command).map_err(Error::internal)?;
        let reply = self.parts.peers.ask(Request { resource, op, body, context }).await?;
        serde_json::from_value(reply).map_err(Error::internal)
    }
}

/// Somebody who is no longer there is as good as somebody who never was.
fn unknown(error: Error) -> Error {
    match error.status {
        Status::NotFound | Status::Unauthenticated | Status::InvalidArgument | Status::PermissionDenied => {
            invalid()
        }
        Status::PaymentRequired
        | Status::AlreadyExists
        | Status::FailedPrecondition
        | Status::ResourceExhausted
        | Status::Unavailable
        | Status::Internal => error,
    }
}

fn frozen(since: Option<&str>) -> Error {
    let mut error = Error::new(Status::PermissionDenied, "ACCOUNT_FROZEN", "The account is frozen.");
    let until =
        since.and_then(time::parse).map(|since| time::outward(&time::stamp(since + GRACE)).into_owned());
    error.details.push(Map::from_iter([
        ("deletion_scheduled_at".to_owned(), since.map(time::outward).into()),
        ("deletion_effective_at".to_owned(), until.into()),
        ("recovery_endpoint".to_owned(), "DELETE /auth/unregister".into()),
    ]));
    error
}
