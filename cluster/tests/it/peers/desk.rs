//! A built-in telephone on somebody's desk: the other end of a call that is tested.

use protocol::ports::voice::{CAUSE_NORMAL, LegEvent, LegId, Transport};
use tokio::time::{Duration, Instant, sleep, timeout};
use voice::{Account, Phone, PhoneEvent, Settings};

use super::{PASSWORD, extension, realm};
use crate::platform::{PATIENCE, Platform, free_block};

/// As loud as this, in dB of full scale, is heard.
const AUDIBLE: f32 = -30.0;

pub(super) struct Desk(Phone);

impl Desk {
    /// A telephone that is registered as a new extension.
    pub(super) async fn registered(platform: &Platform, number: &str) -> Desk {
        extension(platform, number).await;
        let first = free_block();
        let settings = Settings { rtp_ports: first..=first + 99, ..Settings::default() };
        let phone = Phone::start(settings).await.expect("free ports");
        let account = Account {
            server: platform.node.voice.local().udp,
            transport: Transport::Udp,
            user: number.into(),
            domain: realm(platform),
            password: PASSWORD.into(),
        };
        phone.register(account).await.expect("the password is right");
        Desk(phone)
    }

    /// It rings and is picked up.
    pub(super) async fn answers(&self) -> LegId {
        let ring = async {
            loop {
                match self.0.event().await.expect("the phone runs") {
                    PhoneEvent::Rings { leg, .. } => return leg,
                    PhoneEvent::Call { .. } => {}
                }
            }
        };
        let leg = timeout(PATIENCE, ring).await.expect("it rings");
        self.0.ring(leg).await.expect("it still rings");
        self.0.answer(leg).await.expect("it still rings");
        leg
    }

    pub(super) async fn says(&self, leg: LegId, frequency: u16) {
        self.0.tone(leg, frequency).await.expect("the call is up");
    }

    pub(super) async fn hears(&self, leg: LegId, frequency: u16) {
        let limit = Instant::now() + PATIENCE;
        while self.0.hears(leg, frequency).await.expect("the call is up") < AUDIBLE {
            assert!(Instant::now() < limit, "{frequency} Hz never heard");
            sleep(Duration::from_millis(50)).await;
        }
    }

    pub(super) async fn hangs_up(&self, leg: LegId) {
        self.0.hangup(leg, CAUSE_NORMAL).await.expect("the call is up");
        self.is_hung_up(leg).await;
    }

    pub(super) async fn is_hung_up(&self, of: LegId) {
        let end = async {
            loop {
                let event = self.0.event().await.expect("the phone runs");
                if matches!(event, PhoneEvent::Call { leg, event: LegEvent::Ended { .. } } if leg == of) {
                    return;
                }
            }
        };
        timeout(PATIENCE, end).await.expect("the call ends");
    }

    pub(super) async fn stop(self) {
        self.0.stop().await;
    }
}
