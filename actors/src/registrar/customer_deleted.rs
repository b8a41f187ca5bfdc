//! A customer's extensions and trunks go when the customer goes.

use std::sync::Arc;

use protocol::{Context, Event, Result, Scope, Status};

use super::{Registrar, extension};
use crate::kernel::id_of;

pub(super) async fn delete_all(registrar: Arc<Registrar>, event: Arc<Event>) -> Result<()> {
    let customer = event.row_id()?;
    let by = Context::own(Scope::Customer(customer));
    let rows = registrar.extensions();
    rows.each(customer, |row| {
        let (registrar, by) = (registrar.clone(), by.clone());
        async move {
            match extension::delete(registrar, by, id_of(&row)?).await {
                Err(error) if error.status != Status::NotFound => Err(error),
                Ok(_) | Err(_) => Ok(()),
            }
        }
    })
    .await?;
    registrar.trunks().delete_all(customer).await
}
