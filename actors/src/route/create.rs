//! A new route: for one customer, or for everybody.

use std::sync::Arc;

use protocol::{Context, Error, Result, Row, Scope, read};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::Routes;

#[derive(Deserialize)]
struct Wanted {
    #[serde(default)]
    customer_id: Uuid,
}

pub(super) async fn create(routes: Arc<Routes>, by: Context, row: Row) -> Result<Value> {
    if read::<Wanted>(&row)?.customer_id.is_nil() {
        return Err(Error::invalid("customer_id is required"));
    }
    let by = Context { scope: Scope::Platform, ..by };
    routes.rows().insert(row, &by).await.map(Value::Object)
}
