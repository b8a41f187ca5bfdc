//! Calls on one node with a database, a cache and a broker, against the same calls shared by two such nodes:
//! processor time of the nodes for one call.
//!
//! The flow and the caller are those of the bench `calls`. The second node lives in its own rounds only.
//! `--rate 20`, of both callers together a second, and `--rounds 4` are the defaults.

mod side;

use std::process::ExitCode;

use benches::flags::asked;
use benches::node::{self, BenchNode};
use benches::rounds::{Spread, in_turns, print_head, print_side};
use benches::served::Folder;
use benches::servers::Servers;
use benches::{machine, scene, sipp};
use protocol::Result;

use side::Measured;

const ROUNDS: usize = 4;
/// With the servers on the same two cores there is room for more, so nothing queues.
const RATE: u32 = 20;
/// Each node has its own, as on one host it must.
const MEDIA: [&str; 2] = ["22000-23999", "24000-25999"];

struct Bench {
    servers: Servers,
    folder: Folder,
    first: BenchNode,
    rate: u32,
}

impl Bench {
    async fn open(servers: Servers) -> Result<Bench> {
        let folder = Folder::new("pair")?;
        let flags = [&servers.flags()[..], &["--rtp", MEDIA[0]]].concat();
        let first = BenchNode::named("first", &folder.join("first"), &flags).await?;
        scene::set(&first).await?;
        first.share_with(&folder.join("second")).await?;
        Ok(Bench { servers, folder, first, rate: asked("--rate", RATE)? })
    }

    async fn alone(&self) -> Result<Measured> {
        side::round(&[&self.first], self.rate, &self.folder).await
    }

    async fn shared(&self) -> Result<Measured> {
        let flags = [&self.servers.flags()[..], &["--rtp", MEDIA[1]]].concat();
        let second = BenchNode::named("second", &self.folder.join("second"), &flags).await?;
        let measured = side::round(&[&self.first, &second], self.rate, &self.folder).await?;
        second.served.stop().await?;
        Ok(measured)
    }
}

/// Of what `figure` says about the two sides' rounds, taken in pairs.
fn ratio(sides: &[Vec<Measured>], figure: impl Fn(&Measured) -> f64) -> Spread {
    Spread::of(sides[1].iter().zip(&sides[0]).map(|(two, one)| figure(two) / figure(one)))
}

fn show(sides: &[Vec<Measured>]) {
    let idle = |side: usize, node: usize| Spread::of(sides[side].iter().map(|round| round.idle[node] * 1e3));
    println!("\nCPU ms a second when idle");
    println!("one node                           {}", idle(0, 0));
    println!("two nodes, the first               {}", idle(1, 0));
    println!("two nodes, the second              {}", idle(1, 1));
    let rounds = |side: usize| sides[side].iter().map(|measured| measured.round).collect::<Vec<_>>();
    let calls: u64 = rounds(0).iter().map(|round| round.units).sum();
    print_head(&format!("{calls} calls each, all succeeded"));
    print_side("one node", &rounds(0));
    print_side("two nodes, together", &rounds(1));
    let part = sides[1].iter().map(|round| 100.0 * round.spent[1] / round.spent.iter().sum::<f64>());
    println!("percent of it that the second used: {}", Spread::of(part));
    println!("CPU ratio, at most 1.18:            {}", ratio(sides, |round| round.round.cpu_each()));
    for (name, side) in ["one node", "two nodes"].into_iter().zip(sides) {
        let bare = Spread::of(side.iter().map(Measured::cpu_without_idle));
        println!("idle taken off, {name:<19} {bare} us a call");
    }
    println!("CPU ratio, idle taken off:          {}", ratio(sides, Measured::cpu_without_idle));
}

async fn measure() -> Result<()> {
    machine::announce("pair");
    let Some(servers) = Servers::named() else { return Ok(()) };
    if !sipp::is_installed() {
        println!("sipp is not installed (Debian: sip-tester): nothing measured");
        return Ok(());
    }
    let bench = Bench::open(servers).await?;
    // caches, pools and pages of the database are warm afterwards
    bench.alone().await?;
    let sides = in_turns(asked("--rounds", ROUNDS)?, 2, async |side| match side {
        0 => bench.alone().await,
        _ => bench.shared().await,
    })
    .await?;
    show(&sides);
    println!("load at the end: {}", machine::load());
    bench.first.served.stop().await
}

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some(node::ROLE) => node::run(),
        _ => benches::run(measure()),
    }
}
