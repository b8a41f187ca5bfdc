//! Bare lapin, as a careful program would use it: direct reply-to for requests; for events a durable quorum queue
//! behind a fanout exchange, confirms and acknowledgements. No envelope, no deadline, no breaker.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::StreamExt as _;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
    ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind};
use protocol::{Error, Result};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Duration, sleep, timeout};
use uuid::Uuid;

use crate::Way;
use crate::ours;

pub(crate) const ROLE: &str = "bare";
const REQUESTS: &str = "bench.bare.requests";
const EVENTS: &str = "bench.bare.events";
const REPLY_TO: &str = "amq.rabbitmq.reply-to";
/// What one consumer may have: as many as the platform's bus takes.
const PREFETCH: u16 = 256;
const PERSISTENT: u8 = 2;
const LIMIT: Duration = Duration::from_secs(20);

fn wrong(error: lapin::Error) -> Error {
    Error::internal(error)
}

async fn channel(url: &str) -> Result<(Connection, Channel)> {
    let connection = Connection::connect(url, ConnectionProperties::default()).await.map_err(wrong)?;
    let channel = connection.create_channel().await.map_err(wrong)?;
    Ok((connection, channel))
}

async fn declare(channel: &Channel) -> Result<()> {
    let none = FieldTable::default;
    let own = QueueDeclareOptions { auto_delete: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(REQUESTS.into(), own, none()).await.map_err(wrong)?;
    let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    channel.exchange_declare(EVENTS.into(), ExchangeKind::Fanout, durable, none()).await.map_err(wrong)?;
    let mut quorum = FieldTable::default();
    quorum.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(EVENTS.into(), durable, quorum).await.map_err(wrong)?;
    let bound =
        channel.queue_bind(EVENTS.into(), EVENTS.into(), "".into(), QueueBindOptions::default(), none());
    bound.await.map_err(wrong)
}

pub(crate) async fn serve(url: &str) -> Result<()> {
    let (_requests, asked) = channel(url).await?;
    let (_events, heard) = channel(url).await?;
    declare(&asked).await?;
    let mut sides = JoinSet::new();
    sides.spawn(answer(asked));
    sides.spawn(take(heard));
    match sides.join_next().await {
        Some(ended) => ended.map_err(Error::internal)?,
        None => Ok(()),
    }
}

async fn answer(channel: Channel) -> Result<()> {
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let consumer = channel.basic_consume(REQUESTS.into(), "".into(), options, FieldTable::default());
    let mut requests = consumer.await.map_err(wrong)?;
    while let Some(request) = requests.next().await {
        let request = request.map_err(wrong)?;
        let (Some(to), Some(id)) =
            (request.properties.reply_to().clone(), request.properties.correlation_id().clone())
        else {
            continue;
        };
        let properties = BasicProperties::default().with_correlation_id(id);
        let options = BasicPublishOptions::default();
        let sent = channel.basic_publish("".into(), to, options, &request.data, properties);
        drop(sent.await.map_err(wrong)?);
    }
    Ok(())
}

async fn take(channel: Channel) -> Result<()> {
    channel.basic_qos(PREFETCH, BasicQosOptions::default()).await.map_err(wrong)?;
    let options = BasicConsumeOptions::default();
    let consumer = channel.basic_consume(EVENTS.into(), "".into(), options, FieldTable::default());
    let mut events = consumer.await.map_err(wrong)?;
    while let Some(event) = events.next().await {
        event.map_err(wrong)?.ack(BasicAckOptions::default()).await.map_err(wrong)?;
    }
    Ok(())
}

type Waiting = Arc<Mutex<HashMap<String, oneshot::Sender<()>>>>;

pub(crate) struct Asks {
    _connection: Connection,
    channel: Channel,
    waiting: Waiting,
    _replies: JoinSet<()>,
}

impl Asks {
    pub(crate) async fn open(url: &str) -> Result<Asks> {
        let (_connection, channel) = channel(url).await?;
        declare(&channel).await?;
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let consumer = channel.basic_consume(REPLY_TO.into(), "".into(), options, FieldTable::default());
        let mut replies = consumer.await.map_err(wrong)?;
        let waiting = Waiting::default();
        let mut _replies = JoinSet::new();
        let known = waiting.clone();
        _replies.spawn(async move {
            while let Some(Ok(reply)) = replies.next().await {
                let id = reply.properties.correlation_id().as_ref().map(ShortString::to_string);
                let waits =
                    id.and_then(|id| known.lock().unwrap_or_else(PoisonError::into_inner).remove(&id));
                let _ = waits.map(|waits| waits.send(()));
            }
        });
        let asks = Asks { _connection, channel, waiting, _replies };
        // until the other process consumes
        for _ in 0..100 {
            if timeout(Duration::from_millis(200), asks.once()).await.is_ok() {
                return Ok(asks);
            }
            sleep(Duration::from_millis(100)).await;
        }
        Err(Error::unavailable("the other process does not answer"))
    }
}

impl Way for Asks {
    async fn once(&self) -> Result<()> {
        let id = Uuid::now_v7().simple().to_string();
        let (reply, answered) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), reply);
        let body = serde_json::to_vec(&ours::body()).map_err(Error::internal)?;
        let properties =
            BasicProperties::default().with_correlation_id(id.into()).with_reply_to(REPLY_TO.into());
        let options = BasicPublishOptions::default();
        let sent = self.channel.basic_publish("".into(), REQUESTS.into(), options, &body, properties);
        drop(sent.await.map_err(wrong)?);
        let answered = timeout(LIMIT, answered).await.map_err(|_| Error::timeout())?;
        answered.map_err(Error::internal)
    }
}

pub(crate) struct Events {
    _connection: Connection,
    channel: Channel,
}

impl Events {
    pub(crate) async fn open(url: &str) -> Result<Events> {
        let (_connection, channel) = channel(url).await?;
        declare(&channel).await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await.map_err(wrong)?;
        Ok(Events { _connection, channel })
    }
}

impl Way for Events {
    async fn once(&self) -> Result<()> {
        let body = serde_json::to_vec(&ours::event()?).map_err(Error::internal)?;
        let properties = BasicProperties::default().with_delivery_mode(PERSISTENT);
        let options = BasicPublishOptions::default();
        let sent = self.channel.basic_publish(EVENTS.into(), "".into(), options, &body, properties);
        sent.await.map_err(wrong)?.await.map(drop).map_err(wrong)
    }
}
