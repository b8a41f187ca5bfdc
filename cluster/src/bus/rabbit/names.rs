//! What exists in the broker: names and declarations.
//!
//! Two peers that declare one name differently lock each other out. So what VoIPBIN names is declared exactly
//! as VoIPBIN does, and what needs other arguments has a name of our own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use lapin::options::{ExchangeBindOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Channel, ExchangeKind};
use protocol::ports::Subscription;
use protocol::{Error, Event, Result, sock};

use super::super::subscriptions::Names;
use super::way::Way;

/// Ours: every domain's exchange hands on to it, and it to whoever follows the type of an event, which is the key.
const FACTS: &str = "branchline.facts";
/// What it was before it looked at types. Nodes of that release have it between their publishers and their queues.
const FACTS_BEFORE: &str = "branchline.events";
/// The binding to every type, and that to none: to what VoIPBIN's services publish, and nodes of a release before.
const TYPED: &str = "*";
const UNTYPED: &str = "";
/// The binding to everything, also to what has been [`SEEN`](super::way::SEEN).
const ALL: &str = "#";
/// Ours: the exchange and the queue of what could not be read or taken.
pub const DEAD: &str = "branchline.dead";
/// What VoIPBIN's name of a subscription becomes, because ours has other arguments.
const OURS: &str = ".branchline";

/// Deliveries that ended with a lost connection, not with a refusal. Beyond it an event is taken for one that
/// kills its reader. RabbitMQ's own default since 4.0.
const DELIVERIES: i64 = 20;
/// Dead letters that are kept; then the oldest go.
const DEAD_LETTERS: i64 = 100_000;

const DURABLE: ExchangeDeclareOptions = ExchangeDeclareOptions {
    passive: false,
    durable: true,
    auto_delete: false,
    internal: false,
    nowait: false,
};
const DURABLE_QUEUE: QueueDeclareOptions = QueueDeclareOptions {
    passive: false,
    durable: true,
    exclusive: false,
    auto_delete: false,
    nowait: false,
};

/// The queue of a subscription that VoIPBIN would call `name`.
pub fn subscription(name: &str) -> String {
    format!("{name}{OURS}")
}

/// Is it a queue that any node takes from, and not that of one node?
pub(super) fn is_shared(queue: &str) -> bool {
    queue.ends_with(".request")
}

/// A name as AMQP takes it: at most 255 bytes.
pub(super) fn short(name: &str) -> Result<ShortString> {
    ShortString::try_new(name).map_err(|_| Error::invalid("a name in the broker has at most 255 bytes"))
}

