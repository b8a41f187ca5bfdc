//! The addresses of an agent: an extension of its customer, a telephone number, a SIP address. Within a
//! customer an address belongs to one agent only, so that a call from it has one owner.

use std::collections::BTreeSet;
use std::sync::Arc;

use protocol::ports::{Filter, Unit, Write};
use protocol::{Address, Command, Context, Error, Op, Result, Row, Scope, Status, Verb, read};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{AGENT_ADDRESS, Agents, again};
use crate::registrar::api::{EXTENSION, FindExtension};

/// Addresses of one agent. All of them ring when it is called.
const MOST: usize = 20;

/// The list is replaced as a whole.
#[derive(Serialize, Deserialize)]
pub(super) struct SetAddresses {
    addresses: Vec<Address>,
}

impl Command for SetAddresses {
    const VERB: Verb = Verb::put("addresses");
    type Reply = Row;
}

pub(super) async fn set_addresses(
    agents: Arc<Agents>,
    by: Context,
    id: Uuid,
    command: SetAddresses,
) -> Result<Row> {
    let row = agents.rows().get(by.scope, id).await?;
    let by = Context { scope: Scope::Customer(read::<Owner>(&row)?.customer_id), ..by };
    let addresses = admit(&agents, &by, command.addresses).await?;
    let outcome = again(|| replace(&agents, &by, id, &addresses)).await;
    outcome.map_err(|error| if error.status == Status::AlreadyExists { assigned() } else { error })
}

#[derive(Deserialize)]
struct Owner {
    customer_id: Uuid,
}

async fn replace(agents: &Agents, by: &Context, id: Uuid, addresses: &[Address]) -> Result<Row> {
    let row = agents.rows().get(by.scope, id).await?;
    let patch = Row::from_iter([("addresses".to_owned(), json!(addresses))]);
    let mut unit = Unit::default();
    let changed = agents.rows().amend(&mut unit, (&row, patch), "updated", by)?;
    take(agents, &mut unit, by, (id, addresses)).await?;
    agents.deps.store.commit(unit).await.map(|()| Arc::unwrap_or_clone(changed))
}

/// Gives the agent these addresses and no other, as part of a unit. A taken one fails the unit with
/// `AlreadyExists`.
pub(super) async fn take(
    agents: &Agents,
    unit: &mut Unit,
    by: &Context,
    (agent, addresses): (Uuid, &[Address]),
) -> Result<()> {
    #[derive(Deserialize)]
    struct Place {
        id: Uuid,
        address_key: Uuid,
        rev: i64,
    }
    let customer = by.customer()?;
    let mut wanted: BTreeSet<Uuid> = addresses.iter().map(|address| key(customer, address)).collect();
    let filter = Filter::by("agent_id", json!(agent));
    for row in agents.places().some(by.scope, filter, MOST as u32).await? {
        let Place { id, address_key, rev } = read(&row)?;
        if !wanted.remove(&address_key) {
            let patch = agents.places().tombstone();
            unit.writes.push(Write::Update {
                resource: &AGENT_ADDRESS,
                id,
                scope: by.scope,
                patch,
                rev,
                after: None,
            });
        }
    }
    for key in wanted {
        let place = [
            ("customer_id".to_owned(), json!(customer)),
            ("agent_id".to_owned(), json!(agent)),
            ("address_key".to_owned(), json!(key)),
        ];
        agents.places().record(unit, Row::from_iter(place));
    }
    Ok(())
}

