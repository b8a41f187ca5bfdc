//! What a process has used, from `/proc`: Linux only, in steps of 10 ms, so a round must use far more.

use std::fs;

use protocol::{Error, Result};
use tokio::time::Duration;

/// `USER_HZ`: Linux counts in hundredths of a second, on every architecture.
const TICK: Duration = Duration::from_millis(10);
/// Fields between the program's name and its user time.
const BEFORE_USER: usize = 11;

/// User and system time of a living process, all its threads together, ended ones included.
pub fn spent(process: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).map_err(Error::internal)?;
    // the name may hold spaces and brackets
    let (_, after) = stat.rsplit_once(')').ok_or_else(|| Error::internal("no name in /proc/PID/stat"))?;
    let ticks = after.split_whitespace().skip(BEFORE_USER).take(2).map(str::parse::<u32>);
    let ticks: u32 = ticks.sum::<std::result::Result<u32, _>>().map_err(Error::internal)?;
    Ok(TICK * ticks)
}

/// As [`spent`], of this process.
pub fn own() -> Result<Duration> {
    spent(std::process::id())
}

/// Memory that the process has in use, in bytes (`VmRSS`).
pub fn resident(process: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).map_err(Error::internal)?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes =
        line.and_then(|line| line.split_whitespace().next()).and_then(|text| text.parse::<u64>().ok());
    kilobytes.map(|kilobytes| kilobytes * 1024).ok_or_else(|| Error::internal("no VmRSS in /proc/PID/status"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_seen_and_so_is_memory() {
        let before = own().expect("time");
        let mut sum = 0_u64;
        while own().expect("time") - before < 2 * TICK {
            sum = (0..100_000_u64).fold(sum, u64::wrapping_add);
        }
        assert!(resident(std::process::id()).expect("memory") > 100_000, "{sum}");
    }

    #[test]
    fn a_process_that_is_not_has_no_time() {
        assert!(spent(u32::MAX).is_err());
    }
}
