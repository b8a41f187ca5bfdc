//! Secrets at rest: encrypted with the node's key, so a stolen database is not a stolen phone.

use crate::Result;

pub trait Vault: Send + Sync {
    /// Encrypts a secret for storage. The result is text; an empty secret stays empty.
    fn seal(&self, secret: &str) -> Result<String>;
    /// The secret again, or `Internal` when the text was sealed with another key or altered.
    fn open(&self, sealed: &str) -> Result<String>;
}
