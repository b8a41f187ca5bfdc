//! The fields of a span as members of a JSON object, each with a comma behind it and no braces around them.
//!
//! So a span that learns one more field only has it written behind the others. `JsonFields` would read and write
//! all of them anew, for every request that is served.

use std::fmt::{self, Write as _};

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
    /// What stands as it is in JSON.
    fn put(&mut self, field: &Field, value: impl fmt::Display) {
        self.write(field, |to| write!(to, "{value}"));
    }

    fn put_text(&mut self, field: &Field, text: fmt::Arguments<'_>) {
        self.write(field, |to| {
            to.write_char('"')?;
            Escaped(to).write_fmt(text)?;
            to.write_char('"')
        });
    }

    fn write(&mut self, field: &Field, value: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        let to = &mut self.to;
        let member = || {
            to.write_char('"')?;
            Escaped(to).write_str(field.name())?;
            to.write_str("\":")?;
            value(to)?;
            to.write_char(',')
        };
        self.outcome = self.outcome.and_then(|()| member());
    }
}

/// Text between the quotes of JSON (RFC 8259, 7), as it comes.
struct Escaped<'t, 'w>(&'t mut Writer<'w>);

impl fmt::Write for Escaped<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(|char| matches!(char, '"' | '\\' | '\0'..' ')) {
            let (plain, odd) = rest.split_at(at);
            self.0.write_str(plain)?;
            write!(self.0, "\\u{:04x}", odd.as_bytes()[0])?;
            rest = &odd[1..];
        }
        self.0.write_str(rest)
    }
}

impl Visit for Pen<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put_text(field, format_args!("{value:?}"));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put_text(field, format_args!("{value}"));
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
        match value.is_finite() {
            true => self.put(field, value),
            false => self.put(field, "null"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_a_string_of_json_whatever_is_in_it() {
        for odd in ["", "plain", "\"", "a\"b\\c\nd\te\0f\u{1f} g", "ä\u{1F600}\"\u{7f}\u{2028}"] {
            let mut text = String::new();
            Escaped(&mut Writer::new(&mut text)).write_str(odd).expect("a string takes all");
            assert_eq!(serde_json::from_str::<String>(&format!("\"{text}\"")).expect("JSON"), odd);
        }
    }
}
