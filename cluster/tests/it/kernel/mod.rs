//! The kernel over a real store and bus: one small domain whose verb does as it is told.

mod acts;
mod facts;
mod outage;
mod pool;
mod reads;
mod timers;

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use actors::kernel::{self, DEAD_EVENT, Domain, Follow, Mailbox, Running, Supervisor, TIMELINE_EVENT};
use async_trait::async_trait;
use cluster::bus::memory::{Broker, MemoryBus};
use cluster::outward::{Reach, Web};
use cluster::speech;
use protocol::ports::{Deps, Dispatch, Filter, Pending, Settings, SystemClock, Timer, Unit};
use protocol::{
    Catalog, Command, Context, Error, Event, Field, Op, Page, Request, Resource, Result, Scope, Verb, time,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::platform::PATIENCE;
use outage::Switch;

static WIDGET: Resource = Resource::new("widget", "widgets", &[Field::text("name").edit()]);

/// What the verb shall do.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Act {
    how: How,
    name: String,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) enum How {
    Say,
    /// Until the gate opens.
    Wait,
    Panic,
    Hang,
    /// Refuses as often as the scene says.
    Refuse,
    /// Sets the timer that asked for it again, as often as the scene says. Its name is the timer's id.
    Again,
}

impl Command for Act {
    const VERB: Verb = Verb::post("act");
    type Reply = Value;
}

/// A verb that takes no worker, and fails.
#[derive(Serialize, Deserialize)]
pub(super) struct Straight {}

impl Command for Straight {
    const VERB: Verb = Verb::post("straight");
    type Reply = Value;
}

async fn straight(_: Arc<Scene>, _: Context, _: Uuid, _: Straight) -> Result<Value> {
    panic!("as told")
}

fn act(how: How, name: impl ToString) -> Act {
    Act { how, name: name.to_string() }
}

/// What happened, and what shall happen next.
pub(super) struct Scene {
    log: Mutex<Vec<String>>,
    gate: watch::Sender<bool>,
    left: Mutex<usize>,
    deps: Deps,
}

impl Scene {
    fn note(&self, line: impl ToString) {
        self.log.lock().unwrap().push(line.to_string());
    }

    fn lines(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    fn count(&self, line: &str) -> usize {
        self.lines().iter().filter(|l| *l == line).count()
    }

    fn one_less(&self) -> bool {
        let mut left = self.left.lock().unwrap();
        let any = *left > 0;
        *left = left.saturating_sub(1);
        any
    }
}

async fn acted(scene: Arc<Scene>, _: Context, target: Uuid, Act { how, name }: Act) -> Result<Value> {
    scene.note(format!("begin {name}"));
    match how {
        How::Say => {}
        How::Wait => drop(scene.gate.subscribe().wait_for(|open| *open).await),
        How::Panic => panic!("as told"),
        How::Hang => std::future::pending().await,
        How::Refuse if scene.one_less() => return Err(Error::unavailable("as told")),
        How::Refuse => {}
        How::Again if scene.one_less() => {
            let timer = timer(name.parse().unwrap(), 20, target, act(How::Again, &name));
            let unit = Unit { timers: vec![Pending::Set(timer)], ..Unit::default() };
            scene.deps.store.commit(unit).await?;
        }
        How::Again => {}
    }
    scene.note(format!("end {name}"));
    Ok(json!(name))
}

/// Takes every event of a widget, but not one whose name is bad.
async fn heard(scene: Arc<Scene>, event: Arc<Event>) -> Result<()> {
    if event.data["name"] == "bad" {
        scene.note("refused bad");
        return Err(Error::internal("as told"));
    }
    scene.note(format!("heard {} {}", event.data["name"].as_str().unwrap(), event.data["rev"]));
    Ok(())
}

async fn seen(scene: Arc<Scene>, event: Arc<Event>) -> Result<()> {
    scene.note(format!("seen {} {}", event.data["name"].as_str().unwrap(), event.data["rev"]));
    Ok(())
}

/// Due in so many milliseconds.
fn timer(id: Uuid, within: i64, target: Uuid, body: Act) -> Timer {
    let at = time::parse(&time::stamp(chrono::Utc::now())).unwrap() + chrono::TimeDelta::milliseconds(within);
    Timer { id, at, resource: "widget".into(), verb: "act".into(), target, body: json!(body) }
}

/// Every domain is here.
#[derive(Default)]
struct Here(OnceLock<Mailbox>);

#[async_trait]
impl Dispatch for Here {
    async fn ask(&self, request: Request) -> Result<Value> {
        self.0.get().ok_or_else(|| Error::unavailable("starting"))?.ask(request).await
    }

