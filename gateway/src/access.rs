//! Every decision about who may do what, in one file.
//!
//! Fetch, then decide, then send: what a caller may not see does not exist for it, so a foreign id, a deleted
//! id and one that never was are refused with the same bytes. Only then does the caller's role matter.

use std::sync::Arc;

use futures_util::future::try_join_all;
use protocol::catalog::{Locate, no_route};
use protocol::identity::permission::{ADMIN, AGENT, MANAGER, PLATFORM};
use protocol::ports::Dispatch;
use protocol::{
    Catalog, Context, Error, Method, Mount, Op, Page, Request, Resource, Result, Row, Rule, Scope, Status,
};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::references;

/// What an admin of a customer may hand out: every bit of VoIPBIN's customer range.
const CUSTOMER: u16 = 0x00F0;

/// Somebody whose credential was good, and what they may do at this moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller {
    customer_id: Uuid,
    /// `None` for an access key.
    agent_id: Option<Uuid>,
    permissions: u16,
}

impl Caller {
    pub(crate) fn agent(customer_id: Uuid, id: Uuid, permissions: u16) -> Self {
        Caller { customer_id, agent_id: Some(id), permissions }
    }

    /// An access key does what an admin of its customer does.
    pub(crate) fn key(customer_id: Uuid) -> Self {
        Caller { customer_id, agent_id: None, permissions: ADMIN }
    }

    pub(crate) fn customer_id(&self) -> Uuid {
        self.customer_id
    }

    /// Who it is: an agent, or its customer for everybody who has an access key.
    pub(crate) fn id(&self) -> Uuid {
        self.agent_id.unwrap_or(self.customer_id)
    }

    /// Operators work on, even if their own customer is frozen.
    pub(crate) fn is_exempt(&self) -> bool {
        self.holds(PLATFORM)
    }

    /// May this caller listen to a topic: `<scope>:<id>[:...]`?
    pub(crate) fn hears(&self, topic: &str) -> bool {
        let mut parts = topic.splitn(3, ':');
        let (Some(scope), Some(id)) = (parts.next(), parts.next()) else { return false };
        let Some(id) = id.parse::<Uuid>().ok().filter(|read| read.to_string() == id) else { return false };
        match scope {
            "customer_id" => self.holds(PLATFORM) || id == self.customer_id && self.holds(ADMIN | MANAGER),
            "agent_id" => self.holds(PLATFORM) || Some(id) == self.agent_id,
            _ => false,
        }
    }

    /// Whose events can reach this caller at all; `None` for everybody's.
    pub(crate) fn audience(&self) -> Option<Uuid> {
        (!self.holds(PLATFORM)).then_some(self.customer_id)
    }

    fn holds(&self, any: u16) -> bool {
        self.permissions & any != 0
    }

    /// `row` is what the request is about; lists, creations and questions to a collection have none.
    fn passes(&self, rule: Rule, row: Option<&Row>) -> bool {
        let needed = match rule {
            Rule::Internal => return false,
            Rule::Platform => PLATFORM,
            Rule::Admin => PLATFORM | ADMIN,
            Rule::Staff | Rule::Own => PLATFORM | ADMIN | MANAGER,
            Rule::Member => PLATFORM | ADMIN | MANAGER | AGENT,
        };
        let member = rule == Rule::Member && self.agent_id.is_some();
        let own =
            || rule == Rule::Own && row.is_some_and(|row| self.is(row, "id") || self.is(row, "owner_id"));
        self.holds(needed) || member || own()
    }

    fn is(&self, row: &Row, field: &str) -> bool {
        self.agent_id.is_some_and(|id| uuid(row, field) == Some(id))
    }

    /// The bits that this caller may give to others, and may change others who have them.
    fn grants(&self) -> u16 {
        match self.permissions {
            bits if bits & PLATFORM != 0 => u16::MAX,
            bits if bits & ADMIN != 0 => CUSTOMER,
            bits if bits & MANAGER != 0 => MANAGER | AGENT,
            bits => bits & AGENT,
        }
    }
}

