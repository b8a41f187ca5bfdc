//! Idempotency keys, kept in memory: no key ends, and a claim is never given up.

use std::collections::HashMap;
use std::sync::Mutex;

use protocol::idempotency::{Claim, Outcome, RESOURCE, Release, Settle, Standing};
use protocol::{Access, Command, Error, Op, Ops, Request, Resource, Result, Verb};
use serde_json::{Value, json};
use uuid::Uuid;

pub(crate) static KEYS: Resource =
    Resource::new(RESOURCE, "idempotency_keys", &[]).ops(Ops::NONE).access(Access::INTERNAL);
pub(crate) static CLAIM: Verb = Claim::VERB;
pub(crate) static SETTLE: Verb = Settle::VERB;
pub(crate) static RELEASE: Verb = Release::VERB;

struct Key {
    id: Uuid,
    fingerprint: String,
    /// As it came, so that it can be given out more than once.
    outcome: Option<Value>,
}

/// By name.
#[derive(Default)]
pub(crate) struct Keys(Mutex<HashMap<String, Key>>);

impl Keys {
    pub(crate) fn serve(&self, request: &Request) -> Result<Value> {
        let mut keys = self.0.lock().unwrap();
        match request.op {
            Op::Ask(_) => {
                let claim: Claim = serde_json::from_value(request.body.clone()).unwrap();
                Ok(serde_json::to_value(standing(&mut keys, claim)).unwrap())
            }
            Op::Verb(id, verb) if *verb == RELEASE => {
                keys.retain(|_, key| key.id != id);
                Ok(Value::Null)
            }
            Op::Verb(id, _) => {
                let key = keys.values_mut().find(|key| key.id == id).ok_or_else(Error::not_found)?;
                key.outcome = Some(request.body["outcome"].clone());
                Ok(Value::Null)
            }
            Op::List(_) | Op::Create | Op::Get(_) | Op::Update(_) | Op::Delete(_) => Err(Error::not_found()),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

fn standing(keys: &mut HashMap<String, Key>, claim: Claim) -> Standing {
    let Some(key) = keys.get(&claim.name) else {
        keys.insert(claim.name, Key { id: claim.id, fingerprint: claim.fingerprint, outcome: None });
        return Standing::Yours;
    };
    let outcome: Option<Outcome> = serde_json::from_value(json!(key.outcome)).unwrap();
    match (key.fingerprint == claim.fingerprint, outcome) {
        (false, _) => Standing::Another,
        (true, None) => Standing::InProgress,
        (true, Some(outcome)) => Standing::Settled(outcome),
    }
}
