//! Text that is never printed: keys, tokens, and URLs with passwords in them.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

/// Shown as `***`. Read with [`Secret::expose`], where it is used and nowhere else.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl FromStr for Secret {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Secret(text.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The URL of a backend: `sqlite:node.db`, `redis://user:password@host`. Shown without what is before the `@`.
#[derive(Clone, PartialEq, Eq)]
pub struct Backend(String);

impl Backend {
    pub(super) fn of(url: String) -> Self {
        Backend(url)
    }

    /// With its password: for the client, not for logs.
    pub fn url(&self) -> &str {
        &self.0
    }

    pub fn scheme(&self) -> &str {
        self.0.split(':').next().unwrap_or_default()
    }
}

impl FromStr for Backend {
    type Err = String;

    fn from_str(url: &str) -> Result<Self, String> {
        let scheme = url.split_once(':').map(|(scheme, _)| scheme).unwrap_or_default();
        match !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_lowercase()) {
            true => Ok(Backend(url.to_owned())),
            false => Err("it must be a URL, as in memory: or sqlite:node.db".into()),
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.split_once("://"), self.0.rsplit_once('@')) {
            (Some((scheme, _)), Some((_, rest))) => write!(f, "{scheme}://***@{rest}"),
            _ => f.write_str(&self.0),
        }
    }
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
