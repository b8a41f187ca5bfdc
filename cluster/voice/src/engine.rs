//! The engine: its own runtime, the tables of legs and dialogs, and the port that the platform uses.
//!
//! Its runtime is its own so that no control load delays a ringing phone; nothing of it is awaited by callers
//! but a place in a mailbox.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use protocol::ports::voice::{
    Command, Dial, DialogJournal, LegEvent, LegId, LegState, Report, VoiceEngine, VoiceHost,
};
use protocol::{Error, Result};
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::call::{Input, Signal, leg};
use crate::media::{self, EventKind, Media, MediaCommand, MediaEvent};
use crate::outside::Outside;
use crate::settings::{Local, Settings};
use crate::sip::auth::Gatekeeper;
use crate::sip::registrar::Terms;
use crate::sip::transact::Wire;
use crate::table::Table;
use crate::trust::Trust;
use crate::{admit, dial, resume};

/// Signalling needs little, a millisecond a call. A second thread would be woken for every message to find nothing to do,
/// and take its time from media.
const THREADS: usize = 1;
/// Reports that may wait for the platform before legs wait for it.
const REPORTS: usize = 4_096;
/// 2xx responses without transaction that may wait; the peer repeats what is lost.
const STRAYS: usize = 256;
/// Requests that may be at the gate at once; the rest is told to come back.
const ADMISSIONS: usize = 512;
/// What a refused caller is told to wait, in seconds.
pub(crate) const RETRY_AFTER: u32 = 5;
/// How often a planned stop looks whether the last leg is gone.
const DRAIN_POLL: Duration = Duration::from_millis(50);
/// Tasks that do not end by themselves at a stop are dropped after this.
const SHUTDOWN: Duration = Duration::from_secs(2);

/// What every part of one engine shares.
pub(crate) struct Shared {
    pub settings: Settings,
    pub wire: Arc<Wire>,
    pub media: Media,
    pub outside: Outside,
    pub gatekeeper: Gatekeeper,
    pub terms: Terms,
    pub legs: Table<LegId, leg::Handle>,
    /// Call-ID and our tag of every dialog, to its leg's mailbox.
    pub dialogs: Table<(String, String), mpsc::Sender<Input>>,
    /// Call-ID, From tag and CSeq of INVITEs that became legs: a second way to us is no second call.
    pub invites: Table<(String, String, u32), LegId>,
    pub admissions: Arc<Semaphore>,
    pub tasks: TaskTracker,
    trust: Trust,
    stopping: AtomicBool,
    reports: mpsc::Sender<Report>,
}

impl Shared {
    pub(crate) async fn report(&self, report: Report) {
        // Without a reader there is nobody left who could miss it.
        let _ = self.reports.send(report).await;
    }

    pub(crate) fn is_full(&self) -> bool {
        self.legs() >= self.settings.max_legs
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    fn legs(&self) -> usize {
        self.legs.count(|handle| handle.state().is_some())
    }
}

/// A running engine. Dropping it stops it at once, without ending its calls: a successor with the same journal
/// goes on with them.
pub struct Engine {
    shared: Arc<Shared>,
    reports: Mutex<Option<mpsc::Receiver<Report>>>,
    runtime: Mutex<Option<Runtime>>,
}

/// Starts an engine: binds its sockets, resumes what the journal holds, and only then reads.
///
/// # Errors
/// `Unavailable`, naming the flag, when an address cannot be bound; what the journal answers.
pub async fn start(
    settings: Settings,
    host: Arc<dyn VoiceHost>,
    journal: Arc<dyn DialogJournal>,
) -> Result<Arc<Engine>> {
    let outside = Outside::new(host, journal);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .thread_name("voice")
        .enable_all()
        .build()
        .map_err(Error::internal)?;
    let (done, ready) = oneshot::channel();
    runtime.spawn(async move {
        let _ = done.send(open(settings, outside).await);
    });
    let opened = ready.await.map_err(Error::internal).and_then(|opened| opened);
    match opened {
        Ok((shared, reports)) => Ok(Arc::new(Engine {
            shared,
            reports: Mutex::new(Some(reports)),
            runtime: Mutex::new(Some(runtime)),
        })),
        Err(error) => {
            runtime.shutdown_background();
            Err(error)
        }
    }
}

async fn open(settings: Settings, outside: Outside) -> Result<(Arc<Shared>, mpsc::Receiver<Report>)> {
    let tasks = TaskTracker::new();
    let (stray, strays) = mpsc::channel(STRAYS);
    let (reports, reported) = mpsc::channel(REPORTS);
    let trust = Trust::default();
    let (wire, incoming) = Wire::bind(&settings, stray, (tasks.clone(), trust.clone())).await?;
    let config = media::Config {
        bind: settings.rtp_bind,
        ports: settings.rtp_ports.clone(),
        timeout: settings.rtp_timeout,
        trust: trust.clone(),
    };
    let (media, heard) = Media::start(config)
        .map_err(|error| Error::unavailable(format!("--rtp: cannot start media: {error}")))?;
    let shared = Arc::new(Shared {
        gatekeeper: Gatekeeper::new(settings.nonce_lifetime),
        terms: Terms { allowed: settings.registration.clone(), default: settings.registration_default },
        admissions: Arc::new(Semaphore::new(ADMISSIONS)),
        settings,
        wire,
        media,
        outside,
        legs: Table::default(),
        dialogs: Table::default(),
        invites: Table::default(),
        tasks,
        trust,
        stopping: AtomicBool::new(false),
        reports,
    });
    resume::all(&shared).await?;
    shared.tasks.spawn(listen(shared.clone(), heard));
    shared.tasks.spawn(admit::strays(shared.clone(), strays));
    shared.tasks.spawn(admit::requests(shared.clone(), incoming));
    shared.wire.serve();
    Ok((shared, reported))
}

/// A command goes to the half of the engine that it is for. Media refuses by itself, at once; signalling takes
/// its turn in the leg's mailbox.
enum Sorted {
    Dial(Box<Dial>),
    Media(MediaCommand),
    Signal(Signal),
}

fn sorted(command: Command) -> Sorted {
    Sorted::Media(match command {
        Command::Dial(dial) => return Sorted::Dial(dial),
        Command::Ring => return Sorted::Signal(Signal::Ring),
        Command::Early => return Sorted::Signal(Signal::Early),
        Command::Answer => return Sorted::Signal(Signal::Answer),
        Command::Hangup { cause } => return Sorted::Signal(Signal::Hangup(cause)),
        Command::Hold(on) => return Sorted::Signal(Signal::Hold(on)),
        Command::Play { id, sounds } => MediaCommand::Play { id, sounds },
        Command::Stop => MediaCommand::Stop,
        Command::Digits { id, digits, duration_ms, gap_ms } => {
            MediaCommand::Digits { id, digits, duration_ms, gap_ms }
        }
        Command::Mute(direction) => MediaCommand::Mute(direction),
        Command::Unmute(direction) => MediaCommand::Unmute(direction),
        Command::Silence(on) => MediaCommand::Silence(on),
        Command::Music(on) => MediaCommand::Music(on),
        Command::Join { bridge } => MediaCommand::Join { bridge },
        Command::Leave => MediaCommand::Leave,
    })
}

/// What the media side hears, to the legs that it belongs to.
async fn listen(shared: Arc<Shared>, mut heard: mpsc::Receiver<MediaEvent>) {
    while let Some(MediaEvent { leg, kind }) = heard.recv().await {
        if let Some(handle) = shared.legs.get(&leg) {
            let _ = handle.mailbox.send(Input::Heard(event(kind))).await;
        }
    }
}

fn event(kind: EventKind) -> LegEvent {
    match kind {
        EventKind::Digit { digit, duration_ms } => LegEvent::Digit { digit, duration_ms },
        EventKind::PlayFinished { id } => LegEvent::PlayFinished { id },
        EventKind::DigitsSent { id } => LegEvent::DigitsSent { id },
        EventKind::Joined { bridge } => LegEvent::Joined { bridge },
        EventKind::Left { bridge } => LegEvent::Left { bridge },
        EventKind::Timeout => LegEvent::MediaTimeout,
    }
}

impl Engine {
    /// The addresses that are listened on.
    pub fn local(&self) -> Local {
        self.shared.wire.local()
    }

