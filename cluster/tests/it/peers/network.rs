//! A network of two: this machine and a telephone in a namespace of its own, joined by one cable.
//!
//! baresip does not use `lo`, and what it sends shall cross a network. The network goes with its guard,
//! whatever the test comes to.

use std::net::{IpAddr, Ipv4Addr};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU16, Ordering};

use super::is_pipeline;

static MADE: AtomicU16 = AtomicU16::new(0);

/// Addresses of the range for benchmarks (RFC 2544), in networks of four.
const NETWORKS: u32 = 1 << 14;
/// Networks of one process: their addresses lie side by side.
const OF_ONE_PROCESS: u32 = 16;

pub(super) struct Network {
    /// The name of the namespace and of the far end of the cable.
    pub(super) far_name: String,
    near_name: String,
    /// This machine's address, and the telephone's.
    pub(super) near: IpAddr,
    pub(super) far: IpAddr,
}

impl Network {
    /// `None` where the system does not let us lay one, which a pipeline must.
    pub(super) fn new() -> Option<Network> {
        let (process, number) = (std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let place = (process * OF_ONE_PROCESS + u32::from(number)) % NETWORKS;
        let address = |host: u32| {
            IpAddr::V4(Ipv4Addr::from(u32::from(Ipv4Addr::new(198, 18, 0, 0)) + 4 * place + host))
        };
        let network = Network {
            far_name: format!("bl{process}f{number}"),
            near_name: format!("bl{process}n{number}"),
            near: address(1),
            far: address(2),
        };
        let laid = network.lay();
        if let Err(error) = &laid {
            eprintln!("nothing is tested here: a network needs root, and {error}");
            assert!(!is_pipeline(), "{error}");
        }
        laid.ok().map(|()| network)
    }

    fn lay(&self) -> Result<(), String> {
        let Network { far_name: far, near_name: near, .. } = self;
        let (near_address, far_address) = (format!("{}/30", self.near), format!("{}/30", self.far));
        for step in [
            vec!["netns", "add", far],
            vec!["link", "add", near, "type", "veth", "peer", "name", far, "netns", far],
            vec!["address", "add", &near_address, "dev", near],
            vec!["link", "set", near, "up"],
            vec!["-n", far, "address", "add", &far_address, "dev", far],
            vec!["-n", far, "link", "set", far, "up"],
        ] {
            let output = ip(&step);
            if !output.status.success() {
                return Err(format!(
                    "ip {} says {}",
                    step.join(" "),
                    String::from_utf8_lossy(&output.stderr)
                ));
            }
        }
        Ok(())
    }

    /// A node whose telephony listens on this network.
    pub(super) fn serve(&self, plan: &mut cluster::Plan) {
        let voice = &mut plan.voice;
        voice.sip_udp.set_ip(self.near);
        voice.sip_tcp.iter_mut().for_each(|address| address.set_ip(self.near));
        voice.rtp_bind = self.near;
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // the cable goes with either end
        ip(&["link", "delete", &self.near_name]);
        ip(&["netns", "delete", &self.far_name]);
    }
}

fn ip(arguments: &[&str]) -> Output {
    Command::new("ip").args(arguments).output().expect("iproute2 is installed")
}
