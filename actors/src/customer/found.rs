//! The first customer of an installation with its access key, as the node that starts first has drawn them.
//!
//! It may be asked again, also by another node at the same time: the second time it changes nothing.

use std::sync::Arc;

use protocol::ports::{Filter, Unit};
use protocol::{Context, Error, Result, Row, Scope, Status};
use serde_json::json;
use uuid::Uuid;

use super::api::{Found, Founded};
use super::{Customers, accesskey, create};

pub(super) async fn found(customers: Arc<Customers>, by: Context, asked: Found) -> Result<Founded> {
    match attempt(&customers, &by, &asked).await {
        // somebody was faster: now it is there
        Err(error) if error.status == Status::AlreadyExists => attempt(&customers, &by, &asked).await,
        outcome => outcome,
    }
}

async fn attempt(customers: &Customers, by: &Context, asked: &Found) -> Result<Founded> {
    let there = customers.rows().find(Scope::Platform, Filter::by("email", &*asked.email)).await?;
    let there = there.as_ref().map(id).transpose()?;
    let id = there.unwrap_or(asked.customer_id);
    let by = Context { scope: Scope::Customer(id), ..by.clone() };
    let mut unit = Unit::default();
    if there.is_none() {
        let mut row = Row::from_iter([
            ("name".to_owned(), json!(asked.name)),
            ("email".to_owned(), json!(asked.email)),
        ]);
        row.extend(create::given(id, &asked.webhook_secret));
        customers.rows().draft(&mut unit, row, &by)?;
    }
    let hash = accesskey::hash(&asked.accesskey);
    if customers.keys().find(Scope::Platform, Filter::by("token_hash", hash)).await?.is_none() {
        let mut row = Row::from_iter([("name".to_owned(), json!("first"))]);
        row.extend(accesskey::given(&asked.accesskey, asked.key_seconds, customers.deps.clock.now()));
        customers.keys().draft(&mut unit, row, &by)?;
    }
    customers.deps.store.commit(unit).await?;
    Ok(Founded { customer_id: id, is_as_drawn: id == asked.customer_id })
}

fn id(row: &Row) -> Result<Uuid> {
    let id = row.get("id").and_then(|id| id.as_str()?.parse().ok());
    id.ok_or_else(|| Error::internal("a customer without an id"))
}
