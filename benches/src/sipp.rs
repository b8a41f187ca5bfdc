//! SIPp as the caller: it waits for the answer, acknowledges it, and is hung up on.

use std::net::SocketAddr;
use std::process::Stdio;

use protocol::{Error, Result};
use tokio::process::Command;
use tokio::time::{Duration, Instant, timeout};

use crate::counted;
use crate::scene::NUMBER;
use crate::served::{Folder, HERE, free_port};

/// All calls with their ends; after that something hangs.
const LIMIT: Duration = Duration::from_secs(40);
const SCENARIO: &str = include_str!("caller.xml");

/// What one caller shall do.
#[derive(Clone, Copy)]
pub struct Load {
    pub calls: u32,
    /// A second.
    pub rate: u32,
}

pub struct Calls {
    pub succeeded: u64,
    pub failed: u64,
    pub took: Duration,
}

impl Calls {
    /// A bench of which a call fails measures something else.
    pub fn all_succeeded(&self) -> Result<()> {
        match self.failed {
            0 => Ok(()),
            failed => Err(Error::internal(format!("{failed} of {} calls failed", failed + self.succeeded))),
        }
    }
}

pub fn is_installed() -> bool {
    let asked =
        std::process::Command::new("sipp").arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status();
    asked.is_ok()
}

/// Several may call at the same time.
pub async fn call(server: SocketAddr, load: Load, folder: &Folder) -> Result<Calls> {
    let port = free_port()?.to_string();
    // each its own, the scenario too: another one must not read it half written
    let own = |file: &str| folder.join(&format!("{port}-{file}"));
    let (scenario, figures, complaints) = (own("caller.xml"), own("figures.csv"), own("complaints.txt"));
    let said = std::fs::File::create(&complaints).map_err(Error::internal)?;
    std::fs::write(&scenario, SCENARIO).map_err(Error::internal)?;
    let _ = std::fs::remove_file(&figures);
    let (calls, rate) = (load.calls.to_string(), load.rate.to_string());
    let began = Instant::now();
    let mut sipp = Command::new("sipp")
        .arg("-sf")
        .arg(&scenario)
        .args(["-s", NUMBER, "-m", &calls, "-r", &rate, "-i", &HERE.to_string(), "-p", &port, "-nostdin"])
        .args(["-trace_stat", "-fd", "1", "-stf"])
        .arg(&figures)
        .arg(server.to_string())
        .current_dir(&folder.0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(said)
        .kill_on_drop(true)
        .spawn()
        .map_err(Error::internal)?;
    let ended = timeout(counted::patience(LIMIT), sipp.wait()).await;
    let took = began.elapsed();
    ended.map_err(|_| Error::unavailable("sipp did not come to its end"))?.map_err(Error::internal)?;
    let figures = std::fs::read_to_string(figures).map_err(|_| {
        let said = std::fs::read_to_string(&complaints).unwrap_or_default();
        Error::internal(format!("sipp wrote no figures; it says: {said}"))
    })?;
    let of = |name| figure(&figures, name).ok_or_else(|| Error::internal(format!("sipp says no {name}")));
    Ok(Calls { succeeded: of("SuccessfulCall(C)")?, failed: of("FailedCall(C)")?, took })
}

/// The last figure of a column.
fn figure(table: &str, name: &str) -> Option<u64> {
    let mut lines = table.lines();
    let column = lines.next()?.split(';').position(|column| column == name)?;
    lines.last()?.split(';').nth(column)?.parse().ok()
}