fn table<const N: usize>(entries: [(&str, AMQPValue); N]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in entries {
        table.insert(name.into(), value);
    }
    table
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

/// What must exist before the first event, declared again on every connection: the broker may be another.
#[derive(Default)]
pub(super) struct Topology(Mutex<Known>);

#[derive(Default)]
pub(super) struct Known {
    pub(super) publishers: BTreeSet<String>,
    /// By VoIPBIN's name, what each follows.
    pub(super) subscriptions: BTreeMap<String, BTreeSet<&'static str>>,
    /// These are all subscriptions that there are.
    pub(super) is_all: bool,
}

impl Topology {
    pub(super) fn knows(&self, publisher: &str) -> bool {
        self.known().publishers.contains(publisher)
    }

    /// Declares them, and remembers them once they exist.
    pub(super) async fn add(
        &self,
        channel: &Channel,
        publishers: &[&str],
        subscriptions: &[Subscription],
    ) -> lapin::Result<()> {
        for publisher in publishers {
            declare_publisher(channel, publisher).await?;
            self.known().publishers.insert((*publisher).to_owned());
        }
        for Subscription { name, patterns } in subscriptions {
            declare_subscription(channel, name, patterns).await?;
            self.known().subscriptions.entry(name.clone()).or_default().extend(patterns);
        }
        Ok(())
    }

    /// All subscriptions that there are have been added.
    pub(super) fn is_all(&self) {
        self.known().is_all = true;
    }

    pub(super) fn way(&self, event: &Event, left_out: &Names) -> Way {
        Way::of(event, left_out, &self.known())
    }

    pub(super) async fn declare(&self, channel: &Channel) -> lapin::Result<()> {
        let (publishers, subscriptions) = {
            let known = self.known();
            (known.publishers.clone(), known.subscriptions.clone())
        };
        channel.exchange_declare(FACTS.into(), ExchangeKind::Topic, DURABLE, FieldTable::default()).await?;
        declare_dead(channel).await?;
        for publisher in &publishers {
            declare_publisher(channel, publisher).await?;
        }
        for (name, patterns) in &subscriptions {
            declare_subscription(channel, name, patterns).await?;
        }
        Ok(())
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A question that a broker which lives answers at once: is what this node has declared still there?
pub(super) async fn is_there(channel: &Channel) -> lapin::Result<()> {
    let passive = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
    channel.exchange_declare(FACTS.into(), ExchangeKind::Topic, passive, FieldTable::default()).await
}

async fn declare_dead(channel: &Channel) -> lapin::Result<()> {
    let arguments =
        table([("x-queue-type", text("quorum")), ("x-max-length", AMQPValue::LongLongInt(DEAD_LETTERS))]);
    channel.exchange_declare(DEAD.into(), ExchangeKind::Fanout, DURABLE, FieldTable::default()).await?;
    channel.queue_declare(DEAD.into(), DURABLE_QUEUE, arguments).await?;
    bind(channel, DEAD, (DEAD, "")).await
}

/// VoIPBIN's exchange of a domain, and the way from there to ours.
async fn declare_publisher(channel: &Channel, publisher: &str) -> lapin::Result<()> {
    let exchange = sock::event_exchange(publisher);
    let none = FieldTable::default;
    channel.exchange_declare(exchange.as_str().into(), ExchangeKind::Fanout, DURABLE, none()).await?;
    let options = ExchangeBindOptions::default();
    channel.exchange_bind(FACTS.into(), exchange.as_str().into(), "".into(), options, none()).await
}

/// Bound to what it follows before it is let go by what brought more in releases before.
async fn declare_subscription(
    channel: &Channel,
    name: &str,
    patterns: &BTreeSet<&'static str>,
) -> lapin::Result<()> {
    let queue = subscription(name);
    let arguments = table([
        ("x-queue-type", text("quorum")),
        ("x-single-active-consumer", AMQPValue::Boolean(true)),
        ("x-dead-letter-exchange", text(DEAD)),
        // a dead letter stays until the queue of dead letters has it; that needs the overflow
        ("x-dead-letter-strategy", text("at-least-once")),
        ("x-overflow", text("reject-publish")),
        ("x-delivery-limit", AMQPValue::LongLongInt(DELIVERIES)),
    ]);
    channel.queue_declare(queue.as_str().into(), DURABLE_QUEUE, arguments).await?;
    for key in keys(patterns) {
        bind(channel, &queue, (FACTS, key)).await?;
    }
    for (exchange, key) in [(FACTS_BEFORE, ""), (FACTS, ALL)] {
        let none = FieldTable::default();
        channel.queue_unbind(queue.as_str().into(), exchange.into(), key.into(), none).await?;
    }
    Ok(())
}

/// The keys of a subscription. A type is one word to the broker, so what covers several covers all.
fn keys(patterns: &BTreeSet<&'static str>) -> BTreeSet<&'static str> {
    match patterns.iter().any(|pattern| pattern.ends_with('*')) {
        true => BTreeSet::from([TYPED, UNTYPED]),
        false => patterns.iter().copied().chain([UNTYPED]).collect(),
    }
}

/// Any node's: as VoIPBIN declares it. One node's: gone with its connection, so that requests for it come
/// back at once.
pub(super) async fn declare_requests(channel: &Channel, queue: &str) -> lapin::Result<()> {
    let own = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
    let options = if is_shared(queue) { DURABLE_QUEUE } else { own };
    channel.queue_declare(queue.into(), options, FieldTable::default()).await.map(drop)
}

/// A nameless queue of this connection, with every event from now on.
pub(super) async fn declare_watch(channel: &Channel) -> lapin::Result<String> {
    let own = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
    let queue = channel.queue_declare("".into(), own, FieldTable::default()).await?.name().to_string();
    bind(channel, &queue, (FACTS, ALL)).await?;
    Ok(queue)
}

async fn bind(channel: &Channel, queue: &str, (exchange, key): (&str, &str)) -> lapin::Result<()> {
    let options = QueueBindOptions::default();
    channel.queue_bind(queue.into(), exchange.into(), key.into(), options, FieldTable::default()).await
}
