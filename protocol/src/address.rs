//! Who or what a leg, a message or a destination points at. VoIPBIN's `Address`, field for field.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Address {
    pub r#type: String,
    pub target: String,
    pub target_name: String,
    pub name: String,
    pub detail: String,
}

/// The types VoIPBIN knows. `line` is a messenger id, not a telephone line.
pub const TYPES: &[&str] = &[
    "",
    "agent",
    "ai",
    "ai_team",
    "conference",
    "email",
    "extension",
    "line",
    "sip",
    "tel",
    "webchat",
    "web_session",
    "whatsapp",
];

impl Address {
    pub fn new(r#type: &str, target: impl Into<String>) -> Self {
        Address { r#type: r#type.into(), target: target.into(), ..Address::default() }
    }

    pub fn is_tel(&self) -> bool {
        self.r#type == "tel"
    }

    /// Brings the target into its one stored form: digits of telephone numbers, lower case of hosts.
    /// A telephone number without a digit is refused; every other text is kept as it is.
    pub fn normalise(mut self) -> Result<Self> {
        if !TYPES.contains(&self.r#type.as_str()) {
            return Err(Error::invalid(format!("unknown address type {:?}", self.r#type)));
        }
        self.target = match self.r#type.as_str() {
            "tel" | "whatsapp" => number(&self.target)?,
            "email" => self.target.trim().to_lowercase(),
            "sip" => lower_host(&self.target),
            _ => self.target,
        };
        Ok(self)
    }
}

fn number(text: &str) -> Result<String> {
    let text = text.trim();
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    if digits.is_empty() {
        return Err(Error::invalid("target must be a telephone number such as +15551234567"));
    }
    Ok(if text.starts_with('+') { format!("+{digits}") } else { digits })
}

/// Only the host is case-blind (RFC 3261 19.1.4): user, parameters and headers keep their case.
fn lower_host(target: &str) -> String {
    let start = target.find('@').map_or(0, |at| at + 1);
    let end = target[start..].find([';', '?']).map_or(target.len(), |at| start + at);
    format!("{}{}{}", &target[..start], target[start..end].to_lowercase(), &target[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(r#type: &str, target: &str, expected: Option<&str>) {
        let got = Address::new(r#type, target).normalise().ok().map(|a| a.target);
        assert_eq!(got.as_deref(), expected, "{type} {target}");
    }

    #[test]
    fn targets_have_one_form() {
        check("tel", " +1 (555) 123-4567 ", Some("+15551234567"));
        check("tel", "00 44 20", Some("004420"));
        check("tel", "nobody", None);
        check("email", " Ann@Example.COM ", Some("ann@example.com"));
        check("sip", "Ann@Example.COM;Transport=TCP", Some("Ann@example.com;Transport=TCP"));
        check("extension", "Desk-1", Some("Desk-1"));
        check("fax", "1", None);
    }
}
