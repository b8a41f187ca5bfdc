//! Every figure of a node and what it says. docs/operations.md says what to do about them.
//!
//! Labels are bounded: names of domains, kinds, results, status codes. Never an id, never what a client wrote.

use metrics::{describe_counter, describe_gauge, describe_histogram};

const COUNTERS: &[(&str, &str)] = &[
    ("admin_requests_refused_total", "Requests of operators without the right token."),
    ("bus_asks_total", "Requests to domains on other nodes, by domain and status."),
    ("bus_dead_letters_total", "Events that the bus gave up and set aside."),
    ("bus_published_total", "Facts handed to the bus, by result."),
    ("bus_reconnects_total", "Connections to the broker that were made again."),
    ("bus_served_total", "Requests of other nodes that were answered here, by domain."),
    ("cache_requests_total", "Questions to the cache, by result."),
    ("calls_answered_total", "Calls that were answered, by direction."),
    ("calls_attempted_total", "Calls that were begun, by direction."),
    ("calls_ended_total", "Calls that ended, by direction and reason."),
    (
        "dead_events_total",
        "Events that a follower of the domain could not take and that wait to be replayed.",
    ),
    ("domain_requests_total", "Requests that a domain answered, by status as HTTP would say it."),
    ("follower_failures_total", "Tries of followers that failed; most succeed later."),
    ("http_connections_refused_total", "Connections beyond the limit."),
    ("http_requests_total", "Requests over HTTP, by route pattern, method and status."),
    ("live_crashes_total", "Live things that crashed and were rebuilt, by kind."),
    ("media_ticks_dropped_total", "Ticks of 20 ms that never ran: a gap in what is heard."),
    ("media_ticks_late_total", "Ticks of 20 ms that ran more than one tick late."),
    ("requests_refused_total", "Requests that found no credit in a domain's mailbox."),
    ("rtp_packets_lost_total", "Packets of peers that never came."),
    ("rtp_packets_received_total", "Packets of peers."),
    ("rtp_packets_sent_total", "Packets to peers."),
    ("rtp_packets_unsent_total", "Packets that the system did not take."),
    ("rtp_timeouts_total", "Streams whose peer fell silent."),
    ("store_commits_total", "Transactions of the writer, by result."),
    ("store_read_failures_total", "Reads that failed."),
    ("supervisor_restarts_total", "Restarts of supervised children."),
    ("webhook_attempts_total", "Attempts to deliver a webhook, by result."),
];

const GAUGES: &[(&str, &str)] = &[
    ("bus_breakers_open", "Queues of other nodes that are left alone because they do not answer."),
    ("bus_connections", "Connections to the broker that are up. None on a bus in the process."),
    ("calls_live", "Calls that live on this node, by direction and status."),
    ("dependency_up", "Whether store, cache and bus answer: 1 or 0, asked every 5 s."),
    ("domain_credits", "Requests that a domain accepts at the same time."),
    ("domain_credits_in_use", "Requests that a domain has accepted and not yet answered."),
    ("domain_queue_depth", "Requests and events that a domain has accepted and not yet begun."),
    ("domain_up", "Whether a domain runs: 1 or 0."),
    ("http_connections", "Connections over HTTP that are open."),
    ("live_things", "Actors that stand for a call, a bridge, a flow and so on, by kind."),
    ("node_info", "Always 1; the labels say which node this is and of which release."),
    ("outbox_oldest_seconds", "Age of the oldest event that is not yet delivered; 0 without one."),
    ("outbox_on_the_way", "Events between the store and the bus."),
    ("outbox_undelivered", "Events that are committed and not yet delivered, counted up to 100,000."),
    ("rate_limits_alone", "Limits that this node applies by itself because the cache does not answer."),
    ("rtp_sessions", "Open media streams."),
    ("store_connections_busy", "Connections of the store that read."),
    ("store_connections_idle", "Connections of the store that are open and wait."),
    ("store_connections_max", "Connections that the store may open for reads."),
    ("store_writer_queue", "Units that wait for the writer of the store."),
    ("webhooks_under_way", "Attempts to deliver that wait for an answer."),
    ("webhooks_waiting", "Deliveries in memory that wait for a place."),
];

const HISTOGRAMS: &[(&str, &str)] = &[
    ("bus_ask_duration_seconds", "Time until another node answered."),
    ("bus_publish_duration_seconds", "Time until the bus confirmed a fact."),
    ("call_duration_seconds", "Length of calls from the answer to the end."),
    ("call_post_dial_seconds", "Time from placing a call to its first ringing or answer."),
    ("domain_request_duration_seconds", "Time until a domain answered, the wait in its mailbox included."),
    ("follower_lag_seconds", "Age of events when a follower of the domain has taken them."),
    ("http_request_duration_seconds", "Time until a request over HTTP was answered."),
    ("rtp_jitter_seconds", "Jitter of peers' packets (RFC 3550), every 5 s and at the end of a stream."),
    ("store_commit_duration_seconds", "Time of a transaction of the writer."),
    ("store_commit_units", "Units in a transaction of the writer."),
    ("store_read_duration_seconds", "Time of a read, the wait for a connection included."),
    ("webhook_attempt_duration_seconds", "Time of an attempt to deliver a webhook."),
];

pub(super) fn describe() {
    COUNTERS.iter().for_each(|(name, help)| describe_counter!(*name, *help));
    GAUGES.iter().for_each(|(name, help)| describe_gauge!(*name, *help));
    HISTOGRAMS.iter().for_each(|(name, help)| describe_histogram!(*name, *help));
}

/// What has no labels is there from the start, so that its first rise is seen as one.
const FROM_THE_START: &[&str] = &[
    "admin_requests_refused_total",
    "bus_dead_letters_total",
    "bus_reconnects_total",
    "http_connections_refused_total",
];
const ZERO_AT_FIRST: &[&str] =
    &["bus_breakers_open", "bus_connections", "rate_limits_alone", "webhooks_under_way", "webhooks_waiting"];

pub(super) fn begin() {
    FROM_THE_START.iter().for_each(|name| metrics::counter!(*name).increment(0));
    ZERO_AT_FIRST.iter().for_each(|name| metrics::gauge!(*name).increment(0));
    for result in ["delivered", "again", "never"] {
        metrics::counter!("webhook_attempts_total", "result" => result).increment(0);
    }
}
