//! Reading a peer's description and finding what we have in common with it.

use std::net::{IpAddr, SocketAddr};

use protocol::{Error, Result};

use super::Flow;
use crate::media::{Codec, Remote};

/// Lines of a description; a browser sends some hundred, a phone thirty.
const MAX_LINES: usize = 1000;
/// Media lines of a description. Each has to be repeated in an answer.
const MAX_MEDIA: usize = 16;
/// Formats of a media line.
const MAX_FORMATS: usize = 64;

/// What a peer described, as far as it concerns us.
#[derive(Clone, Debug)]
pub(crate) struct Description {
    /// Every media line, usable or not: an answer has as many (RFC 3264 6).
    pub(super) media: Vec<Media>,
    /// Which of them is the audio stream that we use.
    pub(super) audio: Option<usize>,
}

/// A media line and its attributes.
#[derive(Clone, Debug)]
pub(super) struct Media {
    pub(super) kind: String,
    pub(super) protocol: String,
    pub(super) formats: Vec<String>,
    /// 0: rejected, or not to be understood.
    port: u16,
    address: Option<IpAddr>,
    /// Payload type, encoding name and clock rate of rtpmap.
    names: Vec<(u8, String, u32)>,
    flow: Flow,
}

impl Description {
    /// Reads a description.
    ///
    /// # Errors
    /// `InvalidArgument` when there is no media line, or far too many lines: 400. A description without a
    /// stream for us is no error: see [`Description::negotiate`].
    pub(crate) fn parse(bytes: &[u8]) -> Result<Description> {
        let text = String::from_utf8_lossy(bytes);
        let mut media: Vec<Media> = Vec::new();
        let (mut address, mut flow) = (None, Flow::SendRecv);
        for (count, line) in text.lines().enumerate() {
            if count >= MAX_LINES || media.len() > MAX_MEDIA {
                return Err(Error::invalid("SDP: too many lines"));
            }
            let Some((key, value)) = line.split_once('=') else { continue };
            match (key.trim(), media.last_mut()) {
                ("m", _) => media.push(Media::parse(value, address, flow)),
                ("c", None) => address = connection(value),
                ("c", Some(media)) => media.address = connection(value),
                ("a", None) => flow = Flow::named(value.trim()).unwrap_or(flow),
                ("a", Some(media)) => media.attribute(value.trim()),
                _ => {}
            }
        }
        if media.is_empty() || media.len() > MAX_MEDIA {
            return Err(Error::invalid("SDP: no media line, or too many"));
        }
        let audio = media.iter().position(|media| media.endpoint().is_some());
        Ok(Description { media, audio })
    }

    /// The peer's side of the stream: the first codec of `preference` that the peer has too, flowing as both
    /// `ours` and the peer's direction allow. `None`: nothing in common, which is a 488.
    ///
    /// For an answer, `preference` and `ours` are what was offered.
    pub(crate) fn negotiate(&self, preference: &[Codec], ours: Flow) -> Option<Remote> {
        let audio = self.media.get(self.audio?)?;
        let (codec, payload_type) =
            preference.iter().find_map(|codec| Some((*codec, audio.payload_type(codec.name())?)))?;
        Some(Remote {
            address: audio.endpoint()?,
            codec,
            payload_type,
            digits_type: self.digits_type(),
            send: ours.sends() && !self.holds(),
            receive: ours.receives() && audio.flow.sends(),
        })
    }

    /// Whether the peer does not want to hear us: `sendonly`, `inactive`, or the address 0.0.0.0 of RFC 2543.
    pub(crate) fn holds(&self) -> bool {
        self.audio.and_then(|index| self.media.get(index)).is_some_and(|audio| {
            !audio.flow.receives() || audio.address.is_some_and(|address| address.is_unspecified())
        })
    }

    pub(super) fn digits_type(&self) -> Option<u8> {
        self.media.get(self.audio?)?.payload_type("telephone-event")
    }
}

impl Media {
    /// `audio 49170/2 RTP/AVP 0 8 101`
    fn parse(value: &str, address: Option<IpAddr>, flow: Flow) -> Media {
        let mut words = value.split_whitespace();
        let mut word = || words.next().unwrap_or_default().to_owned();
        let (kind, port, protocol) = (word(), word(), word());
        let port = port.split('/').next().and_then(|port| port.parse().ok()).unwrap_or(0);
        let formats = words.take(MAX_FORMATS).map(str::to_owned).collect();
        Media { kind, protocol, formats, port, address, names: Vec::new(), flow }
    }

    fn attribute(&mut self, value: &str) {
        if let Some(flow) = Flow::named(value) {
            self.flow = flow;
        } else if let Some(map) = value.strip_prefix("rtpmap:")
            && self.names.len() < MAX_FORMATS
        {
            self.names.extend(rtpmap(map));
        }
    }

    /// Where the peer listens, if this is plain RTP audio that is not rejected.
    fn endpoint(&self) -> Option<SocketAddr> {
        let is_plain = matches!(self.protocol.as_str(), "RTP/AVP" | "RTP/AVPF");
        let address = self.address.filter(|address| !address.is_multicast())?;
        (self.kind == "audio" && is_plain && self.port > 0).then_some(SocketAddr::new(address, self.port))
    }

    /// The payload type of an encoding with a clock of 8 kHz, by rtpmap or, without one, by its static number.
    fn payload_type(&self, name: &str) -> Option<u8> {
        let types = self.formats.iter().filter_map(|format| format.parse::<u8>().ok());
        types.filter(|number| *number < 128).find(|number| {
            match self.names.iter().find(|(mapped, ..)| mapped == number) {
                Some((_, mapped, rate)) => mapped.eq_ignore_ascii_case(name) && *rate == 8000,
                None => Codec::named(name).is_some_and(|codec| codec.payload_type() == *number),
            }
        })
    }
}

/// `IN IP4 224.2.1.1/127`
fn connection(value: &str) -> Option<IpAddr> {
    let address = value.split_whitespace().nth(2)?;
    Some(address.split('/').next()?.parse::<IpAddr>().ok()?.to_canonical())
}

/// `101 telephone-event/8000/1`
fn rtpmap(value: &str) -> Option<(u8, String, u32)> {
    let (number, encoding) = value.trim().split_once(char::is_whitespace)?;
    let mut parts = encoding.trim().split('/');
    Some((number.parse().ok()?, parts.next()?.to_owned(), parts.next()?.parse().ok()?))
}
