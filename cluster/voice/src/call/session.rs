//! The media session of a dialog: what we described, what the peer described, and what follows from both
//! (RFC 3264). Ids and versions are journalled with it, so that a restarted process does not repeat a version.

use std::net::SocketAddr;

use protocol::ports::voice::LegEvent;
use protocol::{Error, Result, Status};
use rand::Rng;
use serde::{Deserialize, Serialize};

use super::step::Effect;
use crate::media::sdp::{self, Description, Flow, Local};
use crate::media::{Codec, Remote};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Session {
    id: u64,
    version: u64,
    /// Where the peer is to send: public address, port of the anchor.
    address: SocketAddr,
    /// Names of the codecs that we offer and accept, by preference.
    codecs: Vec<String>,
    /// We hold the peer, or are about to.
    pub held: bool,
    /// What the peer has agreed to of that.
    agreed: bool,
    /// The peer holds us.
    holds: bool,
    /// Our last description.
    pub local: String,
    /// The peer's last description.
    peer: Option<String>,
}

/// What a description of the peer changed.
#[derive(Debug, Default)]
pub(crate) struct Change {
    remote: Option<Remote>,
    held: Option<bool>,
}

impl Change {
    /// First the media, then the report.
    pub(crate) fn into_effects(self) -> Vec<Effect> {
        let connect = self.remote.map(Effect::Connect);
        let report = self.held.map(|held| Effect::Report(LegEvent::Held(held)));
        connect.into_iter().chain(report).collect()
    }
}

fn not_acceptable() -> Error {
    let text = "The peer's session description has no audio that is understood here.";
    Error::new(Status::InvalidArgument, "SDP_NOT_ACCEPTABLE", text)
}

impl Session {
    /// `codecs` by name; unknown ones are left out, and none means all.
    pub(crate) fn new(address: SocketAddr, codecs: &[String]) -> Session {
        let known = codecs.iter().filter_map(|name| Codec::named(name)).map(|codec| codec.name().to_owned());
        let mut codecs: Vec<String> = known.collect();
        if codecs.is_empty() {
            codecs = Codec::ALL.iter().map(|codec| codec.name().to_owned()).collect();
        }
        let id = u64::from(rand::rng().random::<u32>());
        Session {
            id,
            version: 0,
            address,
            codecs,
            held: false,
            agreed: false,
            holds: false,
            local: String::new(),
            peer: None,
        }
    }

    fn codecs(&self) -> Vec<Codec> {
        self.codecs.iter().filter_map(|name| Codec::named(name)).collect()
    }

    fn flow(&self) -> Flow {
        Flow::of(true, !self.held)
    }

    /// Writes our description, under a new version only if it differs (RFC 3264 8).
    fn describe(&mut self, write: impl Fn(&Local) -> String) {
        let local = |version| Local { id: self.id, version, address: self.address };
        if write(&local(self.version)) != self.local {
            self.version += 1;
            self.local = write(&local(self.version));
        }
    }

    /// Makes `local` an offer.
    pub(crate) fn offer(&mut self) {
        let (codecs, flow) = (self.codecs(), self.flow());
        let before = self.peer.as_ref().and_then(|peer| Description::parse(peer.as_bytes()).ok());
        self.describe(|local| sdp::offer(local, &codecs, flow, before.as_ref()));
    }

    /// Makes `local` the answer to an offer. An offer that cannot be used changes nothing.
    pub(crate) fn answer(&mut self, offer: &str) -> Result<Change> {
        let description = Description::parse(offer.as_bytes())?;
        let remote = description.negotiate(&self.codecs(), self.flow()).ok_or_else(not_acceptable)?;
        self.describe(|local| sdp::answer(local, &description, &remote));
        Ok(self.agree(offer, &description, remote))
    }

    /// Takes the answer to our offer.
    pub(crate) fn accept(&mut self, answer: &str) -> Result<Change> {
        let description = Description::parse(answer.as_bytes())?;
        let remote = description.negotiate(&self.codecs(), self.flow()).ok_or_else(not_acceptable)?;
        // The answer to our own hold is `recvonly` at best, which says nothing of the peer's wish.
        Ok(self.agree(answer, &description, remote))
    }

    fn agree(&mut self, peer: &str, description: &Description, remote: Remote) -> Change {
        let held = (self.holds != description.holds()).then_some(description.holds());
        self.holds = description.holds();
        let remote = (self.peer.as_deref() != Some(peer) || held.is_some()).then_some(remote);
        self.peer = Some(peer.to_owned());
        self.agreed = self.held;
        Change { remote, held }
    }

    /// Points the media to where both sides agreed, if they have.
    pub(crate) fn connect(&self) -> Option<Effect> {
        let description = Description::parse(self.peer.as_ref()?.as_bytes()).ok()?;
        description.negotiate(&self.codecs(), self.flow()).map(Effect::Connect)
    }

    /// Holds or resumes the peer: `local` becomes the offer that says so.
    pub(crate) fn hold(&mut self, on: bool) {
        self.held = on;
        self.offer();
    }

    /// The peer refused our offer: all is as it was before.
    pub(crate) fn undo(&mut self) {
        self.held = self.agreed;
    }

    /// Our address changed: the next description says so.
    pub(crate) fn moved(&mut self, address: SocketAddr) {
        self.address = address;
    }

    /// Writes the description anew that is not sent yet: our offer, or the answer to the peer's.
    pub(crate) fn redescribe(&mut self, offered: bool) {
        match self.peer.clone() {
            Some(peer) if !offered => drop(self.answer(&peer)),
            Some(_) | None => self.offer(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(port: u16) -> Session {
        Session::new(SocketAddr::from(([127, 0, 0, 1], port)), &[])
    }

    #[test]
    fn a_version_is_used_for_one_description_only() {
        let mut ours = session(4_000);
        ours.offer();
        let first = ours.local.clone();
        ours.offer();
        assert_eq!(ours.local, first);
        ours.hold(true);
        assert!(ours.local.contains("sendonly") && ours.local.contains(&format!("{} 2 ", ours.id)));
    }

    #[test]
    fn a_hold_is_reported_once_and_undone_once() {
        let (mut ours, mut peer) = (session(4_000), session(4_002));
        peer.offer();
        assert!(ours.answer(&peer.local).unwrap().held.is_none());
        peer.hold(true);
        assert_eq!(ours.answer(&peer.local).unwrap().held, Some(true));
        peer.hold(false);
        assert_eq!(ours.answer(&peer.local).unwrap().held, Some(false));
    }

    #[test]
    fn a_description_without_audio_changes_nothing() {
        let mut ours = session(4_000);
        assert!(ours.answer("v=0\r\nm=video 5 RTP/AVP 97\r\n").is_err());
        assert!(ours.peer.is_none() && ours.local.is_empty());
    }
}
