//! A small domain: rows of two customers, kept in memory, served as the port asks for.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use protocol::catalog::Locate;
use protocol::identity::{Login, ReadAgent, ReadCustomer, ReadKey};
use protocol::ports::Dispatch;
use protocol::{
    Access, Catalog, Command, Entry, Error, Field, Mount, Op, Ops, Reply, Request, Resource, Result, Row,
    Rule, Scope, Status, Verb,
};
use serde_json::{Value, json};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::keys::{CLAIM, KEYS, Keys, RELEASE, SETTLE};

pub(crate) static AGENT: Resource = Resource::new(
    "agent",
    "agents",
    &[
        Field::text("username").create().required(),
        Field::text("name").edit(),
        Field::int("permission").create(),
        Field::text("password").internal(),
    ],
)
.access(Access::STAFF.get(Rule::Own).update(Rule::Own));
pub(crate) static KEY: Resource = Resource::new(
    "accesskey",
    "accesskeys",
    &[Field::text("name").edit(), Field::text("token").create().secret(), Field::text("hash").internal()],
)
.access(Access::ADMIN);
pub(crate) static CUSTOMER: Resource = Resource::new(
    "customer",
    "customers",
    &[Field::text("name").edit(), Field::text("status"), Field::time("tm_deletion_scheduled")],
)
.access(Access::PLATFORM)
.shared();
pub(crate) static ACCOUNT: Resource =
    Resource::new("billing_account", "billing_accounts", &[Field::text("name").edit()])
        .access(Access::PLATFORM)
        .shared();
pub(crate) static FLOW: Resource = Resource::new("flow", "flows", &[Field::text("name").edit().required()]);
pub(crate) static CALL: Resource = Resource::new(
    "call",
    "calls",
    &[
        Field::id("flow_id").create().filter().of("flow"),
        Field::list("flow_ids").edit().of("flow"),
        Field::id("account_id").create().of("billing_account"),
        Field::id("provider_id").create().of("provider"),
        Field::id("owner_id"),
        Field::text("status").filter(),
        Field::int("priority").create().filter(),
        Field::bool("is_muted").filter(),
        Field::text("channel").internal(),
    ],
)
.ops(Ops::ALL.without(Ops::UPDATE));
pub(crate) static NOTE: Resource =
    Resource::new("note", "notes", &[Field::id("owner_id").create().filter(), Field::text("text").edit()])
        .access(Access::all(Rule::Own).create(Rule::Member));
pub(crate) static PROVIDER: Resource =
    Resource::new("provider", "providers", &[Field::text("name").edit()]).access(Access::PLATFORM).shared();

pub(crate) static HANGUP: Verb = Verb::post("hangup");
pub(crate) static MUTE: Verb = Verb::post("mute").reply(Reply::Empty);
pub(crate) static SECRET: Verb = Verb::internal("secret");
pub(crate) static SEARCH: Verb = Verb::get("search").reply(Reply::Document);
pub(crate) static AVAILABLE: Verb = Verb::get("available").reply(Reply::Document);
pub(crate) static METADATA: Verb = Verb::put("metadata").rule(Rule::Admin);
static STANDING: Verb = ReadAgent::VERB;
static CUSTOMER_STANDING: Verb = ReadCustomer::VERB;
static LOGIN: Verb = Login::VERB;
static KEY_STANDING: Verb = ReadKey::VERB;