    /// Planned stop: new calls get 503 with `Retry-After`, and those that live have until `deadline` to end.
    /// What lives on then is neither ended nor forgotten: whoever starts with the same journal has it.
    pub async fn stop(&self, deadline: Duration) {
        self.shared.stopping.store(true, Ordering::Release);
        let drained = async {
            while self.shared.legs() > 0 {
                tokio::time::sleep(DRAIN_POLL).await;
            }
        };
        let _ = tokio::time::timeout(deadline, drained).await;
        self.close();
        let runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(runtime) = runtime {
            let _ = tokio::task::spawn_blocking(move || runtime.shutdown_timeout(SHUTDOWN)).await;
        }
    }

    fn close(&self) {
        self.shared.wire.close();
        self.shared.media.clone().shutdown();
        self.shared.tasks.close();
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Runs something on the engine's runtime until it ends or the engine stops.
    pub(crate) fn detach(&self, work: impl Future<Output = ()> + Send + 'static) {
        let runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = runtime.as_ref() {
            self.shared.tasks.spawn_on(work, runtime.handle());
        }
    }

    /// Runs something on the engine's runtime; `None` when it is stopped, or stops meanwhile.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let handle = {
            let runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner);
            runtime.as_ref()?.handle().clone()
        };
        self.shared.tasks.spawn_on(work, &handle).await.ok()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.close();
        let runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(runtime) = runtime {
            runtime.shutdown_background();
        }
    }
}

#[async_trait]
impl VoiceEngine for Engine {
    async fn command(&self, leg: LegId, command: Command) -> Result<()> {
        let alive = self.shared.legs.get(&leg).filter(|handle| handle.state().is_some());
        let handle = alive.ok_or_else(Error::not_found);
        let (handle, signal) = match sorted(command) {
            Sorted::Dial(dial) => {
                let placed = self.run(dial::place(self.shared.clone(), leg, *dial)).await;
                return placed.unwrap_or_else(|| Err(Error::unavailable("The engine has stopped.")));
            }
            Sorted::Media(command) => return handle.and_then(|_| self.shared.media.command(leg, command)),
            Sorted::Signal(signal) => (handle?, signal),
        };
        handle.mailbox.try_send(Input::Command(signal)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                Error::unavailable("The leg has too many commands to carry out.")
            }
            mpsc::error::TrySendError::Closed(_) => Error::not_found(),
        })
    }

    fn reports(&self) -> Option<mpsc::Receiver<Report>> {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn state(&self, leg: LegId) -> Option<LegState> {
        self.shared.legs.get(&leg).and_then(|handle| handle.state())
    }

    fn legs(&self) -> usize {
        self.shared.legs()
    }

    fn trust(&self, until: Instant) {
        self.shared.trust.set(until);
    }

    async fn resume(&self) -> Result<usize> {
        let shared = self.shared.clone();
        let resumed = self.run(async move { resume::all(&shared).await }).await;
        resumed.unwrap_or_else(|| Err(Error::unavailable("The engine has stopped.")))
    }
}
