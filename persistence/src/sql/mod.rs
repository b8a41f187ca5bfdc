//! One store over SQLite and MySQL. Every change carries its events; the outbox keeps their order.
//!
//! All changes of a node go through one writer, so the order of the outbox is the order of commits.

mod batch;
mod dialect;
mod failure;
mod figures;
mod job;
mod journal;
mod lease;
mod lists;
mod migrate;
mod mysql;
mod outbox;
mod pulse;
mod read;
mod recent;
mod schema;
mod sqlite;
mod statement;
mod tail;
#[cfg(test)]
mod tests;
mod texts;
mod timers;
mod writer;

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use protocol::ports::{Entry, Filter, Load, Peer, Residents, Store, Timer, Unit, part_of};
use protocol::time::Time;
use protocol::{Error, Event, Page, Resource, Result, Row, Scope, Status};
use serde_json::Value;
use tokio::sync::watch;
use uuid::Uuid;

use dialect::{Asked, Dialect};
use job::{Job, Step, Wakes};
use lease::Lease;
use lists::{Known, Question};
use pulse::Pulse;
use read::Reader;
use recent::{Recent, Seen};
use statement::Statement;
use tail::Tail;
use writer::Writer;

pub(crate) use sqlite::{LOCK_LIMIT, Options as SqliteOptions, Sqlite};

use crate::open::{Held, Scratch};

/// Events of a node that is gone that become this node's in one transaction.
const INHERITED: u32 = 256;

pub(crate) struct SqlStore<D: Dialect> {
    node: String,
    reader: Reader<D>,
    writer: Writer,
    /// Only where this process has the database to itself.
    recent: Option<Arc<Recent>>,
    tail: Arc<Tail>,
    /// Only where other processes may have the database open.
    lease: Option<Lease>,
    /// Given back when the store is closed.
    held: Mutex<Option<Held>>,
    /// Removed when the store is closed, or dropped after it.
    scratch: Mutex<Option<Scratch>>,
}

impl<D: Dialect> SqlStore<D> {
    /// Connects, migrates, and starts the writer. `readers` is how many reads run side by side.
    pub(crate) async fn start(
        options: D::Options,
        readers: u32,
        node: &str,
        resources: &[&'static Resource],
    ) -> Result<Self, Unopened> {
        let mut conn = writer::connect::<D>(&options).await.map_err(Unopened::Connect)?;
        migrate::migrate::<D>(&mut conn, resources).await.map_err(Unopened::Migrate)?;
        adopt_own::<D>(&mut conn, node).await?;
        let last = outbox::last::<D>(&mut conn, node).await.map_err(Unopened::Migrate)?;
        let lease = match D::ALONE {
            true => None,
            false => Some(Lease::take::<D>(&mut conn, node).await.map_err(Unopened::Connect)?),
        };
        writer::prepare::<D>(&mut conn).await.map_err(Unopened::Connect)?;
        let fence = lease.as_ref().map(Lease::fence);
        // a database in this process is slow at times, and never silent
        let pulse = (!D::ALONE).then(Pulse::default);
        let reader = Reader::new(options.clone(), readers, pulse.clone());
        let recent = D::ALONE.then(Arc::<Recent>::default);
        let tail = Arc::new(Tail::new(last));
        let beside = (fence, recent.clone(), tail.clone());
        let writer = Writer::start::<D>(options, conn, last, beside, pulse);
        let writer = writer.map_err(|cause| Unopened::Connect(cause.into()))?;
        Ok(SqlStore {
            node: node.to_owned(),
            reader,
            writer,
            recent,
            tail,
            lease,
            held: Mutex::default(),
            scratch: Mutex::default(),
        })
    }

    /// Removes the files of a scratch database in the end.
    pub(crate) fn with_scratch(self, scratch: Scratch) -> Self {
        *self.scratch.lock().unwrap_or_else(PoisonError::into_inner) = Some(scratch);
        self
    }

    /// Nobody else opens this database while the store is open.
    pub(crate) fn holding(self, held: Held) -> Self {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(held);
        self
    }
}

impl<D: Dialect> SqlStore<D> {
    async fn read(&self, resource: &'static Resource, scope: Scope, id: Uuid) -> Result<Option<Row>> {
        Ok(self.reader.rows(resource, Statement::get(resource, id, scope)).await?.pop())
    }

