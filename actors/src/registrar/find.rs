//! Which extension a number means within a customer.

use std::sync::Arc;

use protocol::ports::Filter;
use protocol::{Context, Result, Scope, read};
use serde_json::json;

use super::Registrar;
use super::api::{FindExtension, FoundExtension};
use super::host::registrar_realm;

/// Longer ones are nobody's and do not fit the indexed column.
const LONGEST: usize = 64;

pub(super) async fn find(
    registrar: Arc<Registrar>,
    _: Context,
    command: FindExtension,
) -> Result<Option<FoundExtension>> {
    let FindExtension { customer_id, extension } = command;
    if extension.len() > LONGEST {
        return Ok(None);
    }
    let aor = format!("{extension}@{}", registrar_realm(customer_id, &registrar.deps.settings.domain));
    let filter = Filter::by("aor", json!(aor));
    let row = registrar.extensions().find(Scope::Customer(customer_id), filter).await?;
    row.map(|row| read(&row)).transpose()
}
