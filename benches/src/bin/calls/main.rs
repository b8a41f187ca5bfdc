//! Calls that SIPp makes to a number whose flow answers, beeps and hangs up, on a node, against a bare
//! rsipstack server that answers and hangs up: processor time of the server for one call.
//!
//! Both get the same scenario at the same rate in turns. The node journals, charges, records and publishes.
//! With `--count` their instructions are counted instead, at a rate that valgrind can follow.

mod bare;

use std::net::SocketAddr;
use std::process::ExitCode;

use benches::counted::{self, Counter};
use benches::flags::asked;
use benches::node::{self, BenchNode};
use benches::rounds::{Round, Spread, in_turns, print_head, print_side};
use benches::served::{Folder, HERE, Served, free_port};
use benches::sipp::{self, Load};
use benches::wal::Transactions;
use benches::{cpu, machine, scene};
use protocol::Result;
use tokio::time::{Duration, Instant, sleep};

const ROUNDS: usize = 7;
/// Calls a second, unless the program is told `--rate`: far from what either server can take.
const RATE: u32 = 40;
/// The same, when instructions are counted.
const COUNTED_RATE: u32 = 2;
/// How long a round calls.
const SECONDS: u32 = 7;
/// What a call leaves to be done is done within this: charges, timelines, transactions that linger.
const SETTLE: Duration = Duration::from_secs(1);
const IDLE: Duration = Duration::from_secs(2);

/// How long is counted what a server does when nobody calls.
const COUNTED_IDLE: Duration = Duration::from_secs(10);

/// A server that SIPp calls.
struct Side {
    process: u32,
    sip: SocketAddr,
}

impl Side {
    async fn round(&self, rate: u32, folder: &Folder) -> Result<Round> {
        let before = cpu::spent(self.process)?;
        let calls = sipp::call(self.sip, Load { calls: rate * SECONDS, rate }, folder).await?;
        sleep(SETTLE).await;
        let cpu = cpu::spent(self.process)?.saturating_sub(before);
        calls.all_succeeded()?;
        Ok(Round { units: calls.succeeded, wall: calls.took, cpu })
    }

    /// Processor time of a second in which nothing happens, in milliseconds.
    async fn idle(&self) -> Result<f64> {
        let before = cpu::spent(self.process)?;
        sleep(IDLE).await;
        Ok((cpu::spent(self.process)? - before).as_secs_f64() * 1e3 / IDLE.as_secs_f64())
    }
}

/// Instructions of a call, those that the server would have run anyway taken off.
async fn count(side: &Side, server: &Served, folder: &Folder) -> Result<f64> {
    let rate = asked("--rate", COUNTED_RATE)?;
    // what is done once is done by then
    side.round(rate, folder).await?;
    let mut counter = Counter::begin(server).await?;
    sleep(COUNTED_IDLE).await;
    let idle = counter.take().await? as f64 / COUNTED_IDLE.as_secs_f64();
    let began = Instant::now();
    let calls = side.round(rate, folder).await?.units;
    let all = counter.take().await? as f64;
    Ok((all - idle * began.elapsed().as_secs_f64()) / calls as f64)
}

async fn count_both(folder: &Folder, sides: [(Side, &Served); 2]) -> Result<()> {
    let [node, bare] = sides;
    let (node, bare) = (count(&node.0, node.1, folder).await?, count(&bare.0, bare.1, folder).await?);
    println!(
        "instructions of a call in user space: node {:.2} million, bare rsipstack {:.2}",
        node / 1e6,
        bare / 1e6
    );
    Ok(())
}

async fn compare(folder: &Folder, sides: [Side; 2], database: &std::path::Path) -> Result<()> {
    println!(
        "CPU a second when idle: node {:.1} ms, bare {:.1} ms",
        sides[0].idle().await?,
        sides[1].idle().await?
    );
    let rate = asked("--rate", RATE)?;
    let (mut committed, mut called) = (0, 0);
    let rounds = in_turns(ROUNDS, 2, async |side| {
        let transactions = Transactions::watch(database)?;
        let round = sides[side].round(rate, folder).await?;
        if side == 0 {
            committed += transactions.count();
            called += round.units;
        }
        Ok(round)
    })
    .await?;
    print_head(&format!("{called} calls each, all succeeded"));
    print_side("node: answer, beep, hangup", &rounds[0]);
    print_side("bare rsipstack", &rounds[1]);
    let ratio = Spread::of_pairs(&rounds[0], &rounds[1], |node, bare| node.cpu_each() / bare.cpu_each());
    println!("CPU ratio, at most 6, aim 3:       {ratio}");
    println!("transactions of the store a call:  {:.1}", committed as f64 / called as f64);
    Ok(())
}

async fn measure() -> Result<()> {
    machine::announce("calls");
    if !sipp::is_installed() {
        println!("sipp is not installed (Debian: sip-tester): nothing measured");
        return Ok(());
    }
    let folder = Folder::new("calls")?;
    let data = folder.join("data");
    let node = BenchNode::start(&data, &["--rtp", "22000-25999"]).await?;
    scene::set(&node).await?;
    let address = SocketAddr::new(HERE, free_port()?);
    let bare = Served::start(bare::ROLE, &[address.to_string()], &folder.join("bare.log"))?;
    let sides =
        [Side { process: node.served.process, sip: node.sip }, Side { process: bare.process, sip: address }];
    if counted::is_wanted() {
        let [first, second] = sides;
        count_both(&folder, [(first, &node.served), (second, &bare)]).await?;
    } else {
        compare(&folder, sides, &data.join("branchline.db")).await?;
    }
    println!("load at the end: {}", machine::load());
    bare.stop().await?;
    node.served.stop().await
}

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some(node::ROLE) => node::run(),
        Some(bare::ROLE) => benches::run(bare::serve()),
        _ => benches::run(measure()),
    }
}