    async fn run(&self, steps: Vec<Step>, wakes: Wakes) -> Result<()> {
        self.writer.commit(Job::new(steps, wakes)).await
    }

    async fn left(&self, of: Statement) -> Result<Option<Lease>> {
        Ok(self.reader.all(of, lease::read_left::<D>).await?.pop())
    }

    /// What a node has left that is gone becomes this node's. It has its name meanwhile, so that nobody else does this.
    async fn look_after(&self, own: &Lease, gone: &Lease) -> Result<()> {
        let (taken, mut steps) = gone.inherit(&self.node);
        steps.push(own.extend());
        self.run(steps, Wakes::ALL).await?;
        loop {
            let pending = outbox::pending::<D>(&taken.node, 0, INHERITED);
            let events = self.reader.all(pending, outbox::read::<D>).await?;
            if events.is_empty() {
                return self.run(vec![taken.end()], Wakes::NOBODY).await;
            }
            let mut steps = taken.take_events(&self.node, events)?;
            // however much there is, this node must not look dead meanwhile
            steps.push(own.extend());
            self.run(steps, Wakes::ALL).await?;
        }
    }
}

/// A refusal means that somebody was faster, or that the node is back.
fn won(outcome: Result<()>) -> Result<bool> {
    match outcome {
        Err(error) if error.is_conflict() => Ok(false),
        outcome => outcome.map(|()| true),
    }
}

/// Makes what has no owner this node's: timers of a release before they had one and, where nobody shares the
/// database, everything of a node that had another name.
async fn adopt_own<D: Dialect>(conn: &mut D::Connection, node: &str) -> Result<(), Unopened> {
    let all: &[&'static str] = match D::ALONE {
        true => &["UPDATE timers SET node = ?", "UPDATE outbox SET node = ?"],
        false => &["UPDATE timers SET node = ? WHERE node = ''"],
    };
    let all: Vec<_> = all.iter().map(|sql| Statement::new(*sql).with(node)).collect();
    let done = D::run(conn, &all.iter().map(Asked::of).collect::<Vec<_>>()).await;
    done.map_err(|failed| Unopened::Connect(failed.into()))
}

fn is_of(row: &Row, scope: Scope) -> bool {
    let owner = || row.get("customer_id").and_then(Value::as_str)?.parse::<Uuid>().ok();
    scope.customer().is_none_or(|customer| owner() == Some(customer))
}

/// Why a store did not start.
#[derive(Debug)]
pub(crate) enum Unopened {
    Connect(sqlx::Error),
    Migrate(protocol::Error),
}

#[async_trait]
impl<D: Dialect> Store for SqlStore<D> {
    async fn look(&self, resource: &'static Resource, scope: Scope, id: Uuid) -> Result<Option<Arc<Row>>> {
        let Some(recent) = &self.recent else {
            return Ok(Box::pin(self.read(resource, scope, id)).await?.map(Arc::new));
        };
        let key = (resource.name, id);
        let row = match recent.look(key) {
            Seen::Row(row) => Some(row),
            Seen::Unknown(ticket) => {
                // boxed, so that a row that is known does not carry the room for a question to the database
                let row = Box::pin(self.read(resource, Scope::Platform, id)).await?.map(Arc::new);
                recent.keep(key, ticket, row.as_ref());
                row
            }
        };
        Ok(row.filter(|row| is_of(row, scope)))
    }

