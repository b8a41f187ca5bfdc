//! What an operator and a customer set up before the number can be called, through the HTTP API.

use protocol::Result;
use serde_json::{Value, json};

use crate::api::{Api, text};
use crate::node::BenchNode;

/// Fictitious (+1 555 01xx).
pub const NUMBER: &str = "+15550100";
/// In dollars: enough for any number of calls.
pub const CREDIT: i64 = 1000;

/// SIPp becomes a carrier by its address, and the number gets its flow.
pub async fn set(node: &BenchNode) -> Result<()> {
    let (mut customer, mut operator) = (node.customer().await?, node.operator().await?);
    let carrier =
        json!({"name": "sipp", "type": "sip", "hostname": "127.0.0.1:5999", "addresses": ["127.0.0.1"]});
    operator.send("POST", "/v1.0/providers", carrier).await?;
    let owner = pay(&mut customer, &mut operator).await?;
    let number = json!({"for_customer_id": owner, "number": NUMBER, "name": "bench"});
    let number = operator.send("POST", "/v1.0/numbers/enter", number).await?;
    let actions = json!([{"type": "answer"}, {"type": "beep"}, {"type": "hangup"}]);
    let flow = json!({"name": "bench", "detail": "", "actions": actions});
    let flow = customer.send("POST", "/v1.0/flows", flow).await?;
    let bind = format!("/v1.0/numbers/{}/flow_ids", text(&number, "id")?);
    customer.send("PUT", &bind, json!({"call_flow_id": text(&flow, "id")?})).await.map(drop)
}

/// The customer gets money for any number of calls. The customer's id.
pub async fn pay(customer: &mut Api, operator: &mut Api) -> Result<String> {
    let account = customer.send("GET", "/v1.0/billing_account", Value::Null).await?;
    let add = format!("/v1.0/billing_accounts/{}/balance_add_force", text(&account, "id")?);
    operator.send("POST", &add, json!({"balance": CREDIT})).await?;
    text(&account, "customer_id").map(str::to_owned)
}
