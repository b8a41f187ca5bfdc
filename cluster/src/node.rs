//! Assembly. Reads top to bottom in the order things start; they stop in reverse.

use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use actors::kernel::{self, Branch, Child, Follow, Mailbox, Outcome, Running, Supervisor};
use actors::{Dialogs, Host};
use protocol::ports::{Cache, Deps, Residents, Subscription, SystemClock};
use protocol::{Catalog, Error, Result, sock};
use tokio::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

use crate::directory::{Asked, Desk, Directory};
use crate::outward::Web;
use crate::plan::Plan;
use crate::probe::Health;
use crate::{admin, bus, installation, keys, listen, pods, speech, telemetry};

/// What serves HTTP, in the list of what a node serves.
const GATEWAY: &str = "gateway";

/// Operators that look on while the last calls end hear that the node stops.
const LAST_LOOK: Duration = Duration::from_millis(500);

/// A running node.
pub struct Node {
    pub deps: Deps,
    pub voice: Arc<voice::Engine>,
    pub gateway: Option<gateway::Server>,
    pub admin: admin::Server,
    tree: Running,
    /// Cancelled when the planned stop begins, whoever began it.
    drain: CancellationToken,
    /// Last, and so closed last: it is how others see that this node lives.
    _post: admin::Post,
}

/// What ends when it is dropped: the consumers of this node.
type Consumers = Vec<Box<dyn Send + Sync>>;

impl Node {
    pub async fn start(plan: Plan) -> Result<Node> {
        prepare(&plan)?;
        let Plan { settings, data, store, cache, bus, broker, serve, voice, gateway, reach, .. } = plan;
        let bus = telemetry::bus::counted(bus::open(&bus, broker, &settings.node).await?);
        let node = settings.node.clone();
        let post = admin::Post::open(bus.clone(), &node).await;
        let store = persistence::open(&store, &node, &actors::resources()).await.map_err(of("--store"))?;
        let cache = telemetry::cache::counted(persistence::cache::open(&cache).await.map_err(of("--cache"))?);
        let host = Arc::new(Host::default());
        let dialogs = Arc::new(Dialogs { store: store.clone(), node: node.clone() });
        let voice = voice::start(voice, host.clone(), dialogs).await?;
        let directory = Directory::new(bus.clone(), &node);
        let deps = Deps {
            settings: Arc::new(settings),
            store,
            cache,
            bus,
            peers: directory.clone(),
            voice: voice.clone(),
            outward: Arc::new(Web::new(reach)?),
            speech: speech::choose(plan.speech).await?,
            pods: pods::open(plan.pods, &serve)?,
            vault: persistence::vault::open_or_create(&data.join("node.key"))?,
            clock: Arc::new(SystemClock),
            catalog: Arc::new(OnceLock::new()),
        };
        let (here, named) = open(&deps, &directory, &serve)?;
        let token_key = serves(&serve, GATEWAY).then(|| keys::token_key(&data)).transpose()?;
        let names = installation::join(&deps, &here, &data, token_key.as_deref()).await?;
        let consumers = attend(&deps, &here, &named).await?;
        let tree = grow(&deps, here, names, (consumers, named.residents)).start().await?;
        host.open(&deps);
        let health = health(&deps, &tree);
        let token = plan.admin_token.map_or_else(|| admin::token(&data), Ok)?;
        let parts = operators(&deps, &health, token, plan.admin_tls);
        post.answer(parts.here.clone());
        let admin = admin::start(parts, plan.admin).await?;
        let gateway = face(&deps, health.clone(), gateway, token_key).await?;
        Ok(Node { deps, voice, gateway, admin, tree, drain: health.drain.clone(), _post: post })
    }

    /// Where operators see what is running.
    pub fn tree(&self) -> &Arc<Branch> {
        &self.tree.branch
    }