    async fn ask_at(&self, _: &str, request: Request) -> Result<Value> {
        self.ask(request).await
    }
}

pub(super) struct World {
    scene: Arc<Scene>,
    deps: Deps,
    mailbox: Mailbox,
    switch: Arc<Switch>,
    folder: std::path::PathBuf,
    _follow: Box<dyn Send + Sync>,
}

impl World {
    async fn new() -> World {
        let folder = std::env::temp_dir().join(format!("branchline-kernel-{}", Uuid::now_v7()));
        std::fs::create_dir_all(&folder).unwrap();
        let here = Arc::new(Here::default());
        let store = persistence::open("sqlite::memory:", "it", &[&WIDGET, &DEAD_EVENT, &TIMELINE_EVENT])
            .await
            .unwrap();
        let switch = Arc::new(Switch::before(store));
        let deps = deps(&folder, switch.clone(), here.clone()).await;
        let (gate, _) = watch::channel(false);
        let scene =
            Arc::new(Scene { log: Mutex::default(), gate, left: Mutex::default(), deps: deps.clone() });
        let mut domain = Domain::new("widget-manager", &deps)
            .resource(&WIDGET)
            .on(&scene, acted)
            .direct(&scene, straight)
            .follow(&scene, "widget_*", "heard", heard)
            .follow(&scene, "widget_*", "seen", seen);
        let catalog = Catalog { entries: std::mem::take(&mut domain.entries), mounts: Vec::new() };
        deps.catalog.set(catalog).unwrap();
        let mailbox = Mailbox::new(Arc::new(domain));
        let _ = here.0.set(mailbox.clone());
        let follow = Arc::new(Follow { mailbox: mailbox.clone(), deps: deps.clone() });
        let to = mailbox.domain().subscription().unwrap();
        let _follow = deps.bus.subscribe(&to, follow).await.unwrap();
        World { scene, deps, mailbox, switch, folder, _follow }
    }

    /// The tree as a node has it.
    async fn grow(&self) -> Running {
        let domain = Supervisor::new("widget-manager").child(self.mailbox.child());
        let root = Supervisor::new("node").child(domain.as_child().isolated());
        let root = root.child(kernel::outbox(&self.deps)).child(kernel::timers(&self.deps));
        root.start().await.unwrap()
    }

    async fn ask(&self, id: Uuid, act: Act) -> Result<Value> {
        self.ask_within(id, act, Duration::from_secs(20)).await
    }

    async fn ask_within(&self, id: Uuid, act: Act, limit: Duration) -> Result<Value> {
        let context = Context { deadline: Instant::now() + limit, ..by() };
        self.op(Op::Verb(id, &Act::VERB), json!(act), context).await
    }

    async fn op(&self, op: Op, body: Value, context: Context) -> Result<Value> {
        self.mailbox.ask(Request { resource: &WIDGET, op, body, context }).await
    }

    /// A new row of this name.
    async fn made(&self, name: &str) -> Uuid {
        let row = self.op(Op::Create, json!({"name": name}), by()).await.unwrap();
        row["id"].as_str().unwrap().parse().unwrap()
    }

    async fn set(&self, timers: impl IntoIterator<Item = Pending>) {
        let unit = Unit { timers: timers.into_iter().collect(), ..Unit::default() };
        self.deps.store.commit(unit).await.unwrap();
    }

    async fn logs(&self, line: &str) {
        eventually(line, || self.scene.count(line) > 0, || self.scene.lines()).await;
    }

    /// No timer is left.
    async fn rests(&self) {
        let limit = Instant::now() + PATIENCE;
        while !self.deps.store.timers(10).await.unwrap().is_empty() {
            assert!(Instant::now() < limit, "timers never end");
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// The timeline tells of these widgets, in this order, and of nothing else.
    async fn tells(&self, names: &[&str]) {
        let (filter, page, limit) =
            (Filter::default(), Page { size: 99, after: None }, Instant::now() + PATIENCE);
        loop {
            let rows = self.deps.store.list(&TIMELINE_EVENT, Scope::Platform, &filter, &page).await.unwrap();
            let told: Vec<_> = rows.iter().rev().map(|row| row["data"]["name"].clone()).collect();
            if told == names {
                return;
            }
            assert!(Instant::now() < limit, "{told:?}");
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// The outbox is empty.
    async fn forgets(&self) {
        let limit = Instant::now() + PATIENCE;
        while !self.deps.store.outbox(0, 10).await.unwrap().is_empty() {
            assert!(Instant::now() < limit, "delivered facts are forgotten");
            sleep(Duration::from_millis(5)).await;
        }
    }

    async fn stop(self, tree: Running) {
        tree.stop().await;
        self.deps.store.close().await;
        let _ = std::fs::remove_dir_all(self.folder);
    }
}

fn by() -> Context {
    Context::own(Scope::Platform)
}

async fn deps(folder: &std::path::Path, store: Arc<Switch>, peers: Arc<Here>) -> Deps {
    let speech = speech::Settings { data: folder.into(), endpoint: None, voice: String::new() };
    Deps {
        settings: Arc::new(Settings {
            node: "it".into(),
            domain: "branchline.local".into(),
            destinations: Vec::new(),
            call_seconds: 60,
            retention_days: 1,
        }),
        store,
        cache: persistence::cache::memory(),
        bus: Arc::new(MemoryBus::new(Broker::default())),
        peers,
        voice: voice::MemoryEngine::start(),
        outward: Arc::new(Web::new(Reach::Public(Vec::new())).unwrap()),
        speech: speech::choose(speech).await.unwrap(),
        pods: None,
        vault: persistence::vault::with_key([7; 32]),
        clock: Arc::new(SystemClock),
        catalog: Arc::default(),
    }
}

async fn eventually<T: std::fmt::Debug>(what: &str, is: impl Fn() -> bool, seen: impl Fn() -> T) {
    let limit = Instant::now() + PATIENCE;
    while !is() {
        assert!(Instant::now() < limit, "never: {what}: {:?}", seen());
        sleep(Duration::from_millis(5)).await;
    }
}
