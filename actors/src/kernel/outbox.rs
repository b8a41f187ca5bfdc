//! From the store to the bus: every committed fact, in the order of commits, until the bus has it.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use protocol::ports::{Bus, Deps};
use protocol::{Event, Result};
use tokio::time::{Duration, sleep};
use tokio_util::sync::CancellationToken;

use super::Child;

/// Facts on their way at the same time. A slow follower of one row must not hold up the others.
const ON_THE_WAY: usize = 1024;
const BATCH: u32 = 256;
/// The bus refused: how long until the next try.
const PAUSE: Duration = Duration::from_secs(1);

pub fn outbox(deps: &Deps) -> Child {
    let deps = deps.clone();
    Child::task("outbox", move |token| drain(deps.clone(), token))
}

async fn drain(deps: Deps, token: CancellationToken) -> Result<()> {
    let mut committed = deps.store.committed();
    let (mut mark, mut delivered) = (0, Vec::new());
    let mut sending = FuturesUnordered::new();
    loop {
        committed.mark_unchanged();
        let room = ON_THE_WAY.saturating_sub(sending.len());
        let batch = if room == 0 { Vec::new() } else { deps.store.outbox(mark, BATCH).await? };
        let more = !batch.is_empty();
        for (number, event) in VecDeque::from(batch) {
            mark = number;
            let mut publishing = publish(deps.bus.clone(), number, Arc::new(event));
            // the first poll hands it to the bus, so facts enter it in order
            match futures_util::poll!(Pin::new(&mut publishing)) {
                std::task::Poll::Ready(number) => delivered.push(number),
                std::task::Poll::Pending => sending.push(publishing),
            }
        }
        if !delivered.is_empty() {
            deps.store.forget(&std::mem::take(&mut delivered)).await?;
        }
        metrics::gauge!("outbox_on_the_way").set(sending.len() as f64);
        tokio::select! {
            () = token.cancelled() => return Ok(()),
            Some(number) = sending.next() => {
                delivered.push(number);
                while let Some(Some(number)) = futures_util::FutureExt::now_or_never(sending.next()) {
                    delivered.push(number);
                }
            }
            changed = committed.changed(), if !more => {
                if changed.is_err() {
                    return Ok(());
                }
            }
            () = std::future::ready(()), if more && room > 0 => {}
        }
    }
}

fn publish(bus: Arc<dyn Bus>, number: i64, event: Arc<Event>) -> BoxFuture<'static, i64> {
    Box::pin(async move {
        while let Err(error) = bus.publish(event.clone()).await {
            tracing::warn!(event = %event.r#type, id = %event.id, %error, "event not published");
            sleep(PAUSE).await;
        }
        number
    })
}
