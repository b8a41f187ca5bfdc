//! `branchline replay`: events that a follower could not take, listed or published again.

use proto::admin::v1::{DeadEvent, ListDeadEventsRequest, ReplayDeadEventsRequest};
use protocol::{Error, Result};
use serde_json::json;

use super::client::{Client, Operator, connect, refused};
use super::table::{print, table};

const HEAD: [&str; 6] = ["ID", "SET ASIDE", "EVENT", "FOLLOWER", "TRIES", "ERROR"];

/// Publishes one again, or all; without either it lists them.
///
/// # Errors
/// The node cannot be reached or refuses, or one of them could not be published.
pub async fn replay(operator: &Operator, id: Option<String>, all: bool, is_json: bool) -> Result<()> {
    let mut client = connect(operator).await?;
    let Some(id) = id.or_else(|| all.then(String::new)) else { return list(&mut client, is_json).await };
    let asked = ReplayDeadEventsRequest { id, all };
    let done = client.replay_dead_events(asked).await.map_err(refused)?.into_inner();
    let text = match is_json {
        true => json!({"replayed": done.replayed, "failed": done.failed, "error": done.error}).to_string(),
        false => format!("{} published again", done.replayed),
    };
    print(&format!("{text}\n"))?;
    match done.failed {
        0 => Ok(()),
        failed => Err(Error::unavailable(format!("{failed} could not be published again: {}", done.error))),
    }
}

async fn list(client: &mut Client, is_json: bool) -> Result<()> {
    let page = client.list_dead_events(ListDeadEventsRequest::default()).await.map_err(refused)?.into_inner();
    let text = match (is_json, page.events.is_empty()) {
        (true, _) => page.events.iter().map(line).collect(),
        (false, true) => "no dead events\n".to_owned(),
        (false, false) => {
            let rows: Vec<_> =
                [HEAD.map(str::to_owned)].into_iter().chain(page.events.iter().map(row)).collect();
            let more = page.total.saturating_sub(page.events.len() as u64);
            let more = if more > 0 { format!("... and {more} more\n") } else { String::new() };
            format!("{}{more}", table(&rows))
        }
    };
    print(&text).map(drop)
}

fn row(dead: &DeadEvent) -> [String; 6] {
    let DeadEvent { id, follower, r#type, error, tries, time } = dead.clone();
    [id, time, r#type, follower, tries.to_string(), error]
}

fn line(dead: &DeadEvent) -> String {
    let DeadEvent { id, follower, r#type, error, tries, time } = dead;
    let json = json!({
        "id": id, "follower": follower, "type": r#type, "error": error, "tries": tries, "time": time,
    });
    format!("{json}\n")
}