pub(crate) fn catalog() -> Catalog {
    let entry = |resource, verbs: &[&'static Verb], asks: &[&'static Verb]| Entry {
        domain: "test-manager",
        resource,
        verbs: verbs.to_vec(),
        asks: asks.to_vec(),
    };
    let own = Access::all(Rule::Own);
    Catalog {
        entries: vec![
            entry(&AGENT, &[&STANDING], &[&LOGIN]),
            entry(&KEY, &[], &[&KEY_STANDING]),
            entry(&CUSTOMER, &[&CUSTOMER_STANDING, &METADATA], &[]),
            entry(&ACCOUNT, &[], &[]),
            entry(&FLOW, &[], &[&AVAILABLE]),
            entry(&CALL, &[&HANGUP, &MUTE, &SECRET], &[&SEARCH]),
            entry(&NOTE, &[], &[]),
            entry(&PROVIDER, &[], &[]),
            entry(&KEYS, &[&SETTLE, &RELEASE], &[&CLAIM]),
        ],
        mounts: vec![
            (
                Mount::new("customer", Locate::Customer, Ops::GET.and(Ops::UPDATE))
                    .access(Access::STAFF.update(Rule::Admin))
                    .verbs(&["metadata"]),
                &CUSTOMER,
            ),
            (Mount::new("desk/notes", Locate::Rows, Ops::READ).access(own), &NOTE),
            (
                Mount::new("desk/calls", Locate::Rows, Ops::GET)
                    .access(Access::all(Rule::Member))
                    .verbs(&["mute"]),
                &CALL,
            ),
            (Mount::new("me", Locate::Agent, Ops::GET).access(own), &AGENT),
            (Mount::new("billing_account", Locate::Only, Ops::GET.and(Ops::UPDATE)), &ACCOUNT),
            (Mount::new("available_flows", Locate::Collection(&AVAILABLE), Ops::NONE), &FLOW),
        ],
    }
}

#[derive(Default)]
pub(crate) struct Domain {
    /// By resource and id.
    pub(crate) rows: Mutex<BTreeMap<(&'static str, Uuid), Row>>,
    /// Every request that arrived, in words.
    pub(crate) heard: Mutex<Vec<String>>,
    pub(crate) asked: AtomicUsize,
    /// A `hangup` has arrived, and may go on.
    pub(crate) arrived: Notify,
    pub(crate) go_on: Notify,
    pub(crate) holds_hangup: std::sync::atomic::AtomicBool,
    /// What the next requests to hang up are refused with.
    pub(crate) refusals: Mutex<Vec<Error>>,
    pub(crate) keys: Keys,
}

impl Domain {
    pub(crate) fn put(&self, resource: &'static Resource, row: Value) -> Uuid {
        let Value::Object(mut row) = row else { panic!("a row is an object") };
        let id = row.get("id").and_then(Value::as_str).map_or_else(Uuid::now_v7, |id| id.parse().unwrap());
        row.insert("id".into(), json!(id));
        row.entry("tm_create").or_insert(json!(protocol::time::stamp(chrono::Utc::now())));
        resource.fill(&mut row);
        self.rows.lock().unwrap().insert((resource.name, id), row);
        id
    }

    pub(crate) fn set(&self, resource: &'static Resource, id: Uuid, field: &str, value: Value) {
        self.rows.lock().unwrap().get_mut(&(resource.name, id)).unwrap().insert(field.into(), value);
    }

    fn find(&self, resource: &'static Resource, id: Uuid, scope: Scope) -> Result<Row> {
        let rows = self.rows.lock().unwrap();
        let row = rows.get(&(resource.name, id)).filter(|row| is_in(row, resource, scope));
        row.cloned().ok_or_else(|| Error::no_such(resource.name))
    }

    fn list(&self, resource: &'static Resource, scope: Scope, filter: &Value) -> Vec<Value> {
        let rows = self.rows.lock().unwrap();
        let is_wanted = |row: &Row| {
            is_in(row, resource, scope)
                && filter.as_object().unwrap().iter().all(|(name, value)| row.get(name) == Some(value))
        };
        let of = rows.iter().filter(|((name, _), row)| *name == resource.name && is_wanted(row));
        of.rev().map(|(_, row)| Value::Object(row.clone())).collect()
    }

    fn change(&self, request: &Request, id: Uuid, change: impl FnOnce(&mut Row)) -> Result<Value> {
        let mut row = self.find(request.resource, id, request.context.scope)?;
        change(&mut row);
        self.rows.lock().unwrap().insert((request.resource.name, id), row.clone());
        Ok(Value::Object(row))
    }

