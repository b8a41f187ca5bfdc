//! The task of one leg: takes inputs from its mailbox one by one, lets `step` decide, and carries out the
//! effects in their order. Whatever it waits for, the next input of this leg waits too, and no other leg.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use protocol::ports::voice::{CAUSE_FAILED, EndedBy, LegEvent, LegId, LegState, Report};
use rsipstack::sip::{Method, Request};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, error, warn};

use super::{Dialog, Effect, Input, Phase, Timer, step};
use crate::engine::Shared;
use crate::media::Remote;
use crate::sip::headers;
use crate::sip::transact::{Asked, Reply};

/// Inputs that may wait for a leg. A peer or an actor that sends more than this ahead is not served faster.
pub(crate) const MAILBOX: usize = 256;

/// What others see of a leg: its mailbox and its state.
#[derive(Clone)]
pub(crate) struct Handle {
    pub mailbox: mpsc::Sender<Input>,
    state: Arc<AtomicU8>,
    /// Number of the last report.
    reported: Arc<AtomicU64>,
}

impl Handle {
    pub(crate) fn new(mailbox: mpsc::Sender<Input>, state: Option<LegState>) -> Handle {
        let handle = Handle { mailbox, state: Arc::default(), reported: Arc::default() };
        handle.set(state);
        handle
    }

    pub(crate) fn state(&self) -> Option<LegState> {
        match self.state.load(Ordering::Acquire) {
            1 => Some(LegState::Dialing),
            2 => Some(LegState::Ringing),
            3 => Some(LegState::Up),
            _ => None,
        }
    }

    fn set(&self, state: Option<LegState>) {
        let number = match state {
            None => 0,
            Some(LegState::Dialing) => 1,
            Some(LegState::Ringing) => 2,
            Some(LegState::Up) => 3,
        };
        self.state.store(number, Ordering::Release);
    }
}

/// The owner of one leg.
pub(crate) struct Leg {
    pub id: LegId,
    pub dialog: Dialog,
    pub shared: Arc<Shared>,
    pub handle: Handle,
    pub inputs: mpsc::Receiver<Input>,
    pub replies: HashMap<u32, Reply>,
    pub timers: Vec<(Timer, Instant)>,
    /// An INVITE that overtook the ACK of the one before: they come to the mailbox by different ways.
    pub parked: Option<Asked>,
}

impl Leg {
    /// Runs until the leg is over, beginning with `first`. A bug in it ends its own call and no other.
    pub(crate) async fn run(self, first: Vec<Effect>) {
        let (id, shared, handle) = (self.id, self.shared.clone(), self.handle.clone());
        let key = (self.dialog.call_id.clone(), self.dialog.local_tag.clone());
        let identity = self.dialog.identity();
        shared.dialogs.insert(key.clone(), handle.mailbox.clone());
        if AssertUnwindSafe(self.work(first)).catch_unwind().await.is_err() {
            error!(leg = %id, "leg failed");
            failed(&shared, id, &handle).await;
        }
        shared.dialogs.remove(&key);
        if let Some(identity) = identity {
            shared.invites.remove(&identity);
        }
    }

    async fn work(mut self, first: Vec<Effect>) {
        let mut open = self.perform(first).await;
        while open {
            let Some(input) = self.next().await else { return };
            let effects = if let Input::Arrived(asked) = input {
                self.arrived(*asked)
            } else {
                step(&mut self.dialog, input)
            };
            open = self.perform(effects).await;
            if let Some(asked) = self.parked.take_if(|_| open && self.dialog.serving.is_none()) {
                let effects = self.arrived(asked);
                open = self.perform(effects).await;
            }
        }
    }

    async fn next(&mut self) -> Option<Input> {
        let due = self.timers.iter().min_by_key(|(_, at)| *at).copied();
        let Some((timer, at)) = due else { return self.inputs.recv().await };
        tokio::select! {
            input = self.inputs.recv() => input,
            () = sleep_until(at) => {
                self.timers.retain(|(kind, _)| *kind != timer);
                Some(Input::Due(timer))
            }
        }
    }

    /// A request of the peer: one that is older than the last is answered here (RFC 3261 12.2.2).
    fn arrived(&mut self, asked: Asked) -> Vec<Effect> {
        let request = asked.request;
        let cseq = headers::cseq(&request.headers).unwrap_or_default();
        let peer = headers::tag(&request.headers, "From");
        if self.dialog.remote_tag.is_some() && peer != self.dialog.remote_tag {
            asked.reply.send(self.dialog.response(&request, 481, "", ""));
            return Vec::new();
        }
        if cseq <= self.dialog.remote_cseq && !(request.method == Method::Bye && self.dialog.is_over()) {
            asked.reply.send(self.dialog.response(&request, 500, "", ""));
            return Vec::new();
        }
        let answered = self.dialog.serving.as_ref().is_some_and(|serving| serving.answer.is_some());
        if request.method == Method::Invite && answered && !self.dialog.is_over() && self.parked.is_none() {
            self.parked = Some(Asked { request, ..asked });
            return Vec::new();
        }
        self.dialog.remote_cseq = cseq;
        self.replies.insert(cseq, asked.reply);
        step(&mut self.dialog, Input::Asked(Box::new(request)))
    }

