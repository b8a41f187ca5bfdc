//! From the start of the process to the first 200 of `/health/ready`, with a fresh and with an existing data
//! folder, and the memory of a node that has nothing to do.

use std::process::ExitCode;

use benches::node::{self, BenchNode};
use benches::rounds::Spread;
use benches::served::Folder;
use benches::{cpu, machine};
use protocol::Result;
use tokio::time::{Duration, sleep};

const RUNS: usize = 5;
/// How long a node is left alone before its memory is read.
const IDLE: Duration = Duration::from_secs(2);

struct Run {
    seconds: f64,
    /// Processor time until ready, and a second when idle, in milliseconds.
    starting: f64,
    idle: f64,
    megabytes: f64,
}

async fn once(folder: &Folder, name: &str) -> Result<Run> {
    let node = BenchNode::start(&folder.join(name), &[]).await?;
    let process = node.served.process;
    let ready = cpu::spent(process)?;
    sleep(IDLE).await;
    let settled = cpu::spent(process)?;
    sleep(IDLE).await;
    let run = Run {
        seconds: node.ready_after.as_secs_f64(),
        starting: ready.as_secs_f64() * 1e3,
        idle: (cpu::spent(process)? - settled).as_secs_f64() * 1e3 / IDLE.as_secs_f64(),
        megabytes: cpu::resident(process)? as f64 / 1e6,
    };
    node.served.stop().await?;
    Ok(run)
}

fn show(name: &str, runs: &[Run]) {
    let of = |figure: fn(&Run) -> f64| Spread::of(runs.iter().map(figure));
    println!("\n{name}, {} runs", runs.len());
    println!("  ready after, s, at most 1         {}", of(|run| run.seconds));
    println!("  CPU until ready, ms               {}", of(|run| run.starting));
    println!("  idle memory, MB, at most 80       {}", of(|run| run.megabytes));
    println!("  CPU a second when idle, ms        {}", of(|run| run.idle));
}

async fn measure() -> Result<()> {
    machine::announce("start");
    let folder = Folder::new("start")?;
    let (mut fresh, mut again) = (Vec::new(), Vec::new());
    for run in 0..RUNS {
        let name = format!("data{run}");
        fresh.push(once(&folder, &name).await?);
        again.push(once(&folder, &name).await?);
    }
    show("fresh data folder", &fresh);
    show("existing data folder", &again);
    println!("\nload at the end: {}", machine::load());
    Ok(())
}

fn main() -> ExitCode {
    if std::env::args().nth(1).is_some_and(|role| role == node::ROLE) {
        return node::run();
    }
    benches::run(measure())
}
