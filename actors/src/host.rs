//! The platform as the voice engine sees it: who may register or call, and where dialogs are kept.

use std::sync::OnceLock;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use protocol::ports::voice::{
    Contact, DialogJournal, Gate, Incoming, Journalled, LegId, Origin, Secret, VoiceHost,
};
use protocol::ports::{Deps, Entry, Journal, Unit};
use protocol::{Context, Error, Result, Scope};
use uuid::Uuid;

use crate::call::api::{Arrive, CALL};
use crate::registrar::api::{Bind, EXTENSION, FindGate, FindSecret, GateAnswer};

/// Given to the engine before the domains exist; answers `Unavailable` until they do.
#[derive(Default)]
pub struct Host(OnceLock<Deps>);

/// Dialogs in the journal of the store.
pub(crate) const DIALOG: &str = "dialog";

impl Host {
    /// The domains are there: requests of the engine reach them from now on.
    pub fn open(&self, deps: &Deps) {
        let _ = self.0.set(deps.clone());
    }

    fn deps(&self) -> Result<&Deps> {
        self.0.get().ok_or_else(|| Error::unavailable("the node is starting"))
    }
}

#[async_trait]
impl VoiceHost for Host {
    async fn gate(&self, origin: &Origin) -> Result<Gate> {
        let find = FindGate {
            domain: origin.domain.clone(),
            from_domain: origin.from_domain.clone(),
            source: origin.source.ip(),
        };
        let answer = self.deps()?.ask_all(&EXTENSION, find, &Context::own(Scope::Platform)).await?;
        Ok(match answer {
            GateAnswer::Unknown => Gate::Unknown,
            GateAnswer::Trusted(subject) => Gate::Trusted(subject),
            GateAnswer::Open => Gate::Open,
            GateAnswer::Challenge { realm } => Gate::Challenge { realm },
        })
    }

    async fn secret(&self, realm: &str, username: &str) -> Result<Option<Secret>> {
        let find = FindSecret { realm: realm.to_owned(), username: username.to_owned() };
        let found = self.deps()?.ask_all(&EXTENSION, find, &Context::own(Scope::Platform)).await?;
        Ok(found.map(|found| Secret { subject: found.subject, ha1: found.ha1 }))
    }

    async fn bind(
        &self,
        extension: Uuid,
        customer: Uuid,
        contacts: Vec<Contact>,
        all: bool,
    ) -> Result<Vec<Contact>> {
        let by = Context::own(Scope::Customer(customer));
        self.deps()?.ask(&EXTENSION, extension, Bind { contacts, all }, &by).await
    }

    async fn incoming(&self, incoming: Incoming) -> Result<Journalled> {
        let deps = self.deps()?;
        let arrive = Arrive {
            leg: incoming.leg,
            subject: incoming.subject,
            from: incoming.from,
            to: incoming.to,
            source: incoming.source,
            sip_call_id: incoming.sip_call_id,
            node: deps.settings.node.clone(),
            dialog: BASE64.encode(incoming.dialog),
        };
        deps.ask_all(&CALL, arrive, &Context::own(Scope::Platform)).await?;
        Ok(Journalled::Yes)
    }
}

/// The dialog of a leg, as base64, in the journal of the node that has the leg.
pub(crate) fn kept(leg: LegId, node: &str, dialog: String) -> Unit {
    let (parent, node) = (Uuid::nil(), node.to_owned());
    let entry = Entry { kind: DIALOG, id: leg, parent, node, data: format!("\"{dialog}\"") };
    Unit { journal: vec![Journal::Put(entry)], ..Unit::default() }
}

/// The leg has no dialog any more.
pub(crate) fn erased(leg: LegId) -> Unit {
    Unit { journal: vec![Journal::Erase { kind: DIALOG, id: leg }], ..Unit::default() }
}

/// The engine's journal over the store of this node. It is there before the domains are.
pub struct Dialogs {
    pub store: std::sync::Arc<dyn protocol::ports::Store>,
    pub node: String,
}

#[async_trait]
impl DialogJournal for Dialogs {
    async fn put(&self, leg: LegId, state: Bytes) -> Result<()> {
        self.store.commit(kept(leg, &self.node, BASE64.encode(state))).await
    }

    async fn put_soon(&self, leg: LegId, state: Bytes) -> Result<()> {
        self.store.commit_soon(kept(leg, &self.node, BASE64.encode(state))).await
    }

    async fn erase(&self, leg: LegId) -> Result<()> {
        self.store.commit_soon(erased(leg)).await
    }

    async fn all(&self) -> Result<Vec<(LegId, Bytes)>> {
        let entries = self.store.journal(DIALOG, Some(&self.node)).await?;
        let dialog = |entry: Entry| {
            let state = BASE64.decode(entry.read::<String>()?).ok()?;
            Some((entry.id, Bytes::from(state)))
        };
        Ok(entries.into_iter().filter_map(dialog).collect())
    }
}
