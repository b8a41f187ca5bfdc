//! The engine in memory keeps the port's promises, as far as a table can.

use std::net::{IpAddr, Ipv4Addr};

use protocol::ports::voice::{Command, EndedBy, Incoming, LegEvent, LegState, Party, Transport, VoiceEngine};
use uuid::Uuid;
use voice::{MemoryEngine, Script};

use crate::support::{Side, dial, loopback};

#[tokio::test]
async fn a_placed_call_follows_the_script() {
    let engine = MemoryEngine::start();
    let mut reports = engine.reports().unwrap();
    assert!(engine.reports().is_none());
    let leg = Uuid::new_v4();
    let wanted = || Command::Dial(Box::new(dial(loopback(5060), Transport::Udp)));
    engine.command(leg, wanted()).await.unwrap();
    engine.digit(leg, '5').await;
    engine.command(leg, Command::Hangup { cause: 16 }).await.unwrap();
    for (seq, event) in [
        (1, LegEvent::Ringing),
        (2, LegEvent::Answered),
        (3, LegEvent::Digit { digit: '5', duration_ms: 100 }),
        (4, LegEvent::Ended { cause: 16, status: 200, by: EndedBy::Local }),
    ] {
        let report = reports.recv().await.unwrap();
        assert_eq!((report.seq, report.event), (seq, event));
    }
    assert!(engine.command(leg, Command::Answer).await.is_err());
    assert_eq!(engine.commands(leg).len(), 2);
    engine.script(Script::Refuse(17));
    engine.command(Uuid::new_v4(), wanted()).await.unwrap();
    let ended = LegEvent::Ended { cause: 17, status: 486, by: EndedBy::Remote };
    assert_eq!(reports.recv().await.unwrap().event, ended);
    assert_eq!(engine.legs(), 0);
}

#[tokio::test]
async fn a_call_that_comes_in_waits_for_its_answer() {
    let mut side = Side::open().await;
    let engine = MemoryEngine::start();
    let leg = Uuid::new_v4();
    let incoming = Incoming {
        leg,
        subject: None,
        from: Party::default(),
        to: Party::default(),
        source: IpAddr::V4(Ipv4Addr::LOCALHOST),
        sip_call_id: "c".into(),
        dialog: Default::default(),
    };
    engine.ring_in(side.platform.as_ref(), incoming).await.unwrap();
    assert_eq!(side.call().await.leg, leg);
    assert_eq!(engine.state(leg), Some(LegState::Ringing));
    engine.command(leg, Command::Answer).await.unwrap();
    assert_eq!(engine.state(leg), Some(LegState::Up));
    side.stop().await;
}
