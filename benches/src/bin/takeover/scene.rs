//! What lets a customer call the far end, the calls themselves, and what they cost in the end.

use std::collections::HashMap;
use std::net::SocketAddr;

use benches::api::{Api, text};
use benches::node::BenchNode;
use benches::scene::{self, CREDIT};
use protocol::{Error, Result};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant, sleep};

/// The customer's number and the one that it calls: fictitious (+1 555 01xx).
const OWN: &str = "+15550100";
const CALLED: &str = "+15550123";
/// The price of a minute, in micro-dollars.
const RATE: i64 = 12_000;
const MICROS: i64 = 1_000_000;
/// Destinations of one request: fewer than the platform takes at once, so that none waits long.
const AT_ONCE: usize = 10;
/// Longer than any run. A node sends its frames while a flow sleeps, too: of silence.
const SLEEP: u64 = 3_600_000;
/// Charges are there soon after the ends of their calls, one account after the other.
const CHARGED: Duration = Duration::from_secs(60);
/// How often the ledger is read.
const LOOK: Duration = Duration::from_millis(500);
/// The most rows of a page.
const PAGE: usize = 100;

/// The far end becomes the only carrier.
pub(crate) async fn set(node: &BenchNode, far: SocketAddr) -> Result<()> {
    let (mut customer, mut operator) = (node.customer().await?, node.operator().await?);
    let owner = scene::pay(&mut customer, &mut operator).await?;
    let verify = format!("/v1.0/customers/{owner}/identity_verification_status");
    operator.send("PUT", &verify, json!({"identity_verification_status": "verified"})).await?;
    let rate = json!({"prefix": "1555", "cost_type": "call_pstn_outgoing", "credit_per_unit": RATE});
    operator.send("POST", "/v1.0/rates", rate).await?;
    let number = json!({"for_customer_id": owner, "number": OWN, "type": "normal", "name": "bench"});
    operator.send("POST", "/v1.0/numbers/enter", number).await?;
    customer.send("PUT", "/v1.0/outbound_config", json!({"destination_whitelist": ["us"]})).await?;
    let carrier = json!({"name": "far end", "type": "sip", "hostname": far.to_string()});
    let carrier = operator.send("POST", "/v1.0/providers", carrier).await?;
    let route = json!({
        "customer_id": owner, "name": "", "detail": "", "provider_id": text(&carrier, "id")?,
        "priority": 1, "target": "+1",
    });
    operator.send("POST", "/v1.0/routes", route).await.map(drop)
}

/// Places so many calls through `node`. Their ids.
pub(crate) async fn place(node: &BenchNode, count: usize) -> Result<Vec<String>> {
    let mut api = node.customer().await?;
    let mut ids = Vec::new();
    while ids.len() < count {
        let to = json!({"type": "tel", "target": CALLED});
        let body = json!({
            "source": {"type": "tel", "target": OWN}, "destinations": vec![to; AT_ONCE.min(count - ids.len())],
            "actions": [{"type": "sleep", "option": {"duration": SLEEP}}],
        });
        let made = api.send("POST", "/v1.0/calls", body).await?;
        let made = rows(&made, "calls")?;
        if made.is_empty() {
            return Err(Error::unavailable("no call was placed"));
        }
        for call in made {
            ids.push(text(call, "id")?.to_owned());
        }
    }
    Ok(ids)
}

/// Hangs all up through `node`. How many were not there any more.
pub(crate) async fn hang_up(node: &BenchNode, ids: &[String]) -> Result<usize> {
    let mut api = node.customer().await?;
    let mut refused = 0;
    for id in ids {
        let hangup = format!("/v1.0/calls/{id}/hangup");
        refused += usize::from(api.send("POST", &hangup, Value::Null).await.is_err());
    }
    Ok(refused)
}

/// What the ledger says of the calls.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Calls with exactly one charge, which is settled.
    pub(crate) charged_once: usize,
    pub(crate) charged_more: usize,
    pub(crate) not_charged: usize,
    /// What all its entries add up to, less the balance.
    pub(crate) difference: i64,
}

/// Reads the ledger until every call is charged, for a while.
pub(crate) async fn ledger(node: &BenchNode, ids: &[String]) -> Result<Ledger> {
    let mut api = node.customer().await?;
    let began = Instant::now();
    loop {
        let ledger = read(&mut api, ids).await?;
        if ledger.charged_once == ids.len() && ledger.difference == 0 || began.elapsed() > CHARGED {
            return Ok(ledger);
        }
        sleep(LOOK).await;
    }
}

async fn read(api: &mut Api, ids: &[String]) -> Result<Ledger> {
    let entries = entries(api).await?;
    let account = api.send("GET", "/v1.0/billing_account", Value::Null).await?;
    let amount = |entry: &Value| entry.get("amount_credit").and_then(Value::as_i64).unwrap_or_default();
    let mut charges: HashMap<&str, (usize, bool)> = HashMap::new();
    for entry in &entries {
        let (Ok(call), Ok(status)) = (text(entry, "reference_id"), text(entry, "status")) else { continue };
        let (count, settled) = charges.entry(call).or_insert((0, true));
        *count += 1;
        *settled &= status == "end" && amount(entry) < 0;
    }
    let mut ledger = Ledger::default();
    for id in ids {
        match charges.get(id.as_str()) {
            Some((1, true)) => ledger.charged_once += 1,
            Some((1, false)) | None => ledger.not_charged += 1,
            Some(_) => ledger.charged_more += 1,
        }
    }
    let balance = account.get("balance_credit").and_then(Value::as_i64).unwrap_or_default();
    ledger.difference =
        CREDIT * MICROS + entries.iter().filter(|entry| is_usage(entry)).map(amount).sum::<i64>();
    ledger.difference -= balance;
    Ok(ledger)
}

fn is_usage(entry: &Value) -> bool {
    entry.get("transaction_type").is_some_and(|kind| kind == "usage")
}

/// All of the ledger, page by page.
async fn entries(api: &mut Api) -> Result<Vec<Value>> {
    let (mut entries, mut token) = (Vec::new(), String::new());
    loop {
        let path = format!("/v1.0/billings?page_size={PAGE}&page_token={token}");
        let page = api.send("GET", &path, Value::Null).await?;
        entries.extend(rows(&page, "result")?.iter().cloned());
        match text(&page, "next_page_token") {
            Ok(next) if !next.is_empty() && next != token => token = next.replace('+', "%2B"),
            Ok(_) | Err(_) => return Ok(entries),
        }
    }
}

fn rows<'v>(value: &'v Value, name: &str) -> Result<&'v Vec<Value>> {
    let rows = value.get(name).and_then(Value::as_array);
    rows.ok_or_else(|| Error::internal(format!("no {name} in {value}")))
}
