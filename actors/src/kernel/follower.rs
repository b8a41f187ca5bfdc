//! What a domain follows: which events, what it does then, and who does it.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use protocol::ports::Subscription;
use protocol::{Error, Event, Result, event, sock};

use super::domain::{By, Domain};

/// Told by the event alone.
type Wanted = fn(&Event) -> bool;
type Take = Box<dyn Fn(Arc<Event>) -> BoxFuture<'static, Result<()>> + Send + Sync>;

pub(super) struct Follower {
    /// Names it in dead events; unique in the domain.
    pub(super) name: &'static str,
    pattern: &'static str,
    wanted: Wanted,
    take: Take,
    pub(super) by: By,
}

impl Follower {
    fn wants(&self, event: &Event) -> bool {
        let covers = match self.pattern {
            event::FOREIGN => event.is_foreign(),
            pattern => event::covers(pattern, &event.r#type),
        };
        covers && (self.wanted)(event)
    }

    pub(super) fn take(&self, event: Arc<Event>) -> BoxFuture<'static, Result<()>> {
        (self.take)(event)
    }
}

impl Domain {
    /// Runs `handle` on every event that `pattern` covers (exact, `call_*`, `*`, [`event::FOREIGN`]), once per domain, in
    /// order per row. It may run twice for one event: it must not matter.
    pub fn follow<S, F>(
        self,
        state: &Arc<S>,
        pattern: &'static str,
        name: &'static str,
        handle: fn(Arc<S>, Arc<Event>) -> F,
    ) -> Self
    where
        S: Send + Sync + 'static,
        F: Future<Output = Result<()>> + Send + 'static,
    {
        self.follow_if(state, (pattern, |_| true), name, handle)
    }

    /// As [`Domain::follow`], but only the events for which `wanted` holds: the others are not even brought.
    pub fn follow_if<S, F>(
        mut self,
        state: &Arc<S>,
        (pattern, wanted): (&'static str, Wanted),
        name: &'static str,
        handle: fn(Arc<S>, Arc<Event>) -> F,
    ) -> Self
    where
        S: Send + Sync + 'static,
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let state = state.clone();
        let take: Take = Box::new(move |event| Box::pin(handle(state.clone(), event)));
        self.followers.push(Follower { pattern, wanted, name, take, by: By::Worker });
        self
    }

    /// The follower last added takes no worker: it computes next to nothing, and then has nothing to do, stores one
    /// small thing, or waits in the mailbox of a live thing.
    pub fn directly(mut self) -> Self {
        if let Some(last) = self.followers.last_mut() {
            last.by = By::Asker;
        }
        self
    }

    /// What it hears with. `None`: it follows nothing.
    pub fn subscription(&self) -> Option<Subscription> {
        let patterns = self.followers.iter().map(|follower| follower.pattern).collect();
        let name = sock::subscribe_queue(self.name);
        (!self.followers.is_empty()).then_some(Subscription { name, patterns })
    }

    /// The followers of this event, by name.
    pub(super) fn followers(&self, event: &Event) -> Vec<&'static str> {
        let mine = self.followers.iter().filter(|follower| follower.wants(event));
        mine.map(|follower| follower.name).collect()
    }

    pub(super) fn follows(&self, event: &Event) -> bool {
        self.followers.iter().any(|follower| follower.wants(event))
    }

    pub(super) fn follower(&self, name: &str) -> Result<&Follower> {
        self.followers.iter().find(|follower| follower.name == name).ok_or_else(Error::not_found)
    }
}