/// What is the same for the same address of a customer, and short enough for an index.
pub(super) fn key(customer: Uuid, address: &Address) -> Uuid {
    Uuid::new_v5(&customer, format!("{}:{}", address.r#type, address.target).as_bytes())
}

/// Brings addresses into their stored form. An extension is given by its id or its number, and must be one of
/// the customer's.
pub(super) async fn admit(agents: &Agents, by: &Context, addresses: Vec<Address>) -> Result<Vec<Address>> {
    let mut admitted = check(addresses)?;
    for address in admitted.iter_mut().filter(|address| address.r#type == "extension") {
        address.target = extension(agents, by, &address.target).await?.to_string();
    }
    unrepeated(&admitted)?;
    Ok(admitted)
}

async fn extension(agents: &Agents, by: &Context, target: &str) -> Result<Uuid> {
    let absent = || Error::no_such(EXTENSION.name);
    if let Ok(id) = target.parse::<Uuid>() {
        let found = agents.deps.op(&EXTENSION, Op::Get(id), Value::Null, by).await;
        return found.map(|_| id);
    }
    let command = FindExtension { customer_id: by.customer()?, extension: target.to_owned() };
    agents.deps.ask_all(&EXTENSION, command, by).await?.map(|found| found.id).ok_or_else(absent)
}

fn check(addresses: Vec<Address>) -> Result<Vec<Address>> {
    if addresses.len() > MOST {
        return Err(Error::invalid(format!("addresses must not have more than {MOST} entries")));
    }
    addresses.into_iter().map(check_one).collect()
}

fn check_one(address: Address) -> Result<Address> {
    let address = address.normalise()?;
    match address.r#type.as_str() {
        "tel" if !is_e164(&address.target) => {
            Err(Error::invalid("target must be a telephone number such as +15551234567"))
        }
        "extension" | "sip" | "tel" if !address.target.trim().is_empty() => Ok(address),
        "extension" | "sip" => Err(Error::invalid("target must not be empty")),
        other => Err(Error::invalid(format!("an agent has no address of type {other:?}"))),
    }
}

fn is_e164(target: &str) -> bool {
    target.starts_with('+') && (8..=16).contains(&target.len())
}

fn unrepeated(addresses: &[Address]) -> Result<()> {
    let same = |a: &Address, b: &Address| a.r#type == b.r#type && a.target == b.target;
    let repeated =
        |(at, address): (usize, &Address)| addresses[..at].iter().any(|other| same(other, address));
    match addresses.iter().enumerate().any(repeated) {
        true => Err(Error::invalid("addresses must not repeat one another")),
        false => Ok(()),
    }
}

pub(super) fn assigned() -> Error {
    Error::new(
        Status::AlreadyExists,
        "ADDRESS_ALREADY_ASSIGNED",
        "One of the addresses belongs to another agent already.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(r#type: &str, target: &str) -> Option<String> {
        check_one(Address::new(r#type, target)).ok().map(|address| address.target)
    }

    #[test]
    fn an_agent_is_reached_by_telephone_extension_or_sip() {
        for (r#type, target, expected) in [
            ("tel", "+1 555 123 4567", Some("+15551234567")),
            ("tel", "15551234567", None),
            ("tel", "+123", None),
            ("extension", "1001", Some("1001")),
            ("extension", "", None),
            ("sip", "ann@Example.COM", Some("ann@example.com")),
            ("sip", " ", None),
            ("email", "ann@example.com", None),
            ("", "x", None),
            ("nonsense", "x", None),
        ] {
            assert_eq!(checked(r#type, target).as_deref(), expected, "{type} {target}");
        }
    }

    #[test]
    fn addresses_do_not_repeat() {
        let tel = |target: &str| Address::new("tel", target);
        assert!(unrepeated(&[tel("+15551234567"), tel("+15551234568")]).is_ok());
        assert!(unrepeated(&[tel("+15551234567"), tel("+15551234567")]).is_err());
        assert!(check(vec![tel("+15551234567"); MOST + 1]).is_err());
    }

    #[test]
    fn the_same_address_of_two_customers_is_two_addresses() {
        let (a, b, address) = (Uuid::from_u128(1), Uuid::from_u128(2), Address::new("tel", "+15551234567"));
        assert_eq!(key(a, &address), key(a, &address));
        assert_ne!(key(a, &address), key(b, &address));
    }
}
