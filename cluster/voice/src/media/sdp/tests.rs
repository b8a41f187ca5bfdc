//! Descriptions as phones send them, what we make of them, and what we answer.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;
use crate::media::{Codec, Remote};

const BARESIP: &str = "v=0\r\no=- 3823 1 IN IP4 10.0.0.7\r\ns=-\r\nc=IN IP4 10.0.0.7\r\nt=0 0\r\n\
    a=tool:baresip 1.0.0\r\nm=audio 21034 RTP/AVP 96 8 0 101\r\na=rtpmap:96 opus/48000/2\r\n\
    a=fmtp:96 stereo=1\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
    a=fmtp:101 0-15\r\na=rtcp:21035\r\na=sendrecv\r\na=label:1\r\na=ptime:20\r\n\
    m=video 28022 RTP/AVP 97\r\na=rtpmap:97 H264/90000\r\na=sendrecv\r\n";
const LINPHONE: &str = "v=0\r\no=alice 1742 2210 IN IP6 2001:db8::5\r\ns=Talk\r\nc=IN IP6 2001:db8::5\r\nt=0 0\r\n\
    a=rtcp-xr:rcvr-rtt=all:10000\r\na=record:off\r\nm=audio 7078 RTP/AVPF 98 9 0 99\r\n\
    a=rtpmap:98 speex/16000\r\na=rtpmap:99 telephone-event/8000\r\na=rtcp-fb:* trr-int 1000\r\n";
const SIPP: &str = "v=0\no=user1 53655765 2353687637 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\n\
    m=audio 6000 RTP/AVP 0\na=rtpmap:0 PCMU/8000\n";

fn remote(text: &str) -> Option<Remote> {
    Description::parse(text.as_bytes()).ok()?.negotiate(&Codec::ALL, Flow::SendRecv)
}

fn local() -> Local {
    Local { id: 7, version: 3, address: "192.0.2.1:20000".parse().expect("a literal address") }
}

fn audio(lines: &str) -> String {
    format!("v=0\r\nc=IN IP4 10.0.0.1\r\nm=audio 4000 RTP/AVP 0\r\n{lines}")
}

#[test]
fn the_phones_we_know_are_understood() {
    let check = |text, address: &str, codec, payload_type, digits_type| {
        let address = address.parse().expect("a literal address");
        let expected = Remote { address, codec, payload_type, digits_type, send: true, receive: true };
        assert_eq!(remote(text), Some(expected));
    };
    check(BARESIP, "10.0.0.7:21034", Codec::Pcmu, 0, Some(101));
    check(LINPHONE, "[2001:db8::5]:7078", Codec::Pcmu, 0, Some(99));
    check(SIPP, "127.0.0.1:6000", Codec::Pcmu, 0, None);
    let dynamic = audio("").replace(" 0\r", " 97 8\r") + "a=rtpmap:97 pcma/8000/1\r\n";
    check(&dynamic, "10.0.0.1:4000", Codec::Pcma, 97, None);
    let at_media = "m=audio 4000/1 RTP/AVP 8\r\nc=IN IP4 10.0.0.2/127\r\n";
    check(at_media, "10.0.0.2:4000", Codec::Pcma, 8, None);
}

#[test]
fn the_first_common_codec_of_our_list_is_taken() {
    let offer = Description::parse(BARESIP.as_bytes()).expect("valid");
    let codec = |preference: &[Codec]| Some(offer.negotiate(preference, Flow::SendRecv)?.codec);
    assert_eq!(codec(&[Codec::Pcma, Codec::Pcmu]), Some(Codec::Pcma));
    assert_eq!(codec(&[Codec::Pcmu]), Some(Codec::Pcmu));
    assert_eq!(codec(&[]), None);
}

#[test]
fn directions_meet() {
    use Flow::{Inactive, RecvOnly, SendOnly, SendRecv};
    for (peer, ours, expected, holds) in [
        (SendRecv, SendRecv, SendRecv, false),
        (SendRecv, SendOnly, SendOnly, false),
        (SendOnly, SendRecv, RecvOnly, true),
        (SendOnly, SendOnly, Inactive, true),
        (RecvOnly, SendRecv, SendOnly, false),
        (RecvOnly, SendOnly, SendOnly, false),
        (Inactive, SendRecv, Inactive, true),
    ] {
        for text in [
            audio(&format!("a={}\r\n", peer.name())),
            audio("").replace("m=", &format!("a={}\r\nm=", peer.name())),
        ] {
            let description = Description::parse(text.as_bytes()).expect("valid");
            let remote = description.negotiate(&Codec::ALL, ours).expect("common");
            assert_eq!(Flow::of(remote.send, remote.receive), expected, "{peer:?} {ours:?}");
            assert_eq!(description.holds(), holds);
        }
    }
}

