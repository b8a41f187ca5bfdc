//! Requests that come in: to the dialog they belong to, or through the gate.
//!
//! Nothing is awaited in the loop that takes them from the stack. What needs the platform's word runs in a task
//! of its own, and there are only so many of those.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use protocol::ports::voice::{Gate, Incoming, Journalled, LegId, LegState, Origin, Party, Subject};
use protocol::{Error, Result, Status};
use rsipstack::sip::{Headers, Method, Request, Response};
use rsipstack::transaction::TransactionReceiver;
use rsipstack::transaction::transaction::Transaction;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tracing::{debug, warn};
use uuid::Uuid;

use crate::call::leg::{Handle, Leg, MAILBOX};
use crate::call::session::Session;
use crate::call::{Dialog, Effect, Input, Role, dialog::Serving, outgoing};
use crate::engine::{RETRY_AFTER, Shared};
use crate::sip::auth::Proof;
use crate::sip::headers::{self, ALLOW, NameAddr, Target};
use crate::sip::registrar;
use crate::sip::transact::{Asked, Path};

/// Takes requests from the stack until it ends.
pub(crate) async fn requests(shared: Arc<Shared>, mut incoming: TransactionReceiver) {
    while let Some(transaction) = incoming.recv().await {
        request(&shared, transaction).await;
    }
}

/// 2xx responses that came after their transaction, to their dialog.
pub(crate) async fn strays(shared: Arc<Shared>, mut strays: mpsc::Receiver<Response>) {
    while let Some(response) = strays.recv().await {
        let key = dialog_key(&response.headers, "From");
        if let Some(mailbox) = key.and_then(|key| shared.dialogs.get(&key)) {
            let _ = mailbox.try_send(Input::Repeated(Box::new(response)));
        }
    }
}

fn dialog_key(message: &Headers, ours: &str) -> Option<(String, String)> {
    Some((headers::header(message, "Call-ID")?.to_owned(), headers::tag(message, ours)?))
}

async fn request(shared: &Arc<Shared>, transaction: Transaction) {
    if let Some(key) = dialog_key(&transaction.original.headers, "To") {
        let mailbox = shared.dialogs.get(&key);
        let Some(asked) = shared.wire.accept(transaction, mailbox.clone()) else { return };
        match mailbox {
            Some(mailbox) => deliver(&mailbox, asked),
            None => refuse(&asked, 481, ""),
        }
        return;
    }
    let (mailbox, inputs) = mpsc::channel(MAILBOX);
    let Some(asked) = shared.wire.accept(transaction, Some(mailbox.clone())) else { return };
    match asked.request.method {
        Method::Options => refuse(&asked, 200, &format!("Allow: {ALLOW}\r\nAccept: application/sdp\r\n")),
        Method::Bye | Method::Info | Method::Update | Method::PRack => refuse(&asked, 481, ""),
        Method::Invite | Method::Register => enter(shared, asked, mailbox, inputs),
        Method::Ack | Method::Cancel => {}
        Method::Message | Method::Notify | Method::Publish | Method::Refer | Method::Subscribe => {
            refuse(&asked, 405, &format!("Allow: {ALLOW}\r\n"));
        }
    }
}

/// A peer that sends more than its leg can take is told so, and nobody waits for it.
fn deliver(mailbox: &mpsc::Sender<Input>, asked: Asked) {
    if let Err(error) = mailbox.try_send(Input::Arrived(Box::new(asked)))
        && let Input::Arrived(asked) = error.into_inner()
    {
        busy(&asked);
    }
}

fn refuse(asked: &Asked, status: u16, lines: &str) {
    let response = headers::respond(&asked.request, status, Some(&headers::token()), lines, "");
    asked.reply.send(response);
}

fn busy(asked: &Asked) {
    refuse(asked, 503, &format!("Retry-After: {RETRY_AFTER}\r\n"));
}

