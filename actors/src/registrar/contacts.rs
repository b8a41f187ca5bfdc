//! Where a call to an extension goes.

use std::sync::Arc;

use protocol::ports::voice::Contact;
use protocol::{Context, Result};
use uuid::Uuid;

use super::Registrar;
use super::api::ReadContacts;
use super::bind::stored;

/// Newest first: the telephone that registered last is the likeliest to answer.
pub(super) async fn contacts(
    registrar: Arc<Registrar>,
    by: Context,
    id: Uuid,
    _: ReadContacts,
) -> Result<Vec<Contact>> {
    registrar.extensions().get(by.scope, id).await?;
    let now = registrar.deps.clock.now();
    Ok(stored(&registrar, id).await?.iter().rev().filter_map(|binding| binding.at(now)).collect())
}
