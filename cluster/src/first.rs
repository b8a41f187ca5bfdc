//! The first start of an installation: a customer, an admin, an access key, each shown once.
//!
//! Nodes that start together agree on one seed, sealed, before anything is made; all there is to know follows from
//! it. So whoever goes on for a node that died in between makes, and shows, the same.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use actors::first::{AGENT, CUSTOMER, CreateAdmin, Found};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use protocol::ports::Deps;
use protocol::{Context, Error, Op, Page, Result, Scope, Status};
use ring::hmac;
use serde_json::Value;
use uuid::Uuid;

use crate::{Node, keys};

/// Who the first admin is until it is renamed.
const USERNAME: &str = "admin@branchline.local";
const FILE: &str = "first-access.txt";
/// Ten years, in seconds: the first key is the operator's own.
const KEY_LIFE: i64 = 315_360_000;
/// The name of the seed among what nodes agree on, and what takes its place when it has been used.
const SEED: &str = "first access";
const SHOWN: &str = "shown";

/// How the first user gets in.
pub struct Welcome {
    pub customer_id: Uuid,
    pub username: String,
    pub password: String,
    pub accesskey: String,
    /// Signs the webhooks of the first customer. Empty when it was there already.
    pub webhook_secret: String,
    file: PathBuf,
}

/// Makes the first customer when there is no user yet. What it shows is also in a file of the data folder
/// that only this user can read; what is stored is hashed.
pub async fn welcome(deps: &Deps, data: &Path) -> Result<Option<Welcome>> {
    if is_anothers(deps).await? {
        return Ok(None);
    }
    let Some(seed) = seed(deps).await? else { return Ok(None) };
    let mut welcome = Welcome::of(&seed, data)?;
    welcome.make(deps).await?;
    // complete, and all of it true, as soon as it is there
    welcome.keep()?;
    // only now: until here the next start, or another node, does it again
    deps.store.decide(SEED, SHOWN).await?;
    Ok(Some(welcome))
}

/// Of nodes that start together on an empty store one does it, or another when that one is gone.
async fn is_anothers(deps: &Deps) -> Result<bool> {
    let first = deps.store.agree("first node", &deps.settings.node).await?;
    let peers = deps.store.nodes().await?;
    Ok(first != deps.settings.node && peers.iter().any(|peer| peer.node == first && peer.alive))
}

/// What nodes have agreed on for the first access, until it has been shown. Where there are users and no seed,
/// an earlier release has shown it.
async fn seed(deps: &Deps) -> Result<Option<String>> {
    let one = Op::List(Page { size: 1, after: None });
    let agents = deps.op(&AGENT, one, Value::Null, &Context::own(Scope::Platform)).await?;
    let is_empty = agents.get("result").and_then(Value::as_array).is_none_or(Vec::is_empty);
    let ours = if is_empty { deps.vault.seal(&fresh())? } else { SHOWN.to_owned() };
    let agreed = deps.store.agree(SEED, &ours).await?;
    if agreed == SHOWN { Ok(None) } else { deps.vault.open(&agreed).map(Some) }
}

/// The id of the customer, and a key from which the rest follows.
fn fresh() -> String {
    format!("{}.{}", Uuid::now_v7(), URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()))
}

impl Welcome {
    fn of(seed: &str, data: &Path) -> Result<Self> {
        let damaged = || Error::internal("the seed of the first access is damaged");
        let (id, key) = seed.split_once('.').ok_or_else(damaged)?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
        let drawn = |what: &str, bytes: usize| {
            URL_SAFE_NO_PAD.encode(&hmac::sign(&key, what.as_bytes()).as_ref()[..bytes])
        };
        Ok(Welcome {
            customer_id: id.parse().map_err(|_| damaged())?,
            username: USERNAME.to_owned(),
            password: drawn("password", 15),
            accesskey: format!("vb_{}", drawn("accesskey", 24)),
            webhook_secret: drawn("webhook_secret", 24),
            file: data.join(FILE),
        })
    }

    /// Makes what is not there yet.
    async fn make(&mut self, deps: &Deps) -> Result<()> {
        let asked = Found {
            customer_id: self.customer_id,
            name: "First customer".to_owned(),
            email: USERNAME.to_owned(),
            webhook_secret: self.webhook_secret.clone(),
            accesskey: self.accesskey.clone(),
            key_seconds: KEY_LIFE,
        };
        let founded = deps.ask_all(&CUSTOMER, asked, &Context::own(Scope::Platform)).await?;
        if !founded.is_as_drawn {
            self.customer_id = founded.customer_id;
            self.webhook_secret.clear();
        }
        let (username, password) = (self.username.clone(), self.password.clone());
        let admin = CreateAdmin { customer_id: self.customer_id, username, password, platform: true };
        let own = Context::own(Scope::Customer(self.customer_id));
        match deps.ask_all(&AGENT, admin, &own).await {
            // with this very password: it follows from the seed
            Err(error) if error.status == Status::AlreadyExists => Ok(()),
            outcome => outcome.map(drop),
        }
    }

    fn keep(&self) -> Result<()> {
        let Welcome { username, password, accesskey, webhook_secret, .. } = self;
        let text = format!(
            "username: {username}\npassword: {password}\naccesskey: {accesskey}\nwebhook_secret: {webhook_secret}\n"
        );
        keys::write_private(&self.file, text.as_bytes())
    }

    /// Where all of it is kept.
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// On a terminal only: never in a log.
    pub fn show(&self, node: &Node) {
        if !std::io::stdout().is_terminal() {
            tracing::info!(file = %self.file.display(), "the first admin's password and key are in this file");
            return;
        }
        let http = node.gateway.as_ref().map(|gateway| gateway.local_addr().to_string()).unwrap_or_default();
        let (url, key) = (format!("http://{http}/v1.0"), &self.accesskey);
        println!("\nFirst start. Keep these, they are shown once (and kept in {}):\n", self.file.display());
        println!(
            "  username   {}\n  password   {}\n  accesskey  {key}\n\nTry:\n",
            self.username, self.password
        );
        println!("  curl '{url}/customer?accesskey={key}'");
        let phone = r#"{"extension":"100","password":"a-long-secret","name":"Desk"}"#;
        println!("  curl -X POST '{url}/extensions?accesskey={key}' -d '{phone}'");
        println!("  curl '{url}/timelines/customers/{}/events?accesskey={key}'\n", self.customer_id);
    }
}
