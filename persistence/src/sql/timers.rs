//! Requests that are due later. Whoever has sent one cancels it; until then it is read again.

use protocol::ports::{Bound, Pending, Timer};
use protocol::{Kind, time};

use super::dialect::Dialect;
use super::job::Step;
use super::read;
use super::statement::Statement;

/// A timer is the node's that set it last.
pub(super) fn change<D: Dialect>(node: &str, change: Pending) -> Step {
    Step::Plain(match change {
        Pending::Set(timer) => set::<D>(node, timer),
        Pending::Cancel(id) => Statement::new("DELETE FROM timers WHERE id = ?").with(id),
    })
}

fn set<D: Dialect>(node: &str, timer: Timer) -> Statement {
    let move_it = D::upsert("id", &["at", "resource", "verb", "target", "body", "node"]);
    let values = "(id, at, resource, verb, target, body, node) VALUES (?, ?, ?, ?, ?, ?, ?)";
    Statement::new(format!("INSERT INTO timers {values} {move_it}"))
        .with(timer.id)
        .with(timer.at)
        .with(timer.resource)
        .with(timer.verb)
        .with(timer.target)
        .with(Bound::json(&timer.body))
        .with(node)
}

pub(super) fn next<D: Dialect>(node: &str, most: u32) -> Statement {
    let of = "SELECT id, at, resource, verb, target, body FROM timers WHERE node = ? ORDER BY at, id LIMIT";
    Statement::new(format!("{of} {}", D::LIMIT)).with(node).with(most)
}

pub(super) fn read<D: Dialect>(row: &D::Row) -> sqlx::Result<Timer> {
    let at = D::pull(row, 1, Kind::Time)?;
    let at = at.as_str().and_then(time::parse);
    Ok(Timer {
        id: read::id::<D>(row, 0)?,
        at: at.ok_or_else(|| sqlx::Error::Decode("a timer without a time".into()))?,
        resource: read::text::<D>(row, 2)?,
        verb: read::text::<D>(row, 3)?,
        target: read::id::<D>(row, 4)?,
        body: D::pull(row, 5, Kind::Json)?,
    })
}
