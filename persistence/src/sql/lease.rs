//! A node's right to its name, its events and its timers, where nodes share a database.
//!
//! Whoever starts under a name takes it: the epoch rises, and the process that had it commits nothing more,
//! because every transaction asks for its own epoch first and locks it until it ends. Where a process has its
//! database to itself there are no leases; the lock of the file is enough.

use protocol::ports::{Bound, LATE, LEASE, Peer, QUIET, Residents};
use protocol::{Event, Kind, Result, time};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

use super::dialect::{Asked, Dialect};
use super::job::{Step, Subject};
use super::outbox;
use super::read;
use super::statement::Statement;

/// The database's clock: those of nodes differ.
const NOW: &str = "UTC_TIMESTAMP(6)";

/// Hours after which the name of a node that is gone is forgotten: longer than anybody looks for it.
const FORGOTTEN: u32 = 24;

fn until() -> String {
    format!("{NOW} + INTERVAL {} SECOND", LEASE.as_secs())
}

/// A node whose lease ends before this moment is quiet.
fn quiet() -> String {
    unheard_for(QUIET)
}

fn unheard_for(silence: Duration) -> String {
    format!("{NOW} + INTERVAL {} MICROSECOND", (LEASE - silence).as_micros())
}

/// A name whose lease ended before this is no longer of interest.
fn long_ago() -> String {
    format!("{NOW} - INTERVAL {FORGOTTEN} HOUR")
}

/// One node's name in one of its epochs: this node's own, or that of a dead one which it looks after.
#[derive(Clone)]
pub(super) struct Lease {
    pub(super) node: String,
    epoch: i64,
}

impl Lease {
    /// Takes the name, whoever has it. A name that is new begins with the microseconds of the database's clock: one
    /// that was forgotten and comes back is beyond every epoch that it had, and so is none of them.
    pub(super) async fn take<D: Dialect>(conn: &mut D::Connection, node: &str) -> sqlx::Result<Self> {
        let (until, new) = (until(), format!("TIMESTAMPDIFF(MICROSECOND, '1970-01-01', {NOW})"));
        let rise = format!(
            "INSERT INTO nodes (node, epoch, until, serves) VALUES (?, {new}, {until}, '[]') \
             ON DUPLICATE KEY UPDATE epoch = epoch + 1, until = VALUES(until), serves = '[]'"
        );
        let rise = Statement::new(rise).with(node);
        let read = Statement::new("SELECT epoch FROM nodes WHERE node = ?").with(node);
        // on an error the caller drops the connection, and with it what was begun
        D::say(conn, "START TRANSACTION").await?;
        D::run(conn, &[Asked::of(&rise)]).await?;
        let rows = D::fetch(conn, &read).await?;
        let epoch = rows.first().map(|row| D::pull(row, 0, Kind::Int)).transpose()?;
        D::say(conn, "COMMIT").await?;
        let epoch = epoch.as_ref().and_then(Value::as_i64).unwrap_or_default();
        Ok(Lease { node: node.to_owned(), epoch })
    }

    /// Matches, and locks, as long as nobody else has the name.
    pub(super) fn fence(&self) -> Statement {
        self.of("UPDATE nodes SET epoch = epoch WHERE node = ? AND epoch = ?".to_owned())
    }

    pub(super) fn renew(&self, serves: &[&str]) -> Step {
        let renew = format!("UPDATE nodes SET until = {}, serves = ? WHERE node = ? AND epoch = ?", until());
        let serves = Statement::new(renew).with(Bound::json(&serves));
        Step::Renew(serves.with(&*self.node).with(self.epoch))
    }

    /// Another lease for whoever is busy with something else than renewing it.
    pub(super) fn extend(&self) -> Step {
        Step::Renew(self.of(format!("UPDATE nodes SET until = {} WHERE node = ? AND epoch = ?", until())))
    }

    /// It is free at once: this node stops, or has nothing left to look after.
    pub(super) fn end(&self) -> Step {
        let end = format!("UPDATE nodes SET until = {NOW} - INTERVAL 1 SECOND WHERE node = ? AND epoch = ?");
        Step::Plain(self.of(end))
    }

    /// Takes the name of a node that is gone, with its timers. Refused when somebody was faster, or it is back.
    pub(super) fn inherit(&self, heir: &str) -> (Lease, Vec<Step>) {
        let take = format!(
            "UPDATE nodes SET epoch = epoch + 1, until = {} \
             WHERE node = ? AND epoch = ? AND until < {}",
            until(),
            quiet()
        );
        let timers = Statement::new("UPDATE timers SET node = ? WHERE node = ?").with(heir).with(&*self.node);
        let taken = Lease { node: self.node.clone(), epoch: self.epoch + 1 };
        (taken, vec![self.held(take), Step::Plain(timers)])
    }

    /// Makes events of a node that is gone this node's, in their order. Refused when that node is back.
    pub(super) fn take_events(&self, heir: &str, events: Vec<(i64, Arc<Event>)>) -> Result<Vec<Step>> {
        let numbers: Vec<_> = events.iter().map(|(number, _)| *number).collect();
        let keep = format!("UPDATE nodes SET until = {} WHERE node = ? AND epoch = ?", until());
        let mut steps = vec![self.held(keep)];
        for (_, event) in events {
            steps.push(outbox::add(heir, event)?);
        }
        steps.extend(outbox::forget(&self.node, &numbers));
        Ok(steps)
    }

