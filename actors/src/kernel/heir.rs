//! Taking over what nodes have left behind that are gone: events, timers, and what lived there.
//!
//! Two witnesses say that a node is gone: the store, which it has told nothing lately, and the bus, on which it
//! does not answer. One that only the store cannot hear goes on with its calls; nobody takes them from it.

use std::collections::HashSet;
use std::sync::Arc;

use protocol::ports::{Deps, Peer, QUIET, Residents};
use protocol::{Error, Result, sock};
use serde_json::Value;
use tokio::time::{Duration, Instant, sleep, timeout};

use super::patience::patiently;
use super::{Child, Domain, Mailbox};

/// How often nodes are looked at.
const LOOK: Duration = Duration::from_millis(500);
/// So long the store must have answered before anybody's silence means something.
const SOUND: Duration = QUIET.saturating_add(LOOK);
/// A node that lives answers a ping at once, whatever else it has to do.
const PING: Duration = Duration::from_secs(1);

/// What the bus says of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Here,
    /// Nobody has its queue.
    Gone,
    /// No answer came in time.
    Silent,
}

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

async fn watch(heir: Arc<Heir>) -> Result<()> {
    // while the store was away for all, all look quiet: who has heard of the others for a while knows
    let since = Instant::now();
    let mut settled = HashSet::new();
    loop {
        sleep(LOOK).await;
        let nodes = timeout(LOOK, heir.deps.store.nodes()).await;
        let nodes = nodes.map_err(|_| Error::unavailable("the store did not answer in time"))??;
        let (quiet, heard): (Vec<_>, Vec<_>) = nodes.into_iter().partition(|peer| peer.quiet);
        heard.iter().for_each(|peer| _ = settled.remove(&peer.node));
        for peer in quiet {
            let own = peer.node == heir.deps.settings.node;
            if own || since.elapsed() < SOUND || settled.contains(&peer.node) {
                continue;
            }
            if heir.is_gone(&peer).await {
                heir.look_after(&peer.node).await?;
                settled.insert(peer.node);
            }
        }
    }
}

impl Heir {
    async fn is_gone(&self, peer: &Peer) -> bool {
        match self.hear(&peer.node).await {
            Word::Here => false,
            Word::Gone => true,
            // the end of the lease tells, if it is not the bus that is gone
            Word::Silent => !peer.alive && self.deps.bus.health().await.is_ok(),
        }
    }

    async fn hear(&self, node: &str) -> Word {
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
        match self.deps.bus.ask(&sock::admin_queue(node), ping).await {
            Ok(_) => Word::Here,
            Err(error) if error.is_lost() || error.is_timeout() => Word::Silent,
            Err(_) => Word::Gone,
        }
    }

    async fn look_after(&self, node: &str) -> Result<()> {
        if self.deps.store.inherit(node).await? {
            tracing::warn!(node, "a node is gone; its events and timers are this node's now");
        }
        for domain in &self.domains {
            if self.deps.store.adopt(node, &domain.residents()).await? {
                tracing::warn!(node, domain = domain.name, "a node is gone; what lived there lives here now");
                domain.recover();
            }
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
