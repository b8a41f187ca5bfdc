//! What an operator and a customer set up before the first call, all through the HTTP API.

use std::net::SocketAddr;

use protocol::{Error, Result};
use serde_json::{Value, json};

use super::api::{Api, text};

/// The customer's own number and the one it calls: fictitious (+1 555 01xx).
pub(crate) const OWN: &str = "+15550100";
pub(crate) const CALLED: &str = "+15550123";
/// Ten dollars; and the price of a minute, in micro-dollars.
const CREDIT: i64 = 10;
pub(crate) const RATE: i64 = 12_000;
/// The passwords of the demo's phones; they live as long as its folder.
pub(crate) const PASSWORD: &str = "demo-phone-secret";

/// As the operator: a carrier with a route and a price, credit, and a number for the customer.
pub(crate) async fn operate(api: &Api, customer: &str, carrier: SocketAddr) -> Result<()> {
    let verified = json!({"identity_verification_status": "verified"});
    api.put(&format!("customers/{customer}/identity_verification_status"), verified).await?;
    let provider = json!({
        "name": "built-in carrier", "type": "sip", "hostname": carrier.to_string(),
        "tech_prefix": "", "tech_postfix": "", "tech_headers": {}, "detail": "",
    });
    let provider = api.post("providers", provider).await?;
    let route = json!({
        "customer_id": customer, "name": "everything under +1", "detail": "",
        "provider_id": text(&provider, "id")?, "priority": 1, "target": "+1",
    });
    api.post("routes", route).await?;
    let rate = json!({"prefix": "1555", "cost_type": "call_pstn_outgoing", "credit_per_unit": RATE});
    api.post("rates", rate).await?;
    let account = api.get("billing_account").await?;
    let add = format!("billing_accounts/{}/balance_add_force", text(&account, "id")?);
    api.post(&add, json!({"balance": CREDIT})).await?;
    let number = json!({"for_customer_id": customer, "number": OWN, "type": "normal", "name": "main"});
    api.post("numbers/enter", number).await.map(drop)
}

/// As the customer: where webhooks go, which countries may be called, two phones, and the flow.
pub(crate) async fn arrange(api: &Api, receiver: SocketAddr) -> Result<(String, [String; 2])> {
    let hooks = json!({"webhook_method": "POST", "webhook_uri": format!("http://{receiver}/hooks")});
    api.put("customer", hooks).await?;
    api.put("outbound_config", json!({"destination_whitelist": ["us"]})).await?;
    let mut phones = Vec::new();
    for (extension, name) in [("100", "first phone"), ("200", "second phone")] {
        let phone = json!({"extension": extension, "password": PASSWORD, "name": name, "detail": ""});
        phones.push(text(&api.post("extensions", phone).await?, "id")?.to_owned());
    }
    let flow = api.post("flows", flow(receiver, &phones[1])).await?;
    let phones = phones.try_into().map_err(|_| Error::internal("two phones"))?;
    Ok((text(&flow, "id")?.to_owned(), phones))
}

/// Greets, asks for a digit, and on 1 connects to the second phone.
fn flow(receiver: SocketAddr, second: &str) -> Value {
    let id = |n: u8| format!("00000000-0000-4000-8000-0000000000{n:02}");
    json!({
        "name": "demo", "detail": "", "actions": [
            {"id": id(1), "type": "talk", "option": {"text": "Hello from Branchline.", "language": "en-US"}},
            {"id": id(2), "type": "play", "option": {"stream_urls": [format!("http://{receiver}/prompt.wav")]}},
            {"id": id(3), "type": "digits_receive", "option": {"duration": 10_000, "length": 1}},
            {"id": id(4), "type": "branch", "option": {"default_target_id": id(6), "target_ids": {"1": id(5)}}},
            {"id": id(5), "type": "connect", "option": {
                "source": {"type": "tel", "target": OWN},
                "destinations": [{"type": "extension", "target": second}],
            }},
            {"id": id(6), "type": "hangup", "option": {}},
        ],
    })
}
