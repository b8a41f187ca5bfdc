//! The installation that is harassed: one node alone, or two over a database and a broker, with a relay before
//! each of their doors.

use std::net::SocketAddr;
use std::path::PathBuf;

use protocol::{Error, Result};
use serde_json::json;
use tokio::time::{Duration, Instant, sleep};

use super::client::{Client, LOOK};
use super::program::{Access, Program, Shared};
use super::relay::Relay;
use crate::demo::api::{Api, text};
use crate::demo::setup;

/// The first start of a node on a busy machine.
const START: Duration = Duration::from_secs(60);
/// As long as a node takes to hear that its name was taken, and to end.
const SETTLED: Duration = Duration::from_secs(6);
/// Between two looks whether a process that is not ready has ended.
const TURN: Duration = Duration::from_millis(500);
/// Dollars: more than all calls of a long run can cost.
const CREDIT: i64 = 10_000;
pub(super) const PHONES: [&str; 2] = ["100", "200"];
/// The phones live as long as the folder.
pub(super) const PASSWORD: &str = "chaos-phone-secret";

/// A node and what lies between it and the servers. None of the latter when it is alone.
pub(super) struct Post {
    pub(super) program: Program,
    pub(super) store: Option<Relay>,
    pub(super) bus: Option<Relay>,
}

pub(super) struct Site {
    folder: PathBuf,
    pub(super) posts: Vec<Post>,
    pub(super) customer: String,
    pub(super) key: String,
}

impl Site {
    /// One node on SQLite, or two where `shared` names a database and a broker.
    pub(super) async fn open(shared: &Shared) -> Result<Site> {
        let folder = std::env::temp_dir().join(format!("branchline-chaos-{}", uuid::Uuid::now_v7()));
        println!("Starting in {}", folder.display());
        let first = post("chaos-1", folder.join("1"), shared, None).await?;
        let access = first.program.access().await?;
        let mut site = Site { folder, posts: vec![first], customer: String::new(), key: access.accesskey };
        site.posts[0].program.ready(START).await?;
        if shared.bus.is_some() {
            let first = Some(&site.posts[0].program);
            let second = post("chaos-2", site.folder.join("2"), shared, first).await?;
            second.program.ready(START).await?;
            site.posts.push(second);
        }
        let customer = site.clients()[0].read("customer", START).await?;
        site.customer = text(&customer, "id")?.to_owned();
        Ok(site)
    }

    /// The API of each node as the customer.
    pub(super) fn clients(&self) -> Vec<Client> {
        self.posts.iter().map(|post| Client::new(post.program.http, &self.key)).collect()
    }

    /// Money, a way to telephone numbers, two telephones, and where webhooks go.
    pub(super) async fn furnish(&self, carrier: SocketAddr, hooks: SocketAddr) -> Result<()> {
        let program = &self.posts[0].program;
        let api = Api::new(program.http, &self.key);
        let access = program.access().await?;
        let operator = api.with_key(&login(&api, &access).await?);
        setup::operate(&operator, &self.customer, carrier).await?;
        let account = api.get("billing_account").await?;
        let add = format!("billing_accounts/{}/balance_add_force", text(&account, "id")?);
        operator.post(&add, json!({"balance": CREDIT})).await?;
        let hooks = json!({"webhook_method": "POST", "webhook_uri": format!("http://{hooks}/")});
        api.put("customer", hooks).await?;
        api.put("outbound_config", json!({"destination_whitelist": ["us"]})).await?;
        for extension in PHONES {
            let phone =
                json!({"extension": extension, "password": PASSWORD, "name": extension, "detail": ""});
            api.post("extensions", phone).await?;
        }
        Ok(())
    }

    pub(super) fn realm(&self) -> String {
        format!("{}.registrar.branchline.local", self.customer)
    }

    /// Every node is ready; what had ended, also while it was waited for, is started again. What ended, and how.
    pub(super) async fn recovers(&mut self, within: Duration) -> Result<Vec<String>> {
        let (limit, mut ended) = (Instant::now() + within, Vec::new());
        for post in &mut self.posts {
            loop {
                if let Some(status) = post.program.revive()? {
                    ended.push(format!("{} ended with {status}", post.program.name));
                }
                match post.program.ready(TURN).await {
                    Ok(_) => break,
                    Err(error) if Instant::now() > limit => return Err(error),
                    Err(_) => {}
                }
            }
        }
        Ok(ended)
    }

    /// Waits until nothing ends any more: who was taken for dead in the last round may find out only now.
    pub(super) async fn settles(&mut self, within: Duration) -> Result<()> {
        let until = Instant::now() + SETTLED;
        while Instant::now() < until {
            self.recovers(within).await?;
            sleep(TURN).await;
        }
        Ok(())
    }

    pub(super) fn panics(&self) -> usize {
        self.posts.iter().map(|post| post.program.panics()).sum()
    }

    /// Ends every process; keeps the folder when something is to be looked at.
    pub(super) async fn close(mut self, keep: bool) {
        for post in &mut self.posts {
            post.program.stop().await;
        }
        match keep {
            true => println!("The nodes' output is kept in {}", self.folder.display()),
            // what cannot be removed is the system's to clean
            false => drop(std::fs::remove_dir_all(&self.folder)),
        }
    }
}

/// The admin is the last that the first start makes.
async fn login(api: &Api, access: &Access) -> Result<String> {
    let limit = Instant::now() + START;
    loop {
        match api.login(&access.username, &access.password).await {
            Err(_) if Instant::now() < limit => sleep(LOOK).await,
            outcome => return outcome,
        }
    }
}

async fn post(name: &str, folder: PathBuf, shared: &Shared, like: Option<&Program>) -> Result<Post> {
    let (store, store_url) = relayed(shared.store.as_deref(), 3306).await?;
    let (bus, bus_url) = relayed(shared.bus.as_deref(), 5672).await?;
    let through = Shared { store: store_url, bus: bus_url, cache: shared.cache.clone() };
    Ok(Post { program: Program::start(name, folder, &through, like)?, store, bus })
}

/// A relay before the server of a URL, and the URL that leads through it.
async fn relayed(url: Option<&str>, usual: u16) -> Result<(Option<Relay>, Option<String>)> {
    let Some(url) = url else { return Ok((None, None)) };
    let bad = || Error::invalid("the URL of a shared backend must be scheme://user@host:port/name");
    let (scheme, rest) = url.split_once("://").ok_or_else(bad)?;
    let (authority, path) = rest.split_once('/').ok_or_else(bad)?;
    let (user, host) = authority.rsplit_once('@').map_or(("", authority), |(user, host)| (user, host));
    let target = if host.contains(':') { host.to_owned() } else { format!("{host}:{usual}") };
    let relay = Relay::before(target).await?;
    let user = if user.is_empty() { String::new() } else { format!("{user}@") };
    let through = format!("{scheme}://{user}{}/{path}", relay.local());
    Ok((Some(relay), Some(through)))
}
