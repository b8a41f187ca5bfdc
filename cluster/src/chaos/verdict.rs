//! What was promised and what is there: asked through the API when all is quiet again.

use std::collections::BTreeMap;

use protocol::Result;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant, sleep};

use super::client::{Client, LOOK, text};
use super::handset::Tally;
use super::hooks::Hooks;
use super::operator;
use super::site::Site;
use super::writers::Promised;

/// The last webhook may be at its second attempt, a call at the end of its ringing.
const SETTLES: Duration = Duration::from_secs(120);
const ANSWERS: Duration = Duration::from_secs(30);
/// Questions at a time.
const SIDE_BY_SIDE: usize = 8;
/// How many of what is missing are named.
const NAMED: usize = 5;

/// One line of the table.
pub(super) struct Line {
    pub(super) what: &'static str,
    pub(super) attempted: usize,
    pub(super) lost: Vec<String>,
    pub(super) doubled: Vec<String>,
}

impl Line {
    fn new(what: &'static str, attempted: usize) -> Line {
        Line { what, attempted, lost: Vec::new(), doubled: Vec::new() }
    }

    pub(super) fn is_whole(&self) -> bool {
        self.lost.is_empty() && self.doubled.is_empty()
    }

    pub(super) fn show(&self) {
        let Line { what, attempted, lost, doubled } = self;
        println!("  {what:<34} {attempted:>9} {:>6} {:>8}", lost.len(), doubled.len());
        for (how, all) in [("lost", lost), ("doubled", doubled)] {
            for one in all.iter().take(NAMED) {
                println!("      {how}: {one}");
            }
        }
    }
}

/// Everything that is looked at in the end.
pub(super) async fn judge(
    site: &mut Site,
    hooks: &Hooks,
    promised: Promised,
    talks: Tally,
) -> Result<Vec<Line>> {
    let client = site.clients().remove(0);
    let mut refused = Line::new("writes answered in the end", promised.tags.len() + promised.flows.len());
    refused.attempted += promised.failed.len() + promised.unknown;
    println!(
        "{} writes were under way when something broke: nobody knows of them, nothing was promised.",
        promised.unknown
    );
    refused.lost.clone_from(&promised.failed);
    let mut lines = vec![refused];
    lines.extend(rows(&client, "tags", &promised.tags).await?);
    lines.extend(rows(&client, "activeflows", &promised.flows).await?);
    lines.push(told(hooks, &promised.flows).await);
    lines.push(ghosts(site, &client).await?);
    lines.extend(calls_up(&client, talks).await?);
    lines.extend(money(&client).await?);
    let mut panics = Line::new("panics in the nodes' output", 0);
    panics.lost = (0..site.panics()).map(|_| "see the output".to_owned()).collect();
    lines.push(panics);
    Ok(lines)
}

/// Every acknowledged row is there, with the fact of its making once in its timeline.
async fn rows(client: &Client, path: &'static str, ids: &[String]) -> Result<[Line; 2]> {
    let (what, events) = match path {
        "tags" => ("acknowledged tags", "their events in the timeline"),
        _ => ("acknowledged flows", "their events in the timeline"),
    };
    let (mut there, mut noted) = (Line::new(what, ids.len()), Line::new(events, ids.len()));
    let kind = format!("{}_created", path.trim_end_matches('s'));
    for some in ids.chunks(SIDE_BY_SIDE) {
        let mut asked = JoinSet::new();
        for id in some {
            asked.spawn(row(client.clone(), format!("{path}/{id}"), kind.clone()));
        }
        while let Some(answer) = asked.join_next().await {
            match answer.map_err(protocol::Error::internal)?? {
                (path, false, _) => there.lost.push(path),
                (path, true, 0) => noted.lost.push(path),
                (_, true, 1) => {}
                (path, true, times) => noted.doubled.push(format!("{path} {times} times")),
            }
        }
    }
    Ok([there, noted])
}

/// Is it there, and how often does its timeline say that it was made?
async fn row(client: Client, path: String, kind: String) -> Result<(String, bool, usize)> {
    let limit = Instant::now() + ANSWERS;
    let there = loop {
        match client.get(&path).await {
            Some((200, _)) => break true,
            Some((404, _)) => break false,
            Some(_) | None if Instant::now() > limit => break false,
            Some(_) | None => sleep(LOOK).await,
        }
    };
    if !there {
        return Ok((path, false, 0));
    }
    let story = client.read(&format!("timelines/{path}/events?page_size=100"), ANSWERS).await?;
    let events = story.get("result").and_then(Value::as_array).cloned().unwrap_or_default();
    let times = events.iter().filter(|event| text(event, "event_type") == kind).count();
    Ok((path, true, times))
}

