//! REGISTER, written out: what a registrar owes its phones (RFC 3261 10.3).

use protocol::ports::voice::{Gate, Subject};
use uuid::Uuid;

use crate::raw::{Peer, header};
use crate::support::{Platform, Side};

fn trusting(_: &mut voice::Settings, platform: &mut Platform) {
    let subject = Subject::Extension { id: Uuid::from_u128(1), customer_id: Uuid::from_u128(2) };
    platform.gate = Gate::Trusted(subject);
}

/// One REGISTER; `lines` say which contacts.
async fn register(peer: &Peer, call: &str, cseq: u32, lines: &str) -> String {
    let whole = peer.request("REGISTER", call, "", "");
    let kept = whole.split_inclusive("\r\n").filter(|line| !line.starts_with("Contact:"));
    let request: String = kept.collect();
    let request = request
        .replace("CSeq: 1", &format!("CSeq: {cseq}"))
        .replace("branch=z9hG4bK", &format!("branch=z9hG4bK{cseq}"))
        .replace("Max-Forwards", &format!("{lines}Max-Forwards"));
    peer.send(request.as_bytes()).await;
    peer.verdict().await
}

#[tokio::test]
async fn bindings_are_added_asked_for_and_removed() {
    let side = Side::with(trusting).await;
    let peer = Peer::new(side.address()).await;
    let added =
        register(&peer, "r1", 1, "Contact: <sip:a@10.0.0.1>;expires=120, <sip:b@10.0.0.2>\r\nExpires: 5\r\n")
            .await;
    assert!(added.starts_with("SIP/2.0 200"), "{added}");
    assert!(added.contains("<sip:a@10.0.0.1>;expires=120") && added.contains("<sip:b@10.0.0.2>;expires=60"));
    assert_eq!(side.platform.contacts.lock().unwrap()[0].source.port(), peer.port());
    let asked = register(&peer, "r1", 2, "").await;
    assert!(asked.contains("<sip:a@10.0.0.1>") && asked.contains("<sip:b@10.0.0.2>"), "{asked}");
    let removed = register(&peer, "r1", 3, "Contact: <sip:a@10.0.0.1>;expires=0\r\n").await;
    assert!(!removed.contains("sip:a@10.0.0.1") && removed.contains("sip:b@10.0.0.2"), "{removed}");
    let star = register(&peer, "r1", 4, "Contact: *\r\nExpires: 10\r\n").await;
    assert!(star.starts_with("SIP/2.0 400"), "{star}");
    let star = register(&peer, "r1", 5, "Contact: *\r\nExpires: 0\r\n").await;
    assert!(star.starts_with("SIP/2.0 200") && header(&star, "Contact").is_empty(), "{star}");
    side.stop().await;
}

#[tokio::test]
async fn an_older_request_does_not_undo_a_newer_one() {
    let side = Side::with(trusting).await;
    let peer = Peer::new(side.address()).await;
    register(&peer, "r2", 9, "Contact: <sip:a@10.0.0.1>\r\n").await;
    let late = register(&peer, "r2", 8, "Contact: <sip:a@10.0.0.1>;expires=0\r\n").await;
    assert!(late.starts_with("SIP/2.0 500"), "{late}");
    assert_eq!(side.platform.contacts.lock().unwrap().len(), 1);
    side.stop().await;
}

#[tokio::test]
async fn contacts_that_are_no_sip_uri_are_refused() {
    let side = Side::with(trusting).await;
    let peer = Peer::new(side.address()).await;
    for bad in ["Contact: <http://x>\r\n", "Contact: <sip:>\r\n", "Contact: ,,;\r\n"] {
        let answer = register(&peer, &format!("bad{}", bad.len()), 1, bad).await;
        assert!(answer.starts_with("SIP/2.0 400"), "{bad}: {answer}");
    }
    side.stop().await;
}

#[tokio::test]
async fn who_is_no_extension_has_no_contacts() {
    let side = Side::open().await;
    let peer = Peer::new(side.address()).await;
    let answer = register(&peer, "open", 1, "Contact: <sip:a@10.0.0.1>\r\n").await;
    assert!(answer.starts_with("SIP/2.0 403"), "{answer}");
    side.stop().await;
}
