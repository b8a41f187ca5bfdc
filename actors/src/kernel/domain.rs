//! What a domain is: its resources, its verbs, the events it follows, the children beside its pool.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use protocol::ports::{Deps, Residents};
use protocol::{Command, Context, Entry, Error, Method, Mount, Op, Request, Resource, Result, Row};
use serde_json::Value;
use uuid::Uuid;

use super::follower::Follower;
use super::home::Home;
use super::live::{Live, Living};
use super::{Child, Rows};

type Reply = BoxFuture<'static, Result<Value>>;
pub(super) type Handler = Arc<dyn Fn(Context, Uuid, Value) -> Reply + Send + Sync>;
/// Who carries a request out, or takes a fact.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Worker,
    /// Whoever asks, or delivers a fact, in its own task.
    Asker,
}

/// What a handler is registered for.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Slot {
    Create,
    Update,
    Delete,
    Verb(Method, &'static str),
    Ask(Method, &'static str),
}

pub struct Domain {
    /// VoIPBIN's service name (`call-manager`). Queue names derive from it.
    pub name: &'static str,
    pub entries: Vec<Entry>,
    pub mounts: Vec<(Mount, &'static Resource)>,
    pub children: Vec<Child>,
    /// Domains whose answers this one waits for. Their graph has no cycle: upwards only by event.
    pub asks: &'static [&'static str],
    /// Domains above that this one tells what happened, in a verb that takes no worker, and does not wait for: where
    /// they do not hear, a fact says so.
    pub tells: &'static [&'static str],
    deps: Deps,
    handlers: HashMap<(&'static str, Slot), (Handler, By)>,
    pub(super) followers: Vec<Follower>,
    homes: HashMap<&'static str, Home>,
    journal: Vec<&'static str>,
}

impl Domain {
    pub fn new(name: &'static str, deps: &Deps) -> Self {
        Domain {
            name,
            entries: Vec::new(),
            mounts: Vec::new(),
            children: Vec::new(),
            asks: &[],
            tells: &[],
            deps: deps.clone(),
            handlers: HashMap::new(),
            followers: Vec::new(),
            homes: HashMap::new(),
            journal: Vec::new(),
        }
    }

    pub fn asks(mut self, domains: &'static [&'static str]) -> Self {
        self.asks = domains;
        self
    }

    pub fn tells(mut self, domains: &'static [&'static str]) -> Self {
        self.tells = domains;
        self
    }

    /// Serves a resource: the five plain operations, until one of them is replaced.
    pub fn resource(mut self, resource: &'static Resource) -> Self {
        self.entries.push(Entry { domain: self.name, resource, verbs: Vec::new(), asks: Vec::new() });
        self
    }

    /// Rows of the resource last added stand for live things: requests about one go to the node of its column
    /// `node`, as long as its column `status` is none of `over`, and a node that is gone leaves them to another.
    pub(crate) fn lives<T: Living>(mut self, live: &Live<T>, over: &'static [&'static str]) -> Self {
        let resource = self.last().resource;
        self.homes.insert(resource.name, Home::new(resource, live, over, &self.deps));
        self
    }

    /// Entries of this kind in the journal belong to what lives here, and go with it to another node.
    pub(crate) fn journals(mut self, kind: &'static str) -> Self {
        self.journal.push(kind);
        self
    }

    /// A second place in the HTTP API for the resource last added.
    pub fn mount(mut self, mount: Mount) -> Self {
        let resource = self.last().resource;
        self.mounts.push((mount, resource));
        self
    }

    /// Serves verb `C` of an item of the resource last added.
    pub fn on<S, C: Command, F>(mut self, state: &Arc<S>, handle: fn(Arc<S>, Context, Uuid, C) -> F) -> Self
    where
        S: Send + Sync + 'static,
        F: Future<Output = Result<C::Reply>> + Send + 'static,
    {
        let (key, handler) = self.verb::<S, C, F>(state, handle);
        self.handlers.insert(key, (handler, By::Worker));
        self
    }

    /// As [`Domain::on`], for a handler that takes no worker: it only passes the command to a live thing and waits
    /// in that thing's mailbox, or only reads.
    pub fn direct<S, C: Command, F>(
        mut self,
        state: &Arc<S>,
        handle: fn(Arc<S>, Context, Uuid, C) -> F,
    ) -> Self
    where
        S: Send + Sync + 'static,
        F: Future<Output = Result<C::Reply>> + Send + 'static,
    {
        let (key, handler) = self.verb::<S, C, F>(state, handle);
        self.handlers.insert(key, (handler, By::Asker));
        self
    }

    /// Serves verb `C` of the collection of the resource last added.
    pub fn ask<S, C: Command, F>(mut self, state: &Arc<S>, handle: fn(Arc<S>, Context, C) -> F) -> Self
    where
        S: Send + Sync + 'static,
        F: Future<Output = Result<C::Reply>> + Send + 'static,
    {
        let (key, handler) = self.question::<S, C, F>(state, handle);
        self.handlers.insert(key, (handler, By::Worker));
        self
    }

    /// As [`Domain::ask`], for a handler that takes no worker, because it only reads.
    pub fn ask_direct<S, C: Command, F>(mut self, state: &Arc<S>, handle: fn(Arc<S>, Context, C) -> F) -> Self
    where
        S: Send + Sync + 'static,
        F: Future<Output = Result<C::Reply>> + Send + 'static,
    {
        let (key, handler) = self.question::<S, C, F>(state, handle);
        self.handlers.insert(key, (handler, By::Asker));
        self
    }

    /// Replaces plain creation of the resource last added. The row is checked, not yet filled.
    pub fn create<S, F>(mut self, state: &Arc<S>, handle: fn(Arc<S>, Context, Row) -> F) -> Self
    where
        S: Send + Sync + 'static,
        F: Future<Output = Result<Value>> + Send + 'static,
    {
        let (state, resource) = (state.clone(), self.last().resource);
        let handler: Handler = Arc::new(move |context, _, body| {
            let state = state.clone();
            Box::pin(async move { handle(state, context, resource.pick_new(&body)?).await })
        });
        self.handlers.insert((resource.name, Slot::Create), (handler, By::Worker));
        self
    }

    /// Replaces the plain update of the resource last added. The patch is checked.
    pub fn update<S, F>(mut self, state: &Arc<S>, handle: fn(Arc<S>, Context, Uuid, Row) -> F) -> Self
    where
        S: Send + Sync + 'static,
        F: Future<Output = Result<Row>> + Send + 'static,
    {
        let (state, resource) = (state.clone(), self.last().resource);
        let handler: Handler = Arc::new(move |context, id, body| {
            let state = state.clone();
            let patch = resource.pick(&body, |field| field.update);
            Box::pin(async move { handle(state, context, id, patch?).await.map(Value::Object) })
        });
        self.handlers.insert((resource.name, Slot::Update), (handler, By::Worker));
        self
    }

    /// Replaces the plain deletion of the resource last added.
    pub fn delete<S, F>(mut self, state: &Arc<S>, handle: fn(Arc<S>, Context, Uuid) -> F) -> Self
    where
        S: Send + Sync + 'static,
        F: Future<Output = Result<Row>> + Send + 'static,
    {
        let (state, resource) = (state.clone(), self.last().resource);
        let handler: Handler = Arc::new(move |context, id, _| {
            let state = state.clone();
            Box::pin(async move { handle(state, context, id).await.map(Value::Object) })
        });
        self.handlers.insert((resource.name, Slot::Delete), (handler, By::Worker));
        self
    }

    /// Adds a supervised child beside the request pool, before it in the order of starting.
    pub fn child(mut self, child: Child) -> Self {
        self.children.push(child);
        self
    }

    fn verb<S, C: Command, F>(
        &mut self,
        state: &Arc<S>,
        handle: fn(Arc<S>, Context, Uuid, C) -> F,
    ) -> ((&'static str, Slot), Handler)
    where
        S: Send + Sync + 'static,
        F: Future<Output = Result<C::Reply>> + Send + 'static,
    {
        let (state, verb) = (state.clone(), const { &C::VERB });
        let handler: Handler = Arc::new(move |context, id, body| {
            let state = state.clone();
            Box::pin(async move { encode(handle(state, context, id, decode(body)?).await?) })
        });
        self.last_mut().verbs.push(verb);
        ((self.last().resource.name, Slot::Verb(verb.method, verb.name)), handler)
    }

    fn question<S, C: Command, F>(
        &mut self,
        state: &Arc<S>,
        handle: fn(Arc<S>, Context, C) -> F,
    ) -> ((&'static str, Slot), Handler)
    where
        S: Send + Sync + 'static,
        F: Future<Output = Result<C::Reply>> + Send + 'static,
    {
        let (state, verb) = (state.clone(), const { &C::VERB });
        let handler: Handler = Arc::new(move |context, _, body| {
            let state = state.clone();
            Box::pin(async move { encode(handle(state, context, decode(body)?).await?) })
        });
        self.last_mut().asks.push(verb);
        ((self.last().resource.name, Slot::Ask(verb.method, verb.name)), handler)
    }

    fn last(&self) -> &Entry {
        self.entries.last().expect("resource() comes before what belongs to it")
    }

    fn last_mut(&mut self) -> &mut Entry {
        self.entries.last_mut().expect("resource() comes before what belongs to it")
    }

    /// Says where the item of this request lives, if such items live anywhere.
    pub(super) fn home(&self, request: &Request) -> Option<&Home> {
        self.homes.get(request.resource.name)
    }

    pub(super) async fn send(&self, node: &str, request: Request) -> Result<Value> {
        self.deps.peers.ask_at(node, request).await
    }

    /// Does anything live in this domain that is on one node at a time?
    pub fn has_residents(&self) -> bool {
        !self.homes.is_empty()
    }

    /// What lives in this domain on one node at a time.
    pub fn residents(&self) -> Residents {
        let rows = self.homes.values().map(|home| (home.resource, home.live())).collect();
        Residents { rows, journal: self.journal.clone() }
    }

    /// Rebuilds what has become this node's meanwhile.
    pub(super) fn recover(&self) {
        self.homes.values().for_each(Home::recover);
    }

    /// The handler of this request, if it has one of its own.
    pub(super) fn handler(&self, request: &Request) -> Option<&(Handler, By)> {
        let slot = match request.op {
            Op::Create => Slot::Create,
            Op::Update(_) => Slot::Update,
            Op::Delete(_) => Slot::Delete,
            Op::Verb(_, verb) => Slot::Verb(verb.method, verb.name),
            Op::Ask(verb) => Slot::Ask(verb.method, verb.name),
            Op::Get(_) | Op::List(_) => return None,
        };
        self.handlers.get(&(request.resource.name, slot))
    }

    /// Boxed, because it is large: a worker and whoever asks would carry the room for it from hand to hand.
    pub(super) fn serve(&self, request: Request, handler: Option<&Handler>) -> BoxFuture<'_, Result<Value>> {
        match handler {
            Some(handler) => handler(request.context, request.op.id().unwrap_or_default(), request.body),
            None => Box::pin(self.plain(request)),
        }
    }

    async fn plain(&self, request: Request) -> Result<Value> {
        self.rows(request.resource).serve(request).await
    }

    pub(super) fn rows(&self, resource: &'static Resource) -> Rows<'_> {
        Rows { publisher: self.name, resource, deps: &self.deps }
    }
}

/// An absent body is a command without fields.
fn decode<C: Command>(body: Value) -> Result<C> {
    let body = if body.is_null() { Value::Object(Row::new()) } else { body };
    serde_json::from_value(body).map_err(|error| Error::invalid(error.to_string()))
}

fn encode(reply: impl serde::Serialize) -> Result<Value> {
    serde_json::to_value(reply).map_err(Error::internal)
}
