//! A key that a caller pressed: a fact of its own, in line with those of its call.

use std::sync::Arc;

use protocol::Result;
use protocol::ports::Unit;
use serde_json::json;
use uuid::Uuid;

use super::calls::{now, patch};
use super::session::Session;

impl Session {
    /// `duration` in milliseconds.
    pub(super) async fn digit(&mut self, digit: char, duration: u32) -> Result<()> {
        self.keyed = true;
        let mut fact = self.calls.rows().fact("", &Arc::default(), &self.by());
        fact.r#type = "dtmf_received".into();
        fact.data = Arc::new(patch([
            ("id", json!(Uuid::now_v7())),
            ("customer_id", json!(self.facts.customer_id)),
            ("call_id", json!(self.id)),
            ("activeflow_id", self.row.get("activeflow_id").cloned().unwrap_or_default()),
            ("digit", json!(digit.to_string())),
            ("duration", json!(duration)),
            ("tm_create", now(&self.calls.deps)),
        ]));
        fact.resource = "dtmf".into();
        fact.about = self.id;
        self.calls.deps.store.commit(Unit { events: vec![fact], ..Unit::default() }).await
    }
}
