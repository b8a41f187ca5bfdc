//! Two nodes with a database, a cache and a broker; the one with all the calls is killed. When the far end of
//! each call hears of the heir, and hears the heir.
//!
//! `--calls 200` and `--deaths 3` are the defaults. Each death is the other node's than the one before.

mod ear;
mod far;
mod figures;
mod scene;
mod words;

use std::process::ExitCode;

use benches::flags::asked;
use benches::machine;
use benches::node::{self, BenchNode};
use benches::served::Folder;
use benches::servers::Servers;
use protocol::{Error, Result};
use tokio::time::{Duration, Instant, sleep};

use ear::Ear;
use far::FarEnd;
use figures::{TARGET, Tail, Takeover};

const CALLS: usize = 200;
const DEATHS: usize = 3;
/// Each node has its own, so the far end knows by the port who speaks. Two ports a call.
const MEDIA: [&str; 2] = ["22000-23999", "24000-25999"];
const NAMES: [&str; 2] = ["first", "second"];
/// Until all calls are up, and until all are over.
const UP: Duration = Duration::from_secs(60);
const OVER: Duration = Duration::from_secs(60);
/// With all calls up, or with a node that came back: what is under way has settled.
const CALM: Duration = Duration::from_secs(4);
/// Who is not back by then never comes back: longer than the lease of a node.
const BACK: Duration = Duration::from_secs(20);
/// Rows, timers and retransmissions after the last call is back.
const AFTERWARDS: Duration = Duration::from_secs(1);

struct Bench {
    servers: Servers,
    folder: Folder,
    far: FarEnd,
    calls: usize,
}

impl Bench {
    async fn node(&self, which: usize) -> Result<BenchNode> {
        let more = ["--rtp", MEDIA[which], "--allow-private", "127.0.0.0/8"];
        let rates = ["--customer-rate", "0", "--address-rate", "0"];
        let flags = [&self.servers.flags()[..], &more, &rates].concat();
        BenchNode::named(NAMES[which], &self.folder.join(NAMES[which]), &flags).await
    }

    /// All calls on `dying`, which dies. `heir` hangs them up.
    async fn death(&self, round: usize, dying: BenchNode, heir: &BenchNode) -> Result<Takeover> {
        self.far.forget();
        sleep(CALM).await;
        let ids = scene::place(&dying, self.calls).await?;
        let up = self.far.until(self.calls, UP, Ear::is_up).await;
        if up < self.calls {
            return Err(Error::unavailable(format!("{up} of {} calls came up", self.calls)));
        }
        sleep(CALM).await;
        let killed = dying.served.kill().await?;
        let is_back = |call: &Ear| call.moved(killed).is_some() && call.handed_over(killed).1.is_some();
        self.far.until(self.calls, BACK.saturating_sub(killed.elapsed()), is_back).await;
        sleep(AFTERWARDS).await;
        let takeover = Takeover::of(&self.far.calls(), killed);
        let refused = scene::hang_up(heir, &ids).await?;
        let over = self.far.until(self.calls, OVER, Ear::is_over).await;
        let ledger = scene::ledger(heir, &ids).await?;
        takeover.show(round, &ledger);
        println!("hung up through the heir: {over}; refused there: {refused}");
        Ok(takeover)
    }
}

fn show(takeovers: &[Takeover]) {
    let all =
        |figure: fn(&Takeover) -> &Vec<f64>| takeovers.iter().flat_map(figure).copied().collect::<Vec<_>>();
    println!("\nall deaths                          median       p95       max, s");
    println!("gap in the audio                 {}", Tail::of(&all(|takeover| &takeover.gap)));
    println!("back after the kill              {}", Tail::of(&all(|takeover| &takeover.back)));
    let lost: usize = takeovers.iter().map(Takeover::lost).sum();
    let met = lost == 0 && all(|takeover| &takeover.back).iter().all(|back| *back <= TARGET.as_secs_f64());
    let word = if met { "met" } else { "missed" };
    println!("all calls back within {} s of the death of their node: {word}", TARGET.as_secs());
}

async fn measure() -> Result<()> {
    machine::announce("takeover");
    let Some(servers) = Servers::named() else { return Ok(()) };
    let (calls, deaths) = (asked("--calls", CALLS)?, asked("--deaths", DEATHS)?);
    let (folder, far) = (Folder::new("takeover")?, FarEnd::open().await?);
    let bench = Bench { servers, folder, far, calls };
    let mut dying = bench.node(0).await?;
    scene::set(&dying, bench.far.address).await?;
    dying.share_with(&bench.folder.join(NAMES[1])).await?;
    let mut heir = bench.node(1).await?;
    let mut takeovers = Vec::new();
    for round in 0..deaths {
        let began = Instant::now();
        takeovers.push(bench.death(round + 1, dying, &heir).await?);
        println!("took {:.0} s, load {}", began.elapsed().as_secs_f64(), machine::load());
        dying = std::mem::replace(&mut heir, bench.node(round % 2).await?);
    }
    show(&takeovers);
    dying.served.stop().await?;
    heir.served.stop().await
}

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some(node::ROLE) => node::run(),
        _ => benches::run(measure()),
    }
}
