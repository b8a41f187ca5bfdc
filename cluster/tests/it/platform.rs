//! A whole node on free ports with a database of its own, and a client of its HTTP API.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use cluster::bus::memory::Broker;
use cluster::outward::{Allow, Reach};
use cluster::pods::Watched;
use cluster::{Node, Plan, Welcome, first, speech};
use serde_json::{Value, json};

use crate::api::Api;
pub(crate) use crate::api::{Answer, PATIENCE};

pub(crate) const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

pub(crate) struct Platform {
    pub(crate) node: Node,
    pub(crate) welcome: Welcome,
    pub(crate) http: SocketAddr,
    pub(crate) folder: PathBuf,
    api: Api,
}

impl Platform {
    pub(crate) async fn start() -> Platform {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(adjust: impl FnOnce(&mut Plan)) -> Platform {
        let folder = std::env::temp_dir().join(format!("branchline-it-{}", uuid::Uuid::now_v7()));
        let mut plan = plan(folder.clone());
        adjust(&mut plan);
        let node = Node::start(plan).await.unwrap();
        let welcome = first::welcome(&node.deps, &folder).await.unwrap().unwrap();
        let http = node.gateway.as_ref().unwrap().local_addr();
        let api = Api::new(http, &welcome.accesskey);
        Platform { node, welcome, http, folder, api }
    }

    /// The API as the first customer's access key.
    pub(crate) fn api(&self) -> &Api {
        &self.api
    }

    pub(crate) async fn send(&self, method: &str, path: &str, body: Value) -> Answer {
        self.api.send(method, path, body).await
    }

    pub(crate) async fn send_as(&self, key: &str, method: &str, path: &str, body: Value) -> Answer {
        self.api.with_key(key).send(method, path, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.api.get(path).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.api.post(path, body).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.api.put(path, body).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.api.delete(path).await
    }

    /// A creation that must succeed; the row's id.
    pub(crate) async fn made(&self, path: &str, body: Value) -> String {
        self.api.made(path, body).await
    }

    /// The token of the first admin, who is also the installation's operator.
    pub(crate) async fn operator(&self) -> String {
        let body = json!({"username": self.welcome.username, "password": self.welcome.password});
        let (status, answer) = self.send_as("", "POST", "auth/login", body).await;
        assert_eq!(status, 200, "{answer}");
        answer["token"].as_str().unwrap().to_owned()
    }

    /// Another customer, made by the operator, and an access key of it.
    pub(crate) async fn another_customer(&self, email: &str) -> (String, String) {
        let operator = self.operator().await;
        let body = json!({"name": "another", "email": email});
        let (status, customer) = self.send_as(&operator, "POST", "v1.0/customers", body).await;
        assert_eq!(status, 200, "{customer}");
        let id = customer["id"].as_str().unwrap().to_owned();
        let own = protocol::Context::own(protocol::Scope::Customer(id.parse().unwrap()));
        let key = json!({"name": "test", "expire": 86_400});
        let deps = &self.node.deps;
        let key = deps.op(&actors::first::ACCESSKEY, protocol::Op::Create, key, &own).await.unwrap();
        (id, key["token"].as_str().unwrap().to_owned())
    }

    /// Asks again until the answer is as it shall be.
    pub(crate) async fn becomes(&self, path: &str, shall: impl Fn(&Value) -> bool) -> Value {
        self.api.becomes(path, shall).await
    }

    /// The same node once more: the same database, other ports.
    pub(crate) async fn restart(self) -> Platform {
        let Platform { node, welcome, folder, .. } = self;
        node.stop(Duration::from_secs(5)).await;
        let node = Node::start(plan(folder.clone())).await.unwrap();
        let http = node.gateway.as_ref().unwrap().local_addr();
        let api = Api::new(http, &welcome.accesskey);
        Platform { node, welcome, http, folder, api }
    }

    pub(crate) async fn stop(self) {
        self.node.stop(Duration::from_secs(5)).await;
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

pub(crate) fn plan(folder: PathBuf) -> Plan {
    let mut gateway = gateway::Settings::new(SocketAddr::new(HERE, 0), Vec::new());
    gateway.limits.customer = gateway::Rate::OFF;
    gateway.limits.v1 = gateway::Rate::OFF;
    let sip = SocketAddr::new(HERE, free_port());
    let first = free_block();
    Plan {
        settings: protocol::ports::Settings {
            node: "it".into(),
            domain: "branchline.local".into(),
            destinations: Vec::new(),
            call_seconds: 120,
            retention_days: 1,
        },
        cache: "memory:".into(),
        store: format!("sqlite:{}", folder.join("node.db").display()),
        serve: vec!["*".into()],
        voice: voice::Settings {
            sip_udp: sip,
            sip_tcp: Some(sip),
            rtp_ports: first..=first + 199,
            ..voice::Settings::default()
        },
        gateway,
        admin: SocketAddr::new(HERE, 0),
        admin_token: None,
        admin_tls: None,
        reach: Reach::Public(vec!["127.0.0.0/8".parse::<Allow>().unwrap()]),
        speech: speech::Settings { data: folder.clone(), endpoint: None, voice: String::new() },
        pods: Watched::Nothing,
        bus: "memory:".into(),
        broker: Broker::default(),
        data: folder,
    }
}

/// Ports given out so far: tests of one process run side by side.
static NEXT: Mutex<u16> = Mutex::new(0);

fn start_of_ports() -> u16 {
    12_000 + (std::process::id() % 40) as u16 * 100
}

/// A port below the range from which the system takes its own, free for TCP and UDP.
pub(crate) fn free_port() -> u16 {
    let mut next = NEXT.lock().unwrap();
    loop {
        *next += 1;
        let port = start_of_ports() + *next;
        if TcpListener::bind((HERE, port)).is_ok() && UdpSocket::bind((HERE, port)).is_ok() {
            return port;
        }
    }
}

static BLOCKS: Mutex<u16> = Mutex::new(0);

/// 200 ports for media.
pub(crate) fn free_block() -> u16 {
    free_blocks(1)
}

/// So many times 200 ports for media, one after the other.
pub(crate) fn free_blocks(count: u16) -> u16 {
    let mut next = BLOCKS.lock().unwrap();
    loop {
        let first = 18_000 + (*next % (71 - count)) * 200;
        *next += count;
        if (first..first + count * 200).step_by(20).all(|port| UdpSocket::bind((HERE, port)).is_ok()) {
            return first;
        }
    }
}
