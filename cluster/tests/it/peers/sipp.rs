//! One sipp process: a scenario of its own or of ours, and what came of it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;

use tokio::net::UdpSocket;
use tokio::process::{Child, Command};
use tokio::time::{Duration, Instant, sleep, timeout};

use crate::platform::{HERE, PATIENCE, Platform, free_block, free_port};

/// What sipp itself can do, or one of our files.
pub(super) enum Scenario {
    Own(&'static str),
    File(&'static str),
}

pub(super) struct Sipp {
    pub(super) at: SocketAddr,
    child: Child,
    errors: PathBuf,
}

impl Sipp {
    /// Turns to the node from any port.
    pub(super) fn turn(platform: &Platform, scenario: &Scenario, arguments: &[&str]) -> Sipp {
        Self::turn_from(platform, (scenario, free_port()), arguments)
    }

    /// Turns to the node from `port`.
    pub(super) fn turn_from(platform: &Platform, from: (&Scenario, u16), arguments: &[&str]) -> Sipp {
        let node = platform.node.voice.local().udp.to_string();
        Self::start(platform, from, &[&[node.as_str()], arguments].concat())
    }

    /// Waits for calls, at `port`.
    pub(super) async fn listen(platform: &Platform, from: (&Scenario, u16), arguments: &[&str]) -> Sipp {
        let sipp = Self::start(platform, from, arguments);
        let limit = Instant::now() + PATIENCE;
        while UdpSocket::bind(sipp.at).await.is_ok() {
            assert!(Instant::now() < limit, "sipp never listens: {}", sipp.complaints());
            sleep(Duration::from_millis(20)).await;
        }
        sipp
    }

    fn start(platform: &Platform, (scenario, port): (&Scenario, u16), arguments: &[&str]) -> Sipp {
        let errors = platform.folder.join(format!("sipp-{port}.log"));
        let scenario = match scenario {
            Scenario::Own(name) => ["-sn".to_owned(), (*name).to_owned()],
            Scenario::File(name) => ["-sf".to_owned(), file(name)],
        };
        let address =
            ["-i", "127.0.0.1", "-p", &port.to_string(), "-mp", &free_block().to_string()].map(str::to_owned);
        let child = Command::new("sipp")
            .args(arguments)
            .args(scenario)
            .args(address)
            .args(["-nostdin", "-trace_err", "-error_file"])
            .arg(&errors)
            .current_dir(&platform.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("sipp is installed");
        Sipp { at: SocketAddr::new(HERE, port), child, errors }
    }

    /// It came to its end, and every call went as the scenario says.
    pub(super) async fn succeeds(mut self) {
        assert_eq!(self.ends().await, Some(0), "{}", self.complaints());
    }

    /// It came to its end, and a call did not go as the scenario says.
    pub(super) async fn fails(mut self) {
        assert_eq!(self.ends().await, Some(1), "{}", self.complaints());
    }

    async fn ends(&mut self) -> Option<i32> {
        let status = timeout(PATIENCE, self.child.wait()).await.expect("sipp ends in time");
        status.expect("its status").code()
    }

    fn complaints(&self) -> String {
        std::fs::read_to_string(&self.errors).unwrap_or_default()
    }
}

fn file(name: &str) -> String {
    format!("{}/tests/it/peers/sipp/{name}.xml", env!("CARGO_MANIFEST_DIR"))
}
