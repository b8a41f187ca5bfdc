//! What may leave of a row, written straight to where it goes: a view holds no copy.

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::resource::Cell;
use crate::{Kind, Resource, Row, time};

/// Declared, not internal, and secrets only where they are revealed; times in Go's form.
pub struct View<'r> {
    pub(crate) resource: &'r Resource,
    pub(crate) row: &'r Row,
    pub(crate) secrets: bool,
}

impl Serialize for View<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        // by the alphabet, as the row is
        to.collect_map(self.resource.cells(self.row).filter_map(|Cell { value, column, .. }| {
            let (_, field) = column?;
            let leaves = !field.internal && (self.secrets || !field.secret);
            leaves.then_some((field.name, Shown(field.kind, value)))
        }))
    }
}

struct Shown<'r>(Kind, &'r Value);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Shown(Kind::Time, Value::String(text)) => time::outward(text).serialize(to),
            Shown(_, value) => value.serialize(to),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Field;

    #[test]
    fn what_leaves_is_in_the_order_of_the_alphabet_with_times_as_go_writes_them() {
        const BELL: Resource = Resource::new("bell", "bells", &[Field::time("tm_rung"), Field::text("name")]);
        let Value::Object(row) = json!({
            "tm_rung": "2026-01-02T03:04:05.120000Z", "name": "a", "tm_delete": null, "rev": 1, "undeclared": 1,
        }) else {
            unreachable!()
        };
        let text = serde_json::to_string(&BELL.view(&row)).expect("JSON");
        assert_eq!(text, r#"{"name":"a","tm_delete":null,"tm_rung":"2026-01-02T03:04:05.12Z"}"#);
    }
}
