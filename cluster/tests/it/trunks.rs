//! A customer's own telephone system calls out through the platform: known by its address, or by a password.

use std::sync::Arc;

use async_trait::async_trait;
use protocol::ports::voice::{
    CAUSE_NORMAL, Caller, Command, Contact, Credentials, Dial, Gate, Incoming, Journalled, LegEvent, LegId,
    Origin, Report, Secret, Transport, VoiceEngine as _, VoiceHost,
};
use protocol::{Error, Result};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::timeout;
use uuid::Uuid;
use voice::{Engine, MemoryJournal};

use crate::calls::{ended, rings};
use crate::market::{CALLED, Market, OWN, switch};
use crate::platform::{PATIENCE, Platform, free_block};

const REALM: &str = "office.trunk.branchline.local";

/// A telephone system that only calls.
struct Office {
    engine: Arc<Engine>,
    reports: mpsc::Receiver<Report>,
}

struct Nobody;

#[async_trait]
impl VoiceHost for Nobody {
    async fn gate(&self, _: &Origin) -> Result<Gate> {
        Ok(Gate::Unknown)
    }
    async fn secret(&self, _: &str, _: &str) -> Result<Option<Secret>> {
        Ok(None)
    }
    async fn bind(&self, _: Uuid, _: Uuid, _: Vec<Contact>, _: bool) -> Result<Vec<Contact>> {
        Err(Error::not_found())
    }
    async fn incoming(&self, _: Incoming) -> Result<Journalled> {
        Err(Error::not_found())
    }
}

impl Office {
    async fn open() -> Office {
        let first = free_block();
        let settings = voice::Settings { rtp_ports: first..=first + 99, ..voice::Settings::default() };
        let engine =
            voice::start(settings, Arc::new(Nobody), Arc::new(MemoryJournal::default())).await.unwrap();
        let reports = engine.reports().unwrap();
        Office { engine, reports }
    }

    async fn call(&self, platform: &Platform, domain: &str, password: &str) -> LegId {
        let credentials = (!password.is_empty()).then(|| Credentials {
            realm: domain.into(),
            username: "office".into(),
            password: password.into(),
        });
        let dial = Dial {
            uri: format!("sip:{CALLED}@{domain}"),
            destination: Some(platform.node.voice.local().udp),
            transport: Transport::Udp,
            from: Caller { user: OWN.into(), domain: domain.into(), ..Caller::default() },
            credentials,
            headers: Vec::new(),
            codecs: Vec::new(),
            timeout_ms: 20_000,
        };
        let leg = Uuid::new_v4();
        self.engine.command(leg, Command::Dial(Box::new(dial))).await.unwrap();
        leg
    }

    /// The final status that ends a call.
    async fn end(&mut self, of: LegId) -> u16 {
        let seek = async {
            loop {
                let report = self.reports.recv().await.expect("the office is open");
                if let LegEvent::Ended { status, .. } = report.event
                    && report.leg == of
                {
                    return status;
                }
            }
        };
        timeout(PATIENCE, seek).await.expect("an end")
    }
}

async fn market(platform: &Platform, trunk: Value) -> (Market, voice::Phone) {
    let operator = platform.api().with_key(&platform.operator().await);
    let market = Market::open(operator, platform.api().clone()).await;
    let switch = switch().await;
    market.carrier(switch.local().udp, 1).await;
    market.pay(1.0).await;
    platform.made("trunks", trunk).await;
    (market, switch)
}

/// The office reaches the carrier, talks, and hangs up.
async fn gets_through(platform: &Platform, office: &mut Office, switch: &voice::Phone, password: &str) {
    let leg = office.call(platform, REALM, password).await;
    let far = rings(switch).await;
    switch.answer(far).await.unwrap();
    platform.becomes("calls?status=progressing", |page| page["result"].as_array().unwrap().len() == 2).await;
    office.engine.command(leg, Command::Hangup { cause: CAUSE_NORMAL }).await.unwrap();
    ended(switch, far).await;
    let calls = crate::calls::all_over(platform, 2).await;
    assert_eq!(calls[1]["source"]["target"], OWN);
    assert_eq!(calls[0]["destination"]["target"], CALLED);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trunk_is_known_by_its_address() {
    let platform = Platform::start().await;
    let trunk = json!({"name": "office", "detail": "", "domain_name": "office", "auth_types": ["ip"],
                       "username": "", "password": "", "allowed_ips": ["127.0.0.1"]});
    let (_, switch) = market(&platform, trunk).await;
    let mut office = Office::open().await;
    gets_through(&platform, &mut office, &switch, "").await;
    let stranger = office.call(&platform, "nowhere.trunk.branchline.local", "").await;
    assert_eq!(office.end(stranger).await, 404);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trunk_is_known_by_its_password_and_by_no_other() {
    let platform = Platform::start().await;
    let trunk = json!({"name": "office", "detail": "", "domain_name": "office", "auth_types": ["basic"],
                       "username": "office", "password": "a-long-secret", "allowed_ips": []});
    let (_, switch) = market(&platform, trunk).await;
    let mut office = Office::open().await;
    let wrong = office.call(&platform, REALM, "wrong").await;
    assert_eq!(office.end(wrong).await, 407);
    assert_eq!(platform.get("calls").await.1["result"], json!([]));
    gets_through(&platform, &mut office, &switch, "a-long-secret").await;
    platform.stop().await;
}
