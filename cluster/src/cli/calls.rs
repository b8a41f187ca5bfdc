//! `branchline calls`: the live calls of the installation, and what happens to them.

use proto::admin::v1::{Call, ListCallsRequest, Party, WatchCallsRequest, WatchCallsResponse};
use protocol::{Page, Result};
use serde_json::json;

use super::client::{Client, Operator, connect, refused};
use super::table::{plain, print, table};

const HEAD: [&str; 8] = ["ID", "CUSTOMER", "STATUS", "DIRECTION", "FROM", "TO", "ACTION", "SINCE"];

/// Nobody reads a longer list; whoever counts calls asks the metrics.
const MOST: usize = 10_000;

/// Prints the live calls; with `watch` also every change from now on, a line each, until the node stops.
///
/// # Errors
/// The node cannot be reached, refuses the token, or stops while it is watched.
pub async fn calls(operator: &Operator, watch: bool, is_json: bool) -> Result<()> {
    let mut client = connect(operator).await?;
    let sheet = if is_json { lines } else { sheet };
    let line = if is_json { json_line } else { line };
    if !watch {
        return list(&mut client, sheet).await.map(drop);
    }
    // watched before it is listed, so that nothing happens unseen in between
    let changes = client.watch_calls(WatchCallsRequest::default()).await.map_err(refused)?;
    let mut changes = changes.into_inner();
    let mut is_read = list(&mut client, sheet).await?;
    while is_read && let Some(change) = changes.message().await.map_err(refused)? {
        is_read = print(&line(&change))?;
    }
    Ok(())
}

async fn list(client: &mut Client, sheet: fn(&[Call]) -> String) -> Result<bool> {
    let mut calls = Vec::new();
    let mut page_token = String::new();
    loop {
        let page_size = i32::try_from(Page::MOST).unwrap_or_default();
        let asked = ListCallsRequest { page_size, page_token, ..ListCallsRequest::default() };
        let page = client.list_calls(asked).await.map_err(refused)?.into_inner();
        calls.extend(page.calls);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return print(&sheet(&calls));
        }
        if calls.len() >= MOST {
            return print(&format!("{}... and more: these are the newest\n", sheet(&calls)));
        }
    }
}

fn lines(calls: &[Call]) -> String {
    let line = |call: &Call| {
        let json = json!({
            "id": call.id,
            "customer_id": call.customer_id,
            "status": call.status,
            "direction": call.direction,
            "from": party(call.source.as_ref()),
            "to": party(call.destination.as_ref()),
            "action_type": call.action_type,
            "since": call.since,
        });
        format!("{json}\n")
    };
    calls.iter().map(line).collect()
}

fn json_line(change: &WatchCallsResponse) -> String {
    let WatchCallsResponse { id, customer_id, event_type, status, time, missed } = change;
    let json = json!({
        "id": id,
        "customer_id": customer_id,
        "event_type": event_type,
        "status": status,
        "time": time,
        "missed": missed,
    });
    format!("{json}\n")
}

fn sheet(calls: &[Call]) -> String {
    if calls.is_empty() {
        return "no live calls\n".to_owned();
    }
    let rows: Vec<_> = [HEAD.map(str::to_owned)].into_iter().chain(calls.iter().map(row)).collect();
    table(&rows)
}

fn row(call: &Call) -> [String; 8] {
    [
        call.id.clone(),
        call.customer_id.clone(),
        call.status.clone(),
        call.direction.clone(),
        party(call.source.as_ref()),
        party(call.destination.as_ref()),
        call.action_type.clone(),
        call.since.clone(),
    ]
}

pub(super) fn party(party: Option<&Party>) -> String {
    match party {
        Some(Party { r#type, target }) if !r#type.is_empty() => format!("{type}:{target}"),
        Some(Party { target, .. }) => target.clone(),
        None => String::new(),
    }
}

/// Widths are those of the longest known words, because what comes next is not known.
fn line(change: &WatchCallsResponse) -> String {
    let WatchCallsResponse { id, customer_id, event_type, status, time, missed } = change;
    if *missed > 0 {
        return format!("... {missed} events missed\n");
    }
    format!("{}\n", plain(&format!("{time:<27}  {id}  {customer_id}  {status:<11}  {event_type}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_a_table() {
        let party =
            |r#type: &str, target: &str| Some(Party { r#type: r#type.to_owned(), target: target.to_owned() });
        let call = Call {
            id: "c1".to_owned(),
            customer_id: "u1".to_owned(),
            status: "ringing".to_owned(),
            direction: "outgoing".to_owned(),
            source: party("tel", "+15551234567"),
            destination: party("", "desk"),
            action_type: String::new(),
            since: "2026-01-02T03:04:05.000006Z".to_owned(),
        };
        let expected = "\
ID  CUSTOMER  STATUS   DIRECTION  FROM              TO    ACTION  SINCE
c1  u1        ringing  outgoing   tel:+15551234567  desk          2026-01-02T03:04:05.000006Z
";
        assert_eq!(sheet(&[call]), expected);
        assert_eq!(sheet(&[]), "no live calls\n");
    }

    #[test]
    fn a_change_is_one_line_whatever_is_in_it() {
        let change = WatchCallsResponse {
            id: "c1".to_owned(),
            customer_id: "u1".to_owned(),
            event_type: "call_\nringing".to_owned(),
            status: "ringing".to_owned(),
            time: "2026-01-02T03:04:05.000006Z".to_owned(),
            missed: 0,
        };
        assert_eq!(line(&change), "2026-01-02T03:04:05.000006Z  c1  u1  ringing      call_\u{fffd}ringing\n");
        let missed = WatchCallsResponse { missed: 3, ..WatchCallsResponse::default() };
        assert_eq!(line(&missed), "... 3 events missed\n");
    }
}
