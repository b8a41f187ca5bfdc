//! Extensions: one row each. What VoIPBIN spreads over five tables of two databases is derived from it.

use std::sync::Arc;

use protocol::ports::{Filter, Journal, Unit};
use protocol::{Context, Error, Result, Row, Status, read};
use serde::Deserialize;
use serde_json::{Value, json};
use tracing::warn;
use uuid::Uuid;

use super::bind::{CONTACT, entry_id};
use super::bindings::Binding;
use super::host::registrar_realm;
use super::{EXTENSION, Registrar};
use crate::billing::api::{ACCOUNT, CheckLimit};
use crate::direct::api::{DIRECT, NameResource, Unname};

/// The longest number of an extension, in bytes.
const LONGEST: usize = 64;

#[derive(Deserialize)]
struct Wanted {
    extension: String,
}

/// Characters that need no escape in a SIP user part and begin no telephone number.
pub(super) fn check_number(value: &Value) -> Result<()> {
    let text = value.as_str().unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    match begins && text.len() <= LONGEST && text.chars().all(plain) {
        true => Ok(()),
        false => {
            Err(Error::invalid(format!("must be 1 to {LONGEST} letters, digits, and - _ . between them")))
        }
    }
}

pub(super) fn check_password(value: &Value) -> Result<()> {
    match value.as_str() {
        Some("") | None => Err(Error::invalid("must not be empty")),
        Some(text) if text.contains(char::is_control) => Err(Error::invalid("must be one line of text")),
        Some(_) => Ok(()),
    }
}

pub(super) async fn create(registrar: Arc<Registrar>, by: Context, mut row: Row) -> Result<Value> {
    let customer = by.customer()?;
    let deps = &registrar.deps;
    let count = deps.store.count(&EXTENSION, by.scope, &Filter::default()).await?;
    deps.ask_all(&ACCOUNT, CheckLimit { resource: "extension".into(), count }, &by).await?;
    let number = read::<Wanted>(&row)?.extension;
    let realm = registrar_realm(customer, &deps.settings.domain);
    let aor = format!("{number}@{realm}");
    if registrar.extensions().find(by.scope, Filter::by("aor", json!(aor))).await?.is_some() {
        return Err(exists());
    }
    let id = Uuid::now_v7();
    let named = NameResource { resource_type: "extension".into(), resource_id: id, regenerate: false };
    row.extend([
        ("id".to_owned(), json!(id)),
        ("domain_name".to_owned(), json!(customer)),
        ("username".to_owned(), json!(number)),
        ("realm".to_owned(), json!(realm)),
        ("aor".to_owned(), json!(aor)),
        ("direct_hash".to_owned(), json!(deps.ask_all(&DIRECT, named, &by).await?.hash)),
    ]);
    match registrar.extensions().insert(row, &by).await {
        Ok(row) => Ok(Value::Object(row)),
        Err(error) => Err(undo(&registrar, &by, id, error).await),
    }
}

/// Nobody must find the name of an extension that never was.
async fn undo(registrar: &Registrar, by: &Context, id: Uuid, error: Error) -> Error {
    if let Err(error) = registrar.deps.ask_all(&DIRECT, Unname { resource_id: id }, by).await {
        warn!(extension = %id, %error, "direct hash of a refused extension not removed");
    }
    if error.status == Status::AlreadyExists { exists() } else { error }
}

fn exists() -> Error {
    Error::new(
        Status::AlreadyExists,
        "EXTENSION_ALREADY_EXISTS",
        "An extension with this number exists already.",
    )
}

/// Its telephones are forgotten with it; its name goes when the direct domain hears of it.
pub(super) async fn delete(registrar: Arc<Registrar>, by: Context, id: Uuid) -> Result<Row> {
    let rows = registrar.extensions();
    let row = rows.get(by.scope, id).await?;
    let mut unit = Unit::default();
    let gone = rows.amend(&mut unit, (&row, rows.tombstone()), "deleted", &by)?;
    for entry in registrar.deps.store.children(CONTACT, id).await? {
        if let Some(binding) = entry.read::<Binding>() {
            unit.journal.push(Journal::Erase { kind: CONTACT, id: entry_id(id, &binding.contact.uri) });
        }
    }
    registrar.deps.store.commit(unit).await.map(|()| Arc::unwrap_or_clone(gone))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extension_is_dialled_as_it_is_written() {
        for (text, expected) in [
            ("1001", true),
            ("desk-1", true),
            ("Ann.Smith", true),
            ("", false),
            ("+15551234567", false),
            ("-1", false),
            ("a b", false),
            ("a@b", false),
            ("a:b", false),
        ] {
            assert_eq!(check_number(&json!(text)).is_ok(), expected, "{text}");
        }
        assert!(check_number(&json!("1".repeat(LONGEST + 1))).is_err());
    }

    #[test]
    fn a_password_is_never_empty() {
        assert!(check_password(&json!("x")).is_ok());
        assert!(check_password(&json!("")).is_err());
        assert!(check_password(&json!("a\r\nb")).is_err());
    }
}
