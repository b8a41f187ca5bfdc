//! Where the flow goes next: `branch`, `goto` and the conditions. All of it is computed, nothing waits.

use std::collections::BTreeMap;

use protocol::Result;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::flow::literal::Word;
use crate::flow::reader::Fields;
use crate::flow::variables::DIGITS;

/// The most ways out of one branch.
const WAYS: usize = 1_000;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Branch {
    /// The name of the variable, not its value.
    pub(crate) variable: String,
    pub(crate) default_target_id: Uuid,
    pub(crate) target_ids: BTreeMap<String, Uuid>,
}

impl Branch {
    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self> {
        let variable: String = fields.get("variable")?;
        Ok(Branch {
            variable: if variable.is_empty() { DIGITS.to_owned() } else { variable },
            default_target_id: fields.get("default_target_id")?,
            target_ids: fields.need_slot("target_ids")?.entries(WAYS)?.into_iter().collect(),
        })
    }

    /// The way for this value; nil: none.
    pub(in crate::flow) fn target(&self, value: &str) -> Uuid {
        self.target_ids.get(value).copied().unwrap_or(self.default_target_id)
    }

    pub(super) fn targets(&self) -> Vec<(String, Uuid)> {
        let default = ("default_target_id".to_owned(), self.default_target_id);
        let ways = self.target_ids.iter().map(|(value, id)| (format!("target_ids.{value}"), *id));
        std::iter::once(default).chain(ways).collect()
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Goto {
    pub(crate) target_id: Uuid,
    /// So many jumps, then the flow passes through; 0 or less: it always does.
    pub(crate) loop_count: i64,
}

impl Goto {
    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self> {
        Ok(Goto { target_id: fields.need("target_id")?, loop_count: fields.get("loop_count")? })
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ConditionCallDigits {
    /// True when so many were typed; 0: only `key` counts.
    pub(crate) length: i64,
    /// True when one of these characters was typed.
    pub(crate) key: String,
    pub(crate) false_target_id: Uuid,
}

impl ConditionCallDigits {
    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self> {
        Ok(ConditionCallDigits {
            length: fields.get("length")?,
            key: fields.get::<String>("key")?.to_ascii_uppercase(),
            false_target_id: fields.need("false_target_id")?,
        })
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ConditionVariable {
    pub(crate) condition: Comparison,
    /// The text to compare: written as `${name}`, it is that variable's value by now.
    pub(crate) variable: String,
    pub(crate) value_type: ValueType,
    pub(crate) value_string: String,
    pub(crate) value_number: f64,
    /// In bytes.
    pub(crate) value_length: i64,
    pub(crate) false_target_id: Uuid,
}

impl ConditionVariable {
    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self> {
        Ok(ConditionVariable {
            condition: fields.need("condition")?,
            variable: fields.need("variable")?,
            value_type: fields.need("value_type")?,
            value_string: fields.get("value_string")?,
            value_number: fields.get("value_number")?,
            value_length: fields.get("value_length")?,
            false_target_id: fields.need("false_target_id")?,
        })
    }

    /// A text that is no number compares false with every number, also under `!=`.
    pub(in crate::flow) fn holds(&self) -> bool {
        match self.value_type {
            ValueType::String => self.condition.holds(self.variable.as_str(), self.value_string.as_str()),
            ValueType::Length => {
                let length = i64::try_from(self.variable.len()).unwrap_or(i64::MAX);
                self.condition.holds(&length, &self.value_length)
            }
            ValueType::Number => {
                let number = self.variable.trim().parse().ok().filter(|n: &f64| n.is_finite());
                number.is_some_and(|number| self.condition.holds(&number, &self.value_number))
            }
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Comparison {
    #[default]
    #[serde(rename = "==")]
    Equal,
    #[serde(rename = "!=")]
    NotEqual,
    #[serde(rename = ">")]
    Greater,
    #[serde(rename = ">=")]
    AtLeast,
    #[serde(rename = "<")]
    Less,
    #[serde(rename = "<=")]
    AtMost,
}

impl Word for Comparison {
    const WANTED: &'static str = "one of ==, !=, >, >=, <, <=";
}

impl Comparison {
    fn holds<T: PartialOrd + ?Sized>(self, left: &T, right: &T) -> bool {
        match self {
            Comparison::Equal => left == right,
            Comparison::NotEqual => left != right,
            Comparison::Greater => left > right,
            Comparison::AtLeast => left >= right,
            Comparison::Less => left < right,
            Comparison::AtMost => left <= right,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ValueType {
    #[default]
    String,
    Number,
    Length,
}

impl Word for ValueType {
    const WANTED: &'static str = "string, number or length";
}