fn enter(shared: &Arc<Shared>, asked: Asked, mailbox: mpsc::Sender<Input>, inputs: mpsc::Receiver<Input>) {
    let invite = asked.request.method == Method::Invite;
    let room = !(invite && (shared.is_stopping() || shared.is_full()));
    let permit = shared.admissions.clone().try_acquire_owned().ok().filter(|_| room);
    let Some(permit) = permit else { return busy(&asked) };
    let required = headers::list(&asked.request.headers, "Require");
    if let Some(unknown) = required.iter().find(|name| !headers::SUPPORTED.contains(&name.as_str())) {
        return refuse(&asked, 420, &format!("Unsupported: {unknown}\r\n"));
    }
    let sdp = headers::sdp(&asked.request.headers, &asked.request.body);
    if invite && sdp.is_none() && !asked.request.body.is_empty() {
        return refuse(&asked, 415, "Accept: application/sdp\r\n");
    }
    let shared = shared.clone();
    if invite {
        asked.reply.send(headers::respond(&asked.request, 100, None, "", ""));
        // boxed, because it is large and a task is moved a few times before it runs
        shared.tasks.clone().spawn(Box::pin(invited(shared, asked, (mailbox, inputs), permit)));
    } else {
        shared.tasks.clone().spawn(registering(shared, asked, permit));
    }
}

fn party(value: Option<&str>) -> Party {
    let parsed = value.and_then(NameAddr::parse).unwrap_or_default();
    let target = Target::parse(&parsed.uri).unwrap_or_default();
    Party { user: target.user, domain: target.host, name: parsed.name }
}

/// What the gate decided: who it is, or nothing when an answer went out already.
async fn admitted(shared: &Shared, asked: &Asked, domain: String) -> Option<Option<Subject>> {
    let register = asked.request.method == Method::Register;
    let origin = Origin {
        domain,
        from_domain: party(headers::header(&asked.request.headers, "From")).domain,
        source: asked.source,
        transport: asked.transport,
    };
    let judged = judge(shared, asked, origin).await;
    match judged {
        Ok(Verdict::Enter(subject)) => return Some(subject),
        Ok(Verdict::Unknown) => refuse(asked, if register { 403 } else { 404 }, ""),
        Ok(Verdict::Challenge(status, line)) => refuse(asked, status, &line),
        Err(error) => {
            warn!(%error, "gate failed");
            busy(asked);
        }
    }
    None
}

enum Verdict {
    Enter(Option<Subject>),
    Unknown,
    Challenge(u16, String),
}

async fn judge(shared: &Shared, asked: &Asked, origin: Origin) -> Result<Verdict> {
    Ok(match shared.outside.gate(origin).await? {
        Gate::Unknown => Verdict::Unknown,
        Gate::Open => Verdict::Enter(None),
        Gate::Trusted(subject) => Verdict::Enter(Some(subject)),
        Gate::Challenge { realm } => {
            match shared.gatekeeper.check(&shared.outside, &asked.request, &realm).await? {
                Proof::Known(subject) => Verdict::Enter(Some(subject)),
                Proof::Unproved { stale } => {
                    let (status, line) = shared.gatekeeper.challenge(asked.request.method, &realm, stale);
                    Verdict::Challenge(status, line)
                }
            }
        }
    })
}

async fn registering(shared: Arc<Shared>, asked: Asked, _permit: OwnedSemaphorePermit) {
    let domain = party(headers::header(&asked.request.headers, "To")).domain;
    match admitted(&shared, &asked, domain).await {
        Some(Some(subject)) => {
            let response = registrar::register(&shared.outside, &shared.terms, &asked, &subject).await;
            asked.reply.send(response);
        }
        Some(None) => refuse(&asked, 403, ""),
        None => {}
    }
}

type Mail = (mpsc::Sender<Input>, mpsc::Receiver<Input>);

async fn invited(shared: Arc<Shared>, asked: Asked, mail: Mail, permit: OwnedSemaphorePermit) {
    let domain = Target::parse(&asked.request.uri.to_string()).unwrap_or_default().host;
    let Some(subject) = admitted(&shared, &asked, domain).await else { return };
    let request = &asked.request;
    let Some(identity) = identity(request) else { return refuse(&asked, 400, "") };
    let id = Uuid::new_v4();
    if !shared.invites.claim(identity.clone(), id) {
        return refuse(&asked, 482, "");
    }
    match begin(&shared, &asked, id, subject, &mail.0).await {
        Ok((dialog, handle, journalled)) => {
            drop(permit);
            let replies = HashMap::from([(dialog.remote_cseq, asked.reply)]);
            let leg = Leg {
                id,
                dialog,
                shared: shared.clone(),
                handle,
                inputs: mail.1,
                replies,
                timers: Vec::new(),
                parked: None,
            };
            let journal = (journalled == Journalled::No).then_some(Effect::Journal);
            leg.run(journal.into_iter().collect()).await;
        }
        Err(error) => {
            debug!(%error, "call refused");
            shared.media.close(id);
            shared.legs.remove(&id);
            shared.invites.remove(&identity);
            let status = refusal(&error);
            if status == 503 { busy(&asked) } else { refuse(&asked, status, "") }
        }
    }
}

