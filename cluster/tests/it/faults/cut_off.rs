//! A node that neither the database nor the broker hears any more, and that lives on or stands still: its call has one voice.

use std::net::SocketAddr;

use cluster::chaos::relay::Relay;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Row as _};
use tokio::time::{Duration, Instant, sleep};

use super::far::{Far, Seen, What};
use super::{relayed, through};
use crate::api::{LOOK, PATIENCE};
use crate::bus::broker;
use crate::mariadb::MariaDb;
use crate::market::{CALLED, Market, to};
use crate::survival::program::Program;

/// Another node takes over after a lease of 10 s at the latest, and re-INVITEs.
const TAKEN_OVER: Duration = Duration::from_secs(40);
/// How long the voice is listened to once it is the other node's, before and after the first is heard again.
const LISTENS: Duration = Duration::from_secs(4);

/// Where the voice of the call comes from, in the order in which it was first heard.
fn voices(far: &Far) -> Vec<SocketAddr> {
    far.seen(|seen| {
        let mut voices = Vec::new();
        for packet in seen.iter().filter(|packet| packet.what == What::Rtp) {
            if !voices.contains(&packet.from) {
                voices.push(packet.from);
            }
        }
        voices
    })
}

/// The two voices never speak at the same time; the silence between them.
fn one_after_the_other(far: &Far, [first, second]: [SocketAddr; 2]) -> Duration {
    far.seen(|seen| {
        let of = |voice| seen.iter().filter(move |p| p.what == What::Rtp && p.from == voice).map(|p| p.at);
        let (last, begins) = (of(first).max().unwrap(), of(second).min().unwrap());
        assert!(last < begins, "both spoke for {:?}", last - begins);
        begins - last
    })
}

async fn becomes<T>(what: &str, within: Duration, look: impl Fn() -> Option<T>) -> T {
    let limit = Instant::now() + within;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < limit, "never: {what}");
        sleep(LOOK).await;
    }
}

/// Whose the dialogs in the journal are.
async fn owners(database: &MariaDb, url: &str) -> Vec<String> {
    let name = url.rsplit('/').next().unwrap();
    let mut admin = database.admin().await.unwrap();
    let ask = AssertSqlSafe(format!("SELECT DISTINCT node FROM {name}.journal WHERE kind = 'dialog'"));
    let rows = sqlx::raw_sql(ask).fetch_all(&mut admin).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// Two nodes, the first of which has a call and reaches the database and the broker through relays.
struct Scene {
    database: MariaDb,
    first: Program,
    second: Program,
    store: Relay,
    bus: Relay,
    far: Far,
    /// The database's own URL.
    direct: String,
}

impl Scene {
    async fn begin() -> Option<Scene> {
        let database = MariaDb::start().await?;
        let place = broker::shared().await?.place();
        let (store, store_url) = relayed(&database).await;
        let target = place.rsplit_once('@').unwrap().1.split_once('/').unwrap().0.to_owned();
        let bus = Relay::before(target).await.unwrap();
        let bus_url = through(&bus, &place);
        let flags = [("store", &*store_url), ("bus", &*bus_url), ("stop-seconds", "1")];
        let first = Program::with(&flags).await;
        let direct = store_url.replace(&store.local().to_string(), &format!("127.0.0.1:{}", database.port));
        let second = first.beside("second", &[("store", &direct), ("bus", &place)]).await;
        let market = Market::open(first.operator.clone(), first.api.clone()).await;
        let far = Far::answers().await;
        market.carrier(far.sip, 1).await;
        market.pay(1.0).await;
        first.api.row("calls", to(CALLED, json!([{"type": "sleep", "option": {"duration": 600_000}}]))).await;
        becomes("a voice", PATIENCE, || voices(&far).first().copied()).await;
        Some(Scene { database, first, second, store, bus, far, direct })
    }

    fn cut_off(&self) {
        for relay in [&self.store, &self.bus] {
            relay.stall();
        }
    }

    fn heal(&self) {
        for relay in [&self.store, &self.bus] {
            relay.heal();
        }
    }

    /// Another voice is heard, and then never more than that one; the first node ends once it is `healed`.
    async fn ends_taken_over(mut self, cut_off: Instant, healed: impl Fn(&Scene)) {
        let both = || <[SocketAddr; 2]>::try_from(voices(&self.far)).ok();
        let both = becomes("another voice", TAKEN_OVER, both).await;
        println!("taken over {:?} after it was cut off", cut_off.elapsed());
        assert!(self.first.runs(), "it lives on, and nobody hears it");
        listen().await;
        healed(&self);
        self.first.ended().await;
        listen().await;
        assert_eq!(voices(&self.far), both, "no third voice");
        println!("silence between the voices: {:?}", one_after_the_other(&self.far, both));
        assert_eq!(owners(&self.database, &self.direct).await, ["second"]);
        let up = |page: &Value| page["result"][0]["status"] == "progressing";
        let call = self.second.api.becomes("calls", up).await["result"][0]["id"].as_str().unwrap().to_owned();
        assert_eq!(self.second.api.post(&format!("calls/{call}/hangup"), Value::Null).await.0, 200);
        self.second.api.becomes("calls", |page| page["result"][0]["status"] == "hangup").await;
        self.second.stop().await;
        self.first.stop().await;
    }
}

async fn listen() {
    let until = Instant::now() + LISTENS;
    becomes("the end of the listening", 2 * LISTENS, || (Instant::now() > until).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_cut_off_and_heard_again_never_speaks_beside_the_one_that_took_over() {
    let Some(scene) = Scene::begin().await else { return };
    scene.cut_off();
    scene.ends_taken_over(Instant::now(), Scene::heal).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_stood_still_and_goes_on_never_speaks_beside_the_one_that_took_over() {
    let Some(scene) = Scene::begin().await else { return };
    scene.first.freeze();
    scene.ends_taken_over(Instant::now(), |scene| scene.first.thaw()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_lived_on_the_word_of_the_bus_never_speaks_beside_the_one_that_took_over() {
    let Some(scene) = Scene::begin().await else { return };
    scene.store.stall();
    listen().await;
    let heard = |seen: &Seen| seen.what == What::Rtp && seen.at.elapsed() < LISTENS / 4;
    assert!(scene.far.seen(|seen| seen.iter().any(heard)), "its call goes on");
    assert_eq!(voices(&scene.far).len(), 1, "nobody takes it");
    scene.bus.away();
    scene.ends_taken_over(Instant::now(), Scene::heal).await;
}
