//! The only way out of a domain. Whether the answer comes from here or elsewhere is its business.

use async_trait::async_trait;
use serde_json::Value;

use crate::{Request, Result};

#[async_trait]
pub trait Dispatch: Send + Sync {
    /// Delivers a request to whichever node serves its resource and waits for the answer, at most until
    /// the request's deadline. A full mailbox answers `Unavailable` at once.
    async fn ask(&self, request: Request) -> Result<Value>;

    /// As [`Dispatch::ask`], to the domain of the resource on this one node: its item lives there.
    /// `Unavailable` at once when that node is gone.
    async fn ask_at(&self, node: &str, request: Request) -> Result<Value>;
}
