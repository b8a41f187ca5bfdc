//! How many of a resource a customer's plan allows.

use std::sync::Arc;

use protocol::{Context, Error, Result, Status, read};
use serde::Deserialize;

use super::api::CheckLimit;
use super::plan::{self, Most};
use super::{Billing, account};

#[derive(Deserialize)]
struct Account {
    plan_type: String,
}

pub(super) async fn check_limit(state: Arc<Billing>, by: Context, command: CheckLimit) -> Result<()> {
    let row = account::find_or_open(&state, by.customer()?).await?;
    let Account { plan_type } = read(&*row.ok_or_else(|| Error::no_such(super::ACCOUNT.name))?)?;
    let most = plan::most(&plan_type, &command.resource);
    match most.ok_or_else(|| Error::invalid(format!("no plan limits {}", command.resource)))? {
        Most::Count(most) if command.count >= most => Err(exceeded(&command.resource, &plan_type, most)),
        Most::Count(_) | Most::Any => Ok(()),
    }
}

fn exceeded(resource: &str, plan: &str, most: u64) -> Error {
    let message = format!("The {plan} plan allows {most} of {resource}.");
    Error::new(Status::ResourceExhausted, "RESOURCE_LIMIT_EXCEEDED", message)
}
