//! Rows, journals and timers, written together or not at all.

use std::sync::Arc;

use async_trait::async_trait;
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

use tokio::time::Duration;

use super::Bound;
use crate::time::Time;
use crate::{Event, Page, Resource, Result, Row, Scope};

/// Equality of columns; a null means "is unset", and of a list it means "holds one of these texts".
/// [`Filter::any`] adds one column with several values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    pub equal: Row,
    pub any: Option<(&'static str, Vec<Value>)>,
    /// Also rows that are deleted.
    pub deleted: bool,
}

impl Filter {
    pub fn by(name: &str, value: impl Into<Value>) -> Self {
        Filter::default().and(name, value)
    }

    pub fn and(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.equal.insert(name.to_owned(), value.into());
        self
    }

    pub fn any(mut self, name: &'static str, values: Vec<Value>) -> Self {
        self.any = Some((name, values));
        self
    }
}

/// One change of one row.
#[derive(Clone, Debug)]
pub enum Write {
    /// A new row, every column filled. A taken id or unique value fails the unit with `AlreadyExists`.
    Insert { resource: &'static Resource, row: Arc<Row> },
    /// Changes columns of a live row of `scope`. `rev` is what the row had when it was read: another one
    /// fails the unit with [`crate::Error::conflict`]. The store writes `rev + 1`. `after` is the
    /// whole row as it then is, where that is at hand: whoever looks at it next need not wait for the database.
    Update {
        resource: &'static Resource,
        id: Uuid,
        scope: Scope,
        patch: Row,
        rev: i64,
        after: Option<Arc<Row>>,
    },
    /// A new row, the values of all columns in their order. One with this id that is there already stays as it is.
    Record { resource: &'static Resource, values: Vec<(&'static str, Bound)> },
}

/// State that is no fact: what a live thing needs to be rebuilt. One entry per `(kind, id)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub kind: &'static str,
    pub id: Uuid,
    /// What the entry belongs to (a binding's extension), or nil. It never changes.
    pub parent: Uuid,
    /// The node that owns the live thing, or empty.
    pub node: String,
    /// Its state, as JSON.
    pub data: String,
}

impl Entry {
    /// Reads the state, if it is one.
    pub fn read<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(&self.data).ok()
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Journal {
    Put(Entry),
    Erase { kind: &'static str, id: Uuid },
}

/// A request that is sent when its time has come, even if the node was down then.
#[derive(Clone, Debug, PartialEq)]
pub struct Timer {
    /// Made by the caller: setting it again moves it, cancelling names it.
    pub id: Uuid,
    pub at: Time,
    /// The verb `verb` of the item `target` of `resource`, with `body` as its command.
    pub resource: String,
    pub verb: String,
    pub target: Uuid,
    pub body: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Pending {
    Set(Timer),
    Cancel(Uuid),
}

/// Everything that must be true together.
#[derive(Clone, Debug, Default)]
pub struct Unit {
    pub writes: Vec<Write>,
    /// The facts of the writes, in order. They reach the bus after the commit, in order of commits.
    pub events: Vec<Event>,
    pub journal: Vec<Journal>,
    pub timers: Vec<Pending>,
    /// Numbers of events that the bus has: the outbox forgets them.
    pub delivered: Vec<i64>,
    /// Nobody is held up by it: it may wait some milliseconds for a transaction that others begin.
    pub joins: bool,
}

/// A node of the installation, as the store knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Peer {
    pub node: String,
    /// The domains that it said it serves.
    pub serves: Vec<String>,
    /// It has said so within the last [`LEASE`].
    pub alive: bool,
    /// It has not said so for [`LATE`].
    pub late: bool,
    /// It has not said so for [`QUIET`].
    pub quiet: bool,
    /// The end of its lease by the store's clock: whoever says so again moves it on.
    pub until: Option<Time>,
}

/// How much of the store is in use. For whoever watches it; nothing decides by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Connections for reads.
    pub busy: usize,
    pub idle: usize,
    pub most: usize,
    /// Units that wait for the writer.
    pub waiting: usize,
}

/// How long a node that says nothing keeps its name, its events and its timers. By the database's clock.
pub const LEASE: Duration = Duration::from_secs(10);
/// After this silence the bus is asked about a node: it renews more often than that.
pub const LATE: Duration = Duration::from_millis(600);
/// After this silence a node that the bus does not know either is gone: nobody waits for the end of its lease.
pub const QUIET: Duration = Duration::from_secs(2);

/// What lives on one node at a time, as the store has it.
#[derive(Clone, Debug, Default)]
pub struct Residents {
    /// Rows whose column `node` says where they live, while their column `status` holds one of these.
    pub rows: Vec<(&'static Resource, Vec<&'static str>)>,
    /// Kinds of entries in the journal.
    pub journal: Vec<&'static str>,
}

/// These columns of a row.
pub fn part_of(row: &Row, columns: &[&str]) -> Row {
    columns.iter().filter_map(|name| Some(((*name).to_owned(), row.get(*name)?.clone()))).collect()
}

#[async_trait]
pub trait Store: Send + Sync {
    /// The live row, if it is one of `scope`, to look at only: whoever else looks at it may have the same one.
    async fn look(&self, resource: &'static Resource, scope: Scope, id: Uuid) -> Result<Option<Arc<Row>>>;

    /// As [`Store::look`], a copy of one's own.
    async fn get(&self, resource: &'static Resource, scope: Scope, id: Uuid) -> Result<Option<Row>> {
        Ok(self.look(resource, scope, id).await?.map(Arc::unwrap_or_clone))
    }

    /// As [`Store::look`], these columns of it: of a wide row in another process less is to be read.
    async fn part(
        &self,
        resource: &'static Resource,
        scope: Scope,
        id: Uuid,
        columns: &'static [&'static str],
    ) -> Result<Option<Row>> {
        Ok(self.look(resource, scope, id).await?.map(|row| part_of(&row, columns)))
    }

