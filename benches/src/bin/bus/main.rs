//! Requests and events through RabbitMQ: the platform's bus against bare lapin on the same broker, in the same
//! run, with the servers and followers in processes of their own.
//!
//! The broker is named by `BRANCHLINE_BUS`; its queues of earlier runs are not touched.

mod bare;
mod ours;

use std::process::ExitCode;
use std::sync::Arc;

use benches::rounds::{Round, Spread, in_turns, print_head, print_side};
use benches::served::{Folder, Served};
use benches::{cpu, machine};
use protocol::{Error, Result};
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant};

const ROUNDS: usize = 5;
/// Requests, or events, that are out at the same time: a domain's workers on both ends.
const AT_ONCE: usize = 64;
/// Of one round.
const SPAN: Duration = Duration::from_secs(4);

/// One way to the other process.
pub(crate) trait Way: Send + Sync + 'static {
    /// Once there and back: a reply, or a confirm.
    fn once(&self) -> impl Future<Output = Result<()>> + Send;
}

/// As many as go in [`SPAN`], [`AT_ONCE`] at a time.
async fn round(way: &Arc<impl Way>, at_once: usize, far: Option<u32>) -> Result<Round> {
    let spent = || -> Result<Duration> { Ok(cpu::own()? + far.map_or(Ok(Duration::ZERO), cpu::spent)?) };
    let (before, began) = (spent()?, Instant::now());
    let mut askers = JoinSet::new();
    for _ in 0..at_once {
        let way = way.clone();
        askers.spawn(async move {
            let mut done = 0;
            while began.elapsed() < SPAN {
                way.once().await?;
                done += 1;
            }
            Ok::<u64, Error>(done)
        });
    }
    let mut units = 0;
    while let Some(done) = askers.join_next().await {
        units += done.map_err(Error::internal)??;
    }
    Ok(Round { units, wall: began.elapsed(), cpu: spent()?.saturating_sub(before) })
}

async fn compare(
    what: &str,
    (ours, bare): (Arc<impl Way>, Arc<impl Way>),
    far: [Option<u32>; 2],
    (at_once, target): (usize, &str),
) -> Result<()> {
    let measured = in_turns(ROUNDS, 2, async |side| match side {
        0 => round(&ours, at_once, far[0]).await,
        _ => round(&bare, at_once, far[1]).await,
    })
    .await?;
    print_head(&format!("{what}, {at_once} at a time"));
    print_side("the platform's bus", &measured[0]);
    print_side("bare lapin", &measured[1]);
    let rate =
        Spread::of_pairs(&measured[0], &measured[1], |ours, bare| ours.per_second() / bare.per_second());
    let cpu = Spread::of_pairs(&measured[0], &measured[1], |ours, bare| ours.cpu_each() / bare.cpu_each());
    println!("rate, {target}: {rate}; CPU: {cpu}");
    Ok(())
}

async fn measure() -> Result<()> {
    machine::announce("bus");
    let Ok(url) = std::env::var("BRANCHLINE_BUS") else {
        println!("BRANCHLINE_BUS names no broker (amqp://...): nothing measured");
        return Ok(());
    };
    let folder = Folder::new("bus")?;
    let arguments = [url.clone()];
    let theirs = Served::start(bare::ROLE, &arguments, &folder.join("bare.log"))?;
    let other = Served::start(ours::ROLE, &arguments, &folder.join("ours.log"))?;
    let far = [Some(other.process), Some(theirs.process)];
    let (asks, bare_asks) =
        (Arc::new(ours::Asks::open(&url).await?), Arc::new(bare::Asks::open(&url).await?));
    for at_once in [AT_ONCE, 1] {
        let pair = (asks.clone(), bare_asks.clone());
        compare("requests", pair, far, (at_once, "at least 0.70")).await?;
    }
    let events = Arc::new(ours::Events::open(&url).await?);
    let bare_events = Arc::new(bare::Events::open(&url).await?);
    compare("events", (events.clone(), bare_events.clone()), far, (AT_ONCE, "at least 0.50")).await?;
    println!("load at the end: {}", machine::load());
    other.stop().await?;
    theirs.stop().await
}

fn main() -> ExitCode {
    let url = || std::env::args().nth(2).unwrap_or_default();
    match std::env::args().nth(1).as_deref() {
        Some(bare::ROLE) => benches::run(async { bare::serve(&url()).await }),
        Some(ours::ROLE) => benches::run(async { ours::serve(&url()).await }),
        _ => benches::run(measure()),
    }
}
