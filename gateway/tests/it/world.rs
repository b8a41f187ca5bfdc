//! A gateway that serves two customers, and whoever calls it.

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::{Arc, Mutex, OnceLock};

use gateway::{Limits, Parts, Rate, Server, Settings, start};
use jsonwebtoken::{EncodingKey, Header, encode};
use protocol::ports::{Clock, SystemClock};
use protocol::{Error, Event, Result, time};
use rand::Rng;
use serde_json::{Value, json};
use tokio::sync::broadcast;
use tokio::time::Duration;
use uuid::Uuid;

use crate::domain::{ACCOUNT, AGENT, CALL, CUSTOMER, Domain, FLOW, KEY, PROVIDER, catalog};
use crate::parts::{Hands, Line, Memory, Vitals};

pub(crate) const JWT_KEY: &[u8] = b"the key of these tests, long enough";

/// One customer and its people.
pub(crate) struct Customer {
    pub(crate) id: Uuid,
    pub(crate) key: String,
    pub(crate) admin: Uuid,
    pub(crate) manager: Uuid,
    pub(crate) agent: Uuid,
    pub(crate) flow: Uuid,
    pub(crate) call: Uuid,
}

pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) parts: Parts,
    pub(crate) domain: Arc<Domain>,
    pub(crate) cache: Arc<Memory>,
    pub(crate) clock: Arc<Hands>,
    pub(crate) vitals: Arc<Vitals>,
    pub(crate) events: broadcast::Sender<Arc<Event>>,
    pub(crate) ours: Customer,
    pub(crate) theirs: Customer,
    pub(crate) operator: Uuid,
    pub(crate) provider: Uuid,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// Without limits, unless `change` sets some.
    pub(crate) async fn with(change: impl Fn(&mut Settings)) -> Self {
        let domain = Arc::new(Domain::default());
        let (ours, theirs) = (customer(&domain, "ours"), customer(&domain, "theirs"));
        let operator = agent(&domain, ours.id, "operator", 1);
        let provider = domain.put(&PROVIDER, json!({"name": "carrier"}));
        let (cache, vitals) = (Arc::new(Memory::default()), Arc::new(Vitals::default()));
        let clock = Arc::new(Hands(Mutex::new(SystemClock.now())));
        let events = broadcast::channel(16).0;
        let slot = OnceLock::new();
        slot.set(catalog()).expect("the first catalog");
        let parts = Parts {
            peers: domain.clone(),
            catalog: Arc::new(slot),
            cache: cache.clone(),
            bus: Arc::new(Line(events.clone())),
            clock: clock.clone(),
            probe: vitals.clone(),
            adopt: |_, _| {},
        };
        let server = serve(&parts, change).await;
        World { server, parts, domain, cache, clock, vitals, events, ours, theirs, operator, provider }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.local_addr()
    }

    pub(crate) async fn end(self) {
        self.server.stop(Duration::from_secs(5)).await;
    }

    /// The token of an agent, as the gateway issues it.
    pub(crate) fn token(&self, of: &Customer, agent: Uuid) -> String {
        sign(&self.claims(of, agent), JWT_KEY)
    }

    pub(crate) fn claims(&self, of: &Customer, agent: Uuid) -> Value {
        let until = self.clock.now() + chrono::TimeDelta::days(1);
        json!({
            "type": "agent",
            "agent": {"id": agent, "customer_id": of.id, "username": "someone"},
            "exp": until.timestamp(),
            "expire": time::stamp(until),
        })
    }

    pub(crate) fn heard(&self) -> Vec<String> {
        std::mem::take(&mut *self.domain.heard.lock().unwrap())
    }
}

/// Callers of a world read as `world.call`.
impl Deref for World {
    type Target = Customer;
    fn deref(&self) -> &Customer {
        &self.ours
    }
}

pub(crate) fn sign(claims: &Value, key: &[u8]) -> String {
    encode(&Header::default(), claims, &EncodingKey::from_secret(key)).expect("a token")
}

pub(crate) async fn serve(parts: &Parts, change: impl Fn(&mut Settings)) -> Server {
    loop {
        match serve_on(parts, &change, rand::rng().random_range(20_000..32_000)).await {
            Ok(server) => return server,
            Err(error) => assert!(error.message.contains("--http"), "{error}"),
        }
    }
}

async fn serve_on(parts: &Parts, change: impl Fn(&mut Settings), port: u16) -> Result<Server, Error> {
    let mut settings = Settings::new(SocketAddr::from(([127, 0, 0, 1], port)), JWT_KEY.to_vec());
    let off = Rate::OFF;
    settings.limits = Limits { auth: off, v1: off, customer: off, username: off, ..Limits::default() };
    change(&mut settings);
    start(parts.clone(), settings).await
}

fn agent(domain: &Domain, customer: Uuid, name: &str, permission: u16) -> Uuid {
    domain.put(
        &AGENT,
        json!({"customer_id": customer, "username": format!("{name}@example.com"), "name": name,
               "permission": permission, "password": "correct"}),
    )
}

fn customer(domain: &Domain, name: &str) -> Customer {
    let id = domain.put(&CUSTOMER, json!({"name": name, "status": "active"}));
    let key = format!("vb_{name}");
    let hash = ring::digest::digest(&ring::digest::SHA256, key.as_bytes());
    let hash: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    domain.put(&KEY, json!({"customer_id": id, "hash": hash}));
    domain.put(&ACCOUNT, json!({"customer_id": id, "name": name}));
    let flow = domain.put(&FLOW, json!({"customer_id": id, "name": "a <flow> & more"}));
    let call = domain.put(
        &CALL,
        json!({"customer_id": id, "flow_id": flow, "status": "ringing", "channel": "internal",
               "tm_create": "2026-01-02T03:04:05.600000Z"}),
    );
    let person = |role: &str, bits| agent(domain, id, &format!("{role}-{name}"), bits);
    Customer {
        id,
        key,
        admin: person("admin", 32),
        manager: person("manager", 64),
        agent: person("agent", 16),
        flow,
        call,
    }
}
