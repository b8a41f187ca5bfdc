//! Log lines: JSON for machines, text for people, always on stderr.
//!
//! A JSON line is flat: the fields of the spans around an event are its own fields, the inner span's first.
//! So `correlation_id`, the id of a request that the gateway's span carries (`request_id`), is on every line of
//! it, on other nodes too: requests over the bus carry it (`telemetry/bus.rs`), and so do events.

use std::io::{IsTerminal, stderr};
use std::sync::{Mutex, OnceLock, PoisonError};

use protocol::time;
use serde::Serialize;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::subscriber::{SetGlobalDefaultError, set_global_default};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{FormatEvent, Writer};
use tracing_subscriber::fmt::{FmtContext, FormattedFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Layer, fmt, registry, reload};

use super::members::{self, Members};
use super::trace::Traces;

/// The service of what no domain's code says.
const SERVICE: &str = "branchline";

/// Modules of the domains' crate that are no domains. They say whose line it is where they know.
const ALL_DOMAINS_USE: [&str; 4] = ["aging", "host", "kernel", "network"];

/// Libraries whose lines are of no use to an operator. rsipstack prints whole messages, and with them
/// digests and the numbers of callers, so it takes a directive of its own (`rsipstack=debug`) to see them.
/// lapin prints messages that came back; what it says about connections the bus says, too.
const QUIET: &str =
    "lapin=off,rsipstack=warn,hyper=info,h2=info,rustls=info,sqlx=warn,ractor=warn,tower=info";

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    Text,
    Json,
}

impl Format {
    /// Text for a terminal, else JSON.
    pub fn fitting() -> Self {
        if stderr().is_terminal() { Format::Text } else { Format::Json }
    }
}

/// The directives, after [`QUIET`] so that they win. The error names what cannot be read.
pub fn filter(directives: &str) -> Result<EnvFilter, String> {
    EnvFilter::builder().parse(format!("{QUIET},{directives}")).map_err(|error| error.to_string())
}

/// Logs of this process from now on, and its spans to `traces`. With several nodes in one process the first
/// one's choice holds.
pub fn start(directives: &str, format: Format, instance: &str, traces: Option<Traces>) -> Result<(), String> {
    start_to(stderr, (directives, format), instance, traces)
}

/// As [`start`], with the lines to somewhere else.
pub fn start_to<W>(
    paper: W,
    (directives, format): (&str, Format),
    instance: &str,
    traces: Option<Traces>,
) -> Result<(), String>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let chosen = filter(directives)?;
    let paper = (paper, format, instance);
    match traces {
        Some(traces) => {
            let (filter, handle) = reload::Layer::new(chosen);
            let lines = lines(paper).with_filter(filter);
            keep(directives, set_global_default(registry().with(traces).with(lines)), handle);
        }
        // what the log does not want nobody sees: cheaper than to ask for each layer
        None => {
            let (filter, handle) = reload::Layer::new(chosen);
            keep(directives, set_global_default(registry().with(filter).with(lines(paper))), handle);
        }
    }
    Ok(())
}

fn lines<S, W>((paper, format, instance): (W, Format, &str)) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let ansi = format == Format::Text && stderr().is_terminal();
    let lines = fmt::layer().with_writer(paper).with_ansi(ansi);
    match format {
        Format::Text => lines.boxed(),
        Format::Json => {
            lines.fmt_fields(Members).event_format(Lines { instance: instance.to_owned() }).boxed()
        }
    }
}

type Reload = Box<dyn Fn(EnvFilter) -> Result<(), String> + Send + Sync>;

/// What is logged, and the way to change it. There is one log in a process.
static CHOSEN: OnceLock<(Mutex<String>, Reload)> = OnceLock::new();

/// A second start fails, and that is how it should be.
fn keep<S: 'static>(
    directives: &str,
    started: Result<(), SetGlobalDefaultError>,
    handle: reload::Handle<EnvFilter, S>,
) {
    if started.is_ok() {
        let reload = move |filter| handle.reload(filter).map_err(|error: reload::Error| error.to_string());
        let _ = CHOSEN.set((Mutex::new(directives.to_owned()), Box::new(reload)));
    }
}

