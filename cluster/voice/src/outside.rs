//! The platform, as the engine calls it: on the platform's own runtime and within a time limit, so that a slow
//! database delays one call and never the clock of the others.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use protocol::ports::voice::{
    Contact, DialogJournal, Gate, Incoming, Journalled, LegId, Origin, Secret, VoiceHost,
};
use protocol::{Error, Result};
use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

/// A caller waits no longer than this for the platform's decision; INVITE is repeated for 32 s.
const PATIENCE: Duration = Duration::from_secs(10);
/// A live call waits no longer than this for its journal: without one it would not outlive the process, but a
/// store that is down must not hold up its BYE.
const JOURNAL_PATIENCE: Duration = Duration::from_secs(1);

#[derive(Clone)]
pub(crate) struct Outside {
    host: Arc<dyn VoiceHost>,
    journal: Arc<dyn DialogJournal>,
    runtime: Handle,
}

impl Outside {
    /// To be called on the platform's runtime.
    pub(crate) fn new(host: Arc<dyn VoiceHost>, journal: Arc<dyn DialogJournal>) -> Outside {
        Outside { host, journal, runtime: Handle::current() }
    }

    /// What took too long is aborted, so that a late write never follows a newer one.
    async fn there<T: Send + 'static>(
        &self,
        limit: Duration,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let work = AbortOnDropHandle::new(self.runtime.spawn(work));
        match tokio::time::timeout(limit, work).await {
            Err(_) => Err(Error::timeout()),
            Ok(Err(error)) => Err(Error::internal(error)),
            Ok(Ok(result)) => result,
        }
    }

    pub(crate) async fn gate(&self, origin: Origin) -> Result<Gate> {
        let host = self.host.clone();
        self.there(PATIENCE, async move { host.gate(&origin).await }).await
    }

    pub(crate) async fn secret(&self, realm: &str, username: &str) -> Result<Option<Secret>> {
        let (host, realm, username) = (self.host.clone(), realm.to_owned(), username.to_owned());
        self.there(PATIENCE, async move { host.secret(&realm, &username).await }).await
    }

    pub(crate) async fn bind(
        &self,
        owner: (Uuid, Uuid),
        contacts: Vec<Contact>,
        all: bool,
    ) -> Result<Vec<Contact>> {
        let host = self.host.clone();
        self.there(PATIENCE, async move { host.bind(owner.0, owner.1, contacts, all).await }).await
    }

    pub(crate) async fn incoming(&self, incoming: Incoming) -> Result<Journalled> {
        let host = self.host.clone();
        self.there(PATIENCE, async move { host.incoming(incoming).await }).await
    }

    pub(crate) async fn put(&self, leg: LegId, state: Bytes) -> Result<()> {
        let journal = self.journal.clone();
        self.there(JOURNAL_PATIENCE, async move { journal.put(leg, state).await }).await
    }

    pub(crate) async fn put_soon(&self, leg: LegId, state: Bytes) -> Result<()> {
        let journal = self.journal.clone();
        self.there(JOURNAL_PATIENCE, async move { journal.put_soon(leg, state).await }).await
    }

    pub(crate) async fn erase(&self, leg: LegId) -> Result<()> {
        let journal = self.journal.clone();
        self.there(JOURNAL_PATIENCE, async move { journal.erase(leg).await }).await
    }

    pub(crate) async fn all(&self) -> Result<Vec<(LegId, Bytes)>> {
        let journal = self.journal.clone();
        self.there(PATIENCE, async move { journal.all().await }).await
    }
}
