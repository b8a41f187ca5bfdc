//! The bus of one process: an event that one subscription refuses, while another takes its time with it.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use cluster::bus::memory::{Broker, MemoryBus};
use futures_util::poll;
use protocol::ports::{Bus as _, Subscribe, Subscription};
use protocol::{Error, Event, Result};
use serde_json::json;
use tokio::sync::Semaphore;

/// Refuses everything, and remembers what.
#[derive(Default)]
struct Refuses(Mutex<Vec<String>>);

#[async_trait]
impl Subscribe for Refuses {
    async fn deliver(&self, event: Arc<Event>) -> Result<()> {
        self.0.lock().unwrap().push(event.r#type.clone());
        Err(Error::unavailable("not yet"))
    }
}

/// Takes an event when it is let.
struct Slow(Semaphore);

#[async_trait]
impl Subscribe for Slow {
    async fn deliver(&self, _: Arc<Event>) -> Result<()> {
        self.0.acquire().await.map_err(Error::internal)?.forget();
        Ok(())
    }
}

#[tokio::test]
async fn an_event_does_not_overtake_one_of_its_row_that_is_refused_here_and_under_way_there() {
    let bus = MemoryBus::new(Broker::default());
    let (refuses, slow) = (Arc::new(Refuses::default()), Arc::new(Slow(Semaphore::new(0))));
    let _refuses = bus.subscribe(&Subscription::to_all("refuses"), refuses.clone()).await.unwrap();
    let _slow = bus.subscribe(&Subscription::to_all("slow"), slow.clone()).await.unwrap();
    let event = |r#type: &str| -> Arc<Event> {
        let event = json!({
            "type": r#type, "publisher": "tag-manager", "data_type": "application/json",
            "data": {"id": "0190f3a0-0000-7000-8000-000000000001"},
        });
        Arc::new(serde_json::from_value(event).unwrap())
    };
    let (mut first, mut second) = (bus.publish(event("first")), bus.publish(event("second")));
    assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());
    slow.0.add_permits(2);
    assert!(first.await.is_err() && second.await.is_err());
    assert_eq!(*refuses.0.lock().unwrap(), ["first"]);
}