    fn create(&self, request: &Request) -> Result<Value> {
        let mut row = request.resource.pick_new(&request.body)?;
        if let Some(customer) = request.body.get("customer_id") {
            row.insert("customer_id".into(), customer.clone());
        }
        let id = self.put(request.resource, Value::Object(row));
        self.find(request.resource, id, Scope::Platform).map(Value::Object)
    }

    fn who(&self, name: &str, field: &str, value: &Value) -> Result<Row> {
        let rows = self.rows.lock().unwrap();
        let mut found = rows.iter().filter(|((of, _), row)| *of == name && row.get(field) == Some(value));
        let refused = || Error::new(Status::Unauthenticated, "INVALID_CREDENTIALS", "unknown");
        found.next().map(|(_, row)| row.clone()).filter(|row| row["tm_delete"].is_null()).ok_or_else(refused)
    }

    async fn verb(&self, request: &Request, id: Uuid, verb: &'static Verb) -> Result<Value> {
        let row = self.find(request.resource, id, request.context.scope)?;
        match (request.resource.name, verb.name) {
            ("call", "hangup") => {
                self.arrived.notify_one();
                if self.holds_hangup.load(Ordering::SeqCst) {
                    self.go_on.notified().await;
                }
                if let Some(refusal) = self.refusals.lock().unwrap().pop() {
                    return Err(refusal);
                }
                self.change(request, id, |row| drop(row.insert("status".into(), json!("terminating"))))
            }
            ("agent", "standing") => Ok(standing(&row)),
            _ => Ok(Value::Object(row)),
        }
    }

    fn ask_all(&self, request: &Request, verb: &'static Verb) -> Result<Value> {
        let body = &request.body;
        match (request.resource.name, verb.name) {
            ("agent", "login") => {
                let row = self.who("agent", "username", &body["username"])?;
                let refused = || Error::new(Status::Unauthenticated, "INVALID_CREDENTIALS", "unknown");
                (row["password"] == body["password"]).then(|| standing(&row)).ok_or_else(refused)
            }
            ("accesskey", "standing") => {
                self.who("accesskey", "hash", &body["token_hash"]).map(Value::Object)
            }
            _ => Ok(json!({"asked": body, "customer": request.context.scope.customer()})),
        }
    }
}

fn standing(row: &Row) -> Value {
    let text = |name: &str| row[name].clone();
    json!({"id": text("id"), "customer_id": text("customer_id"), "username": text("username"),
           "permission": text("permission")})
}

fn is_in(row: &Row, resource: &Resource, scope: Scope) -> bool {
    let owner = if resource.name == "customer" { "id" } else { "customer_id" };
    row["tm_delete"].is_null() && scope.customer().is_none_or(|id| row[owner] == json!(id))
}

#[async_trait]
impl Dispatch for Domain {
    async fn ask_at(&self, _: &str, request: Request) -> Result<Value> {
        self.ask(request).await
    }

    async fn ask(&self, request: Request) -> Result<Value> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let word = format!("{:?} {} {:?}", request.context.scope, request.resource.name, request.op);
        self.heard.lock().unwrap().push(word);
        let (resource, scope) = (request.resource, request.context.scope);
        if resource.name == KEYS.name {
            return self.keys.serve(&request);
        }
        match request.op.clone() {
            Op::List(page) => {
                let rows = self.list(resource, scope, &request.body);
                Ok(Value::Array(rows.into_iter().take(page.size as usize).collect()))
            }
            Op::Create => self.create(&request),
            Op::Get(id) => self.find(resource, id, scope).map(Value::Object),
            Op::Update(id) => {
                let patch = resource.pick(&request.body, |field| field.update)?;
                self.change(&request, id, |row| row.extend(patch))
            }
            Op::Delete(id) => self.change(&request, id, |row| {
                row.insert("tm_delete".into(), json!("2026-01-01T00:00:00.000000Z"));
            }),
            Op::Verb(id, verb) => self.verb(&request, id, verb).await,
            Op::Ask(verb) => self.ask_all(&request, verb),
        }
    }
}
