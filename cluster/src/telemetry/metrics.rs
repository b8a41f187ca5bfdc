//! Metrics in Prometheus' text form.
//!
//! There is one recorder in a process, whatever number of nodes it runs: their figures add up, and a label
//! must tell apart what has to be told apart.

use std::fmt::Write;
use std::fs;
use std::sync::OnceLock;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use protocol::ports::Deps;
use tokio::time::{Duration, MissedTickBehavior, interval};
use tracing::warn;

use super::{figures, words};

/// Seconds. From a message between actors to the longest request.
const BUCKETS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

/// Samples of histograms are kept one by one until they are counted; this often, whether anybody asks or not.
const UPKEEP: Duration = Duration::from_secs(5);

/// Linux counts processor time for programs in hundredths of a second (`USER_HZ`), on every architecture.
const TICKS: f64 = 100.0;

/// Units in a transaction: up to `MOST` of the store's writer.
const UNITS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];
/// Seconds of talk.
const TALK: [f64; 9] = [1.0, 5.0, 15.0, 30.0, 60.0, 180.0, 600.0, 1800.0, 3600.0];
/// Seconds until an event was taken, or somebody rang: tries and outages last for longer than a request.
const PATIENT: [f64; 11] = [0.005, 0.02, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0];
/// Seconds of jitter: G.711's packets are 0.02 apart.
const JITTER: [f64; 8] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1];
/// The histograms that are not about the length of a request.
const OWN_BUCKETS: [(&str, &[f64]); 5] = [
    ("store_commit_units", &UNITS),
    ("call_duration_seconds", &TALK),
    ("call_post_dial_seconds", &PATIENT),
    ("follower_lag_seconds", &PATIENT),
    ("rtp_jitter_seconds", &JITTER),
];

static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

/// Records from now on. Later calls change nothing.
pub fn install() {
    recorder();
}

/// Everything recorded so far, and the figures of the process.
pub fn render() -> String {
    let mut text = recorder().render();
    process(&mut text);
    text
}

/// Counts samples and looks after what has to be asked for, until it is dropped.
pub async fn upkeep(deps: &Deps) {
    let mut ticks = interval(UPKEEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        recorder().run_upkeep();
        figures::look(deps).await;
    }
}

fn recorder() -> &'static PrometheusHandle {
    RECORDER.get_or_init(|| {
        let mut builder = PrometheusBuilder::new().set_buckets(&BUCKETS).expect("there are buckets");
        for (name, buckets) in OWN_BUCKETS {
            let name = Matcher::Full(name.to_owned());
            builder = builder.set_buckets_for_metric(name, buckets).expect("there are buckets");
        }
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        if let Err(error) = metrics::set_global_recorder(recorder) {
            warn!(%error, "metrics are recorded by somebody else");
        }
        words::describe();
        words::begin();
        handle
    })
}

/// Where `/proc` is missing, so are these.
fn process(text: &mut String) {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let descriptors = fs::read_dir("/proc/self/fd").ok().map(|fds| fds.count().to_string());
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    for (name, kind, help, value) in [
        (
            "process_resident_memory_bytes",
            "gauge",
            "Memory in use.",
            resident(&status).map(|bytes| bytes.to_string()),
        ),
        ("process_threads", "gauge", "Threads.", line(&status, "Threads:").map(str::to_owned)),
        (
            "process_cpu_seconds_total",
            "counter",
            "Processor time, of the program and of the system for it.",
            cpu(&stat).map(|seconds| seconds.to_string()),
        ),
        ("process_open_fds", "gauge", "Open files and sockets.", descriptors),
        (
            "process_max_fds",
            "gauge",
            "Files and sockets that may be open.",
            line(&limits, "Max open files").map(str::to_owned),
        ),
    ] {
        if let Some(value) = value {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n");
        }
    }
}

fn line<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()
}

fn resident(status: &str) -> Option<u64> {
    line(status, "VmRSS:")?.parse::<u64>().ok()?.checked_mul(1024)
}

/// User and system time: the 14th and 15th field, counted after the program's name, which may hold spaces.
fn cpu(stat: &str) -> Option<f64> {
    let (_, after) = stat.rsplit_once(')')?;
    let mut fields = after.split_whitespace().skip(11);
    let (user, system): (f64, f64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((user + system) / TICKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_nodes_of_a_process_record_together() {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    install();
                    metrics::counter!("test_together_total").increment(1);
                    metrics::histogram!("test_together_seconds").record(0.002);
                });
            }
        });
        let text = render();
        assert!(text.contains("test_together_total 4"), "{text}");
        assert!(text.contains("test_together_seconds_bucket{le=\"0.0025\"} 4"), "{text}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_figures_of_the_process_are_plausible() {
        let text = render();
        let figure = |name: &str| -> f64 {
            let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} "))).expect(name);
            line.parse().expect("a number")
        };
        assert!((1e6..1e11).contains(&figure("process_resident_memory_bytes")));
        assert!((0.0..1e6).contains(&figure("process_cpu_seconds_total")));
        assert!(figure("process_threads") >= 1.0);
        assert!((3.0..=figure("process_max_fds")).contains(&figure("process_open_fds")));
    }

    #[test]
    fn a_program_may_have_any_name() {
        let stat = "42 (a b) c) S 1 1 1 0 -1 4194304 1 2 3 4 150 50 0 0 20 0 1 0 5 6 7";
        assert_eq!(cpu(stat), Some(2.0));
        assert_eq!(
            (cpu(""), resident("VmRSS: many kB"), resident("VmRSS:\t  8 kB")),
            (None, None, Some(8192))
        );
    }
}
