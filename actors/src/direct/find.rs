//! What a name stands for.

use std::sync::Arc;

use protocol::ports::Filter;
use protocol::{Context, Result, Scope, read};

use super::Directs;
use super::api::{FindDirect, Named};

/// `direct.` and 12 digits.
const LENGTH: usize = 19;

pub(super) async fn find(directs: Arc<Directs>, _: Context, command: FindDirect) -> Result<Option<Named>> {
    // users of SIP addresses are typed by people, in either case
    let hash = command.hash.to_ascii_lowercase();
    if hash.len() != LENGTH || !hash.starts_with("direct.") {
        return Ok(None);
    }
    let row = directs.rows().find(Scope::Platform, Filter::by("hash", hash)).await?;
    row.map(|row| read(&row)).transpose()
}
