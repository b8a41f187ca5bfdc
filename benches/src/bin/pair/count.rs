//! Instructions of a call, of all nodes that share the calls together. Processor time says what a call costs on the
//! machine at hand, where nodes, servers and callers push each other out of its caches; this says what is done for it.

use benches::counted::Counter;
use benches::node::BenchNode;
use benches::served::Folder;
use benches::sipp::Load;
use protocol::Result;
use tokio::time::{Duration, Instant, sleep};

use super::side;

/// Of each caller: what nodes can follow that are counted.
const LOAD: Load = Load { calls: 14, rate: 1 };
/// Before they are counted: each connection to the database prepares each statement once.
const WARM: Load = Load { calls: 40, rate: 1 };
/// How long is counted what nodes do when nobody calls.
const IDLE: Duration = Duration::from_secs(10);
/// What a call leaves to be done is done within this, also by nodes that are counted.
const SETTLE: Duration = Duration::from_secs(4);

/// What the nodes would have done anyway is taken off.
pub(crate) async fn round(nodes: &[&BenchNode], folder: &Folder) -> Result<f64> {
    // what is done once is done by then
    side::call(nodes, WARM, folder).await?;
    sleep(SETTLE).await;
    let mut counters = Vec::new();
    for node in nodes {
        counters.push((Counter::begin(&node.served).await?, Instant::now(), 0.0));
    }
    sleep(IDLE).await;
    for (counter, since, idle) in &mut counters {
        *idle = counter.take().await? as f64 / since.elapsed().as_secs_f64();
        *since = Instant::now();
    }
    let calls = side::call(nodes, LOAD, folder).await?.succeeded;
    sleep(SETTLE).await;
    let mut all = 0.0;
    for (counter, since, idle) in &mut counters {
        let span = since.elapsed().as_secs_f64();
        all += counter.take().await? as f64 - *idle * span;
    }
    Ok(all / calls as f64)
}