/// What makes two INVITEs the same call that came two ways (RFC 3261 8.2.2.2).
fn identity(request: &Request) -> Option<(String, String, u32)> {
    let call_id = headers::header(&request.headers, "Call-ID")?.to_owned();
    Some((call_id, headers::tag(&request.headers, "From")?, headers::cseq(&request.headers)?))
}

/// The SIP status of an error that the platform, or we, answered an INVITE with.
fn refusal(error: &Error) -> u16 {
    match error.status {
        Status::InvalidArgument if error.reason == "SDP_NOT_ACCEPTABLE" => 488,
        Status::InvalidArgument => 400,
        Status::Unauthenticated | Status::PermissionDenied => 403,
        Status::PaymentRequired => 402,
        Status::NotFound => 404,
        Status::AlreadyExists | Status::FailedPrecondition => 486,
        Status::ResourceExhausted | Status::Unavailable => 503,
        Status::Internal => 500,
    }
}

/// A clear no comes before anything is stored.
fn may_be_kept(error: &Error) -> bool {
    matches!(error.status, Status::Unavailable | Status::Internal)
}

/// The leg is known, with its media, before the platform hears of it: its commands may come at once.
async fn begin(
    shared: &Arc<Shared>,
    asked: &Asked,
    id: LegId,
    subject: Option<Subject>,
    mailbox: &mpsc::Sender<Input>,
) -> Result<(Dialog, Handle, Journalled)> {
    let dialog = dialog(shared, asked, id).await?;
    let handle = Handle::new(mailbox.clone(), Some(LegState::Ringing));
    shared.legs.insert(id, handle.clone());
    let to = Target::parse(&asked.request.uri.to_string()).unwrap_or_default();
    let incoming = Incoming {
        leg: id,
        subject,
        from: party(headers::header(&asked.request.headers, "From")),
        to: Party { user: to.user, domain: to.host, name: String::new() },
        source: asked.source.ip(),
        sip_call_id: dialog.call_id.clone(),
        dialog: serde_json::to_vec(&dialog).map_err(Error::internal)?.into(),
    };
    let kept = shared.outside.incoming(incoming).await;
    if kept.as_ref().is_err_and(may_be_kept) {
        // in this order: who stores the dialog only now finds no leg, and erases it
        shared.legs.remove(&id);
        let _ = shared.outside.erase(id).await;
    }
    Ok((dialog, handle, kept?))
}

async fn dialog(shared: &Shared, asked: &Asked, id: LegId) -> Result<Dialog> {
    let request = &asked.request;
    let text = |name: &str| headers::header(&request.headers, name).unwrap_or_default();
    let contact = headers::list(&request.headers, "Contact").first().and_then(|value| NameAddr::parse(value));
    let contact = contact.ok_or_else(|| Error::invalid("An INVITE needs a Contact."))?;
    let path = Path::to(asked.transport, asked.source);
    let user = Target::parse(&request.uri.to_string()).unwrap_or_default().user;
    let own = shared.wire.own(&path, &user);
    let anchor = shared.media.open(id, None).await?;
    let mut session = Session::new(SocketAddr::new(own.address.ip(), anchor.port), &[]);
    let offer = headers::sdp(&request.headers, &request.body);
    match offer {
        Some(offer) => _ = session.answer(offer)?,
        None => session.offer(),
    }
    let cseq = headers::cseq(&request.headers).unwrap_or_default();
    let bytes = String::from_utf8_lossy(&request.to_bytes()).into_owned();
    let mut dialog = Dialog {
        call_id: text("Call-ID").to_owned(),
        remote_tag: headers::tag(&request.headers, "From"),
        local: headers::untagged(text("To")),
        remote: headers::untagged(text("From")),
        remote_cseq: cseq,
        invited: cseq,
        target: contact.uri,
        routes: headers::list(&request.headers, "Record-Route"),
        serving: Some(Serving { cseq, bytes, answer: None, offered: offer.is_none() }),
        ..Dialog::new(Role::Callee, path, &own, (session, anchor))
    };
    if let Some(path) = outgoing::follow(&dialog) {
        dialog.path = path;
    }
    Ok(dialog)
}
