//! A customer's agents go when the customer goes, the last admin too.

use std::sync::Arc;

use protocol::{Context, Event, Result, Scope, Status};

use super::{Agents, again, delete};
use crate::kernel::id_of;

pub(super) async fn delete_all(agents: Arc<Agents>, event: Arc<Event>) -> Result<()> {
    let customer = event.row_id()?;
    let by = Context::own(Scope::Customer(customer));
    let rows = agents.rows();
    rows.each(customer, |row| {
        let (agents, by) = (agents.clone(), by.clone());
        async move {
            let id = id_of(&row)?;
            match again(|| delete::remove(&agents, &by, id)).await {
                Err(error) if error.status != Status::NotFound => Err(error),
                Ok(_) | Err(_) => Ok(()),
            }
        }
    })
    .await
}
