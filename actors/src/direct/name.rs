//! Giving a resource its name.

use std::sync::Arc;

use protocol::ports::Filter;
use protocol::{Context, Error, Result, Row, Status, read};
use serde_json::json;

use super::Directs;
use super::api::{NameResource, Named};

const TYPES: [&str; 8] =
    ["agent", "ai", "ai_team", "conference", "extension", "flow", "queue", "webchat_widget"];
/// A name of 48 random bits is as good as never taken: three tries only cover a race for the same resource.
const TRIES: usize = 3;

pub(super) async fn name(directs: Arc<Directs>, by: Context, command: NameResource) -> Result<Named> {
    by.customer()?;
    if !TYPES.contains(&command.resource_type.as_str()) {
        return Err(Error::invalid(format!("resource_type must be one of {}", TYPES.join(", "))));
    }
    for _ in 0..TRIES {
        match attempt(&directs, &by, &command).await {
            Err(error) if error.status == Status::AlreadyExists => {}
            outcome => return read(&outcome?),
        }
    }
    Err(Error::unavailable("no free name was found; try again"))
}

async fn attempt(directs: &Directs, by: &Context, command: &NameResource) -> Result<Row> {
    let rows = directs.rows();
    match rows.find(by.scope, Filter::by("resource_id", json!(command.resource_id))).await? {
        Some(row) if !command.regenerate => Ok(row),
        Some(row) => {
            let patch = Row::from_iter([("hash".to_owned(), json!(hash()))]);
            rows.change(read::<Named>(&row)?.id, patch, "regenerated", by).await
        }
        None => {
            let row = Row::from_iter([
                ("resource_type".to_owned(), json!(command.resource_type)),
                ("resource_id".to_owned(), json!(command.resource_id)),
                ("hash".to_owned(), json!(hash())),
            ]);
            rows.insert(row, by).await
        }
    }
}

/// `direct.` and six random bytes in lower-case hex.
fn hash() -> String {
    format!("direct.{:012x}", rand::random::<u64>() >> 16)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_name_is_twelve_hex_digits() {
        let hash = super::hash();
        let digits = hash.strip_prefix("direct.").expect("the prefix");
        assert_eq!(digits.len(), 12);
        assert!(digits.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f')), "{digits}");
        assert_ne!(hash, super::hash());
    }
}
