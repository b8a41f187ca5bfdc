//! A node as a process of its own, which may be killed and started again on the same folder and ports.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use protocol::{Error, Result};
use tokio::process::{Child, Command};
use tokio::time::{Duration, Instant, sleep, timeout};

use super::client::{Client, LOOK};
use crate::demo::{free_block, free_port};

/// What the first start leaves for its operator.
const ACCESS: &str = "first-access.txt";
/// What every node of an installation must have alike.
const COMMON: [&str; 3] = ["node.key", "token.key", ACCESS];
/// Ports for media of one node.
const MEDIA: u16 = 400;
/// A first start on a busy machine: tables, keys, the first user.
const FIRST_START: Duration = Duration::from_secs(60);
const STOPS: Duration = Duration::from_secs(20);
/// What a process says that met a bug.
const PANIC: &str = "panicked at";
/// Where the sources of others are.
const FOREIGN: &str = "/registry/";

/// Where a node meets others. Empty: on its own.
#[derive(Clone, Default)]
pub(super) struct Shared {
    pub(super) store: Option<String>,
    pub(super) bus: Option<String>,
    pub(super) cache: Option<String>,
}

pub(super) struct Program {
    child: Child,
    flags: Vec<String>,
    /// URLs with passwords: everybody sees the flags of a process.
    places: Vec<(&'static str, String)>,
    pub(super) name: String,
    pub(super) folder: PathBuf,
    pub(super) http: SocketAddr,
    pub(super) sip: SocketAddr,
    pub(super) grpc: SocketAddr,
}

/// How the first user gets in.
pub(super) struct Access {
    pub(super) username: String,
    pub(super) password: String,
    pub(super) accesskey: String,
}

impl Program {
    /// Starts a node in `folder`, with the keys of another one if there is one.
    pub(super) fn start(
        name: &str,
        folder: PathBuf,
        shared: &Shared,
        like: Option<&Program>,
    ) -> Result<Program> {
        std::fs::create_dir_all(&folder).map_err(Error::internal)?;
        for file in COMMON.into_iter().filter(|_| like.is_some()) {
            let of = like.map(|other| other.folder.join(file)).unwrap_or_default();
            std::fs::copy(of, folder.join(file)).map_err(Error::internal)?;
        }
        let [http, sip, grpc] = [free_port()?, free_port()?, free_port()?]
            .map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        let media = free_block(MEDIA)?;
        let mut flags = vec![
            format!("--node={name}"),
            format!("--data={}", folder.display()),
            format!("--http={http}"),
            format!("--sip={sip}"),
            format!("--grpc={grpc}"),
            format!("--rtp={media}-{}", media + MEDIA - 1),
        ];
        let fixed = [
            // one whose name was taken ends, and soon: its calls are another's
            "stop-seconds=1",
            "allow-private=127.0.0.0/8",
            "customer-rate=0",
            "address-rate=0",
            "auth-rate=0",
            "log=warn",
        ];
        flags.extend(fixed.map(|flag| format!("--{flag}")));
        let places = [
            ("BRANCHLINE_STORE", &shared.store),
            ("BRANCHLINE_BUS", &shared.bus),
            ("BRANCHLINE_CACHE", &shared.cache),
        ];
        let places: Vec<_> =
            places.into_iter().filter_map(|(name, url)| Some((name, url.clone()?))).collect();
        let child = spawn(&flags, &places, &folder)?;
        Ok(Program { child, flags, places, name: name.to_owned(), folder, http, sip, grpc })
    }

    /// As a power cut would.
    pub(super) async fn kill(&mut self) -> Result<()> {
        self.child.kill().await.map_err(Error::internal)
    }

    /// Starts it again if its process has ended. What it ended with, if it had.
    pub(super) fn revive(&mut self) -> Result<Option<String>> {
        let Some(status) = self.child.try_wait().map_err(Error::internal)? else { return Ok(None) };
        self.child = spawn(&self.flags, &self.places, &self.folder)?;
        Ok(Some(status.to_string()))
    }

    /// Waits until it is ready.
    pub(super) async fn ready(&self, within: Duration) -> Result<()> {
        let (begun, probe) = (Instant::now(), Client::new(self.http, ""));
        loop {
            let answer = probe.ask("GET", "health/ready", &serde_json::Value::Null).await;
            match answer {
                Some((200, _)) => return Ok(()),
                answer if begun.elapsed() > within => {
                    return Err(Error::unavailable(format!("{} is not ready: {answer:?}", self.name)));
                }
                Some(_) | None => sleep(LOOK).await,
            }
        }
    }

    /// How the first user gets in, once the first start has left it.
    pub(super) async fn access(&self) -> Result<Access> {
        let limit = Instant::now() + FIRST_START;
        loop {
            let text = std::fs::read_to_string(self.folder.join(ACCESS)).unwrap_or_default();
            let said = |name: &str| {
                let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
                line.unwrap_or_default().to_owned()
            };
            let [username, password, accesskey] = ["username", "password", "accesskey"].map(said);
            match (accesskey.is_empty(), Instant::now() < limit) {
                (false, _) => return Ok(Access { username, password, accesskey }),
                (true, true) => sleep(LOOK).await,
                (true, false) => return Err(Error::unavailable(format!("no first access: {}", self.said()))),
            }
        }
    }

    /// How often it met a bug of its own. Drivers of others panic at bytes that make no sense, and are contained.
    pub(super) fn panics(&self) -> usize {
        self.said().lines().filter(|line| line.contains(PANIC) && !line.contains(FOREIGN)).count()
    }

    /// All that it wrote on its standard output and error.
    pub(super) fn said(&self) -> String {
        std::fs::read_to_string(output(&self.folder)).unwrap_or_default()
    }

    pub(super) async fn stop(&mut self) {
        // it may have ended already
        let _ = timeout(STOPS, self.child.kill()).await;
    }
}

fn output(folder: &Path) -> PathBuf {
    folder.join("output")
}

fn spawn(flags: &[String], places: &[(&str, String)], folder: &Path) -> Result<Child> {
    let file = File::options().create(true).append(true).open(output(folder)).map_err(Error::internal)?;
    let again = file.try_clone().map_err(Error::internal)?;
    Command::new(std::env::current_exe().map_err(Error::internal)?)
        // settings of the one who started this one are not meant for it
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .envs(places.iter().map(|(name, url)| (name, url)))
        .args(flags)
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(again)
        .kill_on_drop(true)
        .spawn()
        .map_err(Error::internal)
}
