//! An engine without telephones, for tests of what lies above the port: it answers every command at once with
//! the reports that a real call would give, in the same order and with the same numbers.
//!
//! It proves nothing about SIP or RTP.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use protocol::ports::voice::{
    Cause, Command, EndedBy, Incoming, LegEvent, LegId, LegState, Report, VoiceEngine, VoiceHost, sip_status,
};
use protocol::{Error, Result, Status};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Reports that may wait; a test that reads none of so many is wrong.
const REPORTS: usize = 10_000;

/// What becomes of a call that is placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Script {
    /// It rings and is answered.
    Answer,
    /// It rings until the test goes on with [`MemoryEngine::answer`] or [`MemoryEngine::end`].
    Ring,
    /// It is refused with this cause.
    Refuse(Cause),
    /// Nothing comes back.
    Silence,
}

struct Leg {
    state: LegState,
    reported: u64,
    commands: Vec<Command>,
    bridge: Option<uuid::Uuid>,
}

struct Inside {
    script: Script,
    legs: HashMap<LegId, Leg>,
    /// Commands of legs that are over.
    past: HashMap<LegId, Vec<Command>>,
    reports: Option<mpsc::Receiver<Report>>,
}

/// The engine that is only a table.
pub struct MemoryEngine {
    inside: Mutex<Inside>,
    sender: mpsc::Sender<Report>,
}

impl MemoryEngine {
    /// Calls ring and are answered unless [`MemoryEngine::script`] says otherwise.
    pub fn start() -> Arc<MemoryEngine> {
        let (sender, reports) = mpsc::channel(REPORTS);
        let inside = Inside {
            script: Script::Answer,
            legs: HashMap::new(),
            past: HashMap::new(),
            reports: Some(reports),
        };
        Arc::new(MemoryEngine { inside: Mutex::new(inside), sender })
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What becomes of the calls that are placed from now on.
    pub fn script(&self, script: Script) {
        self.inside().script = script;
    }

    /// A call comes in.
    ///
    /// # Errors
    /// What the host answers; the leg is gone then.
    pub async fn ring_in(&self, host: &dyn VoiceHost, incoming: Incoming) -> Result<()> {
        let leg = incoming.leg;
        self.open(leg, LegState::Ringing)?;
        host.incoming(incoming).await.map(drop).inspect_err(|_| _ = self.inside().legs.remove(&leg))
    }

    /// The far end of a placed call rings.
    pub async fn ringing(&self, leg: LegId) {
        self.set(leg, LegState::Ringing);
        self.report(leg, LegEvent::Ringing).await;
    }

    /// The far end of a placed call answers.
    pub async fn answer(&self, leg: LegId) {
        self.set(leg, LegState::Up);
        self.report(leg, LegEvent::Answered).await;
    }

    /// The far end presses a key.
    pub async fn digit(&self, leg: LegId, digit: char) {
        self.report(leg, LegEvent::Digit { digit, duration_ms: 100 }).await;
    }

    /// The far end hangs up or refuses.
    pub async fn end(&self, leg: LegId, cause: Cause) {
        self.finish(leg, cause, EndedBy::Remote).await;
    }

    /// Says anything at all about a leg; a leg that is over stays silent.
    pub async fn report(&self, leg: LegId, event: LegEvent) {
        let seq = match self.inside().legs.get_mut(&leg) {
            Some(leg) => {
                leg.reported += 1;
                leg.reported
            }
            None => return,
        };
        let _ = self.sender.send(Report { leg, seq, event }).await;
    }

    /// The commands that a leg was given, in order, also after its end.
    pub fn commands(&self, leg: LegId) -> Vec<Command> {
        let inside = self.inside();
        let live = inside.legs.get(&leg).map(|leg| leg.commands.clone());
        live.or_else(|| inside.past.get(&leg).cloned()).unwrap_or_default()
    }

    fn open(&self, leg: LegId, state: LegState) -> Result<()> {
        let mut inside = self.inside();
        if inside.legs.contains_key(&leg) {
            return Err(Error::new(Status::AlreadyExists, "LEG_EXISTS", "The leg exists already."));
        }
        inside.legs.insert(leg, Leg { state, reported: 0, commands: Vec::new(), bridge: None });
        Ok(())
    }

    fn set(&self, leg: LegId, state: LegState) {
        if let Some(leg) = self.inside().legs.get_mut(&leg) {
            leg.state = state;
        }
    }

    async fn finish(&self, leg: LegId, cause: Cause, by: EndedBy) {
        let state = self.state(leg);
        let status = if state == Some(LegState::Up) { 200 } else { sip_status(cause) };
        self.report(leg, LegEvent::Ended { cause, status, by }).await;
        let mut inside = self.inside();
        if let Some(gone) = inside.legs.remove(&leg) {
            inside.past.insert(leg, gone.commands);
        }
    }

    async fn placed(&self, leg: LegId) {
        let script = self.inside().script;
        match script {
            Script::Silence => {}
            Script::Ring => self.ringing(leg).await,
            Script::Refuse(cause) => self.end(leg, cause).await,
            Script::Answer => {
                self.ringing(leg).await;
                self.answer(leg).await;
            }
        }
    }

    async fn bridged(&self, leg: LegId, bridge: Option<uuid::Uuid>) {
        let before =
            self.inside().legs.get_mut(&leg).and_then(|leg| std::mem::replace(&mut leg.bridge, bridge));
        if let Some(bridge) = before.filter(|before| Some(*before) != bridge) {
            self.report(leg, LegEvent::Left { bridge }).await;
        }
        if let Some(bridge) = bridge {
            self.report(leg, LegEvent::Joined { bridge }).await;
        }
    }
}

#[async_trait]
impl VoiceEngine for MemoryEngine {
    async fn command(&self, leg: LegId, command: Command) -> Result<()> {
        if let Command::Dial(_) = &command {
            self.open(leg, LegState::Dialing)?;
        }
        match self.inside().legs.get_mut(&leg) {
            Some(leg) => leg.commands.push(command.clone()),
            None => return Err(Error::not_found()),
        }
        match command {
            Command::Dial(_) => self.placed(leg).await,
            Command::Answer if self.state(leg) == Some(LegState::Ringing) => self.answer(leg).await,
            Command::Hangup { cause } => self.finish(leg, cause, EndedBy::Local).await,
            Command::Play { id, .. } => self.report(leg, LegEvent::PlayFinished { id }).await,
            Command::Digits { id, .. } => self.report(leg, LegEvent::DigitsSent { id }).await,
            Command::Join { bridge } => self.bridged(leg, Some(bridge)).await,
            Command::Leave => self.bridged(leg, None).await,
            Command::Answer
            | Command::Ring
            | Command::Early
            | Command::Stop
            | Command::Mute(_)
            | Command::Unmute(_)
            | Command::Hold(_)
            | Command::Silence(_)
            | Command::Music(_) => {}
        }
        Ok(())
    }

    fn reports(&self) -> Option<mpsc::Receiver<Report>> {
        self.inside().reports.take()
    }

    fn state(&self, leg: LegId) -> Option<LegState> {
        self.inside().legs.get(&leg).map(|leg| leg.state)
    }

    fn legs(&self) -> usize {
        self.inside().legs.len()
    }

    /// It has no peers.
    fn trust(&self, _: Instant) {}

    /// It has no journal.
    async fn resume(&self) -> Result<usize> {
        Ok(0)
    }
}
