//! Ports that are in use are found before the node takes anything: whoever starts a second process by mistake
//! must not end the first one by taking its name in a shared store.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};

use protocol::{Error, Result};

use crate::Plan;

/// Binds every fixed port and gives it back. They are bound for good when their turn comes.
///
/// # Errors
/// Names the flag of the first one that cannot be bound.
pub(crate) fn check(plan: &Plan, serves_http: bool) -> Result<()> {
    if serves_http {
        free("--http", plan.gateway.address, |at| TcpListener::bind(at).map(drop))?;
    }
    free("--sip", plan.voice.sip_udp, |at| UdpSocket::bind(at).map(drop))?;
    if let Some(tcp) = plan.voice.sip_tcp {
        free("--sip", tcp, |at| TcpListener::bind(at).map(drop))?;
    }
    free("--grpc", plan.admin, |at| TcpListener::bind(at).map(drop))
}

fn free(flag: &str, at: SocketAddr, bind: fn(SocketAddr) -> io::Result<()>) -> Result<()> {
    bind(at).map_err(|cause| Error::unavailable(format!("{flag}: cannot listen on {at}: {cause}")))
}
