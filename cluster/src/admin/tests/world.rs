//! A small tree, a real store and bus, a real server and a real client.

use std::net::SocketAddr;
use std::sync::Arc;

use actors::kernel::{Child, Running, Supervisor};
use proto::admin::v1::admin_client::AdminClient;
use proto::admin::v1::{ReadTreeRequest, StopActorRequest, StopMode, TreeNode};
use protocol::catalog::Entry;
use protocol::ports::{Bus as _, Store, Unit, Write};
use protocol::{Catalog, Event, Resource, Row};
use rand::Rng as _;
use serde_json::json;
use tokio::time::{Duration, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use uuid::Uuid;

use super::super::{Here, Parts, Server, start};
use crate::bus::memory::{Broker, MemoryBus};
use crate::directory::Directory;
use crate::probe::Health;
use crate::telemetry::metrics;

pub(super) const TOKEN: &str = "0123456789abcdef";
pub(super) const SOON: Duration = Duration::from_secs(5);
/// Between two looks at a condition.
pub(super) const LOOK: Duration = Duration::from_millis(10);

pub(super) struct World {
    pub(super) tree: Running,
    pub(super) server: Server,
    pub(super) store: Arc<dyn Store>,
    pub(super) bus: Arc<MemoryBus>,
    pub(super) call: &'static Resource,
    pub(super) admin: AdminClient<Channel>,
    pub(super) channel: Channel,
    pub(super) parts: Parts,
}

pub(super) async fn world() -> World {
    let waits = |token: CancellationToken| async move {
        token.cancelled().await;
        Ok(())
    };
    let domain = Supervisor::new("domain").child(Child::task("deep", waits));
    let tree = Supervisor::new("node").child(Child::task("first", waits)).child(domain.as_child());
    let tree = tree.start().await.expect("a tree");
    let store = persistence::open("sqlite::memory:", "n1", &actors::resources()).await.expect("a store");
    let entry = |resource| Entry { domain: "test", resource, verbs: Vec::new(), asks: Vec::new() };
    let entries: Vec<Entry> = actors::resources().into_iter().map(entry).collect();
    let catalog = Catalog { entries, mounts: Vec::new() };
    let call = catalog.named("call").expect("calls").resource;
    let bus = Arc::new(MemoryBus::new(Broker::default()));
    let parts = parts(&tree, store.clone(), (bus.clone(), catalog)).await;
    let server = listen(&parts).await;
    let channel = channel(&server).await;
    let admin = AdminClient::new(channel.clone());
    World { tree, server, store, bus, call, admin, channel, parts }
}

async fn parts(tree: &Running, store: Arc<dyn Store>, (bus, catalog): (Arc<MemoryBus>, Catalog)) -> Parts {
    let drain = CancellationToken::new();
    let probe = Health {
        node: "n1".to_owned(),
        store: store.clone(),
        cache: persistence::cache::open("memory:").await.expect("a cache"),
        bus: bus.clone(),
        tree: tree.branch.clone(),
        drain: drain.clone(),
        metrics: metrics::render,
    };
    Parts {
        here: Arc::new(Here { node: "n1".to_owned(), tree: tree.branch.clone(), drain }),
        store,
        peers: Directory::new(bus.clone(), "n1"),
        bus,
        catalog: Arc::new(catalog.into()),
        probe: Arc::new(probe),
        token: TOKEN.to_owned(),
        tls: None,
    }
}

async fn listen(parts: &Parts) -> Server {
    for _ in 0..20 {
        let port = rand::rng().random_range(20_000..32_000);
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if let Ok(server) = start(parts.clone(), address).await {
            return server;
        }
    }
    panic!("no free port in twenty tries");
}

async fn channel(server: &Server) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{}", server.local_addr())).expect("an address");
    endpoint.timeout(SOON).connect().await.expect("a connection")
}

pub(super) fn shown<T>(token: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().expect("a header"));
    request
}

pub(super) fn with<T>(message: T) -> Request<T> {
    shown(TOKEN, message)
}

pub(super) async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(SOON, what).await.expect("it happens soon")
}

impl World {
    pub(super) async fn read(&mut self, path: &str, depth: u32) -> Result<TreeNode, Status> {
        let asked = ReadTreeRequest { path: path.to_owned(), depth, ..ReadTreeRequest::default() };
        Ok(self.admin.read_tree(with(asked)).await?.into_inner().root.expect("a root"))
    }

    pub(super) async fn end(&mut self, path: &str, mode: StopMode) -> Result<bool, Status> {
        let asked =
            StopActorRequest { path: path.to_owned(), mode: mode.into(), ..StopActorRequest::default() };
        Ok(self.admin.stop_actor(with(asked)).await?.into_inner().found)
    }

    /// Reads the place again and again until it is as wanted.
    pub(super) async fn until(&mut self, path: &str, is_so: impl Fn(&TreeNode) -> bool) -> TreeNode {
        soon(async {
            loop {
                match self.read(path, 0).await {
                    Ok(node) if is_so(&node) => return node,
                    _ => sleep(LOOK).await,
                }
            }
        })
        .await
    }

    pub(super) async fn insert(&self, customer: Uuid, status: &str, second: u32) -> String {
        let id = Uuid::now_v7().to_string();
        let row = json!({
            "id": id,
            "customer_id": customer,
            "status": status,
            "direction": "outgoing",
            "source": {"type": "tel", "target": "+15551234567"},
            "action": {"type": "talk"},
            "tm_create": format!("2026-01-02T03:04:{second:02}.000000Z"),
            "rev": 1,
        });
        let mut row: Row = serde_json::from_value(row).expect("a row");
        self.call.fill(&mut row);
        let unit =
            Unit { writes: vec![Write::Insert { resource: self.call, row: row.into() }], ..Unit::default() };
        self.store.commit(unit).await.expect("committed");
        id
    }

    pub(super) async fn publish(&self, resource: &str, customer: Uuid, id: Uuid) {
        let data = json!({"id": id, "customer_id": customer, "status": "ringing"});
        let event = Event {
            r#type: format!("{resource}_ringing"),
            publisher: "test".to_owned(),
            data_type: "application/json".to_owned(),
            data: serde_json::from_value::<Row>(data).expect("a row").into(),
            id: Uuid::now_v7(),
            time: "2026-01-02T03:04:05.000006Z".to_owned(),
            resource: resource.to_owned(),
            about: uuid::Uuid::nil(),
            request_id: String::new(),
        };
        self.bus.publish(Arc::new(event)).await.expect("published");
    }

    pub(super) async fn close(self) {
        self.server.stop(SOON).await;
        self.tree.stop().await;
        self.store.close().await;
    }
}

pub(super) type Reflection =
    tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient<Channel>;

pub(super) fn services() -> tonic_reflection::pb::v1::ServerReflectionRequest {
    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
    let asked = Some(MessageRequest::ListServices(String::new()));
    tonic_reflection::pb::v1::ServerReflectionRequest { host: String::new(), message_request: asked }
}