/// What is logged at the moment; empty when somebody else logs for this process.
pub fn directives() -> String {
    let chosen =
        CHOSEN.get().map(|(chosen, _)| chosen.lock().unwrap_or_else(PoisonError::into_inner).clone());
    chosen.unwrap_or_default()
}

/// Logs by other directives until they are changed again or the process ends; nothing keeps them beyond that.
///
/// # Errors
/// They cannot be read, or this process does not log.
pub fn change(directives: &str) -> Result<(), String> {
    let filter = filter(directives).map_err(|error| format!("directives: {error}"))?;
    let (chosen, reload) = CHOSEN.get().ok_or("this process does not log")?;
    reload(filter)?;
    *chosen.lock().unwrap_or_else(PoisonError::into_inner) = directives.to_owned();
    Ok(())
}

/// Writes JSON lines.
struct Lines {
    instance: String,
}

#[derive(Serialize)]
struct Line<'a> {
    timestamp: String,
    level: String,
    service: Value,
    instance: &'a str,
    target: &'a str,
    message: Value,
    #[serde(flatten)]
    fields: Map<String, Value>,
}

impl<S> FormatEvent<S, Members> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, Members>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> std::fmt::Result {
        let mut fields = Fields::default();
        for span in context.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(text) = span.extensions().get::<FormattedFields<Members>>() {
                members::read(text).into_iter().for_each(|(name, value)| fields.put(&name, value));
            }
        }
        event.record(&mut fields);
        let Fields(mut fields) = fields;
        let line = Line {
            timestamp: time::stamp(chrono::Utc::now()),
            level: event.metadata().level().as_str().to_ascii_lowercase(),
            service: fields.remove("service").unwrap_or_else(|| service(event.metadata().target())),
            instance: &self.instance,
            target: event.metadata().target(),
            message: fields.remove("message").unwrap_or_else(|| "".into()),
            fields,
        };
        writeln!(writer, "{}", serde_json::to_string(&line).map_err(|_| std::fmt::Error)?)
    }
}

/// Whose code writes a line. A span for it around all that a domain does costs more than most of what it does.
fn service(target: &str) -> Value {
    let mut path = target.split("::");
    match (path.next(), path.next()) {
        (Some("actors"), Some(domain)) if !ALL_DOMAINS_USE.contains(&domain) => format!("{domain}-manager"),
        (Some("gateway"), _) => "gateway".to_owned(),
        _ => SERVICE.to_owned(),
    }
    .into()
}

