//! Writing our offers and answers.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

use super::description::Media;
use super::{Description, Flow};
use crate::media::{Codec, Remote};

/// The payload type of telephone-events in our own first offers: what everybody uses.
const DIGITS_TYPE: u8 = 101;

/// Who we are in a description.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Local {
    /// The session's id, for as long as the dialog lives.
    pub(crate) id: u64,
    /// One more whenever the description differs from the one before (RFC 3264 8).
    pub(crate) version: u64,
    /// What the peer is to send to: the public address, and the port of the anchor.
    pub(crate) address: SocketAddr,
}

/// An offer of `codecs` in this order. `before` is the peer's last description in a re-INVITE: its media lines
/// stay, in their order and with their numbers.
pub(crate) fn offer(local: &Local, codecs: &[Codec], flow: Flow, before: Option<&Description>) -> String {
    let digits_type = before.and_then(Description::digits_type).unwrap_or(DIGITS_TYPE);
    let codecs: Vec<_> = codecs.iter().map(|codec| (*codec, codec.payload_type())).collect();
    let audio = audio(local.address.port(), &codecs, Some(digits_type), flow);
    let media = before.map_or(&[][..], |before| &before.media[..]);
    let place = before.and_then(|before| before.audio);
    let place = place.or_else(|| media.iter().position(|media| media.kind == "audio"));
    let mut text = session(local);
    for (index, media) in media.iter().enumerate() {
        text += &if Some(index) == place { audio.clone() } else { rejected(media) };
    }
    if place.is_none() {
        text += &audio;
    }
    text
}

/// The answer to `offer` after it was negotiated to `remote`. All other streams are rejected.
pub(crate) fn answer(local: &Local, offer: &Description, remote: &Remote) -> String {
    let codecs = [(remote.codec, remote.payload_type)];
    let flow = Flow::of(remote.send, remote.receive);
    let audio = audio(local.address.port(), &codecs, remote.digits_type, flow);
    let mut text = session(local);
    for (index, media) in offer.media.iter().enumerate() {
        text += &if Some(index) == offer.audio { audio.clone() } else { rejected(media) };
    }
    text
}

fn session(local: &Local) -> String {
    let Local { id, version, address } = local;
    let address = match address.ip() {
        IpAddr::V4(ip) => format!("IN IP4 {ip}"),
        IpAddr::V6(ip) => format!("IN IP6 {ip}"),
    };
    format!("v=0\r\no=- {id} {version} {address}\r\ns=-\r\nc={address}\r\nt=0 0\r\n")
}

fn audio(port: u16, codecs: &[(Codec, u8)], digits_type: Option<u8>, flow: Flow) -> String {
    let (mut formats, mut maps) = (String::new(), String::new());
    // Writing to a string cannot fail.
    for (codec, number) in codecs {
        _ = write!(formats, " {number}");
        _ = write!(maps, "a=rtpmap:{number} {}/8000\r\n", codec.name());
    }
    if let Some(number) = digits_type {
        _ = write!(formats, " {number}");
        _ = write!(maps, "a=rtpmap:{number} telephone-event/8000\r\na=fmtp:{number} 0-15\r\n");
    }
    format!("m=audio {port} RTP/AVP{formats}\r\n{maps}a=ptime:20\r\na={}\r\n", flow.name())
}

/// A stream that we do not take: port 0, everything else as it was (RFC 3264 6).
fn rejected(media: &Media) -> String {
    let formats = if media.formats.is_empty() { "0".to_owned() } else { media.formats.join(" ") };
    format!("m={} 0 {} {formats}\r\n", word(&media.kind), word(&media.protocol))
}

/// A line needs every one of its words, even when the peer's had none.
fn word(word: &str) -> &str {
    if word.is_empty() { "-" } else { word }
}
