//! Ports, sources and the life of a leg.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;

/// A range with a single free even port.
async fn lone_port() -> RangeInclusive<u16> {
    for _ in 0..100 {
        let port = rand::random_range(10_000..16_000) * 2;
        if UdpSocket::bind(("127.0.0.1", port)).await.is_ok() {
            return port..=port + 1;
        }
    }
    panic!("no port is free");
}

#[tokio::test]
async fn a_port_is_refused_while_taken_and_free_after_the_close() {
    let rig = Rig::with(lone_port().await, PATIENCE);
    let peer = rig.peer(Codec::Pcmu).await;
    let refused = rig.media.open(Uuid::new_v4(), None).await.expect_err("no second port");
    assert_eq!(refused.status, protocol::Status::Unavailable);
    rig.media.close(peer.leg);
    rig.media.close(peer.leg);
    let again = async {
        while rig.media.open(peer.leg, None).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, again).await.expect("the port comes back");
    assert!(rig.media.open(peer.leg, None).await.is_err());
    rig.media.shutdown();
}

#[tokio::test]
async fn another_process_continues_the_stream() {
    let ports = lone_port().await;
    let rig = Rig::with(ports.clone(), PATIENCE);
    let peer = rig.peer(Codec::Pcmu).await;
    let mut last = peer.hear().await.0;
    for _ in 0..10 {
        last = peer.hear().await.0;
    }
    rig.media.shutdown();
    while let Ok(Ok((header, _))) =
        timeout(Duration::from_millis(1), async { Ok::<_, ()>(peer.hear().await) }).await
    {
        last = header;
    }
    let rig = Rig::with(ports, PATIENCE);
    let anchor = rig.media.open(peer.leg, Some(peer.anchor)).await.expect("the same port");
    assert_eq!(anchor, peer.anchor);
    rig.media.connect(peer.leg, peer.remote()).expect("an open leg");
    let next = peer.hear().await.0;
    let (packets, samples) = (next.seq.wrapping_sub(last.seq), next.timestamp.wrapping_sub(last.timestamp));
    assert_eq!(next.ssrc, last.ssrc);
    // At most one slot is sent twice; the rest is the time that passed.
    assert!(packets < 250, "{packets}");
    assert_eq!(u32::from(packets) * 160, samples);
    rig.media.shutdown();
}

#[tokio::test]
async fn a_resumed_leg_whose_port_is_taken_gets_another() {
    let rig = Rig::start();
    let taken = rig.peer(Codec::Pcmu).await.anchor;
    let resumed = rig.media.open(Uuid::new_v4(), Some(taken)).await.expect("another port");
    assert_ne!(resumed.port, taken.port);
    assert_eq!(Anchor { port: taken.port, ..resumed }, taken);
    rig.media.shutdown();
}

#[tokio::test]
async fn an_injector_is_not_heard_and_gets_nothing() {
    let mut rig = Rig::start();
    let mut peer = rig.peer(Codec::Pcmu).await;
    peer.sing(440).await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
    let mut injector =
        Peer { socket, leg: peer.leg, anchor: peer.anchor, codec: peer.codec, seq: 1, timestamp: 1 };
    peer.press(1).await;
    assert!(matches!(rig.event().await, (_, EventKind::Digit { digit: '1', .. })));
    for _ in 0..50 {
        injector.sing(1000).await;
    }
    injector.press(9).await;
    peer.press(2).await;
    assert!(matches!(rig.event().await, (_, EventKind::Digit { digit: '2', .. })));
    assert!(rig.level(peer.leg, 1000).await < -30.0);
    assert!(!peer.listen(5).await.is_empty());
    assert!(injector.socket.try_recv(&mut [0; 1]).is_err());
    rig.media.shutdown();
}

#[tokio::test]
async fn a_peer_behind_a_nat_is_followed() {
    let mut rig = Rig::start();
    let mut peer = rig.peer(Codec::Pcmu).await;
    let nowhere = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
    let address = nowhere.local_addr().expect("bound");
    rig.media.connect(peer.leg, Remote { address, ..peer.remote() }).expect("an open leg");
    peer.press(4).await;
    assert!(matches!(rig.event().await, (_, EventKind::Digit { digit: '4', .. })));
    while peer.socket.try_recv(&mut [0; 2048]).is_ok() {}
    assert_eq!(peer.listen(5).await.len(), 800);
    rig.media.shutdown();
}

