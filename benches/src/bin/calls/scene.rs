//! What an operator and a customer set up before the number can be called, through the HTTP API.

use benches::api::{Api, text};
use benches::node::BenchNode;
use protocol::Result;
use serde_json::{Value, json};
use tokio::time::{Duration, Instant, sleep};

/// Fictitious (+1 555 01xx).
pub(crate) const NUMBER: &str = "+15550100";
/// In dollars: enough for any number of calls.
const CREDIT: i64 = 1000;
/// With a try every quarter of a second: fewer than the limit of log-ins lets through.
const PATIENCE: Duration = Duration::from_secs(5);

/// SIPp becomes a carrier by its address, and the number gets its flow.
pub(crate) async fn set(node: &BenchNode) -> Result<()> {
    let mut customer = Api::connect(node.http, &node.first("accesskey").await?).await?;
    let token = login(node).await?;
    let mut operator = Api::connect(node.http, &token).await?;
    let carrier =
        json!({"name": "sipp", "type": "sip", "hostname": "127.0.0.1:5999", "addresses": ["127.0.0.1"]});
    operator.send("POST", "/v1.0/providers", carrier).await?;
    let account = customer.send("GET", "/v1.0/billing_account", Value::Null).await?;
    let add = format!("/v1.0/billing_accounts/{}/balance_add_force", text(&account, "id")?);
    operator.send("POST", &add, json!({"balance": CREDIT})).await?;
    let owner = text(&account, "customer_id")?;
    let number = json!({"for_customer_id": owner, "number": NUMBER, "name": "bench"});
    let number = operator.send("POST", "/v1.0/numbers/enter", number).await?;
    let actions = json!([{"type": "answer"}, {"type": "beep"}, {"type": "hangup"}]);
    let flow = json!({"name": "bench", "detail": "", "actions": actions});
    let flow = customer.send("POST", "/v1.0/flows", flow).await?;
    let bind = format!("/v1.0/numbers/{}/flow_ids", text(&number, "id")?);
    customer.send("PUT", &bind, json!({"call_flow_id": text(&flow, "id")?})).await.map(drop)
}

/// The first admin's token. The file names the admin before there is one.
async fn login(node: &BenchNode) -> Result<String> {
    let began = Instant::now();
    let body = json!({"username": node.first("username").await?, "password": node.first("password").await?});
    let mut api = Api::connect(node.http, "").await?;
    loop {
        match api.send("POST", "/auth/login", body.clone()).await {
            Ok(answer) => return text(&answer, "token").map(str::to_owned),
            Err(error) if began.elapsed() > PATIENCE => return Err(error),
            Err(_) => sleep(Duration::from_millis(250)).await,
        }
    }
}
