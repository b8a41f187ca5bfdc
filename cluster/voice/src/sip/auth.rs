//! Who a request comes from: the digest challenge, its nonces, and the check of what comes back.
//!
//! A nonce carries its own time and seal, so that a flood of first requests costs no memory; only nonces that
//! were answered rightly are remembered, for their counts. An unknown user takes the same way as a known one
//! with a wrong password, down to the last comparison.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use protocol::Result;
use protocol::ports::voice::Subject;
use rsipstack::sip::{Method, Request};

use super::digest::{Answer, hash, same};
use super::headers;
use crate::outside::Outside;

/// Answered nonces that are remembered; beyond it everybody is challenged afresh, which costs a round trip.
const MAX_NONCES: usize = 65_536;

/// What a request proved.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    Known(Subject),
    /// To be challenged; `stale` when the secret was right and only the nonce was not.
    Unproved {
        stale: bool,
    },
}

/// Issues nonces and judges answers.
pub(crate) struct Gatekeeper {
    seal: String,
    born: Instant,
    lifetime: Duration,
    counts: Mutex<HashMap<String, (Duration, u32)>>,
}

impl Gatekeeper {
    pub(crate) fn new(lifetime: Duration) -> Gatekeeper {
        let seal = format!("{}{}", headers::token(), headers::token());
        Gatekeeper { seal, born: Instant::now(), lifetime, counts: Mutex::default() }
    }

    /// The status and the header line that ask for proof: 401 for REGISTER, 407 for the rest.
    pub(crate) fn challenge(&self, method: Method, realm: &str, stale: bool) -> (u16, String) {
        let (status, name) = match method == Method::Register {
            true => (401, "WWW-Authenticate"),
            false => (407, "Proxy-Authenticate"),
        };
        let nonce = self.nonce(realm, self.born.elapsed());
        let stale = if stale { ", stale=true" } else { "" };
        let realm = realm.replace(['"', '\\', '\r', '\n'], "");
        (
            status,
            format!(
                "{name}: Digest realm=\"{realm}\", nonce=\"{nonce}\", algorithm=MD5, qop=\"auth\"{stale}\r\n"
            ),
        )
    }

    fn nonce(&self, realm: &str, at: Duration) -> String {
        let issued = format!("{:012x}{}", at.as_millis(), headers::token());
        format!("{issued}{}", self.sealed(&issued, realm))
    }

    fn sealed(&self, issued: &str, realm: &str) -> String {
        hash(&[&self.seal, &hash(&[&self.seal, issued, realm])])
    }

    /// When a nonce of ours was issued.
    fn issued(&self, nonce: &str, realm: &str) -> Option<Duration> {
        let (issued, seal) = nonce.split_at_checked(36)?;
        let millis = u64::from_str_radix(issued.get(..12)?, 16).ok()?;
        same(seal, &self.sealed(issued, realm)).then_some(Duration::from_millis(millis))
    }

    /// Checks the credentials that a request carries for `realm`.
    pub(crate) async fn check(&self, outside: &Outside, request: &Request, realm: &str) -> Result<Proof> {
        let name = match request.method == Method::Register {
            true => "Authorization",
            false => "Proxy-Authorization",
        };
        let values = request.headers.iter().filter(|header| header.name().eq_ignore_ascii_case(name));
        let mut answers = values.filter_map(|header| Answer::parse(header.value()));
        let Some(answer) = answers.find(|answer| answer.realm == realm) else {
            return Ok(Proof::Unproved { stale: false });
        };
        let secret = outside.secret(realm, &answer.username).await?;
        let ha1 = secret.as_ref().map_or("00000000000000000000000000000000", |secret| secret.ha1.as_str());
        let right = answer.matches(ha1, &request.method.to_string());
        let fresh = self.is_fresh(&answer, realm, right && secret.is_some());
        Ok(match secret.filter(|_| right) {
            Some(secret) if fresh => Proof::Known(secret.subject),
            Some(_) => Proof::Unproved { stale: true },
            None => Proof::Unproved { stale: false },
        })
    }

    /// Whether the nonce is ours, young enough, and its count higher than ever before (RFC 2617 3.2.2).
    fn is_fresh(&self, answer: &Answer, realm: &str, right: bool) -> bool {
        let now = self.born.elapsed();
        let Some(issued) =
            self.issued(&answer.nonce, realm).filter(|at| now.saturating_sub(*at) < self.lifetime)
        else {
            return false;
        };
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = counts.get(&answer.nonce).map_or(0, |(_, count)| *count);
        if !right || answer.count <= seen {
            return false;
        }
        if counts.len() >= MAX_NONCES {
            counts.retain(|_, (at, _)| now.saturating_sub(*at) < self.lifetime);
        }
        if counts.len() < MAX_NONCES {
            counts.insert(answer.nonce.clone(), (issued, answer.count));
            return true;
        }
        false
    }
}
