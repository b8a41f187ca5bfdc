//! Instructions instead of time: servers under valgrind's callgrind. It is slow, and says the same twice, whatever else
//! the machine does. It counts what runs in user space, not the kernel, and knows nothing of caches.

use std::path::{Path, PathBuf};

use protocol::{Error, Result};
use tokio::process::Command;
use tokio::time::Duration;

use crate::served::Served;

/// What a bench is told to count.
const FLAG: &str = "--count";
/// Counting is slower than running by so much, and more.
const SLOWER: u32 = 15;

pub fn is_wanted() -> bool {
    std::env::args().any(|argument| argument == FLAG)
}

/// How long to wait for a server that may be counted.
pub fn patience(usual: Duration) -> Duration {
    if is_wanted() { usual * SLOWER } else { usual }
}

/// The program, counted or not. Nothing is counted before a [`Counter`] begins.
pub(crate) fn command(program: &Path, out: &Path) -> Command {
    if !is_wanted() {
        return Command::new(program);
    }
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--instr-atstart=no"]);
    command.arg(format!("--callgrind-out-file={}", out.display())).arg(program);
    command
}

/// Counts what one server does.
pub struct Counter<'s> {
    server: &'s Served,
    taken: usize,
}

impl<'s> Counter<'s> {
    pub async fn begin(server: &'s Served) -> Result<Counter<'s>> {
        // an earlier counter of this server has left its own
        let taken = (1..).take_while(|taken| dump(server, *taken).exists()).count();
        let mut counter = Counter { server, taken };
        counter.tell(&["-i", "on"]).await?;
        counter.dump().await?;
        Ok(counter)
    }

    /// Instructions since the last time. What they were stays beside the server's log, for `callgrind_annotate`.
    pub async fn take(&mut self) -> Result<u64> {
        self.dump().await?;
        let text = std::fs::read_to_string(dump(self.server, self.taken)).map_err(Error::internal)?;
        summary(&text).ok_or_else(|| Error::internal("callgrind says no summary"))
    }

    async fn dump(&mut self) -> Result<()> {
        self.tell(&["--dump"]).await?;
        self.taken += 1;
        Ok(())
    }

    async fn tell(&self, what: &[&str]) -> Result<()> {
        let mut command = Command::new("callgrind_control");
        let said = command.args(what).arg(self.server.process.to_string()).output().await;
        let said =
            said.map_err(|_| Error::unavailable("callgrind_control is not there (Debian: valgrind)"))?;
        match said.status.success() {
            true => Ok(()),
            false => Err(Error::unavailable(String::from_utf8_lossy(&said.stderr).into_owned())),
        }
    }
}

/// Where callgrind leaves what it counted, the first time by number 1.
fn dump(server: &Served, number: usize) -> PathBuf {
    let mut file = server.counts.clone().into_os_string();
    file.push(format!(".{number}"));
    PathBuf::from(file)
}

fn summary(file: &str) -> Option<u64> {
    file.lines().find_map(|line| line.strip_prefix("summary: "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_in_its_summary() {
        assert_eq!(summary("version: 1\nevents: Ir\nsummary: 89860990\n\nfn=(1) a\n"), Some(89_860_990));
        assert_eq!(summary("version: 1\n"), None);
    }
}
