//! What a digest answer is checked against: the HA1 of an extension or a trunk.

use std::sync::Arc;

use md5::{Digest, Md5};
use protocol::ports::Filter;
use protocol::ports::voice::Subject;
use protocol::{Context, Result, Scope, read};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::Registrar;
use super::api::{FindSecret, SecretAnswer};
use super::host::{Host, registrar_realm, trunk_realm};
use super::trunk::Auth;

/// Longer ones are nobody's and do not fit the indexed columns.
const LONGEST: usize = 255;

#[derive(Deserialize)]
struct Account {
    id: Uuid,
    customer_id: Uuid,
    username: String,
    password: String,
    /// Extensions have none: they always answer a challenge.
    #[serde(default)]
    auth_types: Option<Vec<Auth>>,
}

pub(super) async fn secret(
    registrar: Arc<Registrar>,
    _: Context,
    command: FindSecret,
) -> Result<Option<SecretAnswer>> {
    if command.username.is_empty() || command.username.len() + command.realm.len() >= LONGEST {
        return Ok(None);
    }
    let base = &registrar.deps.settings.domain;
    let (row, realm) = match Host::of(&command.realm, base) {
        Host::Registrar { customer } => {
            let realm = registrar_realm(customer, base);
            let aor = Filter::by("aor", json!(format!("{}@{realm}", command.username)));
            (registrar.extensions().find(Scope::Customer(customer), aor).await?, realm)
        }
        Host::Trunk { name } => {
            let filter = Filter::by("domain_name", json!(name));
            (registrar.trunks().find(Scope::Platform, filter).await?, trunk_realm(&name, base))
        }
        Host::Pstn | Host::Public | Host::Address | Host::Foreign => return Ok(None),
    };
    let Some(account) = row.map(|row| read::<Account>(&row)).transpose()? else { return Ok(None) };
    let password = registrar.deps.vault.open(&account.password)?;
    Ok(answer(&account, &command.username, &realm, &password))
}

fn answer(account: &Account, username: &str, realm: &str, password: &str) -> Option<SecretAnswer> {
    let challenged = account.auth_types.as_ref().is_none_or(|types| types.contains(&Auth::Basic));
    if account.username != username || !challenged || password.is_empty() {
        return None;
    }
    let Account { id, customer_id, ref auth_types, .. } = *account;
    let subject = match auth_types {
        Some(_) => Subject::Trunk { id, customer_id },
        None => Subject::Extension { id, customer_id },
    };
    Some(SecretAnswer { subject, ha1: ha1(username, realm, password) })
}

/// RFC 2617 3.2.2.2. MD5 is what every telephone speaks.
fn ha1(username: &str, realm: &str, password: &str) -> String {
    let digest: [u8; 16] = Md5::digest(format!("{username}:{realm}:{password}")).into();
    format!("{:032x}", u128::from_be_bytes(digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ha1_is_that_of_rfc_2617() {
        let expected = "939e7578ed9e3c518a452acee763bce9";
        assert_eq!(ha1("Mufasa", "testrealm@host.com", "Circle Of Life"), expected);
    }

    #[test]
    fn only_accounts_with_a_password_have_a_secret() {
        let account = |auth_types: Option<Vec<Auth>>| Account {
            id: Uuid::from_u128(1),
            customer_id: Uuid::from_u128(2),
            username: "1001".into(),
            password: String::new(),
            auth_types,
        };
        let is_found = |types, username, password| answer(&account(types), username, "r", password).is_some();
        assert!(is_found(None, "1001", "secret"));
        assert!(!is_found(None, "1001", ""));
        assert!(!is_found(None, "1002", "secret"));
        assert!(is_found(Some(vec![Auth::Basic]), "1001", "secret"));
        assert!(!is_found(Some(vec![Auth::Ip]), "1001", "secret"));
    }
}
