//! Free ports and a folder of its own: the demo runs beside anything.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;

use protocol::{Error, Result};

use crate::Plan;
use crate::bus::memory::Broker;
use crate::outward::{Allow, Reach};
use crate::pods::Watched;
use crate::speech;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Below the range from which the system takes its own.
const PORTS: std::ops::Range<u16> = 12_000..32_000;
/// RTP ports of the node and of each phone.
const RTP: u16 = 40;

pub(super) struct Places {
    pub(super) folder: PathBuf,
    pub(super) http: SocketAddr,
    pub(super) admin: SocketAddr,
    pub(super) sip: SocketAddr,
    rtp: u16,
}

impl Places {
    pub(super) fn find() -> Result<Places> {
        let folder = std::env::temp_dir().join(format!("branchline-demo-{}", uuid::Uuid::now_v7()));
        let [http, admin, sip] =
            [free_port()?, free_port()?, free_port()?].map(|port| SocketAddr::new(HERE, port));
        Ok(Places { folder, http, admin, sip, rtp: free_block(4 * RTP)? })
    }

    /// A node that may reach the demo's own receiver and carrier, and nothing else that is private.
    pub(super) fn plan(&self, receiver: SocketAddr) -> Plan {
        let mut voice = self.phone(0);
        voice.sip_udp = self.sip;
        voice.sip_tcp = Some(self.sip);
        let allow = receiver.to_string().parse::<Allow>().into_iter().collect();
        Plan {
            settings: protocol::ports::Settings {
                node: "demo".into(),
                domain: "branchline.local".into(),
                destinations: Vec::new(),
                call_seconds: 60,
                retention_days: 1,
            },
            data: self.folder.clone(),
            cache: "memory:".into(),
            store: format!("sqlite:{}", self.folder.join("branchline.db").display()),
            serve: vec!["*".into()],
            voice,
            gateway: gateway::Settings::new(self.http, Vec::new()),
            admin: self.admin,
            admin_token: None,
            admin_tls: None,
            reach: Reach::Public(allow),
            speech: speech::Settings { data: self.folder.clone(), endpoint: None, voice: String::new() },
            pods: Watched::Nothing,
            bus: "memory:".into(),
            broker: Broker::default(),
        }
    }

    /// Settings of the demo's phone number `which`, from 1; on any port.
    pub(super) fn phone(&self, which: u16) -> voice::Settings {
        let first = self.rtp + which * RTP;
        voice::Settings { rtp_ports: first..=first + RTP - 1, ..voice::Settings::default() }
    }

    pub(super) fn clear(&self) {
        // a folder that cannot be removed is the system's to clean
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

pub(crate) fn free_port() -> Result<u16> {
    let free =
        |port: &u16| TcpListener::bind((HERE, *port)).is_ok() && UdpSocket::bind((HERE, *port)).is_ok();
    let start = rand::random_range(PORTS);
    (start..PORTS.end).chain(PORTS.start..start).find(free).ok_or_else(none_free)
}

pub(crate) fn free_block(size: u16) -> Result<u16> {
    let free = |first: &u16| (*first..first + size).all(|port| UdpSocket::bind((HERE, port)).is_ok());
    let start = rand::random_range(PORTS.start..PORTS.end - size) & !1;
    (start..PORTS.end - size).step_by(2).find(free).ok_or_else(none_free)
}

fn none_free() -> Error {
    Error::unavailable("no free ports between 12000 and 32000")
}
