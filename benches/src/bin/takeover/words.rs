//! SIP and SDP as text: as much of it as a carrier needs that says yes to everything.

use std::net::SocketAddr;

/// What every answer of the far end adds to `To`.
const TAG: &str = ";tag=far";

/// The first header of that name.
pub(crate) fn header<'m>(message: &'m str, name: &str) -> &'m str {
    let named = |line: &'m str| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then_some(value.trim())
    };
    message.lines().take_while(|line| !line.is_empty()).find_map(named).unwrap_or_default()
}

/// A 200 to `request`. `sdp` may be empty.
pub(crate) fn yes(request: &str, own: SocketAddr, sdp: &str) -> String {
    let mut answer = String::from("SIP/2.0 200 OK\r\n");
    let routed = ["via", "record-route"];
    for line in request.lines().skip(1).take_while(|line| !line.is_empty()) {
        let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
        if routed.contains(&&*name) || ["from", "call-id", "cseq"].contains(&&*name) {
            answer.extend([line, "\r\n"]);
        }
    }
    let to = header(request, "To");
    let tag = if to.contains(";tag=") { "" } else { TAG };
    let kind = if sdp.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    answer.push_str(&format!(
        "To: {to}{tag}\r\nContact: <sip:far@{own}>\r\n{kind}Content-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    ));
    answer
}

/// PCMU and nothing else, at `media`.
pub(crate) fn sdp(media: SocketAddr) -> String {
    let (ip, port) = (media.ip(), media.port());
    format!(
        "v=0\r\no=far 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n\
         a=rtpmap:0 PCMU/8000\r\n"
    )
}

/// Where the sender of `message` wants its media; it says so on the level of the session.
pub(crate) fn media(message: &str) -> Option<SocketAddr> {
    let ip = message.lines().find_map(|line| line.strip_prefix("c=IN IP4 "))?;
    let port = message.lines().find_map(|line| line.strip_prefix("m=audio "))?;
    Some(SocketAddr::new(ip.trim().parse().ok()?, port.split(' ').next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVITE: &str = "INVITE sip:far@127.0.0.1:9 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:1;branch=b\r\n\
                          From: <sip:a@b>;tag=1\r\nto: <sip:far@127.0.0.1>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\
                          \r\nc=IN IP4 127.0.0.1\r\nm=audio 4000 RTP/AVP 0\r\n";

    #[test]
    fn an_answer_repeats_what_it_must_and_adds_its_tag_once() {
        let own = SocketAddr::from(([127, 0, 0, 1], 9));
        let answer = yes(INVITE, own, "");
        assert_eq!((header(&answer, "cseq"), header(&answer, "Call-ID")), ("1 INVITE", "c"));
        assert_eq!(header(&answer, "To"), "<sip:far@127.0.0.1>;tag=far");
        let again =
            yes(&INVITE.replace("<sip:far@127.0.0.1>", "<sip:far@127.0.0.1>;tag=far"), own, &sdp(own));
        assert_eq!(header(&again, "To"), "<sip:far@127.0.0.1>;tag=far");
        assert_eq!((media(&again), media(&answer)), (Some(own), None));
        assert_eq!(media(INVITE), Some(SocketAddr::from(([127, 0, 0, 1], 4000))));
    }
}
