//! Servers in processes of their own, so that their processor time is theirs alone. Each is this same program,
//! started again with a role as its first argument.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use protocol::{Error, Result};
use tokio::process::{Child, Command};
use tokio::time::{Duration, Instant, timeout};

use crate::counted;

pub const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Below the ports that nodes take for media, and below those that the system takes.
const PORTS: std::ops::Range<u16> = 12_000..20_000;
/// A node ends all it has within this, or is killed.
const END: Duration = Duration::from_secs(10);

/// A child process. Dropping it kills it.
pub struct Served {
    child: Child,
    pub process: u32,
    /// Where its instructions are, if they are counted.
    pub(crate) counts: PathBuf,
}

impl Served {
    /// Starts this program again as `role`. What it says on stderr goes to the file `log`.
    pub fn start(role: &str, arguments: &[String], log: &Path) -> Result<Served> {
        let counts = log.with_extension("callgrind");
        let log = std::fs::File::create(log).map_err(Error::internal)?;
        let child = counted::command(&std::env::current_exe().map_err(Error::internal)?, &counts)
            .arg(role)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .map_err(Error::internal)?;
        let process = child.id().ok_or_else(|| Error::internal("a child without an id"))?;
        Ok(Served { child, process, counts })
    }

    /// Ends it as a power cut would. The moment is the one after which it says nothing more.
    pub async fn kill(mut self) -> Result<Instant> {
        self.child.start_kill().map_err(Error::internal)?;
        let killed = Instant::now();
        self.child.wait().await.map_err(Error::internal)?;
        Ok(killed)
    }

    /// Has it end in order, as a service manager would.
    pub async fn stop(mut self) -> Result<()> {
        let told = Command::new("kill").args(["-TERM", &self.process.to_string()]).status().await;
        told.map_err(Error::internal)?;
        match timeout(counted::patience(END), self.child.wait()).await {
            Ok(ended) => ended.map(drop).map_err(Error::internal),
            Err(_) => self.child.kill().await.map_err(Error::internal),
        }
    }
}

/// A port that is free for TCP and UDP. Two calls never answer the same one.
pub fn free_port() -> Result<u16> {
    static NEXT: std::sync::atomic::AtomicU16 = std::sync::atomic::AtomicU16::new(0);
    let start = (std::process::id() % 79) as u16 * 100;
    for _ in PORTS {
        let next = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let port = PORTS.start + (start + next) % (PORTS.end - PORTS.start);
        let address = SocketAddr::new(HERE, port);
        if TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok() {
            return Ok(port);
        }
    }
    Err(Error::unavailable("no free ports between 12000 and 20000"))
}

/// A new folder that goes away with its owner.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(bench: &str) -> Result<Folder> {
        let path = std::env::temp_dir().join(format!("branchline-bench-{bench}-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir_all(&path).map_err(Error::internal)?;
        Ok(Folder(path))
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // a folder that cannot be removed is the system's to clean
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
