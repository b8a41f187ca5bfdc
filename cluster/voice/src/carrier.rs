//! A carrier for the demo: calls to telephone numbers come in, and it connects each to one SIP address, as a
//! back-to-back agent on the same engine. It has no numbers, prices or customers.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use protocol::ports::voice::{
    Caller, Command, Contact, Dial, Gate, Incoming, Journalled, LegEvent, LegId, Origin, Report, Secret,
    Transport, VoiceEngine, VoiceHost,
};
use protocol::{Error, Result};
use tokio::sync::mpsc;
use tracing::warn;
use uuid::Uuid;

use crate::settings::{Local, Settings};
use crate::{Engine, MemoryJournal};

/// Calls that may wait to be connected.
const WAITING: usize = 256;
/// How long the far end may ring, in milliseconds.
const RING_MS: u64 = 60_000;
/// Digits of a number (E.164: at most 15; short ones are for tests).
const NUMBER: std::ops::RangeInclusive<usize> = 3..=15;

/// Where a carrier sends what it is given.
#[derive(Clone, Debug)]
pub struct Far {
    pub address: SocketAddr,
    pub transport: Transport,
}

/// A running carrier.
pub struct Carrier {
    engine: Arc<Engine>,
}

impl Carrier {
    /// Listens on the addresses of `settings` and connects every number to `far`.
    ///
    /// # Errors
    /// As [`start`](crate::start).
    pub async fn start(settings: Settings, far: Far) -> Result<Carrier> {
        let (numbers, calls) = mpsc::channel(WAITING);
        let engine =
            crate::start(settings, Arc::new(Desk { numbers }), Arc::new(MemoryJournal::default())).await?;
        let reports = engine.reports().ok_or_else(|| Error::internal("reports were taken"))?;
        let exchange = Exchange { engine: Arc::downgrade(&engine), far, pairs: HashMap::new() };
        engine.detach(exchange.run(calls, reports));
        Ok(Carrier { engine })
    }

    pub fn local(&self) -> Local {
        self.engine.local()
    }

    /// Stops at once.
    pub async fn stop(self) {
        self.engine.stop(Duration::ZERO).await;
    }
}

/// Takes calls to numbers and no others.
struct Desk {
    numbers: mpsc::Sender<Incoming>,
}

#[async_trait]
impl VoiceHost for Desk {
    async fn gate(&self, _: &Origin) -> Result<Gate> {
        Ok(Gate::Open)
    }

    async fn secret(&self, _: &str, _: &str) -> Result<Option<Secret>> {
        Ok(None)
    }

    async fn bind(&self, _: Uuid, _: Uuid, _: Vec<Contact>, _: bool) -> Result<Vec<Contact>> {
        Err(Error::state("A carrier is no registrar."))
    }

    async fn incoming(&self, incoming: Incoming) -> Result<Journalled> {
        let digits = incoming.to.user.strip_prefix('+').unwrap_or(&incoming.to.user);
        if !NUMBER.contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Error::not_found());
        }
        self.numbers.try_send(incoming).map_err(|_| Error::unavailable("All lines are busy."))?;
        Ok(Journalled::No)
    }
}

/// Which leg talks to which, and through what bridge.
struct Exchange {
    engine: std::sync::Weak<Engine>,
    far: Far,
    pairs: HashMap<LegId, Pair>,
}

#[derive(Clone, Copy)]
struct Pair {
    other: LegId,
    bridge: Uuid,
    /// This leg called us.
    inward: bool,
}

impl Exchange {
    async fn run(mut self, mut calls: mpsc::Receiver<Incoming>, mut reports: mpsc::Receiver<Report>) {
        loop {
            tokio::select! {
                Some(call) = calls.recv() => self.connect(call).await,
                Some(report) = reports.recv() => self.reported(report).await,
                else => return,
            }
        }
    }

    async fn connect(&mut self, call: Incoming) {
        let (inward, outward, bridge) = (call.leg, Uuid::new_v4(), Uuid::new_v4());
        self.pairs.insert(inward, Pair { other: outward, bridge, inward: true });
        self.pairs.insert(outward, Pair { other: inward, bridge, inward: false });
        let dial = Dial {
            uri: format!("sip:{}@{}", call.to.user, self.far.address),
            destination: Some(self.far.address),
            transport: self.far.transport,
            from: Caller { user: call.from.user, name: call.from.name, ..Caller::default() },
            credentials: None,
            headers: Vec::new(),
            codecs: Vec::new(),
            timeout_ms: RING_MS,
        };
        if !self.tell(outward, Command::Dial(Box::new(dial))).await {
            self.pairs.remove(&outward);
            self.tell(inward, Command::Hangup { cause: 34 }).await;
        }
    }

    async fn reported(&mut self, Report { leg, event, .. }: Report) {
        let Some(pair) = self.pairs.get(&leg).copied() else { return };
        match event {
            LegEvent::Ringing => _ = self.tell(pair.other, Command::Ring).await,
            LegEvent::EarlyMedia => {
                self.tell(pair.other, Command::Early).await;
                self.join(leg, pair).await;
            }
            LegEvent::Answered if !pair.inward => {
                self.tell(pair.other, Command::Answer).await;
                self.join(leg, pair).await;
            }
            LegEvent::Ended { cause, .. } => {
                self.pairs.remove(&leg);
                if self.pairs.contains_key(&pair.other) {
                    self.tell(pair.other, Command::Hangup { cause }).await;
                }
            }
            LegEvent::Answered
            | LegEvent::Held(_)
            | LegEvent::Digit { .. }
            | LegEvent::PlayFinished { .. }
            | LegEvent::DigitsSent { .. }
            | LegEvent::Joined { .. }
            | LegEvent::Left { .. }
            | LegEvent::MediaTimeout => {}
        }
    }

    async fn join(&self, leg: LegId, pair: Pair) {
        for leg in [leg, pair.other] {
            self.tell(leg, Command::Join { bridge: pair.bridge }).await;
        }
    }

    async fn tell(&self, leg: LegId, command: Command) -> bool {
        let Some(engine) = self.engine.upgrade() else { return false };
        let told = engine.command(leg, command).await;
        if let Err(error) = &told {
            warn!(%leg, %error, "leg not told");
        }
        told.is_ok()
    }
}
