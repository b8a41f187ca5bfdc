//! The bus: one suite for all of its implementations, and what a real broker must withstand.

mod acks;
pub(crate) mod broker;
mod faults;
mod nearby;
mod nodes;
mod order;
pub(crate) mod peers;
mod recess;
mod routes;
mod suite;
mod voipbin;

use std::sync::Arc;

use cluster::bus::memory::{Broker, MemoryBus};
use cluster::bus::rabbit::RabbitBus;
use suite::Pair;

fn memory() -> Pair {
    let broker = Broker::default();
    let node = || Arc::new(MemoryBus::new(broker.clone()));
    Pair { here: node(), there: node() }
}

async fn rabbit() -> Option<Pair> {
    let url = broker::shared().await?.place();
    let here = Arc::new(RabbitBus::connect(&url, "here").await.unwrap());
    Some(Pair { here, there: Arc::new(RabbitBus::connect(&url, "there").await.unwrap()) })
}

#[tokio::test]
async fn memory_conforms() {
    for case in suite::all() {
        println!("case: {}", case.name);
        (case.run)(memory()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rabbitmq_conforms() {
    for case in suite::all() {
        let Some(pair) = rabbit().await else { return };
        println!("case: {}", case.name);
        (case.run)(pair).await;
    }
}
