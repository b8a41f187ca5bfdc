//! An engine with a platform of its own that a test can read and write.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use protocol::ports::voice::{
    Caller, Command, Contact, Dial, DialogJournal, EndedBy, Gate, Incoming, Journalled, LegEvent, LegId,
    Origin, Report, Secret, Transport, VoiceEngine, VoiceHost,
};
use protocol::{Error, Result, Status};
use rand::Rng;
use tokio::sync::{Mutex as Door, Notify, mpsc, watch};
use uuid::Uuid;
use voice::{Engine, MemoryJournal, Settings};

/// Nothing on loopback takes longer.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// Decides as the test has set it.
pub(crate) struct Platform {
    pub(crate) gate: Gate,
    pub(crate) secrets: HashMap<String, Secret>,
    pub(crate) refusal: Option<Status>,
    pub(crate) contacts: Mutex<Vec<Contact>>,
    calls: mpsc::UnboundedSender<Incoming>,
}

#[async_trait]
impl VoiceHost for Platform {
    async fn gate(&self, _: &Origin) -> Result<Gate> {
        Ok(self.gate.clone())
    }

    async fn secret(&self, _: &str, username: &str) -> Result<Option<Secret>> {
        Ok(self.secrets.get(username).cloned())
    }

    async fn bind(&self, _: Uuid, _: Uuid, contacts: Vec<Contact>, all: bool) -> Result<Vec<Contact>> {
        let mut bound = self.contacts.lock().unwrap();
        if all {
            bound.clear();
        }
        for contact in contacts {
            bound.retain(|old| old.uri != contact.uri);
            if contact.expires > 0 {
                bound.push(contact);
            }
        }
        Ok(bound.clone())
    }

    async fn incoming(&self, incoming: Incoming) -> Result<Journalled> {
        if let Some(status) = self.refusal {
            return Err(Error::new(status, "REFUSED", "refused by the test"));
        }
        self.calls.send(incoming).map_err(Error::internal)?;
        Ok(Journalled::No)
    }
}

/// A journal whose process can be made to die at its n-th write: that write never returns.
#[derive(Clone, Default)]
pub(crate) struct Journal {
    kept: MemoryJournal,
    dying: Arc<Dying>,
    written: Arc<watch::Sender<usize>>,
    reading: Arc<Notify>,
    door: Arc<Door<()>>,
}

#[derive(Default)]
struct Dying {
    /// Writes to go, and whether the last one is still done.
    at: Mutex<Option<(usize, bool)>>,
    dead: Notify,
}

impl Journal {
    /// The `write`-th write from now on is the last thing that happens; `done`: it reaches the disk.
    pub(crate) fn die_at(&self, write: usize, done: bool) {
        *self.dying.at.lock().unwrap() = Some((write, done));
    }

    /// Waits until it has died.
    pub(crate) async fn death(&self) {
        tokio::time::timeout(SOON, self.dying.dead.notified()).await.expect("so many writes in time");
    }

    /// Waits until so many writes were done since the engine was opened.
    pub(crate) async fn written(&self, writes: usize) {
        let mut written = self.written.subscribe();
        let enough = written.wait_for(|done| *done >= writes);
        tokio::time::timeout(SOON, enough).await.expect("so many writes in time").unwrap();
    }

    /// Does `meanwhile` after an engine has bound its sockets and asked for its dialogs, before it gets them.
    pub(crate) async fn before_it_is_read(&self, meanwhile: impl Future<Output = ()>) {
        let shut = self.door.lock().await;
        let asked = self.reading.notified();
        tokio::time::timeout(SOON, asked).await.expect("a reader in time");
        meanwhile.await;
        drop(shut);
    }

    /// Becomes the journal of what the other one has.
    pub(crate) async fn take_from(&self, other: &Journal) {
        for (leg, state) in other.kept.all().await.unwrap() {
            self.kept.put(leg, state).await.unwrap();
        }
    }

    fn last(&self) -> Option<bool> {
        let mut at = self.dying.at.lock().unwrap();
        let (left, done) = at.as_mut()?;
        *left -= 1;
        let (left, done) = (*left, *done);
        if left == 0 { Some(done) } else { None }
    }
}

#[async_trait]
impl DialogJournal for Journal {
    async fn put(&self, leg: LegId, state: Bytes) -> Result<()> {
        let last = self.last();
        if last != Some(false) {
            self.kept.put(leg, state).await?;
            self.written.send_modify(|done| *done += 1);
        }
        if last.is_some() {
            *self.dying.at.lock().unwrap() = None;
            self.dying.dead.notify_one();
            std::future::pending::<()>().await;
        }
        Ok(())
    }

    async fn put_soon(&self, leg: LegId, state: Bytes) -> Result<()> {
        self.put(leg, state).await
    }

    async fn erase(&self, leg: LegId) -> Result<()> {
        self.kept.erase(leg).await
    }

    async fn all(&self) -> Result<Vec<(LegId, Bytes)>> {
        self.reading.notify_waiters();
        let _open = self.door.lock().await;
        self.kept.all().await
    }
}

/// A running engine, what it reports, and who calls it.
pub(crate) struct Side {
    pub(crate) engine: Arc<Engine>,
    pub(crate) journal: Journal,
    pub(crate) settings: Settings,
    pub(crate) platform: Arc<Platform>,
    reports: mpsc::Receiver<Report>,
    calls: mpsc::UnboundedReceiver<Incoming>,
}