    /// Carries out effects; false once the leg is closed.
    async fn perform(&mut self, effects: Vec<Effect>) -> bool {
        let mut open = true;
        for effect in effects {
            match effect {
                Effect::Journal => self.journal().await,
                Effect::JournalSoon => self.journal_soon().await,
                Effect::Respond { cseq, response } => match self.replies.get(&cseq) {
                    Some(reply) => reply.send(*response),
                    None => debug!(leg = %self.id, cseq, "nobody left to answer"),
                },
                Effect::Ask(request) => self.ask(*request),
                Effect::Tell(request) => self.tell(*request).await,
                Effect::Forget(request) => self.shared.wire.forget(&request),
                Effect::Connect(remote) => self.connect(remote),
                Effect::CloseMedia => self.shared.media.close(self.id),
                Effect::Report(event) => self.report(event).await,
                Effect::After(timer, delay) => self.after(timer, delay),
                Effect::Close => {
                    self.close().await;
                    open = false;
                }
            }
        }
        self.handle.set(self.dialog.state());
        self.drop_replies();
        open
    }

    /// A reply is needed until its request is answered; only INVITE is answered later.
    fn drop_replies(&mut self) {
        let kept = self.dialog.serving.as_ref().map(|serving| serving.cseq);
        self.replies.retain(|cseq, _| Some(*cseq) == kept);
    }

    fn ask(&self, request: Request) {
        self.shared.wire.ask(request, &self.dialog.path, self.handle.mailbox.clone());
    }

    async fn tell(&self, request: Request) {
        if let Err(error) = self.shared.wire.tell(request, &self.dialog.path).await {
            warn!(leg = %self.id, %error, "ack not sent");
        }
    }

    fn connect(&self, remote: Remote) {
        if let Err(error) = self.shared.media.connect(self.id, remote) {
            warn!(leg = %self.id, %error, "media not connected");
        }
    }

    fn after(&mut self, timer: Timer, delay: Duration) {
        self.timers.retain(|(kind, _)| *kind != timer);
        self.timers.push((timer, Instant::now() + delay));
    }

    /// A call goes on without its journal: it only would not survive its process.
    async fn journal(&self) {
        let written = match serde_json::to_vec(&self.dialog) {
            Ok(bytes) => self.shared.outside.put(self.id, Bytes::from(bytes)).await,
            Err(error) => Err(protocol::Error::internal(error)),
        };
        if let Err(error) = written {
            warn!(leg = %self.id, %error, "dialog not journalled");
        }
    }

    /// Nothing that follows depends on it.
    async fn journal_soon(&self) {
        let written = match serde_json::to_vec(&self.dialog) {
            Ok(bytes) => self.shared.outside.put_soon(self.id, Bytes::from(bytes)).await,
            Err(error) => Err(protocol::Error::internal(error)),
        };
        if let Err(error) = written {
            warn!(leg = %self.id, %error, "dialog not journalled");
        }
    }

    async fn report(&mut self, event: LegEvent) {
        if matches!(event, LegEvent::Ended { .. }) {
            self.handle.set(None);
        } else {
            self.handle.set(self.dialog.state());
        }
        self.dialog.reported += 1;
        self.handle.reported.store(self.dialog.reported, Ordering::Release);
        self.shared.report(Report { leg: self.id, seq: self.dialog.reported, event }).await;
    }

    async fn close(&mut self) {
        self.dialog.phase = Phase::Ended;
        self.handle.set(None);
        self.shared.media.close(self.id);
        if let Err(error) = self.shared.outside.erase(self.id).await {
            warn!(leg = %self.id, %error, "dialog not erased");
        }
        self.shared.legs.remove(&self.id);
    }
}

/// The end of a leg whose task is gone: its last report, if that is still missing.
async fn failed(shared: &Shared, leg: LegId, handle: &Handle) {
    let reported = handle.state().is_none();
    handle.set(None);
    shared.media.close(leg);
    shared.legs.remove(&leg);
    if reported {
        return;
    }
    let event = LegEvent::Ended { cause: CAUSE_FAILED, status: 500, by: EndedBy::Local };
    let seq = handle.reported.load(Ordering::Acquire) + 1;
    shared.report(Report { leg, seq, event }).await;
}