#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    /// Code says `call = %id`, the engine `leg = %id` with the same id; the line says `call_id`. What the line itself says is not overwritten.
    fn put(&mut self, name: &str, value: Value) {
        let name = match name.strip_prefix("r#").unwrap_or(name) {
            "call" | "leg" => "call_id",
            "customer" => "customer_id",
            // what the platform does by itself has none
            "request_id" if value.as_str() == Some("") => return,
            "request_id" => "correlation_id",
            "timestamp" | "level" | "instance" | "target" => return,
            name => name,
        };
        self.0.insert(name.to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.put(field.name(), format!("{value:?}").into());
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field.name(), value.into());
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field.name(), value.into());
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field.name(), value.into());
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field.name(), value.into());
    }
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field.name(), value.into());
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing::{debug, info, info_span, warn};

    use super::*;

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("paper").extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Paper {
        type Writer = Paper;
        fn make_writer(&'a self) -> Paper {
            self.clone()
        }
    }

    fn lines(directives: &str, write: impl FnOnce()) -> Vec<Value> {
        let paper = Paper::default();
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(filter(directives).expect("directives"))
            .fmt_fields(Members)
            .event_format(Lines { instance: "n1".into() })
            .with_writer(paper.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, write);
        let text = String::from_utf8(paper.0.lock().expect("paper").clone()).expect("text");
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    #[test]
    fn a_line_is_flat_and_carries_what_its_spans_know() {
        let written = lines("info", || {
            let _request = info_span!("request", request_id = "r1", customer = %7).entered();
            let _inner = info_span!("inner", op = "get").entered();
            warn!(call = %42, duration_ms = 3_u64, error = ?io::ErrorKind::NotFound, "hangup \"failed\"\nbadly");
            debug!("too fine");
        });
        let [line] = written.as_slice() else { panic!("{written:?}") };
        let mut line = line.as_object().expect("an object").clone();
        let stamp = line.remove("timestamp").expect("a timestamp");
        assert!(time::parse(stamp.as_str().expect("text")).is_some(), "{stamp}");
        let target = line.remove("target").expect("a target");
        assert!(target.as_str().is_some_and(|target| target.ends_with("logs::tests")), "{target}");
        assert_eq!(
            Value::Object(line),
            serde_json::json!({
                "level": "warn", "service": "branchline", "instance": "n1", "message": "hangup \"failed\"\nbadly",
                "correlation_id": "r1", "customer_id": "7", "call_id": "42", "duration_ms": 3, "op": "get",
                "error": "NotFound",
            })
        );
    }

    #[test]
    fn a_line_is_of_the_service_whose_code_says_it() {
        for (target, expected) in [
            ("gateway::front", "gateway"),
            ("actors::call::session", "call-manager"),
            ("actors::tag", "tag-manager"),
            ("actors::kernel::pool", SERVICE),
            ("cluster::run", SERVICE),
            ("", SERVICE),
        ] {
            assert_eq!(service(target), expected, "{target}");
        }
        let written =
            lines("info", || warn!(target: "actors::kernel::pool", service = "tag-manager", "lost"));
        assert_eq!(written[0]["service"], "tag-manager", "it says so itself");
    }

    #[test]
    fn every_module_beside_the_domains_is_known_not_to_be_one() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../actors/src");
        for entry in std::fs::read_dir(folder).expect("the sources are there") {
            let path = entry.expect("an entry").path();
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            let file = if path.is_dir() { path.join("mod.rs") } else { path };
            let text = std::fs::read_to_string(file).expect("text");
            let is_domain = text.contains(&format!("\"{name}-manager\""));
            assert_eq!(is_domain, name != "lib" && !ALL_DOMAINS_USE.contains(&&*name), "{name}");
        }
    }

    #[test]
    fn what_a_span_learns_later_stands_on_its_lines_and_the_last_word_counts() {
        let written = lines("info", || {
            let span = info_span!("request", request_id = "r1", customer = tracing::field::Empty);
            for customer in ["first", "a \"second\" one,"] {
                span.record("customer", customer);
            }
            span.in_scope(|| warn!("lost"));
        });
        assert_eq!(written[0]["customer_id"], "a \"second\" one,");
        assert_eq!(written[0]["correlation_id"], "r1");
    }

    #[test]
    fn a_leg_is_its_call_and_what_the_platform_does_by_itself_is_nobodys_request() {
        let written = lines("info", || {
            let _own = info_span!("follower", request_id = "").entered();
            warn!(leg = %42, "lost");
        });
        assert_eq!(written[0]["call_id"], "42");
        assert_eq!(written[0].get("correlation_id"), None);
    }

    #[test]
    fn whole_sip_messages_are_not_logged_unless_asked_for() {
        let write = || {
            info!(target: "rsipstack::transport", "REGISTER sip:...");
            warn!(target: "rsipstack::transport", "socket lost");
            debug!(target: "branchline", "fine");
        };
        let said = |directives| {
            lines(directives, write).iter().map(|line| line["message"].clone()).collect::<Vec<_>>()
        };
        assert_eq!(said("debug"), ["socket lost", "fine"]);
        assert_eq!(said("debug,rsipstack=info"), ["REGISTER sip:...", "socket lost", "fine"]);
        assert_eq!(said("warn"), ["socket lost"]);
    }

    #[test]
    fn directives_that_cannot_be_read_are_an_error() {
        assert!(filter("info,cluster=debug").is_ok());
        assert!(filter("cluster=loud").is_err());
    }

    #[test]
    fn a_second_start_in_one_process_is_harmless() {
        for _ in 0..2 {
            start("error", Format::Json, "n1", None).expect("started");
        }
    }
}