/// Below the ephemeral range, apart from those of media. None is given twice: whoever has it may be down for a while. The
/// one above it is free for whoever moves away.
fn sip_port() -> u16 {
    const MOST: u16 = 1_000;
    static GIVEN: LazyLock<AtomicU16> = LazyLock::new(|| AtomicU16::new(rand::rng().random_range(0..MOST)));
    20_000 + 2 * (GIVEN.fetch_add(1, Relaxed) % MOST)
}

pub(crate) fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn settings() -> Settings {
    let rtp = rand::rng().random_range(22_000..31_000) & !1;
    let sip = loopback(sip_port());
    Settings { sip_udp: sip, sip_tcp: Some(sip), rtp_ports: rtp..=rtp + 998, ..Settings::default() }
}

impl Side {
    /// An engine that anybody may call.
    pub(crate) async fn open() -> Side {
        Side::with(|_, _| {}).await
    }

    pub(crate) async fn with(change: impl Fn(&mut Settings, &mut Platform)) -> Side {
        for _ in 0..20 {
            let (sender, calls) = mpsc::unbounded_channel();
            let mut platform = Platform {
                gate: Gate::Open,
                secrets: HashMap::new(),
                refusal: None,
                contacts: Mutex::default(),
                calls: sender,
            };
            let mut settings = settings();
            change(&mut settings, &mut platform);
            let (platform, journal) = (Arc::new(platform), Journal::default());
            let started = voice::start(settings.clone(), platform.clone(), Arc::new(journal.clone())).await;
            if let Ok(engine) = started {
                let reports = engine.reports().unwrap();
                return Side { engine, journal, settings, platform, reports, calls };
            }
        }
        panic!("no free port in twenty tries");
    }

    /// Its process is gone: nothing of it goes on the wire any more.
    pub(crate) async fn kill(&self) {
        self.engine.stop(Duration::ZERO).await;
    }

    /// Waits for the write that its process dies at.
    pub(crate) async fn dies(&self) {
        self.journal.death().await;
        self.kill().await;
    }

    /// The same engine again: same addresses, same journal.
    pub(crate) async fn restart(&mut self) {
        self.kill().await;
        let host = self.platform.clone();
        self.engine =
            voice::start(self.settings.clone(), host, Arc::new(self.journal.clone())).await.unwrap();
        self.reports = self.engine.reports().unwrap();
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.engine.local().udp
    }

    pub(crate) async fn report(&mut self) -> Report {
        tokio::time::timeout(SOON, self.reports.recv()).await.expect("a report in time").unwrap()
    }

    /// The next report of a leg, which must be the next in number too.
    pub(crate) async fn event(&mut self, leg: LegId) -> LegEvent {
        let report = self.report().await;
        assert_eq!(report.leg, leg);
        report.event
    }

    pub(crate) async fn ended(&mut self, leg: LegId) -> (u16, u16, EndedBy) {
        loop {
            if let LegEvent::Ended { cause, status, by } = self.event(leg).await {
                return (cause, status, by);
            }
        }
    }

    pub(crate) async fn call(&mut self) -> Incoming {
        tokio::time::timeout(SOON, self.calls.recv()).await.expect("a call in time").unwrap()
    }

    /// Whichever comes first: a call that comes in, or a report.
    pub(crate) async fn next(&mut self) -> std::result::Result<Incoming, Report> {
        let next = async {
            tokio::select! {
                call = self.calls.recv() => Ok(call.unwrap()),
                report = self.reports.recv() => Err(report.unwrap()),
            }
        };
        tokio::time::timeout(SOON, next).await.expect("a call or a report in time")
    }

    pub(crate) fn has_call(&mut self) -> bool {
        self.calls.try_recv().is_ok()
    }

    pub(crate) async fn tell(&self, leg: LegId, command: Command) {
        self.engine.command(leg, command).await.unwrap();
    }

    pub(crate) async fn hangup(&self, leg: LegId) {
        self.tell(leg, Command::Hangup { cause: 16 }).await;
    }

    /// Calls `to` and says which leg it is.
    pub(crate) async fn dial(&self, dial: Dial) -> LegId {
        let leg = Uuid::new_v4();
        self.tell(leg, Command::Dial(Box::new(dial))).await;
        leg
    }

    pub(crate) async fn stop(self) {
        self.kill().await;
    }
}

pub(crate) fn dial(to: SocketAddr, transport: Transport) -> Dial {
    Dial {
        uri: format!("sip:bob@{to}"),
        destination: None,
        transport,
        from: Caller {
            user: "alice".into(),
            name: "Alice".into(),
            domain: "example.com".into(),
            anonymous: false,
        },
        credentials: None,
        headers: Vec::new(),
        codecs: Vec::new(),
        timeout_ms: 30_000,
    }
}

/// A call between two engines, answered; both legs.
pub(crate) async fn talk(caller: &mut Side, callee: &mut Side, transport: Transport) -> (LegId, LegId) {
    let out = caller.dial(dial(callee.address(), transport)).await;
    let incoming = callee.call().await.leg;
    callee.tell(incoming, Command::Ring).await;
    assert_eq!(caller.event(out).await, LegEvent::Ringing);
    callee.tell(incoming, Command::Answer).await;
    assert_eq!(caller.event(out).await, LegEvent::Answered);
    assert_eq!(callee.event(incoming).await, LegEvent::Answered);
    (out, incoming)
}
