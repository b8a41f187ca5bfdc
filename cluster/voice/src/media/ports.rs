//! The UDP ports of RTP: even numbers of a range, one for each leg.
//!
//! The kernel knows which are free: nothing is booked here, so nothing can be forgotten to be given back.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicUsize, Ordering};

use protocol::{Error, Result};
use socket2::{Domain, Protocol, Socket, Type};

pub(super) struct Ports {
    bind: IpAddr,
    even: Vec<u16>,
    /// Where to look first, so that a port rests as long as possible before its next call.
    cursor: AtomicUsize,
}

impl Ports {
    pub(super) fn new(bind: IpAddr, range: RangeInclusive<u16>) -> Self {
        let even: Vec<u16> = range.filter(|port| port % 2 == 0 && *port != 0).collect();
        let cursor = AtomicUsize::new(rand::random_range(0..even.len().max(1)));
        Ports { bind, even, cursor }
    }

    /// Binds `wanted` if it is one of the range and free, else any other: another node may have had another range,
    /// and only ours is let through to us.
    ///
    /// # Errors
    /// `Unavailable` when every port of the range is taken.
    pub(super) fn bind(&self, wanted: Option<u16>) -> Result<UdpSocket> {
        let wanted = wanted.filter(|port| self.even.contains(port));
        if let Some(socket) = wanted.and_then(|port| self.try_bind(port).ok()) {
            return Ok(socket);
        }
        for _ in 0..self.even.len() {
            let place = self.cursor.fetch_add(1, Ordering::Relaxed) % self.even.len();
            if let Ok(socket) = self.try_bind(self.even[place]) {
                return Ok(socket);
            }
        }
        Err(Error::unavailable("No RTP port is free."))
    }

    /// Whether a socket of ours can reach `address`.
    pub(super) fn reaches(&self, address: SocketAddr) -> bool {
        self.bind.is_ipv4() == address.is_ipv4() || self.bind.is_unspecified() && self.bind.is_ipv6()
    }

    fn try_bind(&self, port: u16) -> std::io::Result<UdpSocket> {
        let address = SocketAddr::new(self.bind, port);
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if self.bind.is_unspecified() && self.bind.is_ipv6() {
            socket.set_only_v6(false)?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        Ok(socket.into())
    }
}
