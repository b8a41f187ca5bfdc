//! Trunks: switches of customers, known by password, by address, or by either.

use std::sync::Arc;

use protocol::ports::Filter;
use protocol::{Context, Error, Result, Row, Status, read};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::host::trunk_realm;
use super::{Registrar, TRUNK};
use crate::billing::api::{ACCOUNT, CheckLimit};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Auth {
    Basic,
    Ip,
}

/// The part of a trunk that says how it is known.
#[derive(Deserialize)]
struct Proof {
    auth_types: Vec<Auth>,
    username: String,
    /// Sealed or not: only whether there is one counts.
    password: String,
    allowed_ips: Vec<String>,
}

/// A letter and 1 to 30 letters, digits, `-` and `.`.
pub(super) fn check_domain_name(value: &Value) -> Result<()> {
    let text = value.as_str().unwrap_or_default();
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    let ends = text.starts_with(|c: char| c.is_ascii_lowercase()) && !text.ends_with(['-', '.']);
    let form = (2..=31).contains(&text.len()) && text.chars().all(plain) && !text.contains("..");
    match form && ends {
        true => Ok(()),
        false => Err(Error::invalid("must be 2 to 31 lower-case letters, digits, - and ., a letter first")),
    }
}

pub(super) fn check_auth_types(value: &Value) -> Result<()> {
    match Vec::<Auth>::deserialize(value) {
        Ok(types) if !types.is_empty() && types.len() <= 2 => Ok(()),
        Ok(_) | Err(_) => Err(Error::invalid("must hold basic, ip, or both")),
    }
}

pub(super) async fn create(registrar: Arc<Registrar>, by: Context, mut row: Row) -> Result<Value> {
    #[derive(Deserialize)]
    struct Wanted {
        domain_name: String,
    }
    let deps = &registrar.deps;
    let mut full = row.clone();
    TRUNK.fill(&mut full);
    check_proof(&read(&full)?)?;
    let count = deps.store.count(&TRUNK, by.scope, &Filter::default()).await?;
    deps.ask_all(&ACCOUNT, CheckLimit { resource: "trunk".into(), count }, &by).await?;
    let name = read::<Wanted>(&row)?.domain_name;
    row.insert("realm".into(), json!(trunk_realm(&name, &deps.settings.domain)));
    match registrar.trunks().insert(row, &by).await {
        Err(error) if error.status == Status::AlreadyExists => Err(exists()),
        outcome => outcome.map(Value::Object),
    }
}

/// What the trunk would then be must still say how it is known.
pub(super) async fn update(registrar: Arc<Registrar>, by: Context, id: Uuid, patch: Row) -> Result<Row> {
    let decide = |row: &Row| {
        let mut after = row.clone();
        after.extend(patch.clone());
        check_proof(&read(&after)?)?;
        Ok(patch.clone())
    };
    registrar.trunks().alter(id, "updated", &by, decide).await
}

fn check_proof(proof: &Proof) -> Result<()> {
    let basic = proof.auth_types.contains(&Auth::Basic);
    if basic && (proof.username.is_empty() || proof.password.is_empty()) {
        return Err(Error::invalid("basic authentication needs a username and a password"));
    }
    if proof.auth_types.contains(&Auth::Ip) && proof.allowed_ips.is_empty() {
        return Err(Error::invalid("ip authentication needs allowed_ips"));
    }
    Ok(())
}

fn exists() -> Error {
    Error::new(Status::AlreadyExists, "TRUNK_ALREADY_EXISTS", "This domain name is taken already.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_name_is_one_of_a_host() {
        for (text, expected) in [
            ("office", true),
            ("office-1.paris", true),
            ("a", false),
            ("1office", false),
            ("Office", false),
            ("office.", false),
            ("a..b", false),
            ("a_b", false),
            ("", false),
        ] {
            assert_eq!(check_domain_name(&json!(text)).is_ok(), expected, "{text}");
        }
        assert!(check_domain_name(&json!("a".repeat(32))).is_err());
    }

    #[test]
    fn a_trunk_is_known_somehow() {
        let check = |types: &[Auth], username: &str, password: &str, ips: &[&str]| {
            let proof = Proof {
                auth_types: types.to_vec(),
                username: username.into(),
                password: password.into(),
                allowed_ips: ips.iter().map(|ip| (*ip).to_owned()).collect(),
            };
            check_proof(&proof).is_ok()
        };
        assert!(check(&[Auth::Basic], "u", "p", &[]));
        assert!(!check(&[Auth::Basic], "u", "", &[]));
        assert!(!check(&[Auth::Basic], "", "p", &[]));
        assert!(check(&[Auth::Ip], "", "", &["192.0.2.1"]));
        assert!(!check(&[Auth::Ip], "", "", &[]));
        assert!(check_auth_types(&json!([])).is_err());
        assert!(check_auth_types(&json!(["basic", "ip"])).is_ok());
        assert!(check_auth_types(&json!(["digest"])).is_err());
    }
}
