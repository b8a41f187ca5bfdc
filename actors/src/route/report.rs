//! How an attempt through a carrier went.

use std::sync::Arc;

use protocol::{Context, Result, Row, Scope, read, time};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::Routes;
use super::api::ReportAttempt;

#[derive(Deserialize)]
struct Health {
    health_status: String,
}

/// The row changes with the verdict only, not with every attempt.
pub(super) async fn report(routes: Arc<Routes>, by: Context, id: Uuid, command: ReportAttempt) -> Result<()> {
    let now = routes.deps.clock.now();
    let Some(healthy) = routes.breaker.note(id, command.healthy, now) else { return Ok(()) };
    let status = if healthy { "healthy" } else { "unhealthy" };
    let by = Context { scope: Scope::Platform, ..by };
    let row = routes.providers().get(by.scope, id).await?;
    if read::<Health>(&row)?.health_status == status {
        return Ok(());
    }
    let patch = Row::from_iter([
        ("health_status".to_owned(), json!(status)),
        ("health_checked_at".to_owned(), json!(time::stamp(now))),
    ]);
    routes.providers().change(id, patch, "updated", &by).await.map(drop)
}
