//! A call that was stored so late that its caller had been refused by then.

use std::time::Duration;

use actors::Host;
use protocol::ports::voice::{Incoming, Party, Subject, VoiceHost as _};
use serde_json::Value;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::phone;
use crate::platform::{HERE, PATIENCE, Platform};

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_stored_after_its_caller_was_refused_ends_and_keeps_no_dialog() {
    let platform = Platform::start().await;
    let ((_alice, alice), (_bob, _)) = (phone(&platform, "100").await, phone(&platform, "200").await);
    let party = |user: &str| Party { user: user.into(), ..Party::default() };
    // as the engine says it, which has no such leg any more
    let incoming = Incoming {
        leg: Uuid::new_v4(),
        subject: Some(Subject::Extension {
            id: alice.parse().unwrap(),
            customer_id: platform.welcome.customer_id,
        }),
        from: party("100"),
        to: party("200"),
        source: HERE,
        sip_call_id: "late".into(),
        dialog: "a dialog".into(),
    };
    let host = Host::default();
    host.open(&platform.node.deps);
    host.incoming(incoming).await.unwrap();
    // its flow may have had another one placed before it heard, which ends with it
    let over = |page: &Value| {
        let calls = page["result"].as_array().unwrap();
        !calls.is_empty() && calls.iter().all(|call| call["status"] == "hangup")
    };
    platform.becomes("calls?page_size=100", over).await;
    let limit = Instant::now() + PATIENCE;
    while !platform.node.deps.store.journal("dialog", None).await.unwrap().is_empty() {
        assert!(Instant::now() < limit, "a dialog is kept that nobody has");
        sleep(Duration::from_millis(10)).await;
    }
    platform.stop().await;
}