    /// Makes what lived on a node that is gone this node's. Refused when somebody was faster, or it is back. The
    /// epoch rises, so that a process which is only slow finds out with its next commit.
    pub(super) fn adopt(&self, heir: &str, residents: &Residents) -> Vec<Step> {
        let take = format!(
            "UPDATE nodes SET epoch = epoch + 1 WHERE node = ? AND epoch = ? AND until < {}",
            quiet()
        );
        let mut steps = vec![self.held(take)];
        for kind in &residents.journal {
            let entries = Statement::new("UPDATE journal SET node = ? WHERE kind = ? AND node = ?")
                .with(heir)
                .with(*kind)
                .with(&*self.node);
            steps.push(Step::Plain(entries));
        }
        for (resource, live) in &residents.rows {
            let moved = Statement::new(format!("UPDATE `{}` SET node = ?", resource.name)).with(heir);
            steps.push(Step::Plain(living(moved, live).with(&*self.node)));
        }
        steps
    }

    /// Forgets the name. Refused when somebody has it again, or looks after it.
    pub(super) fn forget(&self) -> Step {
        self.held(format!("DELETE FROM nodes WHERE node = ? AND epoch = ? AND until < {}", long_ago()))
    }

    /// A statement with the name and its epoch as its last values.
    fn of(&self, sql: String) -> Statement {
        Statement::new(sql).with(&*self.node).with(self.epoch)
    }

    fn held(&self, sql: String) -> Step {
        Step::Update { change: self.of(sql), subject: Subject::Node(self.node.clone()) }
    }
}

/// Ends the lease of a node, in whatever epoch.
pub(super) fn doubt(node: &str) -> Step {
    let end = format!("UPDATE nodes SET until = {NOW} - INTERVAL 1 SECOND WHERE node = ?");
    Step::Plain(Statement::new(end).with(node))
}

/// Restricts a statement on rows to those that are alive on the node that is bound next.
fn living(mut statement: Statement, live: &[&str]) -> Statement {
    let marks = vec!["?"; live.len()].join(", ");
    statement.sql.to_mut().push_str(&format!(" WHERE status IN ({marks}) AND node = ?"));
    live.iter().fold(statement, |statement, status| statement.with(*status))
}

/// The quiet node of this name, if it has left events or timers.
pub(super) fn left_events(node: &str) -> Statement {
    let left = |table: &str| format!("EXISTS (SELECT 1 FROM {table} l WHERE l.node = n.node)");
    Statement::new(format!(
        "SELECT n.node, n.epoch FROM nodes n WHERE n.node = ? AND n.until < {} AND ({} OR {})",
        quiet(),
        left("outbox"),
        left("timers")
    ))
    .with(node)
}

/// The node of this name, if it has been gone for long and has left nothing.
pub(super) fn long_gone(node: &str, residents: &Residents) -> Statement {
    let none = |table: &str| format!("NOT EXISTS (SELECT 1 FROM {table} l WHERE l.node = n.node)");
    let known = format!(
        "SELECT n.node, n.epoch FROM nodes n WHERE n.node = ? AND n.until < {} AND {} AND {} AND NOT",
        long_ago(),
        none("outbox"),
        none("timers")
    );
    with_residents(known, node, residents)
}

/// The quiet node of this name, if it has left residents.
pub(super) fn left_residents(node: &str, residents: &Residents) -> Statement {
    let known = format!("SELECT n.node, n.epoch FROM nodes n WHERE n.node = ? AND n.until < {} AND", quiet());
    with_residents(known, node, residents)
}

/// Completes a statement on the name that ends before what is asked of its residents: are there any?
fn with_residents(known: String, node: &str, residents: &Residents) -> Statement {
    let mut found = Statement::new(format!("{known} (1 = 0")).with(node);
    for kind in &residents.journal {
        let entries = " OR EXISTS (SELECT 1 FROM journal WHERE kind = ? AND node = ?)";
        found.sql.to_mut().push_str(entries);
        found = found.with(*kind).with(node);
    }
    for (resource, live) in &residents.rows {
        found.sql.to_mut().push_str(&format!(" OR EXISTS (SELECT 1 FROM `{}`", resource.name));
        found = living(found, live).with(node);
        found.sql.to_mut().push(')');
    }
    found.sql.to_mut().push(')');
    found
}

pub(super) fn read_left<D: Dialect>(row: &D::Row) -> sqlx::Result<Lease> {
    let epoch = D::pull(row, 1, Kind::Int)?.as_i64().unwrap_or_default();
    Ok(Lease { node: read::text::<D>(row, 0)?, epoch })
}

pub(super) fn peers() -> Statement {
    let (late, quiet) = (unheard_for(LATE), quiet());
    Statement::new(format!(
        "SELECT node, serves, until >= {NOW}, until < {late}, until < {quiet}, until FROM nodes ORDER BY node"
    ))
}

pub(super) fn read_peer<D: Dialect>(row: &D::Row) -> sqlx::Result<Peer> {
    let serves = D::pull(row, 1, Kind::Json)?;
    let is = |at| D::pull(row, at, Kind::Int).map(|is| is.as_i64() == Some(1));
    Ok(Peer {
        node: read::text::<D>(row, 0)?,
        serves: serde_json::from_value(serves).unwrap_or_default(),
        alive: is(2)?,
        late: is(3)?,
        quiet: is(4)?,
        until: D::pull(row, 5, Kind::Time)?.as_str().and_then(time::parse),
    })
}

/// The only node of a store that nobody shares.
pub(super) fn alone(node: &str) -> Peer {
    let node = node.to_owned();
    Peer { node, serves: Vec::new(), alive: true, late: false, quiet: false, until: None }
}
