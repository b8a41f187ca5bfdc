//! What a customer allows and where its webhooks go, for other domains.

use std::sync::Arc;

use protocol::{Context, Result, read};
use uuid::Uuid;

use super::Customers;
use super::api::{Profile, ReadProfile};

pub(super) async fn profile(
    customers: Arc<Customers>,
    by: Context,
    id: Uuid,
    _: ReadProfile,
) -> Result<Profile> {
    let mut profile: Profile = read(&customers.rows().part(by.scope, id, Profile::COLUMNS).await?)?;
    profile.webhook_secret = customers.deps.vault.open(&profile.webhook_secret)?;
    Ok(profile)
}
