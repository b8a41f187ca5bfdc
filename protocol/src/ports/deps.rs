//! What a domain may reach, and the settings it may read.

use std::sync::{Arc, OnceLock};

use serde_json::Value;
use uuid::Uuid;

use super::{Bus, Cache, Clock, Dispatch, Outward, Pods, Speech, Store, Vault, VoiceEngine};
use crate::{Catalog, Command, Context, Error, Op, Request, Resource, Result};

/// Settings of the installation that domains read. Each has a flag of the same name.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Names this node in journals, queues and logs. Stable over restarts.
    pub node: String,
    /// The SIP base domain; registrars, trunks and public entries are names below it.
    pub domain: String,
    /// Country calling codes (`1`, `44`) that customers without a list of their own may dial. Empty: none.
    pub destinations: Vec<String>,
    /// The longest call, in seconds, from its answer.
    pub call_seconds: u64,
    /// How long events of the timeline and finished webhook deliveries are kept, in days.
    pub retention_days: u32,
}

/// Cheap to clone; every handler holds one.
#[derive(Clone)]
pub struct Deps {
    pub settings: Arc<Settings>,
    pub store: Arc<dyn Store>,
    pub cache: Arc<dyn Cache>,
    pub bus: Arc<dyn Bus>,
    pub peers: Arc<dyn Dispatch>,
    pub voice: Arc<dyn VoiceEngine>,
    pub outward: Arc<dyn Outward>,
    pub speech: Arc<dyn Speech>,
    /// `None` where nobody is asked about pods.
    pub pods: Option<Arc<dyn Pods>>,
    pub vault: Arc<dyn Vault>,
    pub clock: Arc<dyn Clock>,
    /// Set once all domains are known.
    pub catalog: Arc<OnceLock<Catalog>>,
}

impl Deps {
    pub fn catalog(&self) -> Result<&Catalog> {
        self.catalog.get().ok_or_else(|| Error::unavailable("the node is starting"))
    }

    /// Sends a verb to an item of another domain.
    pub async fn ask<C: Command>(
        &self,
        of: &'static Resource,
        id: Uuid,
        command: C,
        by: &Context,
    ) -> Result<C::Reply> {
        self.send(of, Op::Verb(id, const { &C::VERB }), &command, by).await
    }

    /// Sends a verb to a collection of another domain.
    pub async fn ask_all<C: Command>(
        &self,
        of: &'static Resource,
        command: C,
        by: &Context,
    ) -> Result<C::Reply> {
        self.send(of, Op::Ask(const { &C::VERB }), &command, by).await
    }

    /// Any other operation on another domain's resource.
    pub async fn op(&self, resource: &'static Resource, op: Op, body: Value, by: &Context) -> Result<Value> {
        self.peers.ask(Request { resource, op, body, context: by.clone() }).await
    }

    async fn send<C: Command>(
        &self,
        of: &'static Resource,
        op: Op,
        command: &C,
        by: &Context,
    ) -> Result<C::Reply> {
        let body = serde_json::to_value(command).map_err(Error::internal)?;
        let reply = self.op(of, op, body, by).await?;
        serde_json::from_value(reply).map_err(Error::internal)
    }
}
