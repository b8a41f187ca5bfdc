//! Reads the JSON of an option into types, and knows at every moment where it is.
//!
//! Serde could read the same, but says neither where a field is wrong nor that a `${variable}` may stand for
//! it. Unknown fields are refused: a misspelt one would otherwise do nothing, on a live call.

use protocol::{Error, Result};
use serde_json::{Map, Value};

use super::literal::{Literal, Milliseconds};
use super::template;

/// How Go writes an id that was not given.
const NIL: &str = "00000000-0000-0000-0000-000000000000";

/// When an option is read. The same types and rules hold both times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The flow is saved: literals are checked, a text with `${...}` may stand for any value and reads as
    /// the type's default.
    Saved,
    /// The action runs, its variables are filled in: a text may stand for any value that it spells.
    Running,
}

/// An error that begins with the path of the wrong field and carries it as the detail `field`.
pub(super) fn refusal(path: &str, problem: &str) -> Error {
    Error::invalid(format!("{path} {problem}")).detail("field", path)
}

/// A JSON object that is being read.
pub(super) struct Fields<'a> {
    fields: &'a Map<String, Value>,
    path: String,
    stage: Stage,
    known: Vec<&'static str>,
}

/// One value and where it stands.
pub(super) struct Slot<'a> {
    value: &'a Value,
    path: String,
    stage: Stage,
}

impl<'a> Fields<'a> {
    pub(super) fn new(fields: &'a Map<String, Value>, path: String, stage: Stage) -> Self {
        Fields { fields, path, stage, known: Vec::new() }
    }

    pub(super) fn stage(&self) -> Stage {
        self.stage
    }

    /// The value of a field; `null` is none.
    pub(super) fn slot(&mut self, name: &'static str) -> Option<Slot<'a>> {
        self.known.push(name);
        let value = self.fields.get(name).filter(|value| !value.is_null())?;
        Some(Slot { value, path: self.path_of(name), stage: self.stage })
    }

    /// A field that may be absent.
    pub(super) fn get<T: Literal>(&mut self, name: &'static str) -> Result<T> {
        self.slot(name).map_or_else(|| Ok(T::default()), |slot| slot.read())
    }

    /// A field without which the flow cannot be saved. What a variable made of it is not judged again: it
    /// may well be empty.
    pub(super) fn need<T: Literal>(&mut self, name: &'static str) -> Result<T> {
        let slot = self.need_slot(name)?;
        slot.read()
    }

    pub(super) fn need_slot(&mut self, name: &'static str) -> Result<Slot<'a>> {
        let slot = self.slot(name).filter(|slot| self.stage == Stage::Running || !slot.is_empty());
        slot.ok_or_else(|| refusal(&self.path_of(name), "is required"))
    }

    /// A span of time between two others. An absent one is `otherwise`, a variable is checked when it runs.
    pub(super) fn span(
        &mut self,
        name: &'static str,
        (least, most): (Milliseconds, Milliseconds),
        otherwise: Milliseconds,
    ) -> Result<Milliseconds> {
        let Some(slot) = self.slot(name).filter(|slot| !slot.is_later()) else { return Ok(otherwise) };
        match slot.read()? {
            span if least <= span && span <= most => Ok(span),
            _ => Err(slot.wrong(&format!("{} from {} to {}", Milliseconds::WANTED, least.0, most.0))),
        }
    }

    /// Refuses what nobody asked for.
    pub(super) fn end(self) -> Result<()> {
        match self.fields.keys().find(|name| !self.known.contains(&name.as_str())) {
            Some(unknown) => Err(refusal(&self.path_of(unknown), "is not a field of this action")),
            None => Ok(()),
        }
    }

    fn path_of(&self, name: &str) -> String {
        format!("{}.{name}", self.path)
    }
}

impl<'a> Slot<'a> {
    pub(super) fn read<T: Literal>(&self) -> Result<T> {
        if self.is_later() {
            return Ok(T::default());
        }
        let spelt = self.value.as_str().filter(|_| self.stage == Stage::Running);
        spelt
            .map_or_else(|| T::literal(self.value), T::spelt)
            .ok_or_else(|| self.wrong_for(T::REASON, T::WANTED))
    }

    /// Each item of an array of at most `most`.
    pub(super) fn items<T>(&self, most: usize, read: impl Fn(Slot<'a>) -> Result<T>) -> Result<Vec<T>> {
        let Value::Array(items) = self.value else { return Err(self.wrong("an array")) };
        if items.len() > most {
            return Err(self.wrong(&format!("an array of at most {most}")));
        }
        let slot = |(at, value)| Slot { value, path: format!("{}[{at}]", self.path), stage: self.stage };
        items.iter().enumerate().map(slot).map(read).collect()
    }

    /// Each named value of an object of at most `most`.
    pub(super) fn entries<T: Literal>(&self, most: usize) -> Result<Vec<(String, T)>> {
        let Value::Object(entries) = self.value else { return Err(self.wrong("an object")) };
        if entries.len() > most {
            return Err(self.wrong(&format!("an object of at most {most} fields")));
        }
        let slot = |name, value| Slot { value, path: format!("{}.{name}", self.path), stage: self.stage };
        entries.iter().map(|(name, value)| Ok((name.clone(), slot(name, value).read()?))).collect()
    }

    pub(super) fn fields(&self) -> Result<Fields<'a>> {
        match self.value {
            Value::Object(fields) => Ok(Fields::new(fields, self.path.clone(), self.stage)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Err(self.wrong("an object"))
            }
        }
    }

    pub(super) fn raw(&self) -> &'a Value {
        self.value
    }

    /// Is known only when the action runs.
    pub(super) fn is_later(&self) -> bool {
        self.stage == Stage::Saved && self.value.as_str().is_some_and(template::is_template)
    }

    /// The refusal of this value.
    pub(super) fn wrong(&self, wanted: &str) -> Error {
        self.wrong_for("INVALID_ARGUMENT", wanted)
    }

    fn wrong_for(&self, reason: &'static str, wanted: &str) -> Error {
        let mut error = refusal(&self.path, &format!("must be {wanted}"));
        error.reason = reason.into();
        error
    }

    fn is_empty(&self) -> bool {
        match self.value {
            Value::String(text) => text.trim().is_empty() || text == NIL,
            Value::Array(items) => items.is_empty(),
            Value::Object(fields) => fields.is_empty(),
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }
}