    async fn part(
        &self,
        resource: &'static Resource,
        scope: Scope,
        id: Uuid,
        columns: &'static [&'static str],
    ) -> Result<Option<Row>> {
        // whoever answers
        statement::all_known(resource, columns)?;
        if self.recent.is_none() {
            let statement = Statement::part(resource, columns, id, scope);
            return Ok(self.reader.part(resource, columns, statement).await?.pop());
        }
        let row = self.look(resource, scope, id).await?;
        Ok(row.map(|row| part_of(&row, columns)))
    }

    async fn list(
        &self,
        resource: &'static Resource,
        scope: Scope,
        filter: &Filter,
        page: &Page,
    ) -> Result<Vec<Row>> {
        let statement = Statement::list::<D>(resource, scope, filter, page)?;
        let Some(recent) = &self.recent else { return self.reader.rows(resource, statement).await };
        let (question, ticket) = match recent.lists.look(resource.name, &statement) {
            Known::Rows(rows) => return Ok(rows.to_vec()),
            Known::Unknown(None) => return self.reader.rows(resource, statement).await,
            Known::Unknown(Some(ticket)) => (Question::of(&statement), ticket),
        };
        let rows = self.reader.rows(resource, statement).await?;
        recent.lists.keep(resource.name, ticket, question, &rows);
        Ok(rows)
    }

    async fn count(&self, resource: &'static Resource, scope: Scope, filter: &Filter) -> Result<u64> {
        let counted =
            self.reader.all(Statement::count::<D>(resource, scope, filter)?, read::count::<D>).await?;
        Ok(counted.first().copied().unwrap_or_default())
    }

    async fn commit(&self, unit: Unit) -> Result<()> {
        let delivered = unit.delivered.clone();
        self.writer.commit(Job::of::<D>(unit, &self.node)?).await?;
        self.tail.forget(&delivered);
        Ok(())
    }

    async fn commit_soon(&self, unit: Unit) -> Result<()> {
        self.writer.accept(Job::left::<D>(unit, &self.node)?).await
    }

    async fn journal(&self, kind: &'static str, node: Option<&str>) -> Result<Vec<Entry>> {
        let entries = match node {
            Some(node) => journal::of_node(kind, node),
            None => journal::of_kind(kind),
        };
        self.reader.all(entries, |row| journal::read::<D>(kind, row)).await
    }

    async fn children(&self, kind: &'static str, parent: Uuid) -> Result<Vec<Entry>> {
        self.reader.all(journal::of_parent(kind, parent), |row| journal::read::<D>(kind, row)).await
    }

    async fn entry(&self, kind: &'static str, id: Uuid) -> Result<Option<Entry>> {
        let found = self.reader.all(journal::one(kind, id), |row| journal::read::<D>(kind, row)).await;
        Ok(found?.pop())
    }

    async fn timers(&self, most: u32) -> Result<Vec<Timer>> {
        self.reader.all(timers::next::<D>(&self.node, most), timers::read::<D>).await
    }

    async fn outbox(&self, after: i64, most: u32) -> Result<Vec<(i64, Arc<Event>)>> {
        if let Some(facts) = self.tail.after(after, most) {
            return Ok(facts);
        }
        // boxed, so that what is known does not carry the room for a question to the database
        Box::pin(self.reader.all(outbox::pending::<D>(&self.node, after, most), outbox::read::<D>)).await
    }

    fn committed(&self) -> watch::Receiver<u64> {
        self.writer.committed()
    }

    fn timed(&self) -> watch::Receiver<Time> {
        self.writer.timed()
    }

    fn timers_are_read(&self) {
        self.writer.timers_are_read();
    }

    async fn renew(&self, serves: &[&str]) -> Result<()> {
        match &self.lease {
            Some(lease) => self.run(vec![lease.renew(serves)], Wakes::NOBODY).await,
            None => Ok(()),
        }
    }

    fn is_shared(&self) -> bool {
        self.lease.is_some()
    }

