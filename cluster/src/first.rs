//! The first start of an installation: a customer, an admin, an access key, each shown once.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use actors::first::{ACCESSKEY, AGENT, CUSTOMER, CreateAdmin};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use protocol::ports::Deps;
use protocol::{Context, Error, Op, Page, Result, Scope};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{Node, keys};

/// Who the first admin is until it is renamed.
const USERNAME: &str = "admin@branchline.local";
const FILE: &str = "first-access.txt";
/// Ten years, in seconds: the first key is the operator's own.
const KEY_LIFE: i64 = 315_360_000;

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
    let by = Context::own(Scope::Platform);
    let one = || Op::List(Page { size: 1, after: None });
    if first_of(&deps.op(&AGENT, one(), Value::Null, &by).await?).is_some() {
        return Ok(None);
    }
    let customer = match first_of(&deps.op(&CUSTOMER, one(), Value::Null, &by).await?) {
        Some(customer) => customer,
        None => {
            let body = json!({"name": "First customer", "email": USERNAME});
            deps.op(&CUSTOMER, Op::Create, body, &by).await?
        }
    };
    let customer_id = id(&customer)?;
    let mut welcome = Welcome {
        customer_id,
        username: USERNAME.to_owned(),
        password: URL_SAFE_NO_PAD.encode(rand::random::<[u8; 15]>()),
        accesskey: String::new(),
        webhook_secret: text(&customer, "webhook_secret"),
        file: data.join(FILE),
    };
    // on disk before it is true: a password that nobody has is no password
    welcome.keep()?;
    let own = Context::own(Scope::Customer(customer_id));
    let body = json!({"name": "first", "expire": KEY_LIFE});
    let key = deps.op(&ACCESSKEY, Op::Create, body, &own).await?;
    welcome.accesskey = text(&key, "token");
    welcome.keep()?;
    let (username, password) = (welcome.username.clone(), welcome.password.clone());
    let admin = CreateAdmin { customer_id, username, password, platform: true };
    deps.ask_all(&AGENT, admin, &own).await?;
    Ok(Some(welcome))
}

/// Of nodes that start together on an empty store one does it, or another when that one is gone.
async fn is_anothers(deps: &Deps) -> Result<bool> {
    let first = deps.store.agree("first node", &deps.settings.node).await?;
    let peers = deps.store.nodes().await?;
    Ok(first != deps.settings.node && peers.iter().any(|peer| peer.node == first && peer.alive))
}

fn first_of(page: &Value) -> Option<Value> {
    page.get("result")?.as_array()?.first().cloned()
}

fn text(row: &Value, name: &str) -> String {
    row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn id(row: &Value) -> Result<Uuid> {
    let id = row.get("id").and_then(Value::as_str).and_then(|id| id.parse().ok());
    id.ok_or_else(|| Error::internal("a customer without an id"))
}

impl Welcome {
    fn keep(&self) -> Result<()> {
        let Welcome { username, password, accesskey, webhook_secret, .. } = self;
        let text = format!(
            "username: {username}\npassword: {password}\naccesskey: {accesskey}\nwebhook_secret: {webhook_secret}\n"
        );
        keys::write_private(&self.file, text.as_bytes())
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