/// Customers were told of every flow, under one id however often.
async fn told(hooks: &Hooks, flows: &[String]) -> Line {
    const KIND: &str = "activeflow_created";
    let limit = Instant::now() + SETTLES;
    let mut line = Line::new("their webhooks", flows.len());
    loop {
        let untold = |flow: &&String| hooks.told(KIND, flow).times == 0;
        line.lost = flows.iter().filter(untold).cloned().collect();
        if line.lost.is_empty() || Instant::now() > limit {
            break;
        }
        sleep(LOOK).await;
    }
    let twice = |flow: &&String| hooks.told(KIND, flow).ids.len() > 1;
    line.doubled = flows.iter().filter(twice).cloned().collect();
    line
}

/// Nothing is left that is not over: no call, no flow.
async fn ghosts(site: &mut Site, client: &Client) -> Result<Line> {
    let limit = Instant::now() + SETTLES;
    loop {
        site.recovers(ANSWERS).await?;
        let mut line = Line::new("calls and flows that are over", 0);
        for (path, end) in [("calls", "hangup"), ("activeflows", "ended")] {
            let all = client.all(path, ANSWERS).await?;
            line.attempted += all.len();
            let alive = all.iter().filter(|row| text(row, "status") != end);
            line.lost
                .extend(alive.map(|row| format!("{path} {} is {}", text(row, "id"), text(row, "status"))));
        }
        for post in &site.posts {
            let live = operator::live_calls(&post.program).await?;
            if live > 0 {
                line.lost.push(format!("{} lists {live} live calls", post.program.name));
            }
        }
        if line.is_whole() || Instant::now() > limit {
            return Ok(line);
        }
        sleep(20 * LOOK).await;
    }
}

/// No call that was up ended but by somebody's wish: as the telephones saw it, and as the platform says. A call that
/// only its telephone still had when it hung up is one that the platform lost. One that its telephone ended while its
/// node was dead ends here for want of audio (`timeout`); had the telephone still had it, it would have missed it.
async fn calls_up(client: &Client, talks: Tally) -> Result<[Line; 2]> {
    let mut heard = Line::new("calls that were up at a telephone", talks.talks);
    heard.lost = talks.lost;
    let mut told = Line::new("calls that were up by their rows", 0);
    let calls = client.all("calls", ANSWERS).await?;
    for call in calls.iter().filter(|call| !text(call, "tm_progressing").is_empty()) {
        told.attempted += 1;
        let why = text(call, "hangup_reason");
        if !["normal", "timeout"].contains(&why) {
            told.lost.push(format!("{} ended at {}: {why}", text(call, "id"), text(call, "tm_hangup")));
        }
    }
    Ok([heard, told])
}

/// Every answered call has one charge, and the ledger adds up to the balance.
async fn money(client: &Client) -> Result<[Line; 2]> {
    let limit = Instant::now() + SETTLES;
    loop {
        let calls = client.all("calls", ANSWERS).await?;
        let entries = client.all("billings", ANSWERS).await?;
        let account = client.read("billing_account", ANSWERS).await?;
        let lines = [charges(&calls, &entries), ledger(&entries, &account)];
        if lines.iter().all(Line::is_whole) || Instant::now() > limit {
            return Ok(lines);
        }
        sleep(20 * LOOK).await;
    }
}

fn charges(calls: &[Value], entries: &[Value]) -> Line {
    let mut of: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for entry in entries {
        of.entry(text(entry, "reference_id")).or_default().push(entry);
    }
    let answered = calls.iter().filter(|call| !text(call, "tm_progressing").is_empty());
    let mut line = Line::new("charges of answered calls", 0);
    for call in answered.map(|call| text(call, "id")) {
        line.attempted += 1;
        match of.get(call).map(Vec::as_slice).unwrap_or_default() {
            [one] if text(one, "status") == "end" => {}
            [one] => line.lost.push(format!("the charge of {call} is {}", text(one, "status"))),
            [] => line.lost.push(format!("no charge of {call}")),
            more => line.doubled.push(format!("{} charges of {call}", more.len())),
        }
    }
    line
}

fn ledger(entries: &[Value], account: &Value) -> Line {
    let amount = |row: &Value, name: &str| row.get(name).and_then(Value::as_i64).unwrap_or_default();
    let sum: i64 = entries.iter().map(|entry| amount(entry, "amount_credit")).sum();
    let balance = amount(account, "balance_credit");
    let mut line = Line::new("entries that add up to the balance", entries.len());
    if sum != balance {
        line.lost.push(format!("the entries make {sum}, the balance is {balance}"));
    }
    line
}
