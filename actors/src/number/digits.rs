//! The forms of numbers: E.164, and the part of it that no country has, where virtual numbers are.

use protocol::{Address, Error, Result};

/// Assigned to no country by the ITU. The three digits after it are the area.
const VIRTUAL: &str = "+899";
/// Kept for the platform's own use.
const RESERVED: &str = "+899000";
/// `+899`, an area of three digits, six digits.
const VIRTUAL_LENGTH: usize = 13;

/// `+` and 7 to 15 digits.
pub(super) fn e164(text: &str) -> Result<String> {
    let wrong = || Error::invalid("number must be in E.164 form, such as +15551234567");
    let number = Address::new("tel", text).normalise().map_err(|_| wrong())?.target;
    match (number.starts_with('+'), number.len()) {
        (true, 8..=16) => Ok(number),
        _ => Err(wrong()),
    }
}

pub(super) fn is_virtual(number: &str) -> bool {
    number.starts_with(VIRTUAL)
}

/// A number that a customer may make.
pub(super) fn free_virtual(text: &str) -> Result<String> {
    let number = e164(text)?;
    let form = is_virtual(&number) && number.len() == VIRTUAL_LENGTH;
    if !form || number.starts_with(RESERVED) {
        return Err(Error::invalid(format!(
            "a virtual number is {VIRTUAL} and 9 digits, and does not begin with {RESERVED}"
        )));
    }
    Ok(number)
}

/// The virtual number with this area (1 to 999) and these last six digits.
pub(super) fn virtual_number(area: u32, rest: u32) -> String {
    format!("{VIRTUAL}{area:03}{rest:06}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(read: fn(&str) -> Result<String>, text: &str, expected: Option<&str>) {
        assert_eq!(read(text).ok().as_deref(), expected, "{text}");
    }

    #[test]
    fn numbers_have_one_form() {
        check(e164, "+1 (555) 123-4567", Some("+15551234567"));
        check(e164, "15551234567", None);
        check(e164, "+123456", None);
        check(e164, "+1234567", Some("+1234567"));
        check(e164, "+1234567890123456", None);
        check(e164, "", None);
    }

    #[test]
    fn virtual_numbers_have_their_own_place() {
        check(free_virtual, "+899123456789", Some("+899123456789"));
        check(free_virtual, "+899000456789", None);
        check(free_virtual, "+89912345678", None);
        check(free_virtual, "+8991234567890", None);
        check(free_virtual, "+15551234567", None);
        assert_eq!(virtual_number(7, 42), "+899007000042");
        check(free_virtual, &virtual_number(1, 0), Some("+899001000000"));
    }
}
