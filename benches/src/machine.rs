//! Where and when a bench ran: figures without it mean nothing.

use std::fs;

use protocol::ports::{Clock as _, SystemClock};
use protocol::time;

/// Prints the bench's name and its machine: cores, processor, kernel, load, time.
pub fn announce(bench: &str) {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let processors = read("/proc/cpuinfo");
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown processor", |(_, model)| model);
    println!("{bench}: {cores} cores, {model}, Linux {}", read("/proc/sys/kernel/osrelease"));
    println!("{}, load {}", time::stamp(SystemClock.now()), load());
}

/// The load averages of 1, 5 and 15 minutes.
pub fn load() -> String {
    read("/proc/loadavg").split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}
