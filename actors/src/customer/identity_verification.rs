//! Whether an operator has verified who a customer is: only verified ones may call the telephone network.

use std::sync::Arc;

use protocol::{Context, Result, Row};
use serde_json::json;
use uuid::Uuid;

use super::api::SetIdentityVerification;
use super::{CUSTOMER, Customers};

const FIELD: &str = "identity_verification_status";

pub(super) async fn set_identity_verification(
    customers: Arc<Customers>,
    by: Context,
    id: Uuid,
    command: SetIdentityVerification,
) -> Result<Row> {
    let patch = CUSTOMER.pick(&json!(command), |field| field.name == FIELD)?;
    customers.rows().change(id, patch, "identity_verification_updated", &by).await
}
