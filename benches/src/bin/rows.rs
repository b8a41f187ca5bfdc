//! Rows a second, each with its event in the same transaction, in SQLite at full durability (WAL,
//! `synchronous=FULL`: answered means on disk), for one writer and for 64 side by side.

use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use benches::rounds::{Round, Spread, in_turns, print_head, print_side};
use benches::served::Folder;
use benches::{cpu, machine};
use protocol::ports::{Clock as _, Store, SystemClock, Unit, Write};
use protocol::{Error, Event, Field, Resource, Result, time};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant};
use uuid::Uuid;

const ROUNDS: usize = 4;
const ROUND: Duration = Duration::from_secs(3);
/// About as much as a small transaction writes, and as long as SQLite's log grows.
const BLOCK: u64 = 8192;
const BLOCKS: u64 = 500;
const WRITERS: [usize; 2] = [1, 64];

/// As wide as a tag, with a column that filters.
static NOTE: Resource =
    Resource::new("note", "notes", &[Field::text("name").filter(), Field::text("detail")]);

/// One new row and the fact that says so, as every creation commits them.
fn unit(customer: Uuid) -> Unit {
    let id = Uuid::now_v7();
    let now = time::stamp(SystemClock.now());
    let given = json!({
        "id": id, "customer_id": customer, "tm_create": now, "rev": 1,
        "name": "bench", "detail": "a text of a usual length, such as people write",
    });
    let mut row = given.as_object().cloned().unwrap_or_default();
    NOTE.fill(&mut row);
    let event = Event {
        r#type: "note_created".into(),
        publisher: "bench-manager".into(),
        data_type: "application/json".into(),
        data: row.clone().into(),
        id: Uuid::now_v7(),
        time: now,
        resource: "note".into(),
        about: Uuid::nil(),
        request_id: String::new(),
    };
    Unit {
        writes: vec![Write::Insert { resource: &NOTE, row: row.into() }],
        events: vec![event],
        ..Unit::default()
    }
}

/// Commits until the round is over; how long each took, in seconds.
async fn write(store: Arc<dyn Store>, customer: Uuid, until: Instant) -> Result<Vec<f64>> {
    let mut waits = Vec::new();
    while Instant::now() < until {
        let began = Instant::now();
        store.commit(unit(customer)).await?;
        waits.push(began.elapsed().as_secs_f64());
    }
    Ok(waits)
}

async fn round(store: &Arc<dyn Store>, writers: usize, waits: &mut Vec<f64>) -> Result<Round> {
    let (began, before) = (Instant::now(), cpu::own()?);
    let mut tasks = JoinSet::new();
    for _ in 0..writers {
        tasks.spawn(write(store.clone(), Uuid::now_v7(), began + ROUND));
    }
    let mut units = 0;
    for done in tasks.join_all().await {
        let done = done?;
        units += done.len() as u64;
        waits.extend(done);
    }
    Ok(Round { units, wall: began.elapsed(), cpu: cpu::own()?.saturating_sub(before) })
}

/// What the disk allows: 8 KiB over and over in a file of a fixed size, synchronised one after the other.
fn synchronised(folder: &Folder) -> Result<f64> {
    let file = std::fs::File::create(folder.join("plain")).map_err(Error::internal)?;
    let block = [7; BLOCK as usize];
    for at in 0..BLOCKS {
        file.write_all_at(&block, at * BLOCK).map_err(Error::internal)?;
    }
    file.sync_all().map_err(Error::internal)?;
    let (began, mut count) = (std::time::Instant::now(), 0);
    while began.elapsed() < Duration::from_secs(1) {
        let written = file.write_all_at(&block, count % BLOCKS * BLOCK);
        written.and_then(|()| file.sync_data()).map_err(Error::internal)?;
        count += 1;
    }
    Ok(count as f64 / began.elapsed().as_secs_f64())
}

fn percentile(sorted: &[f64], percent: usize) -> f64 {
    sorted
        .get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1)))
        .copied()
        .unwrap_or(f64::NAN)
        * 1e3
}

#[tokio::main]
async fn main() -> Result<()> {
    machine::announce("rows");
    let folder = Folder::new("rows")?;
    let url = format!("sqlite:{}", folder.join("rows.db").display());
    let store = persistence::open(&url, "bench", &[&NOTE]).await?;
    let disk = Spread::of([synchronised(&folder)?, synchronised(&folder)?, synchronised(&folder)?]);
    let mut waits = [Vec::new(), Vec::new()];
    let sides =
        in_turns(ROUNDS, WRITERS.len(), async |side| round(&store, WRITERS[side], &mut waits[side]).await)
            .await?;
    print_head("rows with events, SQLite, FULL");
    for (at, writers) in WRITERS.iter().enumerate() {
        print_side(&format!("{writers} writers"), &sides[at]);
        waits[at].sort_by(f64::total_cmp);
        let [middle, late] = [50, 99].map(|percent| percentile(&waits[at], percent));
        println!("{:<34} p50 {middle:.2} ms, p99 {late:.2} ms", "");
    }
    println!("\n8 KiB writes with fdatasync:        {disk} a second");
    println!("load at the end: {}", machine::load());
    store.close().await;
    Ok(())
}
