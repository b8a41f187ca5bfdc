//! Streams that run until the reader goes, the node stops, or there is nothing more to tell.
//!
//! They are read, not fed: nothing is made until the reader has taken what came before, so no buffer grows.

use std::sync::Arc;

use futures_util::stream::{BoxStream, Stream, StreamExt as _, once};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tonic::Status;

/// Watches at a time over all connections: each costs a reading of the tree a second, or a copy of every event.
const WATCHES: usize = 64;

pub(crate) type Watch<T> = BoxStream<'static, Result<T, Status>>;

pub(crate) struct Watches {
    places: Arc<Semaphore>,
    stop: CancellationToken,
}

impl Watches {
    pub(crate) fn new(stop: CancellationToken) -> Self {
        Watches { places: Arc::new(Semaphore::new(WATCHES)), stop }
    }

    /// Lets `items` run in a place of its own, to their end or the node's stop, which is `UNAVAILABLE`.
    pub(crate) fn open<T: Send + 'static>(
        &self,
        items: impl Stream<Item = Result<T, Status>> + Send + 'static,
    ) -> Result<Watch<T>, Status> {
        let place = self.places.clone().try_acquire_owned();
        let place = place.map_err(|_| Status::resource_exhausted("too many watches are open"))?;
        let items = items.take_until(self.stop.clone().cancelled_owned());
        let stop = self.stop.clone();
        let stopping = move || stop.is_cancelled().then(|| Err(Status::unavailable("the node is stopping")));
        let end = once(async move { stopping() }).filter_map(std::future::ready);
        let held = items.chain(end).map(move |item| {
            let _held = &place;
            item
        });
        Ok(held.boxed())
    }
}
