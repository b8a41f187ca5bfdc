//! Events that are committed and not yet delivered, numbered per node in the order of its commits.
//!
//! Numbers start above everything left over and above the microseconds of today, so they keep growing over
//! restarts although the table is emptied; they have gaps.

use std::sync::Arc;

use protocol::ports::{Clock as _, SystemClock};
use protocol::{Error, Event, Kind, Result};
use serde_json::Value;

use super::dialect::Dialect;
use super::job::Step;
use super::statement::Statement;

pub(super) fn add(node: &str, event: Arc<Event>) -> Result<Step> {
    let text = serde_json::to_string(event.as_ref()).map_err(Error::internal)?;
    let add = Statement::new("INSERT INTO outbox (node, event, seq) VALUES (?, ?, ?)");
    Ok(Step::Told(add.adding().with(node).with(text).with(0_i64), event, 0))
}

/// The same of what [`add`] made, but only while `fence` matches, whose row it locks.
pub(super) fn fenced(add: &Statement, fence: &Statement) -> Statement {
    let of = "INSERT INTO outbox (node, event, seq) SELECT node, ?, ? FROM nodes WHERE node = ? AND epoch = ? FOR UPDATE";
    let mut fenced = Statement::new(of);
    fenced.values = add.values.iter().skip(1).chain(&fence.values).cloned().collect();
    fenced
}

pub(super) fn pending<D: Dialect>(node: &str, after: i64, most: u32) -> Statement {
    let of = "SELECT seq, event FROM outbox WHERE node = ? AND seq > ? ORDER BY seq LIMIT";
    Statement::new(format!("{of} {}", D::LIMIT)).with(node).with(after).with(most)
}

/// How many there are; one that is far behind need not be counted to the end.
pub(super) fn count(node: &str, most: u32) -> Statement {
    Statement::new("SELECT COUNT(*) FROM (SELECT seq FROM outbox WHERE node = ? LIMIT ?) AS counted")
        .with(node)
        .with(most)
}

pub(super) fn read<D: Dialect>(row: &D::Row) -> sqlx::Result<(i64, Arc<Event>)> {
    let seq = D::pull(row, 0, Kind::Int)?.as_i64().unwrap_or_default();
    let event = serde_json::from_value(D::pull(row, 1, Kind::Json)?);
    Ok((seq, Arc::new(event.map_err(|cause| sqlx::Error::Decode(cause.into()))?)))
}

/// One statement per run of neighbouring numbers: what is delivered in order is forgotten at once.
pub(super) fn forget(node: &str, delivered: &[i64]) -> impl Iterator<Item = Step> {
    runs(delivered).into_iter().map(move |(first, last)| {
        let forget = Statement::new("DELETE FROM outbox WHERE node = ? AND seq BETWEEN ? AND ?");
        Step::Plain(forget.with(node).with(first).with(last))
    })
}

/// The number after which this node goes on.
pub(super) async fn last<D: Dialect>(conn: &mut D::Connection, node: &str) -> Result<i64> {
    let newest = Statement::new("SELECT MAX(seq) FROM outbox WHERE node = ?").with(node);
    let rows = D::fetch(conn, &newest).await.map_err(Error::internal)?;
    let newest = rows.first().map(|row| D::pull(row, 0, Kind::Int)).transpose().map_err(Error::internal)?;
    let newest = newest.as_ref().and_then(Value::as_i64).unwrap_or_default();
    Ok(newest.max(SystemClock.now().timestamp_micros()))
}

fn runs(numbers: &[i64]) -> Vec<(i64, i64)> {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    let mut runs: Vec<(i64, i64)> = Vec::new();
    for number in sorted {
        match runs.last_mut() {
            Some((_, last)) if number <= last.saturating_add(1) => *last = number,
            _ => runs.push((number, number)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::runs;

    #[test]
    fn neighbours_are_one_run() {
        assert_eq!(runs(&[3, 1, 2, 7, 9, 8, 2, 20]), [(1, 3), (7, 9), (20, 20)]);
        assert_eq!(runs(&[i64::MAX, i64::MAX]), [(i64::MAX, i64::MAX)]);
        assert!(runs(&[]).is_empty());
    }
}
