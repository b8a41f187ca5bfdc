//! One node, or two that share the calls: what a round of calls costs all its processes together.

use benches::cpu;
use benches::flags::asked;
use benches::node::BenchNode;
use benches::rounds::Round;
use benches::served::Folder;
use benches::sipp::{self, Load};
use protocol::Result;
use tokio::time::{Duration, Instant, sleep};

/// Callers of every round, so that one node and two get the very same calls.
const CALLERS: u32 = 2;
/// How long a caller calls, in seconds: many times what the clock of processor time can tell apart.
const SPAN: u32 = 14;
/// After a node came or went: leases, queues and connections have settled by then.
const CALM: Duration = Duration::from_secs(4);
/// Processor time comes in steps of 10 ms, and an idle node uses little.
const IDLE: Duration = Duration::from_secs(4);
/// What a call leaves to be done is done within this: charges, timelines.
const SETTLE: Duration = Duration::from_secs(2);

pub(crate) struct Measured {
    pub(crate) round: Round,
    /// Of the whole span in which the round's processor time was taken.
    span: Duration,
    /// Processor time of a second in which nothing happens, of each node.
    pub(crate) idle: Vec<f64>,
    /// Processor time in the round, of each node, in seconds.
    pub(crate) spent: Vec<f64>,
}

impl Measured {
    /// Processor time of one call in microseconds, without what the nodes would have used anyway.
    pub(crate) fn cpu_without_idle(&self) -> f64 {
        let idle = self.idle.iter().sum::<f64>() * self.span.as_secs_f64();
        (self.spent.iter().sum::<f64>() - idle) * 1e6 / self.round.units as f64
    }
}

/// So many calls a second, spread over `nodes`, when they have been idle for a while.
pub(crate) async fn round(nodes: &[&BenchNode], rate: u32, folder: &Folder) -> Result<Measured> {
    sleep(CALM).await;
    let (still, quiet) = (spent(nodes)?, Instant::now());
    sleep(IDLE).await;
    let (before, began) = (spent(nodes)?, Instant::now());
    let idle = since(&still, &before).map(|spent| spent / (began - quiet).as_secs_f64()).collect();
    let rate = rate.div_ceil(CALLERS);
    let calls = call(nodes, Load { calls: rate * SPAN, rate }, folder).await?;
    sleep(SETTLE).await;
    let spent: Vec<f64> = since(&before, &spent(nodes)?).collect();
    let cpu = Duration::from_secs_f64(spent.iter().sum());
    let round = Round { units: calls.succeeded, wall: calls.took, cpu };
    Ok(Measured { round, span: began.elapsed(), idle, spent })
}

/// The calls of all callers, each with this load.
pub(crate) struct Called {
    pub(crate) succeeded: u64,
    took: Duration,
}

/// Their calls come one after the other, as far apart as those of one caller would, or as `--apart` says, in
/// milliseconds. At 0 every call comes in the same moment as another one: one node stores the two together, and two nodes
/// are in each other's way at the account of their customer.
pub(crate) async fn call(nodes: &[&BenchNode], load: Load, folder: &Folder) -> Result<Called> {
    let mut callers = nodes.iter().cycle().map(|node| sipp::call(node.sip, load, folder));
    let (Some(one), Some(other)) = (callers.next(), callers.next()) else { return Err(no_nodes()) };
    let even = 1000 / load.rate / CALLERS;
    let apart = Duration::from_millis(asked("--apart", even)?.into());
    let between = async {
        sleep(apart).await;
        other.await
    };
    let (one, other) = tokio::try_join!(one, between)?;
    one.all_succeeded()?;
    other.all_succeeded()?;
    Ok(Called { succeeded: one.succeeded + other.succeeded, took: one.took.max(other.took) })
}

fn no_nodes() -> protocol::Error {
    protocol::Error::internal("there are no nodes to call")
}

fn spent(nodes: &[&BenchNode]) -> Result<Vec<Duration>> {
    nodes.iter().map(|node| cpu::spent(node.served.process)).collect()
}

fn since(before: &[Duration], after: &[Duration]) -> impl Iterator<Item = f64> {
    before.iter().zip(after).map(|(before, after)| after.saturating_sub(*before).as_secs_f64())
}
