//! A customer's flows and activeflows go when the customer goes.

use std::sync::Arc;

use protocol::{Context, Event, Result, Scope, Status};

use super::flows::Flows;
use super::stop;
use crate::kernel::id_of;

/// The flows first: no activeflow that is stopped is followed by another one then.
pub(super) async fn delete_all(flows: Arc<Flows>, event: Arc<Event>) -> Result<()> {
    let customer = event.row_id()?;
    flows.flow_rows().delete_all(customer).await?;
    let by = Context::own(Scope::Customer(customer));
    flows
        .rows()
        .each(customer, |row| {
            let (flows, by) = (flows.clone(), by.clone());
            async move {
                match stop::delete(flows, by, id_of(&row)?).await {
                    Err(error) if error.status != Status::NotFound => Err(error),
                    Ok(_) | Err(_) => Ok(()),
                }
            }
        })
        .await
}