    /// Live rows of `scope`, newest first, ties by id.
    async fn list(
        &self,
        resource: &'static Resource,
        scope: Scope,
        filter: &Filter,
        page: &Page,
    ) -> Result<Vec<Row>>;

    /// How many live rows of `scope` match.
    async fn count(&self, resource: &'static Resource, scope: Scope, filter: &Filter) -> Result<u64>;

    /// Commits the unit. `Ok` means on disk. Any other answer than `Unavailable` with the reason
    /// `COMMIT_UNKNOWN` means that nothing changed.
    async fn commit(&self, unit: Unit) -> Result<()>;

    /// Takes a unit that nobody waits for: it is written together with the next one, or a little later. `Ok` means that
    /// it is accepted and that no later unit overtakes it; that it could not be stored is only logged.
    async fn commit_soon(&self, unit: Unit) -> Result<()>;

    /// Entries of a kind that belong to `node` (for a restart), newest last. `None`: of every node.
    async fn journal(&self, kind: &'static str, node: Option<&str>) -> Result<Vec<Entry>>;
    /// Entries of a kind with this parent.
    async fn children(&self, kind: &'static str, parent: Uuid) -> Result<Vec<Entry>>;
    async fn entry(&self, kind: &'static str, id: Uuid) -> Result<Option<Entry>>;

    /// The next timers of this node by time, at most `most`.
    async fn timers(&self, most: u32) -> Result<Vec<Timer>>;

    /// Events of this node after number `after` that are not yet delivered, in order of commits.
    async fn outbox(&self, after: i64, most: u32) -> Result<Vec<(i64, Arc<Event>)>>;
    /// Wakes when a commit has added events.
    fn committed(&self) -> tokio::sync::watch::Receiver<u64>;
    /// When the first of the timers is due that were set since [`Store::timers_are_read`]; the end of all times when there
    /// are none. It may be too early a time, never too late.
    fn timed(&self) -> tokio::sync::watch::Receiver<Time>;
    /// Said by the one who waits for timers, before it reads them: it knows of those that are stored by now.
    fn timers_are_read(&self);

    /// Says that this node is alive and what it serves, for another [`LEASE`].
    ///
    /// # Errors
    /// [`Error::fenced`] when another process has taken the name of this node: from then on nothing is
    /// committed here any more.
    async fn renew(&self, serves: &[&str]) -> Result<()>;
    /// Others may have this store open, and take over what is this node's.
    fn is_shared(&self) -> bool;
    /// Every node that shares this store, or did so until a day ago.
    async fn nodes(&self) -> Result<Vec<Peer>>;
    /// Somebody outside says that this node is dead. Its lease ends now; one that lives has it back with its next
    /// renewal.
    async fn doubt(&self, node: &str) -> Result<()>;
    /// Takes over what a node that is gone has left behind: its events that are not yet delivered and its timers
    /// become this node's, each exactly once. False when there was nothing, somebody was faster, or it is not
    /// [`quiet`](Peer::quiet) any more. Whether a quiet node is gone is for the caller to know.
    async fn inherit(&self, node: &str) -> Result<bool>;
    /// The same for what lived there: the residents become this node's, all or none of them. From then on a
    /// process that still runs under the other name commits nothing more.
    async fn adopt(&self, node: &str, residents: &Residents) -> Result<bool>;
    /// Forgets the name of a node that has been gone for a day and left nothing, also none of the residents of any
    /// domain. A process that comes back under it takes it anew, and one that slept so long commits nothing more.
    async fn retire(&self, node: &str, residents: &Residents) -> Result<bool>;
    /// What all nodes must agree on: the value that the first one gave this name.
    async fn agree(&self, name: &str, value: &str) -> Result<String>;
    /// What they must agree on from now on, whatever it was.
    async fn decide(&self, name: &str, value: &str) -> Result<()>;

    fn load(&self) -> Load {
        Load::default()
    }
    /// How many events of this node are not yet delivered, counted up to `most`, and the oldest of them.
    async fn backlog(&self, _most: u32) -> Result<(u64, Option<Arc<Event>>)> {
        Ok((0, None))
    }

    async fn health(&self) -> Result<()>;
    /// Finishes what was accepted and closes. Later calls answer `Unavailable`.
    async fn close(&self);
}
