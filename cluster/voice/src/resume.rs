//! What a restarted engine does with the dialogs it finds (docs: the write-ahead rules): it goes on, on the same
//! address, with the bytes that were journalled. Open server transactions are made again before anything is
//! read, or a CANCEL would find nobody. An engine that takes over another one's dialogs, or has another address
//! than before, moves their peers to it.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use protocol::Result;
use protocol::ports::voice::{CAUSE_FAILED, EndedBy, LegId};
use rsipstack::sip::Request;
use tokio::sync::mpsc;
use tracing::{info, warn};

use crate::call::dialog::Serving;
use crate::call::leg::{Handle, Leg, MAILBOX};
use crate::call::{Dialog, Effect, Phase, Role, Timer, early, finish, moved};
use crate::engine::Shared;
use crate::sip::headers::Target;
use crate::sip::transact::Reply;

/// What the peer may still repeat of a leg that had ended.
const LINGER: Duration = Duration::from_secs(32);

/// Goes on with what the journal has and is not here yet.
pub(crate) async fn all(shared: &Arc<Shared>) -> Result<usize> {
    let mut resumed = 0;
    // of before the journal is read: a leg that closes meanwhile is in there and must not come back
    let known: HashSet<LegId> = shared.legs.keys();
    for (leg, state) in shared.outside.all().await? {
        if known.contains(&leg) {
            continue;
        }
        match serde_json::from_slice::<Dialog>(&state) {
            Ok(dialog) => resumed += usize::from(one(shared, leg, dialog).await),
            Err(error) => {
                warn!(%leg, %error, "journalled dialog not readable, erased");
                shared.outside.erase(leg).await?;
            }
        }
    }
    Ok(resumed)
}

async fn one(shared: &Arc<Shared>, id: LegId, mut dialog: Dialog) -> bool {
    let (mailbox, inputs) = mpsc::channel(MAILBOX);
    let handle = Handle::new(mailbox, dialog.state());
    if !shared.legs.claim(id, handle.clone()) {
        return false;
    }
    let user = Target::parse(&dialog.contact).map(|target| target.user).unwrap_or_default();
    let own = shared.wire.own(&dialog.path, &user);
    let moved = moved::rename(&mut dialog, &own);
    let mut effects = Vec::new();
    if !dialog.is_over() {
        effects.extend(media(shared, id, (&mut dialog, own.address.ip())).await);
    }
    if let Some(identity) = dialog.identity() {
        shared.invites.insert(identity, id);
    }
    let mut replies = HashMap::new();
    if let Some(serving) = dialog.serving.clone() {
        let reply = again(shared, &dialog, &serving, &handle).await;
        effects.extend(match (&reply, moved) {
            (None, _) => unreachable(&mut dialog),
            (Some(_), true) => moved::answer_anew(&mut dialog),
            (Some(_), false) => early::repeat(&serving),
        });
        replies.extend(reply.map(|reply| (serving.cseq, reply)));
    }
    effects.extend(timer(&dialog));
    effects.extend(if moved { moved::settle(&mut dialog) } else { ask_again(&dialog) });
    dialog.cancelled = false;
    info!(leg = %id, phase = ?dialog.phase, moved, "dialog resumed");
    let leg =
        Leg { id, dialog, shared: shared.clone(), handle, inputs, replies, timers: Vec::new(), parked: None };
    shared.tasks.spawn(leg.run(effects));
    true
}

/// The request of ours that may not have been sent.
fn ask_again(dialog: &Dialog) -> Vec<Effect> {
    let pending = dialog.pending.as_ref().and_then(|pending| Request::try_from(pending.bytes.as_str()).ok());
    pending.map(|request| Effect::Ask(Box::new(request))).into_iter().collect()
}

async fn again(shared: &Shared, dialog: &Dialog, serving: &Serving, handle: &Handle) -> Option<Reply> {
    let request = Request::try_from(serving.bytes.as_str()).ok()?;
    shared.wire.again(request, &dialog.path, handle.mailbox.clone()).await
}

/// The stream that an INVITE came on is gone, and its peer takes no other: it cannot be answered any more.
fn unreachable(dialog: &mut Dialog) -> Vec<Effect> {
    dialog.serving = None;
    match dialog.phase {
        Phase::Ringing | Phase::Accepted => finish::end(dialog, CAUSE_FAILED, EndedBy::Timeout),
        Phase::Calling | Phase::Proceeding | Phase::Up | Phase::Leaving | Phase::Ended => Vec::new(),
    }
}

fn timer(dialog: &Dialog) -> Option<Effect> {
    match (dialog.role, dialog.phase) {
        (_, Phase::Leaving | Phase::Ended) => Some(Effect::After(Timer::Linger, LINGER)),
        (Role::Caller, Phase::Calling | Phase::Proceeding | Phase::Ringing) => {
            Some(Effect::After(Timer::Dial, Duration::from_millis(dialog.timeout_ms)))
        }
        _ if dialog.hold.is_some() => Some(Effect::After(Timer::Retry, Duration::ZERO)),
        _ => None,
    }
}

/// The same port and the same stream where possible; another port is told to the peer by re-INVITE.
async fn media(shared: &Shared, id: LegId, (dialog, ip): (&mut Dialog, IpAddr)) -> Vec<Effect> {
    let anchor = match shared.media.open(id, Some(dialog.anchor)).await {
        Ok(anchor) => anchor,
        Err(error) => {
            warn!(leg = %id, %error, "media not resumed");
            return Vec::new();
        }
    };
    dialog.session.moved(SocketAddr::new(ip, anchor.port));
    if anchor.port != dialog.anchor.port {
        dialog.hold.get_or_insert(dialog.session.held);
    }
    dialog.anchor = anchor;
    dialog.session.connect().into_iter().collect()
}
