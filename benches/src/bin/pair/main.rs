//! Calls on one node with a database, a cache and a broker, against the same calls shared by two such nodes:
//! processor time of the nodes for one call. A third side is one node with as many calls as each of the two has.
//!
//! The flow and the caller are those of the bench `calls`. The second node lives in its own rounds only.
//! `--rate 20`, of both callers together a second, and `--rounds 4` are the defaults; calls come evenly, unless `--apart`
//! says by how many milliseconds the second caller is behind the first. With `--count` the nodes'
//! instructions are counted instead, at a rate that valgrind can follow.

mod count;
mod side;

use std::process::ExitCode;

use benches::counted;
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

    async fn alone(&self, rate: u32) -> Result<Measured> {
        side::round(&[&self.first], rate, &self.folder).await
    }

    async fn shared(&self) -> Result<Measured> {
        let second = self.second().await?;
        let measured = side::round(&[&self.first, &second], self.rate, &self.folder).await?;
        second.served.stop().await?;
        Ok(measured)
    }

    async fn second(&self) -> Result<BenchNode> {
        let flags = [&self.servers.flags()[..], &["--rtp", MEDIA[1]]].concat();
        BenchNode::named("second", &self.folder.join("second"), &flags).await
    }

    async fn count(&self) -> Result<()> {
        let one = count::round(&[&self.first], &self.folder).await?;
        let second = self.second().await?;
        let two = count::round(&[&self.first, &second], &self.folder).await?;
        second.served.stop().await?;
        let (million, ratio) = (1e6, two / one);
        println!(
            "instructions of a call in user space: one node {:.2} million, two nodes {:.2}, ratio {ratio:.2}",
            one / million,
            two / million
        );
        Ok(())
    }

    async fn compare(&self) -> Result<()> {
        // caches, pools and pages of the database are warm afterwards
        self.alone(self.rate).await?;
        let sides = in_turns(asked("--rounds", ROUNDS)?, 3, async |side| match side {
            ONE => self.alone(self.rate).await,
            TWO => self.shared().await,
            _ => self.alone(self.rate / 2).await,
        })
        .await?;
        show(&sides);
        Ok(())
    }
}

/// The sides in their order.
const ONE: usize = 0;
const TWO: usize = 1;
const HALF: usize = 2;

/// Of what `figure` says about the rounds of two nodes and those of `one`, taken in pairs.
fn ratio(sides: &[Vec<Measured>], one: usize, figure: impl Fn(&Measured) -> f64) -> Spread {
    Spread::of(sides[TWO].iter().zip(&sides[one]).map(|(two, one)| figure(two) / figure(one)))
}

fn show(sides: &[Vec<Measured>]) {
    let idle = |side: usize, node: usize| Spread::of(sides[side].iter().map(|round| round.idle[node] * 1e3));
    println!("\nCPU ms a second when idle");
    println!("one node                           {}", idle(ONE, 0));
    println!("two nodes, the first               {}", idle(TWO, 0));
    println!("two nodes, the second              {}", idle(TWO, 1));
    let rounds = |side: usize| sides[side].iter().map(|measured| measured.round).collect::<Vec<_>>();
    let calls: u64 = rounds(ONE).iter().map(|round| round.units).sum();
    print_head(&format!("{calls} calls each, all succeeded"));
    print_side("one node", &rounds(ONE));
    print_side("two nodes, together", &rounds(TWO));
    print_side("one node, half of the calls", &rounds(HALF));
    let part = sides[TWO].iter().map(|round| 100.0 * round.spent[1] / round.spent.iter().sum::<f64>());
    println!("percent of it that the second used: {}", Spread::of(part));
    let each = |measured: &Measured| measured.round.cpu_each();
    println!("CPU ratio, at most 1.18:            {}", ratio(sides, ONE, each));
    println!("to one node with half of the calls: {}", ratio(sides, HALF, each));
    for (name, side) in ["one node", "two nodes", "half of it"].into_iter().zip(sides) {
        let bare = Spread::of(side.iter().map(Measured::cpu_without_idle));
        println!("idle taken off, {name:<19} {bare} us a call");
    }
    println!("CPU ratio, idle taken off:          {}", ratio(sides, ONE, Measured::cpu_without_idle));
}

async fn measure() -> Result<()> {
    machine::announce("pair");
    let Some(servers) = Servers::named() else { return Ok(()) };
    if !sipp::is_installed() {
        println!("sipp is not installed (Debian: sip-tester): nothing measured");
        return Ok(());
    }
    let bench = Bench::open(servers).await?;
    match counted::is_wanted() {
        true => bench.count().await?,
        false => bench.compare().await?,
    }
    println!("load at the end: {}", machine::load());
    bench.first.served.stop().await
}

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some(node::ROLE) => node::run(),
        _ => benches::run(measure()),
    }
}