#[tokio::test]
async fn a_peer_that_falls_silent_is_told_once_each_time() {
    let first = rand::random_range(10_000..15_900) * 2;
    let mut rig = Rig::with(first..=first + 200, Duration::from_millis(100));
    let mut peer = rig.peer(Codec::Pcmu).await;
    for _ in 0..2 {
        assert_eq!(rig.event().await, (peer.leg, EventKind::Timeout));
        peer.press(5).await;
        assert!(matches!(rig.event().await, (_, EventKind::Digit { .. })));
    }
    rig.media.shutdown();
}

#[tokio::test]
async fn noise_on_a_port_harms_nobody() {
    let mut rig = Rig::start();
    let mut peer = rig.peer(Codec::Pcmu).await;
    let mut random = StdRng::seed_from_u64(5);
    for _ in 0..2000 {
        let mut noise = vec![0; random.random_range(0..80)];
        random.fill(&mut noise[..]);
        if let [first, second, ..] = &mut noise[..] {
            (*first, *second) = (0x80 | *first & 0x3F, [0, 101, *second][usize::from(*second % 3)]);
        }
        peer.socket.send_to(&noise, peer.port()).await.expect("loopback takes it");
    }
    let told = async {
        let digit = EventKind::Digit { digit: 'D', duration_ms: 100 };
        // The noise may have filled the port's queue, so that a press is lost.
        loop {
            peer.press(15).await;
            if matches!(timeout(Duration::from_millis(50), rig.event()).await, Ok((_, kind)) if kind == digit)
            {
                break;
            }
        }
    };
    timeout(PATIENCE, told).await.expect("the leg still hears");
    rig.media.shutdown();
}

#[tokio::test]
async fn both_address_families_are_reached() {
    // A host without IPv6 has one family only: nothing to show there.
    let Ok(other) = UdpSocket::bind("[::1]:0").await else { return };
    let first = rand::random_range(10_000..15_900) * 2;
    let config = Config {
        bind: std::net::Ipv6Addr::UNSPECIFIED.into(),
        ports: first..=first + 20,
        timeout: PATIENCE,
        trust: Trust::default(),
    };
    let (media, events) = Media::start(config).expect("a thread");
    let mut rig = Rig { media, events };
    let mut peer = rig.peer(Codec::Pcmu).await;
    assert_eq!(peer.listen(3).await.len(), 480);
    peer.press(6).await;
    assert!(matches!(rig.event().await, (_, EventKind::Digit { digit: '6', .. })));
    let address = other.local_addr().expect("bound");
    rig.media.connect(peer.leg, Remote { address, ..peer.remote() }).expect("an open leg");
    peer.socket = other;
    assert_eq!(peer.listen(3).await.len(), 480);
    rig.media.shutdown();
    let narrow = Rig::start();
    let leg = narrow.peer(Codec::Pcmu).await;
    assert!(narrow.media.connect(leg.leg, Remote { address, ..leg.remote() }).is_err());
    narrow.media.shutdown();
}

#[tokio::test]
async fn an_unknown_leg_is_not_found() {
    let rig = Rig::start();
    let peer = rig.peer(Codec::Pcmu).await;
    rig.media.close(peer.leg);
    for refused in [
        rig.media.command(peer.leg, MediaCommand::Stop),
        rig.media.connect(peer.leg, peer.remote()),
        rig.media.command(Uuid::new_v4(), MediaCommand::Leave),
    ] {
        assert_eq!(refused.expect_err("no such leg").status, protocol::Status::NotFound);
    }
    rig.media.shutdown();
}

#[tokio::test]
async fn nothing_is_sent_while_the_calls_may_be_anothers() {
    let trust = Trust::default();
    let first = rand::random_range(10_000..15_900) * 2;
    let config = Config {
        bind: [127, 0, 0, 1].into(),
        ports: first..=first + 200,
        timeout: PATIENCE,
        trust: trust.clone(),
    };
    let (media, events) = Media::start(config).expect("a thread");
    let rig = Rig { media, events };
    let peer = rig.peer(Codec::Pcmu).await;
    peer.hear().await;
    trust.set(tokio::time::Instant::now());
    // what was on its way
    while timeout(Duration::from_millis(60), peer.socket.recv_from(&mut [0; 2048])).await.is_ok() {}
    let silent = timeout(Duration::from_millis(200), peer.socket.recv_from(&mut [0; 2048])).await;
    assert!(silent.is_err());
    trust.set(tokio::time::Instant::now() + PATIENCE);
    peer.hear().await;
}
