//! A telephone made of the same engine: it registers, calls, is called, plays tones and says what it hears.
//! It is the demo's far end, and what tests call with.

mod account;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use protocol::ports::voice::{
    Caller, Command, Contact, Credentials, Dial, Gate, Incoming, Journalled, LegEvent, LegId, Origin, Report,
    Secret, Sound, Tone, VoiceEngine, VoiceHost,
};
use protocol::{Error, Result};
use tokio::sync::{Mutex, mpsc, oneshot};
use uuid::Uuid;

pub use account::Account;

use crate::media::MediaCommand;
use crate::settings::{Local, Settings};
use crate::{Engine, MemoryJournal};

/// Calls that may ring at a phone whose owner looks away; the next one is told that it is busy.
const RINGING: usize = 8;
/// How long a phone lets its calls ring before it gives up.
const DIAL_TIMEOUT_MS: u64 = 60_000;
/// Length and gap of its keys, in milliseconds.
const KEY_MS: (u32, u32) = (120, 80);
/// The media thread answers a question within a tick or two.
const MEASURE: Duration = Duration::from_secs(2);

/// What happens at a phone.
#[derive(Clone, Debug, PartialEq)]
pub enum PhoneEvent {
    /// It rings. `from` is the user part of the caller.
    Rings { leg: LegId, from: String },
    /// Something happened on a call.
    Call { leg: LegId, event: LegEvent },
}

/// A registered, or merely reachable, telephone.
pub struct Phone {
    engine: Arc<Engine>,
    calls: Mutex<mpsc::Receiver<Incoming>>,
    reports: Mutex<mpsc::Receiver<Report>>,
    account: std::sync::Mutex<Option<account::Registration>>,
}

impl Phone {
    /// A phone that listens on the addresses of `settings`; anybody who reaches it may call.
    ///
    /// # Errors
    /// As [`start`](crate::start).
    pub async fn start(settings: Settings) -> Result<Phone> {
        let (rings, calls) = mpsc::channel(RINGING);
        let engine =
            crate::start(settings, Arc::new(Owner { rings }), Arc::new(MemoryJournal::default())).await?;
        let reports = engine.reports().ok_or_else(|| Error::internal("reports were taken"))?;
        Ok(Phone {
            engine,
            calls: Mutex::new(calls),
            reports: Mutex::new(reports),
            account: Default::default(),
        })
    }

    pub fn local(&self) -> Local {
        self.engine.local()
    }

    /// Registers and stays registered until [`Phone::unregister`] or the phone's end. Returns the seconds that
    /// the registrar granted.
    ///
    /// # Errors
    /// `Unauthenticated` for a wrong user or password, `Unavailable` when nobody answers.
    pub async fn register(&self, account: Account) -> Result<u32> {
        let (registration, granted) = account::register(&self.engine, account).await?;
        *self.account.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(registration);
        Ok(granted)
    }

    /// Removes the registration.
    ///
    /// # Errors
    /// As [`Phone::register`].
    pub async fn unregister(&self) -> Result<()> {
        let registration = self.account.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        match registration {
            Some(registration) => registration.remove(&self.engine).await,
            None => Ok(()),
        }
    }

    /// What happens next. `None` once the phone is stopped.
    pub async fn event(&self) -> Option<PhoneEvent> {
        let (mut calls, mut reports) = (self.calls.lock().await, self.reports.lock().await);
        tokio::select! {
            biased;
            call = calls.recv() => call.map(|call| PhoneEvent::Rings { leg: call.leg, from: call.from.user }),
            report = reports.recv() => report.map(|report| PhoneEvent::Call { leg: report.leg, event: report.event }),
        }
    }