/// What a request asks for, before anybody decided about it.
pub(crate) struct Wanted {
    pub(crate) resource: &'static Resource,
    /// Under a mount its id is not known yet and nil.
    pub(crate) op: Op,
    pub(crate) mount: Option<Mount>,
    /// What the path says besides: fields of the command.
    pub(crate) captured: Row,
}

/// A request that passed. Only this module makes one, so nothing else reaches a mailbox on a caller's behalf.
pub(crate) struct Granted(Grant);

enum Grant {
    /// A plain read: the row that was looked at is the answer.
    Row(Arc<Row>),
    Request(Request),
}

/// What a domain says to a request.
pub(crate) enum Answer {
    Row(Arc<Row>),
    Value(Value),
}

impl Granted {
    pub(crate) async fn send(self, peers: &dyn Dispatch) -> Result<Answer> {
        match self.0 {
            Grant::Row(row) => Ok(Answer::Row(row)),
            Grant::Request(request) => peers.ask(request).await.map(Answer::Value),
        }
    }
}

/// Decides about one request.
pub(crate) struct Gate<'g> {
    pub(crate) caller: Caller,
    pub(crate) peers: &'g dyn Dispatch,
    pub(crate) catalog: &'g Catalog,
    /// The request's id and deadline. Its scope is set here.
    pub(crate) context: Context,
}

