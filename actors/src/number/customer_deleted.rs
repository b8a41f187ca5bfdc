//! A customer's numbers go when the customer goes.

use std::sync::Arc;

use protocol::{Context, Event, Result, Scope, Status};

use super::{Numbers, delete};
use crate::kernel::id_of;

pub(super) async fn delete_all(numbers: Arc<Numbers>, event: Arc<Event>) -> Result<()> {
    let customer = event.row_id()?;
    let by = Context::own(Scope::Customer(customer));
    let rows = numbers.rows();
    rows.each(customer, |row| {
        let (numbers, by) = (numbers.clone(), by.clone());
        async move {
            match delete::delete(numbers, by, id_of(&row)?).await {
                Err(error) if error.status != Status::NotFound => Err(error),
                Ok(_) | Err(_) => Ok(()),
            }
        }
    })
    .await
}
