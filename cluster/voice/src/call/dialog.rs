//! The state of one leg, as it is journalled. Everything that a restarted process needs to go on with the call
//! is here, and nothing else: no handle, no clock, no channel.

use std::net::SocketAddr;

use protocol::ports::voice::{CAUSE_NORMAL, Cause, Credentials, EndedBy, LegState, Transport};
use rsipstack::sip::{Method, Request, Response};
use serde::{Deserialize, Serialize};

use super::session::Session;
use crate::media::Anchor;
use crate::sip::headers::{self, NameAddr};
use crate::sip::transact::Path;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Role {
    /// We placed the call.
    Caller,
    /// The call came in.
    Callee,
}

/// How far a leg is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Phase {
    /// Our INVITE is out, and nothing came back: a CANCEL must wait (RFC 3261 9.1).
    Calling,
    /// Our INVITE has a provisional response.
    Proceeding,
    /// Not answered; the peer, or we, may ring.
    Ringing,
    /// We sent 200 and wait for its ACK.
    Accepted,
    Up,
    /// `Ended` is reported; our CANCEL or BYE is still on its way.
    Leaving,
    /// Only kept to answer what the peer repeats.
    Ended,
}

/// A request of ours without final response, complete: sending it again is a retransmission.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Pending {
    pub cseq: u32,
    pub bytes: String,
}

/// The peer's INVITE, as it came in, until its ACK.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Serving {
    pub cseq: u32,
    pub bytes: String,
    /// The final response, complete.
    pub answer: Option<String>,
    /// The INVITE had no offer: ours is in the answer, and the peer's answer comes with the ACK.
    pub offered: bool,
}

/// How we present ourselves to a peer.
pub(crate) struct Own {
    pub address: SocketAddr,
    /// User part of our Contact: who was called, or who calls, so that traces can be read.
    pub user: String,
    /// How requests reach us there.
    pub transport: Transport,
    pub user_agent: String,
}

