//! Digest: calls and registrations with right, wrong and unknown credentials.

use protocol::ports::voice::{Command, Credentials, EndedBy, Gate, LegEvent, Secret, Subject, Transport};
use uuid::Uuid;
use voice::{Account, Phone, Settings};

use crate::raw::{Peer, header};
use crate::support::{Platform, Side, dial};

const REALM: &str = "acme.example.com";

/// `printf 'alice:acme.example.com:secret' | md5sum`
const HA1: &str = "0eaf7f060b2b4d341aab9e07299048a7";

fn guarded(_: &mut Settings, platform: &mut Platform) {
    platform.gate = Gate::Challenge { realm: REALM.to_owned() };
    let subject = Subject::Extension { id: Uuid::from_u128(1), customer_id: Uuid::from_u128(2) };
    platform.secrets.insert("alice".to_owned(), Secret { subject, ha1: HA1.to_owned() });
}

fn credentials(username: &str, password: &str) -> Option<Credentials> {
    Some(Credentials { realm: REALM.into(), username: username.into(), password: password.into() })
}

fn account(side: &Side, user: &str, password: &str) -> Account {
    Account {
        server: side.address(),
        transport: Transport::Udp,
        domain: REALM.to_owned(),
        user: user.to_owned(),
        password: password.to_owned(),
    }
}

#[tokio::test]
async fn a_caller_with_the_secret_gets_in_and_is_known() {
    let (mut a, mut b) = (Side::open().await, Side::with(guarded).await);
    let mut wanted = dial(b.address(), Transport::Udp);
    wanted.credentials = credentials("alice", "secret");
    let out = a.dial(wanted).await;
    let incoming = b.call().await;
    assert!(matches!(incoming.subject, Some(Subject::Extension { .. })));
    b.tell(incoming.leg, Command::Answer).await;
    assert_eq!(a.event(out).await, LegEvent::Answered);
    a.stop().await;
    b.stop().await;
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_user_are_told_the_same() {
    let (mut a, mut b) = (Side::open().await, Side::with(guarded).await);
    for (user, password) in [("alice", "wrong"), ("nobody", "secret")] {
        let mut wanted = dial(b.address(), Transport::Udp);
        wanted.credentials = credentials(user, password);
        let out = a.dial(wanted).await;
        assert_eq!(a.ended(out).await, (21, 407, EndedBy::Remote));
    }
    assert!(!b.has_call());
    let peer = Peer::new(b.address()).await;
    let mut answers = Vec::new();
    for user in ["alice", "nobody"] {
        let lines = format!(
            "Proxy-Authorization: Digest username=\"{user}\", realm=\"{REALM}\", nonce=\"n\", uri=\"sip:x\", \
             response=\"00000000000000000000000000000000\", qop=auth, nc=00000001, cnonce=\"c\"\r\n"
        );
        peer.send(peer.request("INVITE", &format!("as-{user:6}").replace(' ', "_"), &lines, "").as_bytes())
            .await;
        let answer = peer.verdict().await;
        let varying = ["Via", "From", "To", "Call-ID", "Proxy-Authenticate"];
        let same: Vec<_> = answer
            .lines()
            .filter(|line| !varying.iter().any(|name| line.starts_with(name)))
            .map(str::to_owned)
            .collect();
        let challenge =
            header(&answer, "Proxy-Authenticate").split("nonce=").next().unwrap_or_default().to_owned();
        assert!(!header(&answer, "Proxy-Authenticate").contains("stale"));
        answers.push((same, challenge));
    }
    assert_eq!(answers[0], answers[1]);
    a.stop().await;
    b.stop().await;
}

#[tokio::test]
async fn an_answer_cannot_be_used_twice() {
    let (a, mut b) = (Side::open().await, Side::with(guarded).await);
    let relay = Peer::new(b.address()).await;
    let mut wanted = dial(crate::support::loopback(relay.port()), Transport::Udp);
    wanted.credentials = credentials("alice", "secret");
    a.dial(wanted).await;
    let first = relay.hear().await;
    relay.send(first.as_bytes()).await;
    let challenge = relay.verdict().await;
    relay.send_to(challenge.as_bytes(), a.address()).await;
    let proved = loop {
        let message = relay.hear().await;
        if message.contains("Proxy-Authorization") {
            break message;
        }
    };
    relay.send(proved.as_bytes()).await;
    b.call().await;
    let replayed =
        proved.replace("branch=z9hG4bK", "branch=z9hG4bKagain").replace("Call-ID: ", "Call-ID: again");
    relay.send(replayed.as_bytes()).await;
    let answer = loop {
        let message = relay.verdict().await;
        if header(&message, "Call-ID").starts_with("again") {
            break message;
        }
    };
    assert!(answer.starts_with("SIP/2.0 407"), "{answer}");
    assert!(header(&answer, "Proxy-Authenticate").contains("stale=true"));
    assert!(!b.has_call());
    a.stop().await;
    b.stop().await;
}

#[tokio::test]
async fn a_phone_registers_where_it_is_and_unregisters() {
    let side = Side::with(guarded).await;
    let phone = Phone::start(Settings::default()).await.unwrap();
    assert_eq!(phone.register(account(&side, "alice", "secret")).await.unwrap(), 3_600);
    let bound = side.platform.contacts.lock().unwrap().clone();
    assert_eq!(bound.len(), 1);
    assert_eq!(bound[0].source, phone.local().udp);
    phone.unregister().await.unwrap();
    assert!(side.platform.contacts.lock().unwrap().is_empty());
    phone.stop().await;
    side.stop().await;
}

#[tokio::test]
async fn a_phone_with_a_wrong_password_is_not_registered() {
    let side = Side::with(guarded).await;
    let phone = Phone::start(Settings::default()).await.unwrap();
    for (user, password) in [("alice", "wrong"), ("nobody", "secret")] {
        let error = phone.register(account(&side, user, password)).await.unwrap_err();
        assert_eq!(error.status, protocol::Status::Unauthenticated);
    }
    assert!(side.platform.contacts.lock().unwrap().is_empty());
    phone.stop().await;
    side.stop().await;
}

#[tokio::test]
async fn only_three_contacts_are_kept() {
    let side = Side::with(guarded).await;
    let mut phones = Vec::new();
    for _ in 0..4 {
        let phone = Phone::start(Settings::default()).await.unwrap();
        phone.register(account(&side, "alice", "secret")).await.unwrap();
        phones.push(phone);
    }
    assert_eq!(side.platform.contacts.lock().unwrap().len(), 3);
    for phone in phones {
        phone.stop().await;
    }
    side.stop().await;
}
