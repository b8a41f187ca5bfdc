//! A fact on its way: itself for those who share the connection of its publisher, its bytes for everybody else.

use std::sync::{Arc, OnceLock};

use protocol::{Error, Event, Result};
use uuid::Uuid;

pub(super) struct Fact {
    event: Arc<Event>,
    by: Uuid,
    /// As it is after its way over the wire. Nobody on another connection wants most facts of a lone node.
    abroad: OnceLock<Arc<Event>>,
}

impl Fact {
    pub(super) fn new(by: Uuid, event: Arc<Event>) -> Self {
        Fact { event, by, abroad: OnceLock::new() }
    }

    /// The connection that it came in by.
    pub(super) fn by(&self) -> Uuid {
        self.by
    }

    /// What somebody on this connection gets.
    pub(super) fn at(&self, connection: Uuid) -> Result<Arc<Event>> {
        if connection == self.by { Ok(self.event.clone()) } else { self.abroad() }
    }

    pub(super) fn abroad(&self) -> Result<Arc<Event>> {
        if let Some(event) = self.abroad.get() {
            return Ok(event.clone());
        }
        let bytes = serde_json::to_vec(&*self.event).map_err(Error::internal)?;
        let event = serde_json::from_slice(&bytes).map_err(Error::internal)?;
        Ok(self.abroad.get_or_init(|| Arc::new(event)).clone())
    }
}