    async fn nodes(&self) -> Result<Vec<Peer>> {
        match &self.lease {
            Some(_) => self.reader.all(lease::peers(), lease::read_peer::<D>).await,
            None => Ok(vec![lease::alone(&self.node)]),
        }
    }

    async fn doubt(&self, node: &str) -> Result<()> {
        match self.lease.as_ref().is_some_and(|own| own.node != node) {
            true => self.run(vec![lease::doubt(node)], Wakes::NOBODY).await,
            false => Ok(()),
        }
    }

    async fn inherit(&self, node: &str) -> Result<bool> {
        let Some(own) = self.lease.as_ref().filter(|own| own.node != node) else { return Ok(false) };
        match self.left(lease::left_events(node)).await? {
            Some(gone) => won(self.look_after(own, &gone).await),
            None => Ok(false),
        }
    }

    async fn adopt(&self, node: &str, residents: &Residents) -> Result<bool> {
        if self.lease.as_ref().is_none_or(|own| own.node == node) {
            return Ok(false);
        }
        match self.left(lease::left_residents(node, residents)).await? {
            Some(gone) => won(self.run(gone.adopt(&self.node, residents), Wakes::NOBODY).await),
            None => Ok(false),
        }
    }

    async fn retire(&self, node: &str, residents: &Residents) -> Result<bool> {
        if self.lease.as_ref().is_none_or(|own| own.node == node) {
            return Ok(false);
        }
        match self.left(lease::long_gone(node, residents)).await? {
            Some(gone) => won(self.run(vec![gone.forget()], Wakes::NOBODY).await),
            None => Ok(false),
        }
    }

    async fn decide(&self, name: &str, value: &str) -> Result<()> {
        let values = "INSERT INTO agreed (name, value) VALUES (?, ?)";
        let decide = Statement::new(format!("{values} {}", D::upsert("name", &["value"])));
        let decide = decide.with(name).with(value);
        self.run(vec![Step::Plain(decide)], Wakes::NOBODY).await
    }

    async fn agree(&self, name: &str, value: &str) -> Result<String> {
        let first = Statement::new("INSERT INTO agreed (name, value) VALUES (?, ?)").with(name).with(value);
        match self.run(vec![Step::Insert(first)], Wakes::NOBODY).await {
            Err(error) if error.status == Status::AlreadyExists => {}
            outcome => return outcome.map(|()| value.to_owned()),
        }
        let agreed = Statement::new("SELECT value FROM agreed WHERE name = ?").with(name);
        let found = self.reader.all(agreed, |row| read::text::<D>(row, 0)).await?;
        found.into_iter().next().ok_or_else(|| Error::internal("an agreed value is gone"))
    }

    fn load(&self) -> Load {
        Load { waiting: self.writer.waiting(), ..self.reader.load() }
    }

    async fn backlog(&self, most: u32) -> Result<(u64, Option<Arc<Event>>)> {
        let counted = self.reader.all(outbox::count(&self.node, most), read::count::<D>).await?;
        let oldest = self.reader.all(outbox::pending::<D>(&self.node, 0, 1), outbox::read::<D>).await?;
        Ok((counted.first().copied().unwrap_or_default(), oldest.into_iter().next().map(|(_, event)| event)))
    }

    async fn health(&self) -> Result<()> {
        if !self.writer.is_alive() || !self.reader.is_open() {
            return Err(failure::closed());
        }
        self.reader.fetch(Statement::new("SELECT 1")).await.map(drop)
    }

    async fn close(&self) {
        if let Some(end) = self.lease.as_ref().map(Lease::end) {
            // or it ends by itself, a little later
            let _ = self.run(vec![end], Wakes::NOBODY).await;
        }
        self.writer.close().await;
        self.reader.close().await;
        drop(self.held.lock().unwrap_or_else(PoisonError::into_inner).take());
        drop(self.scratch.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}
