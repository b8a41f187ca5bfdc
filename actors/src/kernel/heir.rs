//! Taking over what nodes have left behind that are gone: events, timers, and what lived there.
//!
//! Two witnesses say that a node is gone: the store, which it has told nothing lately, and the bus, on which it
//! does not answer. One that only the store cannot hear goes on with its calls; nobody takes them from it.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::join_all;
use protocol::ports::{Deps, Peer, QUIET, Residents};
use protocol::time::Time;
use protocol::{Error, Result, Status, sock};
use serde_json::Value;
use tokio::time::{Duration, Instant, sleep, timeout};

use super::one_voice::{Doubt, Word};
use super::patience::patiently;
use super::{Child, Domain, Mailbox};

/// How often nodes are looked at, and how often while one of them is in doubt.
const LOOK: Duration = Duration::from_millis(250);
const CLOSE_LOOK: Duration = Duration::from_millis(100);
/// A store that takes longer to answer is not to be believed about the silence of others.
const ANSWER: Duration = Duration::from_millis(500);
/// So long the store must have answered before anybody's silence means something.
const SOUND: Duration = QUIET.saturating_add(ANSWER);
/// A node that lives answers a ping at once, whatever else it has to do.
const PING: Duration = Duration::from_secs(1);

/// Looks for nodes that are gone, for as long as this one lives.
/// What lives anywhere is `all`: a name is forgotten when nothing of that is left under it.
pub fn heir(deps: &Deps, here: &[Mailbox], all: Residents) -> Child {
    let with_residents = here.iter().map(Mailbox::domain).filter(|domain| domain.has_residents());
    let heir = Arc::new(Heir { deps: deps.clone(), domains: with_residents.cloned().collect(), all });
    Child::task("heir", move |token| {
        let heir = heir.clone();
        async move { patiently("heir", &heir.deps, &token, || watch(heir.clone())).await }
    })
}

struct Heir {
    deps: Deps,
    /// Those in which things live.
    domains: Vec<Arc<Domain>>,
    all: Residents,
}

/// What is known of others.
#[derive(Default)]
struct Known {
    /// Nodes that are gone, and of which nothing is left, by the end of the lease that this is true of: while a
    /// transaction of ours that nobody confirmed has the name, it looks as if somebody were faster.
    settled: HashMap<String, Option<Time>>,
    doubts: HashMap<String, Doubt>,
}

async fn watch(heir: Arc<Heir>) -> Result<()> {
    // while the store was away for all, all look quiet: who has heard of the others for a while knows
    let (since, mut known) = (Instant::now(), Known::default());
    loop {
        sleep(if known.doubts.is_empty() { LOOK } else { CLOSE_LOOK }).await;
        let nodes = timeout(ANSWER, heir.deps.store.nodes()).await;
        let nodes = nodes.map_err(|_| Error::unavailable("the store did not answer in time"))??;
        let gone = heir.gone(nodes, &mut known).await;
        for Peer { node, until, .. } in gone.into_iter().filter(|_| since.elapsed() >= SOUND) {
            match heir.look_after(&node).await {
                Ok(()) => {
                    known.doubts.remove(&node);
                    known.settled.insert(node, until);
                }
                // what it has left may be locked for a while; it stays gone
                Err(error) if error.status == Status::Unavailable => {
                    tracing::warn!(node, %error, "not yet taken over");
                }
                Err(error) => return Err(error),
            }
        }
    }
}

impl Heir {
    /// Those of the nodes that surely do not speak any more, and that nobody has looked after yet.
    async fn gone(&self, nodes: Vec<Peer>, known: &mut Known) -> Vec<Peer> {
        let (late, heard): (Vec<_>, Vec<_>) = nodes.into_iter().partition(|peer| peer.late);
        for peer in heard {
            known.settled.remove(&peer.node);
            known.doubts.remove(&peer.node);
        }
        let settled = |peer: &Peer| known.settled.get(&peer.node) == Some(&peer.until);
        let open = |peer: &Peer| peer.node != self.deps.settings.node && !settled(peer);
        let late: Vec<_> = late.into_iter().filter(open).collect();
        let words = join_all(late.iter().map(|peer| self.hear(&peer.node))).await;
        let mut gone = Vec::new();
        for (peer, (word, asked)) in late.into_iter().zip(words) {
            let (doubt, now) = (known.doubts.entry(peer.node.clone()).or_default(), Instant::now());
            doubt.hear(&peer, word, (asked, now));
            if doubt.is_sure(&peer, now) {
                gone.push(peer);
            }
        }
        gone
    }

    /// What the bus says of a node, and when it was asked.
    async fn hear(&self, node: &str) -> (Word, Instant) {
        let asked = Instant::now();
        let ping = sock::Request {
            uri: "/ping".into(),
            method: "GET".into(),
            publisher: self.deps.settings.node.clone(),
            data_type: "application/json".into(),
            data: Value::Null,
            request_id: String::new(),
            customer_id: None,
            traceparent: String::new(),
            timeout_ms: u64::try_from(PING.as_millis()).ok(),
        };
        let word = match self.deps.bus.ask(&sock::admin_queue(node), ping).await {
            Ok(_) => Word::Here,
            // the broker says so; a refusal of our own says nothing of the node
            Err(error) if error.unbegun => Word::Gone,
            Err(_) if self.deps.bus.health().await.is_ok() => Word::Silent,
            Err(_) => Word::Unknown,
        };
        (word, asked)
    }

    async fn look_after(&self, node: &str) -> Result<()> {
        if self.deps.store.inherit(node).await? {
            tracing::warn!(node, "a node is gone; its events and timers are this node's now");
        }
        for domain in &self.domains {
            if self.deps.store.adopt(node, &domain.residents()).await? {
                tracing::warn!(node, domain = domain.name, "a node is gone; what lived there lives here now");
            }
            // also when there was nothing left: an earlier try may have been stored without anybody knowing
            domain.recover();
        }
        self.forget(node).await
    }

    async fn forget(&self, node: &str) -> Result<()> {
        if self.deps.store.retire(node, &self.all).await? {
            tracing::info!(node, "a node that has been gone for a day is forgotten");
        }
        Ok(())
    }
}
