//! An agent loses a tag that is gone.

use std::sync::Arc;

use protocol::{Context, Event, Result, Row, Scope, Status, read};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::Agents;

#[derive(Deserialize)]
struct Tagged {
    id: Uuid,
    tag_ids: Vec<Uuid>,
}

pub(super) async fn clear(agents: Arc<Agents>, event: Arc<Event>) -> Result<()> {
    let (tag, Some(customer)) = (event.row_id()?, event.customer_id()) else { return Ok(()) };
    let rows = agents.rows();
    rows.each(customer, |row| {
        let agents = agents.clone();
        async move {
            let tagged: Tagged = read(&row)?;
            match tagged.tag_ids.contains(&tag) {
                true => untag(&agents, customer, tagged.id, tag).await,
                false => Ok(()),
            }
        }
    })
    .await
}

async fn untag(agents: &Agents, customer: Uuid, id: Uuid, tag: Uuid) -> Result<()> {
    let by = Context::own(Scope::Customer(customer));
    let without = |row: &Row| {
        let mut tags = read::<Tagged>(row)?.tag_ids;
        tags.retain(|id| *id != tag);
        Ok(Row::from_iter([("tag_ids".to_owned(), json!(tags))]))
    };
    match agents.rows().alter(id, "updated", &by, without).await {
        Err(error) if error.status != Status::NotFound => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}
