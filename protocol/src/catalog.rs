//! Everything a platform serves: the resources of all domains, their verbs, and where they are mounted.
//!
//! HTTP routes, node messages, OpenAPI, migrations and the catalog tests all read this one table.

use uuid::Uuid;

use crate::{Access, Cursor, Error, Method, Op, Ops, Page, Resource, Result, Verb};

/// One resource as its domain serves it.
#[derive(Debug)]
pub struct Entry {
    /// VoIPBIN's service name (`call-manager`).
    pub domain: &'static str,
    pub resource: &'static Resource,
    /// Verbs of an item (`POST /calls/{id}/hangup`).
    pub verbs: Vec<&'static Verb>,
    /// Verbs of the collection (`GET /available_numbers` is `available` of `numbers`).
    pub asks: Vec<&'static Verb>,
}

/// Whose row a path without an id means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locate {
    /// The caller's customer itself: `/customer`.
    Customer,
    /// The calling agent: `/me`.
    Agent,
    /// The one row that the caller's customer has: `/billing_account`.
    Only,
    /// The rows themselves, under rules of their own: `/service_agents/tags` and what follows it.
    Rows,
    /// No row: a verb of the collection, at a path of its own: `/available_numbers`.
    Collection(&'static Verb),
}

/// A second place for a resource in the HTTP API.
#[derive(Clone, Copy, Debug)]
pub struct Mount {
    pub path: &'static str,
    pub locate: Locate,
    pub ops: Ops,
    pub access: Access,
    /// The item's verbs that are offered here too: under the rule of `get` if they read, else of `update`.
    pub verbs: &'static [&'static str],
}

impl Mount {
    pub const fn new(path: &'static str, locate: Locate, ops: Ops) -> Self {
        Mount { path, locate, ops, access: Access::STAFF, verbs: &[] }
    }
    pub const fn verbs(mut self, names: &'static [&'static str]) -> Self {
        self.verbs = names;
        self
    }
    pub const fn access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }
}

#[derive(Debug, Default)]
pub struct Catalog {
    pub entries: Vec<Entry>,
    pub mounts: Vec<(Mount, &'static Resource)>,
}

impl Catalog {
    pub fn resources(&self) -> impl Iterator<Item = &'static Resource> + '_ {
        self.entries.iter().map(|entry| entry.resource)
    }

    pub fn named(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.resource.name == name)
    }

    pub fn at(&self, path: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.resource.path == path)
    }

    /// The entry of a resource that the catalog was built from.
    pub fn entry(&self, resource: &Resource) -> Result<&Entry> {
        self.named(resource.name).ok_or_else(no_route)
    }

    /// Has this verb of a collection a path of its own? Then it is not offered below the collection's.
    pub fn is_mounted(&self, resource: &Resource, verb: &Verb) -> bool {
        let here = |mount: &Mount| matches!(mount.locate, Locate::Collection(own) if own == verb);
        self.mounts.iter().any(|(mount, of)| of.name == resource.name && here(mount))
    }

    /// Resolves a method and a path such as `calls/{id}/hangup`. HTTP and the broker share it; what HTTP
    /// may use of it is decided by the gateway.
    pub fn route(
        &self,
        method: &str,
        path: &str,
        page: impl Fn() -> Result<Page>,
    ) -> Result<(&'static Resource, Op)> {
        let method = Method::parse(method).ok_or_else(no_route)?;
        let mut parts = path.split('/');
        let entry = parts.next().and_then(|head| self.at(head)).ok_or_else(no_route)?;
        let (second, third) = (parts.next(), parts.next());
        if parts.next().is_some() {
            return Err(no_route());
        }
        let verb = |of: &[&'static Verb], name: &str| {
            of.iter().find(|v| v.method == method && v.name == name).copied().ok_or_else(no_route)
        };
        let op = match (method, second, third) {
            (Method::Get, None, None) => Op::List(page()?),
            (Method::Post, None, None) => Op::Create,
            (_, Some(name), None) if verb(&entry.asks, name).is_ok() => Op::Ask(verb(&entry.asks, name)?),
            (Method::Get, Some(id), None) => Op::Get(parse_id(id)?),
            (Method::Put, Some(id), None) => Op::Update(parse_id(id)?),
            (Method::Delete, Some(id), None) => Op::Delete(parse_id(id)?),
            (_, Some(id), Some(name)) => {
                let verb = verb(&entry.verbs, name)?;
                Op::Verb(parse_id(id)?, verb)
            }
            (Method::Put | Method::Delete, None, _) | (Method::Post, Some(_), None) | (_, None, Some(_)) => {
                return Err(no_route());
            }
        };
        Ok((entry.resource, op))
    }
}

/// Reads `page_size` and `page_token` of a query.
pub fn page<'q>(pairs: impl Iterator<Item = (&'q str, &'q str)>) -> Result<Page> {
    let (mut size, mut after) = (0, None);
    for (name, value) in pairs {
        match name {
            "page_size" => size = value.parse().map_err(|_| bad_size())?,
            "page_token" if !value.is_empty() => after = Some(Cursor::parse(value)?),
            _ => {}
        }
    }
    Ok(Page::of(size, after))
}

fn bad_size() -> Error {
    Error::new(crate::Status::InvalidArgument, "INVALID_REQUEST_PARAMETER", "page_size must be an integer")
}

pub fn no_route() -> Error {
    Error::new(crate::Status::NotFound, "ROUTE_NOT_FOUND", "The requested route was not found.")
}

/// An id in a path. The nil UUID means "unset" in rows and names nothing.
pub fn parse_id(text: &str) -> Result<Uuid> {
    let bad =
        || Error::new(crate::Status::InvalidArgument, "INVALID_ID", "The id in the path must be a UUID.");
    text.parse::<Uuid>().ok().filter(|id| !id.is_nil()).ok_or_else(bad)
}