impl Gate<'_> {
    pub(crate) async fn grant(&self, wanted: Wanted, body: Value) -> Result<Granted> {
        let rule = rule(&wanted.op, wanted.resource, wanted.mount.as_ref());
        match wanted.op {
            Op::List(_) | Op::Create | Op::Ask(_) => self.collection(wanted, rule, body).await,
            Op::Get(_) | Op::Update(_) | Op::Delete(_) | Op::Verb(..) => self.item(wanted, rule, body).await,
        }
    }

    async fn collection(&self, wanted: Wanted, rule: Rule, mut body: Value) -> Result<Granted> {
        let Wanted { resource, op, mount, .. } = wanted;
        // where agents see what is theirs, admins are agents too
        let own = rule == Rule::Own && mount.is_some() && matches!(op, Op::List(_));
        if own || !self.caller.passes(rule, None) {
            self.pin_owner(resource, &op, rule, &mut body)?;
        }
        let scope = self.scope_of(resource);
        own_customer(resource, &op, scope, &mut body);
        self.check_body(resource, &op, scope, &body).await?;
        Ok(Granted(Grant::Request(self.request(resource, op, scope, body))))
    }

    async fn item(&self, wanted: Wanted, rule: Rule, mut body: Value) -> Result<Granted> {
        let Wanted { resource, op, mount, .. } = wanted;
        let caller = &self.caller;
        // what belongs to the installation is refused as a whole, so that its ids cannot be tried
        if resource.shared && mount.is_none() && rule != Rule::Own && !caller.passes(rule, None) {
            return Err(denied());
        }
        let (id, row) = self.find(resource, &op, mount).await?;
        if !caller.passes(rule, Some(&row)) || self.outranked(resource, &op, &row) {
            return Err(denied());
        }
        if matches!(op, Op::Get(_)) {
            return Ok(Granted(Grant::Row(row)));
        }
        let scope = match owner(resource, &row) {
            Some(_) if caller.holds(PLATFORM) && resource.shared && mount.is_none() => Scope::Platform,
            Some(customer) => Scope::Customer(customer),
            None => Scope::Platform,
        };
        let op = with_id(op, id);
        own_customer(resource, &op, scope, &mut body);
        self.check_body(resource, &op, scope, &body).await?;
        Ok(Granted(Grant::Request(self.request(resource, op, scope, body))))
    }

    /// The row that an item operation is about, if the caller may know of it.
    async fn find(
        &self,
        resource: &'static Resource,
        op: &Op,
        mount: Option<Mount>,
    ) -> Result<(Uuid, Arc<Row>)> {
        let named = match op {
            Op::Get(id) | Op::Update(id) | Op::Delete(id) | Op::Verb(id, _) => *id,
            Op::List(_) | Op::Create | Op::Ask(_) => return Err(no_route()),
        };
        let id = match mount.map(|mount| mount.locate) {
            None | Some(Locate::Rows) => named,
            Some(Locate::Customer) => self.caller.customer_id,
            Some(Locate::Agent) => self.caller.agent_id.ok_or_else(agent_only)?,
            Some(Locate::Only) => return self.only(resource).await,
            Some(Locate::Collection(_)) => return Err(no_route()),
        };
        let scope = match mount.is_none() && (self.caller.holds(PLATFORM) || resource.shared) {
            true => Scope::Platform,
            false => Scope::Customer(self.caller.customer_id),
        };
        let row = self.fetch(resource, id, scope).await?;
        match self.caller.holds(PLATFORM) || self.owns(resource, &row) {
            true => Ok((id, row)),
            false => Err(Error::no_such(resource.name)),
        }
    }

    async fn only(&self, resource: &'static Resource) -> Result<(Uuid, Arc<Row>)> {
        let scope = Scope::Customer(self.caller.customer_id);
        let request = self.request(resource, Op::List(Page::of(1, None)), scope, json!({}));
        let page = self.peers.ask(request).await?;
        let first = rows(page).into_iter().next();
        let row = first.filter(|row| self.owns(resource, row) && !is_deleted(row));
        let found = row.and_then(|row| Some((uuid(&row, "id")?, Arc::new(row))));
        found.ok_or_else(|| Error::no_such(resource.name))
    }

    fn owns(&self, resource: &Resource, row: &Row) -> bool {
        match owner(resource, row) {
            Some(owner) => owner == self.caller.customer_id,
            None => resource.shared,
        }
    }

    async fn fetch(&self, resource: &'static Resource, id: Uuid, scope: Scope) -> Result<Arc<Row>> {
        match self.peers.look(resource, id, &self.context(scope)).await {
            Ok(row) if !is_deleted(&row) => Ok(row),
            Ok(_) => Err(Error::no_such(resource.name)),
            Err(error) if error.status == Status::NotFound => Err(Error::no_such(resource.name)),
            Err(error) => Err(error),
        }
    }

    fn request(&self, resource: &'static Resource, op: Op, scope: Scope, body: Value) -> Request {
        Request { resource, op, body, context: self.context(scope) }
    }

    fn context(&self, scope: Scope) -> Context {
        Context { scope, ..self.context.clone() }
    }

    /// Operators too list and create for their own customer, except what is the installation's.
    fn scope_of(&self, resource: &Resource) -> Scope {
        match resource.shared && self.caller.holds(PLATFORM) {
            true => Scope::Platform,
            false => Scope::Customer(self.caller.customer_id),
        }
    }

    /// An agent that may see its own rows only lists nothing else.
    fn pin_owner(&self, resource: &Resource, op: &Op, rule: Rule, body: &mut Value) -> Result<()> {
        let pinned = rule == Rule::Own && matches!(op, Op::List(_)) && resource.field("owner_id").is_some();
        match (self.caller.agent_id, body) {
            (Some(id), Value::Object(filter)) if pinned => {
                filter.insert("owner_id".to_owned(), json!(id));
                Ok(())
            }
            _ => Err(denied()),
        }
    }

    /// Nobody changes an agent that may do more than they may hand out, except an agent itself.
    fn outranked(&self, resource: &Resource, op: &Op, row: &Row) -> bool {
        resource.name == "agent"
            && !matches!(op, Op::Get(_))
            && !self.caller.is(row, "id")
            && bits(row) & !self.caller.grants() != 0
    }

    /// Nobody hands out more than they hold, and nobody refers to what does not exist for them.
    async fn check_body(
        &self,
        resource: &'static Resource,
        op: &Op,
        scope: Scope,
        body: &Value,
    ) -> Result<()> {
        if resource.name == "agent" && body.as_object().is_some_and(|b| bits(b) & !self.caller.grants() != 0)
        {
            return Err(denied());
        }
        let found = references::of(resource, op, body)?;
        try_join_all(found.into_iter().map(|(name, id)| self.exists(name, id, scope))).await.map(drop)
    }

    async fn exists(&self, name: &'static str, id: Uuid, scope: Scope) -> Result<()> {
        let entry = self.catalog.named(name).ok_or_else(|| Error::no_such(name))?;
        let resource = entry.resource;
        let row = self.fetch(resource, id, if resource.shared { Scope::Platform } else { scope }).await?;
        let is_visible = match (scope, owner(resource, &row)) {
            (Scope::Platform, _) => true,
            (Scope::Customer(customer), Some(owner)) => owner == customer,
            (Scope::Customer(_), None) => resource.shared,
        };
        if is_visible { Ok(()) } else { Err(Error::no_such(name)) }
    }
}

