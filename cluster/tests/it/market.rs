//! What an operator sets up so that a customer can call telephone numbers, and a carrier that takes the calls.

use std::net::SocketAddr;

use serde_json::{Value, json};
use voice::Phone;

use crate::api::Api;
use crate::platform::free_block;

/// The customer's number and the one that it calls: fictitious (+1 555 01xx).
pub(crate) const OWN: &str = "+15550100";
pub(crate) const CALLED: &str = "+15550123";
/// The price of a minute to [`CALLED`], in micro-dollars.
pub(crate) const RATE: i64 = 12_000;

/// The installation of one customer: what its operator and what it itself may do.
pub(crate) struct Market {
    pub(crate) operator: Api,
    pub(crate) api: Api,
    pub(crate) customer: String,
}

impl Market {
    /// The customer may call the United States from [`OWN`] at [`RATE`]. It has no credit, and no carrier yet.
    pub(crate) async fn open(operator: Api, api: Api) -> Market {
        let customer = api.get("customer").await.1["id"].as_str().unwrap().to_owned();
        let market = Market { operator, api, customer };
        market.verify("verified").await;
        let rate = json!({"prefix": "1555", "cost_type": "call_pstn_outgoing", "credit_per_unit": RATE});
        market.operator.made("rates", rate).await;
        let number =
            json!({"for_customer_id": market.customer, "number": OWN, "type": "normal", "name": "main"});
        market.operator.made("numbers/enter", number).await;
        let list = json!({"destination_whitelist": ["us"]});
        assert_eq!(market.api.put("outbound_config", list).await.0, 200);
        market
    }

    pub(crate) async fn verify(&self, status: &str) {
        let at = format!("customers/{}/identity_verification_status", self.customer);
        let (status, answer) = self.operator.put(&at, json!({"identity_verification_status": status})).await;
        assert_eq!(status, 200, "{answer}");
    }

    /// Gives the customer as many dollars.
    pub(crate) async fn pay(&self, dollars: f64) {
        let account = self.account().await["id"].as_str().unwrap().to_owned();
        let at = format!("billing_accounts/{account}/balance_add_force");
        let (status, answer) = self.operator.post(&at, json!({"balance": dollars})).await;
        assert_eq!(status, 200, "{answer}");
    }

    /// The customer's calls to the United States go to `host`, the lowest priority first. The provider's id.
    pub(crate) async fn carrier(&self, host: SocketAddr, priority: u8) -> String {
        let provider = json!({"name": "carrier", "type": "sip", "hostname": host.to_string()});
        let provider = self.operator.made("providers", provider).await;
        let route = json!({
            "customer_id": self.customer, "name": "", "detail": "", "provider_id": provider,
            "priority": priority, "target": "+1",
        });
        self.operator.made("routes", route).await;
        provider
    }

    pub(crate) async fn account(&self) -> Value {
        self.api.becomes("billing_account", |account| account["id"].is_string()).await
    }

    pub(crate) async fn balance(&self) -> i64 {
        self.account().await["balance_credit"].as_i64().unwrap()
    }

    /// What the ledger's entries add up to.
    pub(crate) async fn ledger(&self) -> i64 {
        let entries = self.api.list("billings?page_size=1000").await;
        entries.iter().map(|entry| entry["amount_credit"].as_i64().unwrap()).sum()
    }
}

/// A call from [`OWN`] to a number.
pub(crate) fn to(number: &str, actions: Value) -> Value {
    json!({"actions": actions, "source": {"type": "tel", "target": OWN},
           "destinations": [{"type": "tel", "target": number}]})
}

/// A phone that answers to any number: a carrier's switch, to the platform.
pub(crate) async fn switch() -> Phone {
    let first = free_block();
    let settings = voice::Settings { rtp_ports: first..=first + 99, ..voice::Settings::default() };
    Phone::start(settings).await.unwrap()
}
