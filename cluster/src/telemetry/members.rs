//! The fields of a span as members of a JSON object, each with a comma behind it and no braces around them.
//!
//! So a span that learns one more field only has it written behind the others. `JsonFields` would read and write
//! all of them anew, for every request that is served.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::span::Record;
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FormatFields, FormattedFields};

pub(super) struct Members;

/// The later one of two members of one name counts.
pub(super) fn read(members: &str) -> Map<String, Value> {
    let members = members.strip_suffix(',').unwrap_or(members);
    serde_json::from_str(&format!("{{{members}}}")).unwrap_or_default()
}

impl<'w> FormatFields<'w> for Members {
    fn format_fields<R: RecordFields>(&self, to: Writer<'w>, fields: R) -> fmt::Result {
        let mut pen = Pen { to, outcome: Ok(()) };
        fields.record(&mut pen);
        pen.outcome
    }

    fn add_fields(&self, known: &'w mut FormattedFields<Self>, fields: &Record<'_>) -> fmt::Result {
        self.format_fields(known.as_writer(), fields)
    }
}

struct Pen<'w> {
    to: Writer<'w>,
    outcome: fmt::Result,
}

impl Pen<'_> {
    fn put(&mut self, field: &Field, value: impl Serialize) {
        let (name, value) = (serde_json::to_string(field.name()), serde_json::to_string(&value));
        let (Ok(name), Ok(value)) = (name, value) else { return };
        self.outcome = self.outcome.and_then(|()| write!(self.to, "{name}:{value},"));
    }
}

impl Visit for Pen<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }
}