impl Own {
    pub(crate) fn contact(&self) -> String {
        let user: String =
            self.user.chars().filter(|c| c.is_ascii_alphanumeric() || "+-_.".contains(*c)).collect();
        let user = if user.is_empty() { user } else { format!("{user}@") };
        match self.transport {
            Transport::Udp => format!("sip:{user}{}", self.address),
            Transport::Tcp => format!("sip:{user}{};transport=tcp", self.address),
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Dialog {
    pub role: Role,
    pub phase: Phase,
    pub call_id: String,
    pub local_tag: String,
    pub remote_tag: Option<String>,
    /// From or To value of each side, without tag.
    pub local: String,
    pub remote: String,
    pub local_cseq: u32,
    pub remote_cseq: u32,
    /// CSeq of the INVITE that opened a dialog with us.
    pub invited: u32,
    /// Request-URI of what we send.
    pub target: String,
    pub routes: Vec<String>,
    pub path: Path,
    /// The destination was chosen for us and must not follow the peer's Contact.
    pub pinned: bool,
    /// `host:port` of ours that the peer sees.
    pub own: String,
    pub contact: String,
    pub user_agent: String,
    pub session: Session,
    pub anchor: Anchor,
    /// Number of the last report.
    pub reported: u64,
    pub pending: Option<Pending>,
    pub serving: Option<Serving>,
    /// CSeq and bytes of the ACK for our last INVITE: every repeated 2xx gets it again.
    pub ack: Option<(u32, String)>,
    /// Why we are ending it, as reported.
    pub ending: Option<(Cause, EndedBy)>,
    /// CANCEL is out.
    pub cancelled: bool,
    /// Early media flows.
    pub early: bool,
    /// Never journalled: a challenge that arrives after a restart ends the attempt.
    #[serde(skip)]
    pub credentials: Option<Credentials>,
    /// The challenge was answered once.
    pub proved: bool,
    pub timeout_ms: u64,
    /// Lines that our INVITE carries besides the usual ones.
    pub extra: String,
    /// A hold that waits for another re-INVITE to finish.
    pub hold: Option<bool>,
}

impl Dialog {
    /// A dialog that nothing has happened to yet; who is in it is for the caller to fill in.
    pub(crate) fn new(role: Role, path: Path, own: &Own, media: (Session, Anchor)) -> Dialog {
        let (session, anchor) = media;
        Dialog {
            role,
            phase: Phase::Ringing,
            call_id: String::new(),
            local_tag: headers::token(),
            remote_tag: None,
            local: String::new(),
            remote: String::new(),
            local_cseq: 0,
            remote_cseq: 0,
            invited: 0,
            target: String::new(),
            routes: Vec::new(),
            pinned: false,
            own: own.address.to_string(),
            contact: own.contact(),
            user_agent: own.user_agent.clone(),
            path,
            session,
            anchor,
            reported: 0,
            pending: None,
            serving: None,
            ack: None,
            ending: None,
            cancelled: false,
            early: false,
            credentials: None,
            proved: false,
            timeout_ms: 0,
            extra: String::new(),
            hold: None,
        }
    }

    pub(crate) fn state(&self) -> Option<LegState> {
        match (self.phase, self.role) {
            (Phase::Calling | Phase::Proceeding, _) => Some(LegState::Dialing),
            (Phase::Ringing, _) => Some(LegState::Ringing),
            (Phase::Accepted | Phase::Up, _) => Some(LegState::Up),
            (Phase::Leaving | Phase::Ended, _) => None,
        }
    }

    /// What tells the INVITE that opened it from every other (RFC 3261 8.2.2.2); `None` when it was ours.
    pub(crate) fn identity(&self) -> Option<(String, String, u32)> {
        let tag = self.remote_tag.clone().filter(|_| self.role == Role::Callee)?;
        Some((self.call_id.clone(), tag, self.invited))
    }

    pub(crate) fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Leaving | Phase::Ended)
    }

    /// A request of ours in this dialog. `lines` end with CRLF each.
    pub(crate) fn request(&mut self, method: Method, lines: &str, body: &str) -> Option<Request> {
        self.local_cseq += 1;
        self.write(method, self.local_cseq, &headers::token(), (lines, body))
    }

    /// The ACK of a 2xx: CSeq of its INVITE, a branch of its own (RFC 3261 13.2.2.4).
    pub(crate) fn acknowledge(&self, cseq: u32, body: &str) -> Option<Request> {
        self.write(Method::Ack, cseq, &headers::token(), ("", body))
    }

    fn write(&self, method: Method, cseq: u32, branch: &str, content: (&str, &str)) -> Option<Request> {
        let transport = match self.path.transport {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
        };
        let (lines, body) = content;
        let remote_tag = self.remote_tag.as_ref().map(|tag| format!(";tag={tag}")).unwrap_or_default();
        let routes: String = self.routes.iter().map(|route| format!("Route: {route}\r\n")).collect();
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let contact = match matches!(method, Method::Invite | Method::Update) {
            true => format!("Contact: <{}>\r\nAllow: {}\r\n", self.contact, headers::ALLOW),
            false => String::new(),
        };
        let text = format!(
            "{method} {target} SIP/2.0\r\n\
             Via: SIP/2.0/{transport} {own};rport;branch=z9hG4bK{branch}\r\n\
             Max-Forwards: 70\r\n{routes}\
             From: {local};tag={local_tag}\r\nTo: {remote}{remote_tag}\r\n\
             Call-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n{contact}\
             User-Agent: {agent}\r\n{lines}{kind}Content-Length: {length}\r\n\r\n{body}",
            target = self.target,
            own = self.own,
            local = self.local,
            local_tag = self.local_tag,
            remote = self.remote,
            call_id = self.call_id,
            agent = self.user_agent,
            length = body.len(),
        );
        Request::try_from(text).ok()
    }

    /// A response of ours to a request of the peer, with the dialog's tag and Contact.
    pub(crate) fn response(&self, request: &Request, status: u16, lines: &str, body: &str) -> Response {
        let mut extra = format!("Server: {}\r\n", self.user_agent);
        if (101..300).contains(&status) && matches!(request.method, Method::Invite | Method::Update) {
            extra.push_str(&format!("Contact: <{}>\r\nAllow: {}\r\n", self.contact, headers::ALLOW));
        }
        extra.push_str(lines);
        if !body.is_empty() {
            extra.push_str("Content-Type: application/sdp\r\n");
        }
        headers::respond(request, status, Some(&self.local_tag), &extra, body)
    }

    /// Takes the remote target from a message that may refresh it (RFC 3261 12.2).
    pub(crate) fn refresh(&mut self, message: &rsipstack::sip::Headers) {
        let Some(contact) =
            headers::list(message, "Contact").first().and_then(|value| NameAddr::parse(value))
        else {
            return;
        };
        self.target = contact.uri;
        if let Some(path) = super::outgoing::follow(self) {
            self.path = path;
        }
    }
}

/// The CANCEL of a request of ours: same branch, same CSeq number (RFC 3261 9.1).
pub(crate) fn cancel(invite: &Request, lines: &str) -> Option<Request> {
    let kept = ["Via", "Max-Forwards", "Route", "From", "To", "Call-ID", "User-Agent"];
    let mut text = format!("CANCEL {} SIP/2.0\r\n", invite.uri);
    for header in
        invite.headers.iter().filter(|h| kept.iter().any(|name| h.name().eq_ignore_ascii_case(name)))
    {
        text.push_str(&format!("{}: {}\r\n", header.name(), header.value()));
    }
    let cseq = headers::cseq(&invite.headers)?;
    text.push_str(&format!("CSeq: {cseq} CANCEL\r\n{lines}Content-Length: 0\r\n\r\n"));
    Request::try_from(text).ok()
}

/// `Reason` as a peer wants to read it (RFC 3326); causes that are ours alone become 16.
pub(crate) fn reason(cause: Cause) -> String {
    let cause = if cause >= 128 { CAUSE_NORMAL } else { cause };
    format!("Reason: Q.850;cause={cause}\r\n")
}

/// The Q.850 cause that a message names.
pub(crate) fn named_cause(message: &rsipstack::sip::Headers) -> Option<Cause> {
    let reasons = headers::list(message, "Reason");
    let reason = reasons.iter().find(|reason| reason.to_ascii_uppercase().starts_with("Q.850"))?;
    let cause =
        headers::split(reason, ';').into_iter().find_map(|part| part.strip_prefix("cause=")?.parse().ok());
    cause.filter(|cause| (1..128).contains(cause))
}
