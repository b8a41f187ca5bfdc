//! The RTP fixed header (RFC 3550 5.1), read from the network and written to it.
//!
//! Whatever bytes come, [`Packet::parse`] answers; it copies nothing.

/// Bytes of a header without contributing sources or extension: all that we ever send.
pub(super) const HEADER: usize = 12;
/// The largest payload taken or sent, so that a packet fits an Ethernet frame over IPv6 with room for a tunnel.
pub(super) const MAX_PAYLOAD: usize = 1400;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) marker: bool,
    pub(super) payload_type: u8,
    pub(super) seq: u16,
    pub(super) timestamp: u32,
    pub(super) ssrc: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packet<'a> {
    pub(super) header: Header,
    pub(super) payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// `None` for anything that is not a whole RTP packet: another version, RTCP, lengths that do not add up.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Packet<'a>> {
        let (fixed, rest) = bytes.split_first_chunk::<HEADER>()?;
        let is_rtcp = (192..=223).contains(&fixed[1]);
        if fixed[0] >> 6 != 2 || is_rtcp {
            return None;
        }
        let mut payload = rest.get(usize::from(fixed[0] & 0x0F) * 4..)?;
        if fixed[0] & 0x10 != 0 {
            let (extension, after) = payload.split_first_chunk::<4>()?;
            payload = after.get(usize::from(u16::from_be_bytes([extension[2], extension[3]])) * 4..)?;
        }
        if fixed[0] & 0x20 != 0 {
            let padding = usize::from(*payload.last()?);
            payload = payload.get(..payload.len().checked_sub(padding.max(1))?)?;
        }
        let header = Header {
            marker: fixed[1] & 0x80 != 0,
            payload_type: fixed[1] & 0x7F,
            seq: u16::from_be_bytes([fixed[2], fixed[3]]),
            timestamp: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
        };
        (payload.len() <= MAX_PAYLOAD).then_some(Packet { header, payload })
    }

    /// The bytes to send.
    pub(super) fn build(&self) -> Vec<u8> {
        let Header { marker, payload_type, seq, timestamp, ssrc } = self.header;
        let mut bytes = Vec::with_capacity(HEADER + self.payload.len());
        bytes.extend([0x80, u8::from(marker) << 7 | payload_type & 0x7F]);
        bytes.extend(seq.to_be_bytes());
        bytes.extend(timestamp.to_be_bytes());
        bytes.extend(ssrc.to_be_bytes());
        bytes.extend(self.payload);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::*;

    const SAMPLE: Header =
        Header { marker: true, payload_type: 101, seq: 65535, timestamp: 0xDEAD_BEEF, ssrc: 7 };

    #[test]
    fn what_is_built_reads_back() {
        let packet = Packet { header: SAMPLE, payload: &[1, 2, 3] };
        assert_eq!(Packet::parse(&packet.build()), Some(packet));
    }

    #[test]
    fn sources_extension_and_padding_are_stepped_over() {
        let mut bytes = Packet { header: SAMPLE, payload: &[] }.build();
        bytes[0] = 0x80 | 0x20 | 0x10 | 2;
        bytes.extend([0; 8]);
        bytes.extend([0xBE, 0xDE, 0, 1, 9, 9, 9, 9]);
        bytes.extend([42, 43, 0, 2]);
        assert_eq!(Packet::parse(&bytes).map(|packet| packet.payload), Some(&[42, 43][..]));
    }

    #[test]
    fn broken_packets_are_none() {
        let good = Packet { header: SAMPLE, payload: &[5; 4] }.build();
        for length in 0..12 {
            assert_eq!(Packet::parse(&good[..length]), None);
        }
        for (first, last) in [(0x40, 5), (0xC0, 5), (0x8F, 5), (0xA0, 9), (0x90, 5)] {
            let mut bad = good.clone();
            bad[0] = first;
            bad[15] = last;
            assert_eq!(Packet::parse(&bad), None, "{first:#x}");
        }
        let mut rtcp = good;
        rtcp[1] = 200;
        assert_eq!(Packet::parse(&rtcp), None);
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let mut random = StdRng::seed_from_u64(3550);
        let good = Packet { header: SAMPLE, payload: &[7; 160] }.build();
        for _ in 0..200_000 {
            let mut noise = vec![0; random.random_range(0..64)];
            random.fill(&mut noise[..]);
            if let Some(packet) = Packet::parse(&noise) {
                assert!(packet.payload.len() + 12 <= noise.len());
            }
            let mut mutated = good.clone();
            mutated[random.random_range(0..16)] = random.random();
            mutated.truncate(random.random_range(0..=good.len()));
            if let Some(packet) = Packet::parse(&mutated) {
                assert!(packet.payload.len() + 12 <= mutated.len());
            }
        }
    }
}
