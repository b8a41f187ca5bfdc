//! The scene: two phones, a carrier, one call.

use std::sync::Arc;

use protocol::ports::voice::{CAUSE_NORMAL, LegEvent, LegId, Transport};
use protocol::{Error, Result};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant, sleep, timeout};
use voice::{Account, Carrier, Far, Phone, PhoneEvent};

use super::api::{Api, text};
use super::places::Places;
use super::receiver::{PROMPT, Receiver};
use super::setup::{self, CALLED, OWN, PASSWORD, RATE};
use crate::{Node, Welcome};

/// Tones by which the phones prove that they hear each other, in Hz.
const TONES: [u16; 2] = [440, 1000];
/// As loud as this, in dB of full scale, is heard.
const AUDIBLE: f32 = -30.0;
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(50);

pub(super) async fn perform(
    places: &Places,
    node: &Node,
    welcome: &Welcome,
    receiver: &Receiver,
) -> Result<()> {
    let first = Arc::new(Phone::start(places.phone(1)).await?);
    let second = Arc::new(Phone::start(places.phone(2)).await?);
    let far = Far { address: first.local().udp, transport: Transport::Udp };
    let carrier = Carrier::start(places.phone(3), far).await?;
    let gateway = node.gateway.as_ref().ok_or_else(|| Error::internal("the demo's node has a gateway"))?;
    let customer = Api::new(gateway.local_addr(), &welcome.accesskey);
    let operator = customer.with_key(&customer.login(&welcome.username, &welcome.password).await?);
    receiver.trust(&welcome.webhook_secret);
    setup::operate(&operator, &welcome.customer_id.to_string(), carrier.local().udp).await?;
    let (flow, _) = setup::arrange(&customer, receiver.address()).await?;
    let realm = format!("{}.registrar.branchline.local", welcome.customer_id);
    for (phone, user) in [(&first, "100"), (&second, "200")] {
        let account = Account {
            server: places.sip,
            transport: Transport::Udp,
            user: user.into(),
            domain: realm.clone(),
            password: PASSWORD.into(),
        };
        phone.register(account).await?;
        println!("  phone {user} is registered");
    }
    let call = json!({
        "flow_id": flow,
        "source": {"type": "tel", "target": OWN},
        "destinations": [{"type": "tel", "target": CALLED}],
    });
    let placed = customer.post("calls", call).await?;
    let id = placed.pointer("/calls/0/id").and_then(Value::as_str);
    let id = id.ok_or_else(|| Error::internal(format!("no call in {placed}")))?.to_owned();
    talk(&first, &second).await?;
    let outcome = settle(&customer, &id, receiver).await;
    carrier.stop().await;
    outcome
}

/// The first phone hears the prompt, presses 1, and talks to the second.
async fn talk(first: &Phone, second: &Phone) -> Result<()> {
    let near = picked_up(first, "first").await?;
    heard(first, near, PROMPT, "the first phone hears the prompt").await?;
    first.press(near, "1").await?;
    println!("  the first phone presses 1");
    let far = picked_up(second, "second").await?;
    first.tone(near, TONES[0]).await?;
    second.tone(far, TONES[1]).await?;
    heard(second, far, TONES[0], "the second phone hears the first").await?;
    heard(first, near, TONES[1], "the first phone hears the second").await?;
    first.hangup(near, CAUSE_NORMAL).await?;
    ended(second, far).await
}

async fn picked_up(phone: &Phone, name: &str) -> Result<LegId> {
    let ring = async {
        loop {
            match phone.event().await {
                Some(PhoneEvent::Rings { leg, .. }) => return Ok(leg),
                Some(PhoneEvent::Call { .. }) => {}
                None => return Err(Error::internal("a phone stopped")),
            }
        }
    };
    let leg = timeout(PATIENCE, ring)
        .await
        .map_err(|_| Error::unavailable(format!("the {name} phone never rang")))??;
    println!("  the {name} phone rings");
    phone.ring(leg).await?;
    phone.answer(leg).await?;
    Ok(leg)
}

async fn heard(phone: &Phone, leg: LegId, frequency: u16, what: &str) -> Result<()> {
    let limit = Instant::now() + PATIENCE;
    loop {
        let level = phone.hears(leg, frequency).await?;
        if level > AUDIBLE {
            println!("  {what} ({frequency} Hz at {level:.0} dB)");
            return Ok(());
        }
        if Instant::now() > limit {
            return Err(Error::unavailable(format!("not heard: {what} ({frequency} Hz at {level:.0} dB)")));
        }
        sleep(LOOK).await;
    }
}

async fn ended(phone: &Phone, of: LegId) -> Result<()> {
    let end = async {
        while let Some(event) = phone.event().await {
            if matches!(event, PhoneEvent::Call { leg, event: LegEvent::Ended { .. } } if leg == of) {
                return;
            }
        }
    };
    timeout(PATIENCE, end).await.map_err(|_| Error::unavailable("the second phone was never hung up"))
}

/// The webhook of the end arrived, and the ledger says what the call cost.
async fn settle(customer: &Api, call: &str, receiver: &Receiver) -> Result<()> {
    let limit = Instant::now() + PATIENCE;
    loop {
        let billings = customer.get("billings").await?;
        let entries = billings.get("result").and_then(Value::as_array).cloned().unwrap_or_default();
        let charge = entries.iter().find(|entry| text(entry, "reference_id").is_ok_and(|id| id == call));
        let charged = charge.filter(|entry| entry.get("status").is_some_and(|status| status == "end"));
        let told = receiver.verified()?.iter().any(|kind| kind == "call_hangup");
        if let (Some(charge), true) = (charged, told) {
            let amount = charge.get("amount_credit").and_then(Value::as_i64).unwrap_or_default();
            println!("  ledger    the call cost {} micro-dollars", -amount);
            return match amount == -RATE {
                true => Ok(()),
                false => Err(Error::internal(format!("the charge should be {RATE}: {charge}"))),
            };
        }
        if Instant::now() > limit {
            return Err(Error::unavailable(format!("charged: {}, webhook: {told}", charged.is_some())));
        }
        sleep(LOOK).await;
    }
}
