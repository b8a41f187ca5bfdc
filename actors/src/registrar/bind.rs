//! A REGISTER that passed authentication. Bindings are no facts: they stand in the journal, so that a call
//! finds its telephone after a restart.

use std::sync::Arc;

use protocol::ports::voice::Contact;
use protocol::ports::{Entry, Journal, Unit};
use protocol::{Context, Result};
use serde_json::json;
use uuid::Uuid;

use super::Registrar;
use super::api::Bind;
use super::bindings::{self, Binding};

/// The journal's name of a contact.
pub(super) const CONTACT: &str = "contact";

/// One entry per contact of an extension.
pub(super) fn entry_id(extension: Uuid, uri: &str) -> Uuid {
    Uuid::new_v5(&extension, uri.as_bytes())
}

/// Requests for one extension are served one after another, so nothing comes between reading and writing.
pub(super) async fn bind(
    registrar: Arc<Registrar>,
    by: Context,
    id: Uuid,
    command: Bind,
) -> Result<Vec<Contact>> {
    registrar.extensions().get(by.scope, id).await?;
    let now = registrar.deps.clock.now();
    let before = stored(&registrar, id).await?;
    let after = bindings::bind(before.clone(), command.contacts, command.all, now)?;
    let journal = changes(id, &before, &after);
    if !journal.is_empty() {
        registrar.deps.store.commit(Unit { journal, ..Unit::default() }).await?;
    }
    Ok(after.iter().filter_map(|binding| binding.at(now)).collect())
}

/// The bindings of an extension, oldest first; some may be over. What cannot be read is none.
pub(super) async fn stored(registrar: &Registrar, extension: Uuid) -> Result<Vec<Binding>> {
    let entries = registrar.deps.store.children(CONTACT, extension).await?;
    let bindings = entries.iter().filter_map(Entry::read::<Binding>);
    Ok(bindings::in_order(bindings.collect()))
}

fn changes(extension: Uuid, before: &[Binding], after: &[Binding]) -> Vec<Journal> {
    let gone = before.iter().filter(|old| !after.iter().any(|new| new.contact.uri == old.contact.uri));
    let erased = gone.map(|old| Journal::Erase { kind: CONTACT, id: entry_id(extension, &old.contact.uri) });
    let new = after.iter().filter(|new| !before.contains(new));
    let put = new.map(|binding| {
        Journal::Put(Entry {
            kind: CONTACT,
            id: entry_id(extension, &binding.contact.uri),
            parent: extension,
            node: String::new(),
            data: json!(binding).to_string(),
        })
    });
    erased.chain(put).collect()
}