    /// Resolves when the tree has ended by itself, with the reason.
    pub async fn ended(&self) -> Outcome {
        self.tree.ended().await
    }

    /// Resolves when an operator has told this node to stop.
    pub async fn drained(&self) {
        self.drain.cancelled().await;
    }

    /// Stops in order: no new requests, no new calls, then the domains, then the store. Operators see how the
    /// calls end.
    pub async fn stop(self, within: Duration) {
        self.drain.cancel();
        let end = Instant::now() + within;
        let left = || end.saturating_duration_since(Instant::now());
        if let Some(gateway) = self.gateway {
            gateway.stop(left()).await;
        }
        self.voice.stop(left()).await;
        self.admin.stop(left().max(LAST_LOOK)).await;
        self.tree.stop().await;
        self.deps.store.close().await;
    }
}

fn prepare(plan: &Plan) -> Result<()> {
    // before anything looks up what it counts with
    telemetry::metrics::install();
    listen::check(plan, serves(&plan.serve, GATEWAY))?;
    make(&plan.data)
}

fn make(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|error| {
        let folder = folder.display();
        Error::invalid(format!("cannot make the folder {folder}: {error}; give another one with --data"))
    })
}

/// Names the flag that is to blame.
fn of(flag: &str) -> impl Fn(Error) -> Error {
    move |error| Error { message: format!("{flag}: {}", error.message), ..error }
}

/// Every domain's name, what those that follow anything hear with, and what lives in them, wherever they are served.
#[derive(Default)]
struct Named {
    publishers: Vec<&'static str>,
    subscriptions: Vec<Subscription>,
    residents: Residents,
}

/// Names every domain, and says which of them are here.
fn open(deps: &Deps, directory: &Directory, serve: &[String]) -> Result<(Vec<Mailbox>, Named)> {
    let (mut catalog, mut here, mut named) = (Catalog::default(), Vec::new(), Named::default());
    let domains = actors::domains(deps);
    let known = |entry: &str| entry == "*" || domains.iter().any(|domain| names(entry, domain.name));
    if let Some(entry) = serve.iter().find(|entry| *entry != GATEWAY && !known(entry)) {
        return Err(Error::invalid(format!("--serve: there is no domain {entry}")));
    }
    for mut domain in domains {
        catalog.entries.append(&mut domain.entries);
        catalog.mounts.append(&mut domain.mounts);
        named.publishers.push(domain.name);
        let mut residents = domain.residents();
        named.residents.rows.append(&mut residents.rows);
        named.residents.journal.append(&mut residents.journal);
        named.subscriptions.extend(domain.subscription());
        if serves(serve, domain.name) {
            here.push(Mailbox::new(Arc::new(domain)));
        }
    }
    directory.open(&catalog, &here);
    let _ = deps.catalog.set(catalog);
    Ok((here, named))
}

/// Lets other nodes ask the domains of this one, and has these hear of facts.
async fn attend(deps: &Deps, here: &[Mailbox], named: &Named) -> Result<Consumers> {
    deps.bus.declare(&named.publishers, &named.subscriptions).await?;
    let mut consumers = Vec::new();
    for mailbox in here {
        let name = mailbox.domain().name;
        let (catalog, node) = (&deps.catalog, &deps.settings.node);
        let desk = |asked| Arc::new(Desk { mailbox: mailbox.clone(), catalog: catalog.clone(), asked });
        if mailbox.domain().has_residents() {
            consumers.push(deps.bus.serve(&sock::node_queue(name, node), desk(Asked::Node)).await?);
        }
        consumers.push(deps.bus.serve(&sock::request_queue(name), desk(Asked::Domain)).await?);
        if let Some(to) = mailbox.domain().subscription() {
            let follow = Arc::new(Follow { mailbox: mailbox.clone(), deps: deps.clone() });
            consumers.push(deps.bus.subscribe(&to, follow).await?);
        }
    }
    Ok(consumers)
}