#[test]
fn the_zero_address_is_a_hold() {
    let text = SIPP.replace("c=IN IP4 127.0.0.1", "c=IN IP4 0.0.0.0");
    let description = Description::parse(text.as_bytes()).expect("valid");
    assert!(description.holds());
    let remote = description.negotiate(&Codec::ALL, Flow::SendRecv).expect("common");
    assert!(!remote.send && remote.receive);
}

#[test]
fn streams_that_are_not_for_us_have_nothing_in_common() {
    for text in [
        audio("").replace("4000", "0"),
        audio("").replace("4000", "70000"),
        audio("").replace("RTP/AVP", "RTP/SAVP"),
        audio("").replace("audio", "video"),
        audio("").replace(" 0\r", " 18\r"),
        audio("").replace(" 0\r", " 0x 256\r"),
        audio("a=rtpmap:0 PCMU/16000\r\n"),
        audio("").replace("c=IN IP4 10.0.0.1\r\n", ""),
        audio("").replace("10.0.0.1", "host.example"),
        audio("").replace("10.0.0.1", "224.0.0.1"),
        "m=\r\n".to_owned(),
    ] {
        assert!(Description::parse(text.as_bytes()).is_ok(), "{text}");
        assert_eq!(remote(&text), None, "{text}");
    }
}

#[test]
fn what_is_no_description_is_an_error() {
    for text in ["", "v=0\r\ns=-\r\n", "\0\u{FFFD}", "hello", &"m=audio 1 RTP/AVP 0\n".repeat(17)] {
        assert!(Description::parse(text.as_bytes()).is_err(), "{text}");
    }
    assert!(Description::parse("a=x\n".repeat(1001).as_bytes()).is_err());
}

#[test]
fn an_answer_takes_the_audio_and_rejects_the_rest() {
    let offer = Description::parse(BARESIP.as_bytes()).expect("valid");
    let remote = offer.negotiate(&[Codec::Pcma], Flow::SendOnly).expect("common");
    assert_eq!(
        answer(&local(), &offer, &remote),
        "v=0\r\no=- 7 3 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
         m=audio 20000 RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
         a=fmtp:101 0-15\r\na=ptime:20\r\na=sendonly\r\nm=video 0 RTP/AVP 97\r\n"
    );
}

#[test]
fn an_offer_is_understood_by_ourselves() {
    for address in ["192.0.2.1:20000", "[2001:db8::1]:20000"] {
        let local = Local { address: address.parse().expect("a literal address"), ..local() };
        let text = offer(&local, &Codec::ALL, Flow::SendRecv, None);
        let understood = remote(&text).expect("our own");
        assert_eq!(understood.address, local.address);
        assert_eq!((understood.codec, understood.digits_type), (Codec::Pcmu, Some(101)));
    }
}

#[test]
fn a_later_offer_keeps_lines_and_numbers() {
    let text = BARESIP.replace("101", "97");
    let before = Description::parse(text.as_bytes()).expect("valid");
    let again = offer(&local(), &[Codec::Pcmu], Flow::SendOnly, Some(&before));
    let lines: Vec<&str> = again.lines().filter(|line| line.starts_with("m=")).collect();
    assert_eq!(lines, ["m=audio 20000 RTP/AVP 0 97", "m=video 0 RTP/AVP 97"]);
    assert!(again.contains("a=sendonly\r\n"));
}

#[test]
fn no_text_makes_it_panic() {
    let mut random = StdRng::seed_from_u64(8866);
    for _ in 0..20_000 {
        for sample in [BARESIP, LINPHONE, SIPP] {
            let mut bytes = sample.as_bytes().to_vec();
            for _ in 0..random.random_range(1..20) {
                let place = random.random_range(0..bytes.len());
                bytes[place] = if random.random() { random.random() } else { b"\n =/:09"[place % 7] };
            }
            bytes.truncate(random.random_range(0..=bytes.len()));
            if let Ok(description) = Description::parse(&bytes)
                && let Some(remote) = description.negotiate(&Codec::ALL, Flow::SendRecv)
            {
                let text = answer(&local(), &description, &remote);
                assert!(Description::parse(text.as_bytes()).is_ok(), "{text}");
            }
        }
    }
}