pub(crate) fn rule(op: &Op, resource: &Resource, mount: Option<&Mount>) -> Rule {
    let access = mount.map_or(&resource.access, |mount| &mount.access);
    match op {
        Op::List(_) => access.list,
        Op::Create => access.create,
        Op::Get(_) => access.get,
        Op::Update(_) => access.update,
        Op::Delete(_) => access.delete,
        Op::Verb(_, verb) if mount.is_some() && verb.method == Method::Get => access.get,
        Op::Verb(..) if mount.is_some() => access.update,
        Op::Verb(_, verb) | Op::Ask(verb) => verb.rule,
    }
}

fn with_id(op: Op, id: Uuid) -> Op {
    match op {
        Op::Get(_) => Op::Get(id),
        Op::Update(_) => Op::Update(id),
        Op::Delete(_) => Op::Delete(id),
        Op::Verb(_, verb) => Op::Verb(id, verb),
        Op::List(_) | Op::Create | Op::Ask(_) => op,
    }
}

/// A body never says whose it is: the gateway does.
fn own_customer(resource: &Resource, op: &Op, scope: Scope, body: &mut Value) {
    let (false, Value::Object(body)) = (resource.shared, body) else { return };
    body.remove("customer_id");
    if let (Op::Create, Scope::Customer(id)) = (op, scope) {
        body.insert("customer_id".to_owned(), json!(id));
    }
}

/// The customer that a row belongs to; `None` for what is the installation's.
fn owner(resource: &Resource, row: &Row) -> Option<Uuid> {
    let field = if resource.name == "customer" { "id" } else { "customer_id" };
    uuid(row, field).filter(|id| !id.is_nil())
}

fn is_deleted(row: &Row) -> bool {
    row.get("tm_delete").is_some_and(|time| !time.is_null())
}

fn uuid(row: &Row, field: &str) -> Option<Uuid> {
    row.get(field)?.as_str()?.parse().ok()
}

/// Bits beyond sixteen are no right of VoIPBIN's, so they count as all of them.
fn bits(of: &Map<String, Value>) -> u16 {
    let bits = of.get("permission").and_then(Value::as_i64).unwrap_or_default();
    u16::try_from(bits).unwrap_or(u16::MAX)
}

/// A list answers bare rows or rows in an envelope.
fn rows(page: Value) -> Vec<Row> {
    crate::reply::rows(page).0
}

fn denied() -> Error {
    let message = "You do not have permission to access this resource.";
    Error::new(Status::PermissionDenied, "PERMISSION_DENIED", message)
}

fn agent_only() -> Error {
    Error::new(Status::PermissionDenied, "AGENT_AUTH_REQUIRED", "This operation needs the token of an agent.")
}
