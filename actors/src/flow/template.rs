//! `${name}` in the texts of options: recognised when a flow is saved, filled in when its action runs.
//!
//! One pass: no nesting, no escape, no default. A value that itself holds `${` stays as it is. Numbers stay
//! numbers and the names of fields are never touched.

use protocol::{Error, Result};
use serde_json::{Map, Value};

use super::variables::{TOTAL, Variables};

/// Holds at least one `${...}`, so what it will be is known only when it runs.
pub(super) fn is_template(text: &str) -> bool {
    text.find("${").is_some_and(|at| text[at..].contains('}'))
}

/// Fills in all texts of an option, at any depth, except those below the field `except`. An unknown name
/// becomes nothing; `${` without `}` stays.
///
/// # Errors
/// When the result is larger than all variables of an activeflow may be: a few hundred bytes of `${a}${a}...`
/// could otherwise ask for gigabytes.
pub(super) fn expand_option(
    option: &Map<String, Value>,
    except: &str,
    variables: &Variables,
) -> Result<Map<String, Value>> {
    let mut left = TOTAL;
    option
        .iter()
        .map(|(name, value)| {
            let value = if name == except { value.clone() } else { fill_all(value, variables, &mut left)? };
            Ok((name.clone(), value))
        })
        .collect()
}

fn fill_all(value: &Value, variables: &Variables, left: &mut usize) -> Result<Value> {
    Ok(match value {
        Value::String(text) => Value::String(fill(text, variables, left)?),
        Value::Array(items) => {
            items.iter().map(|item| fill_all(item, variables, left)).collect::<Result<_>>()?
        }
        Value::Object(fields) => {
            let filled = fields.iter().map(|(name, v)| Ok((name.clone(), fill_all(v, variables, left)?)));
            Value::Object(filled.collect::<Result<_>>()?)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    })
}

fn fill(text: &str, variables: &Variables, left: &mut usize) -> Result<String> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, behind)) = after.split_once('}') else { break };
        append(&mut filled, before, left)?;
        append(&mut filled, variables.get(name), left)?;
        rest = behind;
    }
    append(&mut filled, rest, left)?;
    Ok(filled)
}

fn append(filled: &mut String, part: &str, left: &mut usize) -> Result<()> {
    let Some(remaining) = left.checked_sub(part.len()) else {
        return Err(Error::invalid(format!(
            "a text with its variables must not be larger than {TOTAL} bytes"
        )));
    };
    *left = remaining;
    filled.push_str(part);
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn variables() -> Variables {
        let mut variables = Variables::default();
        for (name, value) in [("a", "1"), ("b", "2"), ("a.b", "dotted"), ("evil", "${a}"), ("", "empty")] {
            variables.put(name, value);
        }
        variables
    }

    fn expand(text: &str, variables: &Variables) -> Result<String> {
        fill(text, variables, &mut TOTAL.clone())
    }

    fn check(text: &str, expected: &str) {
        assert_eq!(expand(text, &variables()).expect("short"), expected, "{text}");
    }

    #[test]
    fn names_become_values_once() {
        check("plain", "plain");
        check("${a}${b}", "12");
        check("${a", "${a");
        check("${none}", "");
        check("<${a.b}>", "<dotted>");
        check("${}", "empty");
        check("${evil}", "${a}");
        check("${a${b}}", "}");
        check("é ${a} é", "é 1 é");
        check("$a {a}", "$a {a}");
    }

    #[test]
    fn numbers_in_arrays_stay_numbers() {
        let Value::Object(option) =
            json!({"days": [1, 2, "${a}"], "deep": {"${a}": ["x${b}"]}, "n": 5, "actions": ["${a}"]})
        else {
            unreachable!()
        };
        let filled = expand_option(&option, "actions", &variables()).expect("short");
        let expected = json!({"days": [1, 2, "1"], "deep": {"${a}": ["x2"]}, "n": 5, "actions": ["${a}"]});
        assert_eq!(Value::Object(filled), expected);
    }

    #[test]
    fn a_text_cannot_grow_without_limit() {
        let mut variables = Variables::default();
        variables.put("big", "x".repeat(100_000));
        assert!(expand("${big}${big}", &variables).is_ok());
        assert!(expand("${big}${big}${big}", &variables).is_err());
    }

    #[test]
    fn only_a_closed_placeholder_makes_a_template() {
        for (text, expected) in
            [("${a}", true), ("x${}", true), ("${a", false), ("a}", false), ("}${", false)]
        {
            assert_eq!(is_template(text), expected, "{text}");
        }
    }
}
