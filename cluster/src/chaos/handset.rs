//! A built-in telephone with somebody at it: answers every call, and ends its own after a while.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use protocol::ports::voice::{CAUSE_NORMAL, EndedBy, LegEvent, LegId, Transport};
use protocol::{Error, Result};
use tokio::time::{Duration, Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use voice::{Account, Phone, PhoneEvent};

use crate::demo::free_block;

/// Ports of one telephone for media.
const MEDIA: u16 = 200;
/// How long one talks, in milliseconds.
const TALK: std::ops::Range<u64> = 3_000..12_000;
const TICK: Duration = Duration::from_millis(100);

/// Who ends the calls of a telephone.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Manners {
    /// Its owner, so an end that nobody here asked for is a call lost.
    HangsUp,
    /// The other side.
    Waits,
}

#[derive(Clone, Default)]
pub(super) struct Tally {
    /// Calls that were answered, and those of them that ended without anybody's wish.
    pub(super) talks: usize,
    pub(super) lost: Vec<String>,
    /// Calls that are up right now, and those that ring or are being placed.
    pub(super) up: usize,
    pub(super) open: usize,
}

pub(super) struct Handset {
    phone: Arc<Phone>,
    tally: Arc<Mutex<Tally>>,
    placed: Arc<Mutex<Vec<LegId>>>,
    quiet: CancellationToken,
    _task: AbortOnDropHandle<()>,
}

/// What the one at the telephone knows.
struct Owner {
    phone: Arc<Phone>,
    manners: Manners,
    tally: Arc<Mutex<Tally>>,
    placed: Arc<Mutex<Vec<LegId>>>,
    /// With the time to hang up, once it is up.
    legs: HashMap<LegId, Option<Instant>>,
    /// Those that this side has hung up.
    hung: HashSet<LegId>,
    quiet: CancellationToken,
}

impl Handset {
    #[expect(clippy::disallowed_methods, reason = "the handset owns its task")]
    pub(super) async fn open(manners: Manners) -> Result<Handset> {
        let media = free_block(MEDIA)?;
        let settings = voice::Settings { rtp_ports: media..=media + MEDIA - 1, ..voice::Settings::default() };
        let phone = Arc::new(Phone::start(settings).await?);
        let (tally, placed, quiet) = (Arc::default(), Arc::default(), CancellationToken::new());
        let owner = Owner {
            phone: phone.clone(),
            manners,
            tally: Arc::clone(&tally),
            placed: Arc::clone(&placed),
            legs: HashMap::new(),
            hung: HashSet::new(),
            quiet: quiet.clone(),
        };
        let task = AbortOnDropHandle::new(tokio::spawn(owner.attend()));
        Ok(Handset { phone, tally, placed, quiet, _task: task })
    }

    pub(super) fn local(&self) -> std::net::SocketAddr {
        self.phone.local().udp
    }

    pub(super) async fn register(&self, at: std::net::SocketAddr, user: &str, realm: &str) -> Result<()> {
        let account = Account {
            server: at,
            transport: Transport::Udp,
            user: user.to_owned(),
            domain: realm.to_owned(),
            password: super::site::PASSWORD.to_owned(),
        };
        self.phone.register(account).await.map(drop)
    }

    pub(super) async fn call(&self, uri: &str) -> Result<()> {
        let leg = self.phone.call(uri).await?;
        self.placed.lock().unwrap_or_else(PoisonError::into_inner).push(leg);
        Ok(())
    }

    pub(super) fn tally(&self) -> Tally {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Hangs up whatever is up, and whatever comes.
    pub(super) async fn hangs_up(&self, within: Duration) -> Result<()> {
        self.quiet.cancel();
        let limit = Instant::now() + within;
        while self.tally().open > 0 {
            if Instant::now() > limit {
                return Err(Error::unavailable(format!("{} calls cannot be ended", self.tally().open)));
            }
            tokio::time::sleep(TICK).await;
        }
        Ok(())
    }
}

impl Owner {
    async fn attend(mut self) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                event = self.phone.event() => match event {
                    Some(event) => self.hear(event).await,
                    None => return,
                },
                _ = ticks.tick() => self.look().await,
            }
            self.count();
        }
    }

    async fn hear(&mut self, event: PhoneEvent) {
        match event {
            PhoneEvent::Rings { leg, .. } => {
                self.legs.insert(leg, None);
                // a caller that has given up is gone, and its end is told
                let _ = self.phone.answer(leg).await;
            }
            PhoneEvent::Call { leg, event: LegEvent::Answered } => {
                let talk = Duration::from_millis(rand::random_range(TALK));
                self.legs.insert(leg, Some(Instant::now() + talk));
                self.tally.lock().unwrap_or_else(PoisonError::into_inner).talks += 1;
            }
            PhoneEvent::Call { leg, event: LegEvent::Ended { cause, status, by } } => {
                self.take_placed();
                let was_up = self.legs.remove(&leg).flatten().is_some();
                let wanted = self.hung.remove(&leg) && by == EndedBy::Local;
                if was_up && self.manners == Manners::HangsUp && !wanted {
                    let how = format!("{leg} ended by {by:?} with {status}, {cause:?}");
                    self.tally.lock().unwrap_or_else(PoisonError::into_inner).lost.push(how);
                }
            }
            PhoneEvent::Call { .. } => {}
        }
    }

    /// Hangs up what has lasted long enough.
    async fn look(&mut self) {
        self.take_placed();
        let (now, quiet) = (Instant::now(), self.quiet.is_cancelled());
        let ends = |until: &Option<Instant>| {
            quiet || (self.manners == Manners::HangsUp && until.is_some_and(|until| until <= now))
        };
        let due: Vec<LegId> =
            self.legs.iter().filter(|(_, until)| ends(until)).map(|(leg, _)| *leg).collect();
        for leg in due {
            self.hung.insert(leg);
            let hung = self.phone.hangup(leg, CAUSE_NORMAL).await;
            // the last word about it comes as its end; one that nobody knows any more has had it
            if hung.is_err() {
                self.legs.remove(&leg);
                self.hung.remove(&leg);
            } else if let Some(until @ Some(_)) = self.legs.get_mut(&leg) {
                // asked again if it goes on nevertheless
                *until = Some(now + Duration::from_secs(2));
            }
        }
    }

    fn take_placed(&mut self) {
        for leg in self.placed.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            self.legs.entry(leg).or_insert(None);
        }
    }

    fn count(&mut self) {
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.up = self.legs.values().filter(|until| until.is_some()).count();
        tally.open = self.legs.len();
    }
}
