//! What a minute costs, by prefix of the number that was called. Set by operators; without a rate the usual
//! price applies.

use protocol::ports::{Deps, Filter};
use protocol::{Access, Address, Error, Field, Page, Resource, Result, Row, Scope, read};
use serde::Deserialize;
use serde_json::Value;

use super::cost::{Cost, Price};

pub(crate) static RATE: Resource = Resource::new(
    "rate",
    "rates",
    &[
        Field::text("prefix").edit().filter().check(digits),
        Field::choice("cost_type", &["call_pstn_outgoing", "call_pstn_incoming", "call_vn"])
            .edit()
            .filter()
            .required(),
        Field::int("credit_per_unit").edit().check(amount),
        Field::int("token_per_unit").edit().check(amount),
    ],
)
.access(Access::PLATFORM)
.shared();

/// The longest number of E.164, in digits: longer prefixes match nothing.
const DIGITS: usize = 15;
/// A thousand dollars a minute: beyond any call, and products with minutes stay far below an overflow.
const DEAREST: i64 = 1_000_000_000;

#[derive(Clone, Deserialize)]
struct Rate {
    prefix: String,
    credit_per_unit: i64,
    token_per_unit: i64,
}

/// The price of a minute of a call to this destination. Of two rates with one prefix the newer one counts.
pub(super) async fn price(deps: &Deps, cost: Cost, destination: &Address) -> Result<Price> {
    if cost.is_free() {
        return Ok(Price::FREE);
    }
    let prefixes = prefixes(destination).into_iter().map(Value::from).collect();
    let filter = Filter::by("cost_type", cost.name()).any("prefix", prefixes);
    let page = Page { size: Page::MOST, after: None };
    let rows = deps.store.list(&RATE, Scope::Platform, &filter, &page).await?;
    let rates = rows.iter().map(read).collect::<Result<Vec<_>>>()?;
    Ok(longest(&rates).unwrap_or(cost.usual()))
}

/// The rate of the longest prefix, of several the first.
fn longest(rates: &[Rate]) -> Option<Price> {
    // `max_by_key` takes the last of equals
    let rate = rates.iter().rev().max_by_key(|rate| rate.prefix.len())?;
    Some(Price { token: rate.token_per_unit, credit: rate.credit_per_unit })
}

/// Every beginning of a telephone number, the empty one included.
fn prefixes(destination: &Address) -> Vec<String> {
    let number = if destination.is_tel() { destination.target.trim_start_matches('+') } else { "" };
    let number: String = number.chars().take_while(char::is_ascii_digit).take(DIGITS).collect();
    (0..=number.len()).map(|end| number[..end].to_owned()).collect()
}

fn digits(value: &Value) -> Result<()> {
    let text = value.as_str().unwrap_or_default();
    match text.len() <= DIGITS && text.chars().all(|c| c.is_ascii_digit()) {
        true => Ok(()),
        false => Err(Error::invalid(format!("must be at most {DIGITS} digits, without +"))),
    }
}

fn amount(value: &Value) -> Result<()> {
    match value.as_i64() {
        Some(0..=DEAREST) => Ok(()),
        _ => Err(Error::invalid(format!("must be from 0 to {DEAREST}"))),
    }
}

/// What an entry of the ledger keeps of its price.
pub(super) fn patch(price: Price) -> Row {
    Row::from_iter([
        ("rate_token_per_unit".to_owned(), price.token.into()),
        ("rate_credit_per_unit".to_owned(), price.credit.into()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(prefix: &str, credit_per_unit: i64) -> Rate {
        Rate { prefix: prefix.into(), credit_per_unit, token_per_unit: 0 }
    }

    #[test]
    fn the_longest_prefix_decides_and_of_two_the_newer() {
        let rates = [rate("", 1), rate("44", 2), rate("4420", 3), rate("4420", 4), rate("442", 5)];
        assert_eq!(longest(&rates), Some(Price { token: 0, credit: 3 }));
        assert_eq!(longest(&[]), None);
    }

    #[test]
    fn a_number_has_all_its_beginnings() {
        let number = Address::new("tel", "+441");
        assert_eq!(prefixes(&number), ["", "4", "44", "441"]);
        assert_eq!(prefixes(&Address::new("tel", "+1234567890123456789")).len(), DIGITS + 1);
        assert_eq!(prefixes(&Address::new("extension", "100")), [""]);
    }

    #[test]
    fn rates_hold_digits_and_sane_amounts() {
        for (value, good) in [("", true), ("4420", true), ("+44", false), ("1234567890123456", false)] {
            assert_eq!(digits(&value.into()).is_ok(), good, "{value}");
        }
        for (value, good) in [(0, true), (DEAREST, true), (DEAREST + 1, false), (-1, false)] {
            assert_eq!(amount(&value.into()).is_ok(), good, "{value}");
        }
    }
}