    /// Calls a SIP URI, through the account's server when there is one.
    ///
    /// # Errors
    /// `InvalidArgument` for what is no SIP URI.
    pub async fn call(&self, uri: &str) -> Result<LegId> {
        let leg = Uuid::new_v4();
        let account = self
            .account
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .as_ref()
            .map(|r| r.account.clone());
        let mut dial = Dial {
            uri: uri.to_owned(),
            destination: None,
            transport: protocol::ports::voice::Transport::Udp,
            from: Caller { user: "phone".to_owned(), ..Caller::default() },
            credentials: None,
            headers: Vec::new(),
            codecs: Vec::new(),
            timeout_ms: DIAL_TIMEOUT_MS,
        };
        if let Some(account) = account {
            dial.destination = Some(account.server);
            dial.transport = account.transport;
            dial.from =
                Caller { user: account.user.clone(), domain: account.domain.clone(), ..Caller::default() };
            dial.credentials = Some(Credentials {
                realm: account.domain,
                username: account.user,
                password: account.password,
            });
        }
        self.engine.command(leg, Command::Dial(Box::new(dial))).await?;
        Ok(leg)
    }

    /// Rings, so that the caller hears it.
    ///
    /// # Errors
    /// `NotFound` for a call that is over; so for all that follow.
    pub async fn ring(&self, leg: LegId) -> Result<()> {
        self.engine.command(leg, Command::Ring).await
    }

    /// Takes the call.
    ///
    /// # Errors
    /// As [`Phone::ring`].
    pub async fn answer(&self, leg: LegId) -> Result<()> {
        self.engine.command(leg, Command::Answer).await
    }

    /// Ends or refuses the call with a Q.850 cause.
    ///
    /// # Errors
    /// As [`Phone::ring`].
    pub async fn hangup(&self, leg: LegId, cause: u16) -> Result<()> {
        self.engine.command(leg, Command::Hangup { cause }).await
    }

    /// Puts the other side on hold, or takes it back.
    ///
    /// # Errors
    /// As [`Phone::ring`].
    pub async fn hold(&self, leg: LegId, on: bool) -> Result<()> {
        self.engine.command(leg, Command::Hold(on)).await
    }

    /// Presses keys; `DigitsSent` with the returned id follows.
    ///
    /// # Errors
    /// As [`Phone::ring`]; `InvalidArgument` for what is no key.
    pub async fn press(&self, leg: LegId, digits: &str) -> Result<Uuid> {
        let id = Uuid::new_v4();
        let (duration_ms, gap_ms) = KEY_MS;
        let command = Command::Digits { id, digits: digits.to_owned(), duration_ms, gap_ms };
        self.engine.command(leg, command).await.map(|()| id)
    }

    /// Sends a steady tone, in Hz, until the call ends or another tone begins.
    ///
    /// # Errors
    /// As [`Phone::ring`].
    pub async fn tone(&self, leg: LegId, frequency: u16) -> Result<()> {
        let tone = Tone { frequencies: vec![frequency], on_ms: 1_000, off_ms: 0, total_ms: 0 };
        let command = Command::Play { id: Uuid::new_v4(), sounds: vec![Sound::Tone(tone)] };
        self.engine.command(leg, command).await
    }

    /// How loud a frequency, in Hz, was in the last half second, in dB of a full-scale sine: 0 is the
    /// loudest, -30 still clear, silence far below.
    ///
    /// # Errors
    /// As [`Phone::ring`].
    pub async fn hears(&self, leg: LegId, frequency: u16) -> Result<f32> {
        let (reply, level) = oneshot::channel();
        self.engine.shared().media.command(leg, MediaCommand::Measure { frequency, reply })?;
        let level = tokio::time::timeout(MEASURE, level).await.map_err(|_| Error::timeout())?;
        level.map_err(|_| Error::not_found())
    }

    /// Stops the phone at once; what it had registered runs out.
    pub async fn stop(self) {
        self.engine.stop(Duration::ZERO).await;
    }
}

/// Who owns the phone: lets everybody call.
struct Owner {
    rings: mpsc::Sender<Incoming>,
}

#[async_trait]
impl VoiceHost for Owner {
    async fn gate(&self, _: &Origin) -> Result<Gate> {
        Ok(Gate::Open)
    }

    async fn secret(&self, _: &str, _: &str) -> Result<Option<Secret>> {
        Ok(None)
    }

    async fn bind(&self, _: Uuid, _: Uuid, _: Vec<Contact>, _: bool) -> Result<Vec<Contact>> {
        Err(Error::state("A phone is no registrar."))
    }

    async fn incoming(&self, incoming: Incoming) -> Result<Journalled> {
        self.rings.try_send(incoming).map_err(|_| Error::state("The phone is busy."))?;
        Ok(Journalled::No)
    }
}
