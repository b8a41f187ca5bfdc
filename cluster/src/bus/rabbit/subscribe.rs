//! Facts for a domain: acknowledged when they are taken, in order per row, side by side across rows.
//!
//! One that is refused is offered again here and not by way of the queue, where those behind it would pass.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions,
};
use lapin::types::{DeliveryTag, FieldTable};
use lapin::{Channel, Connection};
use protocol::ports::{Subscribe, Subscription};
use protocol::{Error, Event, Result, Status};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Duration, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::super::lanes::{Lanes, Place};
use super::attend::Consume;
use super::known::Known;
use super::link::closed;
use super::names::{self, Topology};
use super::wire;

/// Events of one subscription that are here and not taken. A slow row must not hold up the others.
const PREFETCH: u16 = 256;
/// Pauses between the tries of one event; the last one again and again while its taker is unavailable.
const PAUSES: [Duration; 4] =
    [Duration::from_millis(100), Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2)];
/// What is being taken when the consumer ends gets so long. The rest is delivered again.
const LAST_ONES: Duration = Duration::from_secs(5);

pub(super) struct Follower {
    /// By VoIPBIN's name; the queue is called [`names::subscription`] of it.
    pub(super) to: Subscription,
    pub(super) subscriber: Arc<dyn Subscribe>,
    pub(super) topology: Arc<Topology>,
    pub(super) known: Arc<Known>,
}

impl Consume for Follower {
    fn queue(&self) -> &str {
        &self.to.name
    }

    async fn session(
        &self,
        connection: &Arc<Connection>,
        up: &watch::Sender<bool>,
        stop: &CancellationToken,
    ) -> lapin::Result<()> {
        let channel = connection.create_channel().await?;
        channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
        self.topology.add(&channel, &[], std::slice::from_ref(&self.to)).await?;
        let queue = names::subscription(&self.to.name).as_str().into();
        let options = BasicConsumeOptions::default();
        let mut deliveries = channel.basic_consume(queue, "".into(), options, FieldTable::default()).await?;
        up.send_replace(true);
        let (lanes, mut work) = (Arc::new(Lanes::default()), JoinSet::new());
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(_) = work.join_next() => {}
                delivery = deliveries.next() => {
                    let delivery = delivery.ok_or_else(closed)??;
                    match wire::is_seen_to(&delivery, &self.to.name) {
                        true => Slip::of(&channel, &delivery).taken().await,
                        false => _ = work.spawn(self.take(&channel, &lanes, delivery, stop)),
                    }
                }
            }
        }
        channel.basic_cancel(deliveries.tag(), BasicCancelOptions::default()).await?;
        let _ = timeout(LAST_ONES, async { while work.join_next().await.is_some() {} }).await;
        channel.close(200, "OK".into()).await
    }
}

impl Follower {
    /// Takes its place in the lane at once, so the order of deliveries is the order of places.
    fn take(
        &self,
        channel: &Channel,
        lanes: &Arc<Lanes>,
        delivery: Delivery,
        stop: &CancellationToken,
    ) -> BoxFuture<'static, ()> {
        let queue = self.to.name.clone();
        let slip = Slip::of(channel, &delivery);
        match self.known.read(&delivery) {
            Ok(event) => {
                let place = lanes.enter(event.lane());
                let (subscriber, stop) = (self.subscriber.clone(), stop.clone());
                Taking { place, event, slip, subscriber, queue, stop }.run().boxed()
            }
            Err(error) => {
                tracing::error!(queue, %error, "unreadable event set aside");
                async move { slip.set_aside().await }.boxed()
            }
        }
    }
}

/// One event on its way to its taker. Dropped before its end it is not acknowledged, and those behind it in
/// its lane are not offered.
struct Taking {
    place: Place,
    event: Arc<Event>,
    slip: Slip,
    subscriber: Arc<dyn Subscribe>,
    queue: String,
    stop: CancellationToken,
}

impl Taking {
    async fn run(mut self) {
        let stop = self.stop.clone();
        let Some(Ok(())) = stop.run_until_cancelled(self.place.turn()).await else { return };
        match self.offer().await {
            Some(Ok(())) => self.slip.taken().await,
            Some(Err(error)) => {
                let (queue, event) = (&self.queue, &self.event);
                tracing::error!(queue, event = %event.r#type, id = %event.id, cause = ?error.cause, %error, "event set aside");
                self.slip.set_aside().await;
            }
            None => return,
        }
        self.place.done();
    }

    /// Until it is taken or refused for good; `None` when the consumer ends before. Whoever is unavailable may
    /// be so for long, and that is no fault of the event.
    async fn offer(&self) -> Option<Result<()>> {
        for tries in 0.. {
            let delivery = AssertUnwindSafe(self.subscriber.deliver(self.event.clone())).catch_unwind().await;
            let outcome = delivery.unwrap_or_else(|_| Err(Error::internal("the subscriber panicked")));
            let Err(error) = outcome else { return Some(Ok(())) };
            let pause = PAUSES.get(tries).copied();
            if pause.is_none() && error.status != Status::Unavailable {
                return Some(Err(error));
            }
            let pause = pause.unwrap_or(PAUSES[PAUSES.len() - 1]);
            self.stop.run_until_cancelled(sleep(pause)).await?;
        }
        None
    }
}

/// By which the broker hears what became of a delivery. A word that does not arrive brings the event back, here or
/// elsewhere. An acker of lapin's would take it by way of another task.
struct Slip {
    channel: Channel,
    tag: DeliveryTag,
}

impl Slip {
    fn of(channel: &Channel, delivery: &Delivery) -> Self {
        Slip { channel: channel.clone(), tag: delivery.delivery_tag }
    }

    async fn taken(&self) {
        let _ = self.channel.basic_ack(self.tag, BasicAckOptions::default()).await;
    }

    /// To the dead letters.
    async fn set_aside(&self) {
        metrics::counter!("bus_dead_letters_total").increment(1);
        let _ = self.channel.basic_nack(self.tag, BasicNackOptions { requeue: false, multiple: false }).await;
    }
}
