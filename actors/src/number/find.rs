//! Whose number a call is for or from.

use std::sync::Arc;

use protocol::ports::Filter;
use protocol::{Address, Context, Result, Scope, read};
use serde_json::json;

use super::Numbers;
use super::api::{FindNumber, Found};

pub(super) async fn find(numbers: Arc<Numbers>, _: Context, command: FindNumber) -> Result<Option<Found>> {
    let Some(number) = stored_form(&command.number) else { return Ok(None) };
    let row = numbers.rows().find(Scope::Platform, Filter::by("number", json!(number))).await?;
    row.map(|row| read(&row)).transpose()
}

/// Carriers send numbers with and without `+`; stored ones have it.
fn stored_form(text: &str) -> Option<String> {
    let number = Address::new("tel", text).normalise().ok()?.target;
    let number = if number.starts_with('+') { number } else { format!("+{number}") };
    (number.len() <= 16).then_some(number)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_plus_may_be_missing() {
        for (text, expected) in [
            ("+15551234567", Some("+15551234567")),
            ("15551234567", Some("+15551234567")),
            ("+1 555 123 4567", Some("+15551234567")),
            ("anonymous", None),
            ("12345678901234567890", None),
        ] {
            assert_eq!(super::stored_form(text).as_deref(), expected, "{text}");
        }
    }
}