/// The tree: a supervisor per domain, each isolated from the others; then what serves all of them. It stops
/// in reverse, so the outbox sends nothing any more when the consumers go, and what domains say while they
/// stop is kept for the next start.
fn grow(
    deps: &Deps,
    here: Vec<Mailbox>,
    names: Vec<&'static str>,
    (consumers, residents): (Consumers, Residents),
) -> Supervisor {
    let domain = |mailbox: &Mailbox| -> Child {
        let domain = mailbox.domain();
        let mut supervisor = Supervisor::new(domain.name);
        supervisor.children = domain.children.clone();
        supervisor.child(mailbox.child()).as_child().isolated()
    };
    // first, and so stopped last: nobody takes over what the others still say
    let root = Supervisor::new("node").child(kernel::lease(deps, names));
    let root = here.iter().map(domain).fold(root, Supervisor::child);
    let watched = deps.clone();
    let upkeep = Child::task("metrics", move |token| {
        let deps = watched.clone();
        async move {
            tokio::select! {
                () = token.cancelled() => Ok(()),
                () = telemetry::metrics::upkeep(&deps) => Err(Error::internal("it never ends")),
            }
        }
    });
    let root = root.child(hold(consumers)).child(kernel::outbox(deps)).child(kernel::timers(deps));
    // what another node has left is taken over by whoever can do all of its work
    root.child(kernel::heir(deps, &here, residents)).child(upkeep)
}

/// Ends the consumers when its turn to stop has come, and only then.
fn hold(consumers: Consumers) -> Child {
    let held = Arc::new(Mutex::new(consumers));
    Child::task("consumers", move |token| {
        let held = held.clone();
        async move {
            token.cancelled().await;
            let ended = std::mem::take(&mut *held.lock().unwrap_or_else(PoisonError::into_inner));
            drop(ended);
            Ok(())
        }
    })
}

fn health(deps: &Deps, tree: &Running) -> Arc<Health> {
    Arc::new(Health {
        node: deps.settings.node.clone(),
        store: deps.store.clone(),
        cache: deps.cache.clone(),
        bus: deps.bus.clone(),
        tree: tree.branch.clone(),
        drain: CancellationToken::new(),
        metrics: telemetry::metrics::render,
    })
}

fn operators(deps: &Deps, health: &Arc<Health>, token: String, tls: Option<admin::Tls>) -> admin::Parts {
    let (node, tree, drain) = (deps.settings.node.clone(), health.tree.clone(), health.drain.clone());
    admin::Parts {
        here: Arc::new(admin::Here { node, tree, drain }),
        store: deps.store.clone(),
        bus: deps.bus.clone(),
        peers: deps.peers.clone(),
        catalog: deps.catalog.clone(),
        probe: health.clone(),
        token,
        tls,
    }
}

/// HTTP for customers, where there is a key for their tokens.
async fn face(
    deps: &Deps,
    probe: Arc<Health>,
    mut settings: gateway::Settings,
    key: Option<Vec<u8>>,
) -> Result<Option<gateway::Server>> {
    let Some(key) = key else { return Ok(None) };
    settings.jwt_key = key;
    let parts = gateway::Parts {
        peers: deps.peers.clone(),
        catalog: deps.catalog.clone(),
        cache: deps.cache.clone() as Arc<dyn Cache>,
        bus: deps.bus.clone(),
        clock: deps.clock.clone(),
        adopt: telemetry::trace::adopt,
        probe,
    };
    gateway::start(parts, settings).await.map(Some)
}

/// Does a list such as `--serve` contain this domain (or [`GATEWAY`])?
pub(crate) fn serves(list: &[String], name: &str) -> bool {
    list.iter().any(|entry| entry == "*" || names(entry, name))
}

/// Domains are named with or without VoIPBIN's ending.
fn names(entry: &str, domain: &str) -> bool {
    entry == domain || entry == domain.trim_end_matches("-manager")
}
