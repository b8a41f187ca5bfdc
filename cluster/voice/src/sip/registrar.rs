//! REGISTER (RFC 3261 10.3): from a proved request to the platform's bindings and back to a 200 that lists
//! them. Where a phone is reached is where its REGISTER came from, whatever its Contact says (RFC 3581).

use std::ops::RangeInclusive;

use protocol::ports::voice::{Contact, Subject};
use protocol::{Error, Result};
use rsipstack::sip::Response;
use uuid::Uuid;

use super::headers::{self, NameAddr, Target};
use super::transact::Asked;
use crate::outside::Outside;

/// Contacts of one extension. A fourth removes the oldest.
const MAX_CONTACTS: usize = 3;

/// How long bindings live, in seconds.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub allowed: RangeInclusive<u32>,
    pub default: u32,
}

/// Answers a REGISTER of a proved subject.
pub(crate) async fn register(outside: &Outside, terms: &Terms, asked: &Asked, subject: &Subject) -> Response {
    let Subject::Extension { id, customer_id } = subject else { return plain(asked, 403) };
    match bindings(outside, terms, asked, (*id, *customer_id)).await {
        Ok(contacts) => {
            let line = |c: &Contact| format!("Contact: <{}>;expires={}\r\n", c.uri, c.expires);
            let lines: String = contacts.iter().map(line).collect();
            headers::respond(&asked.request, 200, Some(&headers::token()), &lines, "")
        }
        Err(error) => {
            tracing::debug!(%error, "register refused");
            plain(asked, error.status.http())
        }
    }
}

fn plain(asked: &Asked, status: u16) -> Response {
    headers::respond(&asked.request, status, Some(&headers::token()), "", "")
}

async fn bindings(
    outside: &Outside,
    terms: &Terms,
    asked: &Asked,
    owner: (Uuid, Uuid),
) -> Result<Vec<Contact>> {
    let named = headers::list(&asked.request.headers, "Contact");
    if named.is_empty() {
        return outside.bind(owner, Vec::new(), false).await;
    }
    let wanted = contacts(terms, asked, &named)?;
    let bound = outside.bind(owner, Vec::new(), false).await?;
    if bound.iter().any(|old| is_outdated(old, asked)) {
        // RFC 3261 10.3 step 7: an older request of the same phone must not undo a newer one.
        return Err(Error::internal("register out of order"));
    }
    let Some(mut wanted) = wanted else { return outside.bind(owner, Vec::new(), true).await };
    wanted.extend(overflow(&bound, &wanted));
    outside.bind(owner, wanted, false).await
}

fn is_outdated(old: &Contact, asked: &Asked) -> bool {
    let call_id = headers::header(&asked.request.headers, "Call-ID").unwrap_or_default();
    old.call_id == call_id && headers::cseq(&asked.request.headers).unwrap_or_default() <= old.cseq
}

/// The contacts that a REGISTER names; `None` for `*`.
fn contacts(terms: &Terms, asked: &Asked, named: &[String]) -> Result<Option<Vec<Contact>>> {
    let request = &asked.request;
    let general = headers::header(&request.headers, "Expires").and_then(|value| value.parse::<u32>().ok());
    if named.iter().any(|value| value == "*") {
        return match (named.len(), general) {
            (1, Some(0)) => Ok(None),
            _ => Err(Error::invalid("Contact: * needs Expires: 0 and nothing else.")),
        };
    }
    if named.len() > MAX_CONTACTS {
        return Err(Error::invalid("Too many contacts."));
    }
    let one = |value: &String| {
        let parsed = NameAddr::parse(value).filter(|parsed| Target::parse(&parsed.uri).is_some());
        let parsed = parsed.ok_or_else(|| Error::invalid("A contact is no SIP URI."))?;
        let own = parsed.param("expires").and_then(|value| value.parse().ok());
        Ok(Contact {
            uri: parsed.uri,
            source: asked.source,
            transport: asked.transport,
            expires: granted(terms, own.or(general)),
            call_id: headers::header(&request.headers, "Call-ID").unwrap_or_default().to_owned(),
            cseq: headers::cseq(&request.headers).unwrap_or_default(),
            user_agent: headers::header(&request.headers, "User-Agent").unwrap_or_default().to_owned(),
        })
    };
    named.iter().map(one).collect::<Result<Vec<_>>>().map(Some)
}

/// Zero removes; anything else is brought between the limits.
fn granted(terms: &Terms, wanted: Option<u32>) -> u32 {
    match wanted.unwrap_or(terms.default) {
        0 => 0,
        seconds => seconds.clamp(*terms.allowed.start(), *terms.allowed.end()),
    }
}

/// Removals of the contacts that have to make room: those that would expire first.
fn overflow(bound: &[Contact], wanted: &[Contact]) -> Vec<Contact> {
    let added = wanted.iter().filter(|contact| contact.expires > 0).count();
    let mut kept: Vec<&Contact> =
        bound.iter().filter(|old| wanted.iter().all(|new| new.uri != old.uri)).collect();
    kept.sort_by_key(|contact| contact.expires);
    let surplus = (kept.len() + added).saturating_sub(MAX_CONTACTS);
    kept.into_iter().take(surplus).map(|contact| Contact { expires: 0, ..contact.clone() }).collect()
}
