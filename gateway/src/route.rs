//! From a method and a path to what is asked for. Decides nothing: a known path may still be refused.

use std::borrow::Cow;

use http::StatusCode;
use protocol::catalog::{Locate, page};
use protocol::{Catalog, Error, Method, Mount, Op, Ops, Page, Resource, Result, Row, Rule};
use uuid::Uuid;

use crate::access::{Wanted, rule};
use crate::query;

pub(crate) enum Target {
    /// What needs no credentials and no body.
    Open(Open),
    Login,
    Socket,
    Api(Routed),
    /// The same path without its last slash.
    Moved {
        code: StatusCode,
        to: String,
    },
    Missing,
}

impl Target {
    fn is_missing(&self) -> bool {
        matches!(self, Target::Missing)
    }
}

pub(crate) enum Open {
    Ping,
    Live,
    Ready,
    Metrics,
    Document,
}

/// A path that exists. What is wrong with its id or page is said only to callers with credentials.
pub(crate) struct Routed {
    /// `/v1.0/calls/{id}/hangup`: what logs, metrics and the document name it by.
    pub(crate) template: String,
    pub(crate) wanted: Result<Wanted>,
}

/// Without a catalog the node is starting: only the paths that are not of the API answer.
pub(crate) fn find(catalog: Option<&Catalog>, method: &str, path: &str, query: &str) -> Result<Target> {
    let target = exact(catalog, method, path, query)?;
    match path.strip_suffix('/').filter(|_| target.is_missing()) {
        Some(bare) if !exact(catalog, method, bare, query)?.is_missing() => Ok(moved(method, bare, query)),
        Some(_) | None => Ok(target),
    }
}

/// As gin redirects: a GET for good, anything else with its method and body.
fn moved(method: &str, bare: &str, query: &str) -> Target {
    let code = match method {
        "GET" => StatusCode::MOVED_PERMANENTLY,
        _ => StatusCode::TEMPORARY_REDIRECT,
    };
    let mark = if query.is_empty() { "" } else { "?" };
    Target::Moved { code, to: format!("{bare}{mark}{query}") }
}

fn exact(catalog: Option<&Catalog>, method: &str, path: &str, query: &str) -> Result<Target> {
    Ok(match (method, path) {
        ("GET", "/ping") => Target::Open(Open::Ping),
        ("GET", "/health" | "/health/live") => Target::Open(Open::Live),
        ("GET", "/health/ready") => Target::Open(Open::Ready),
        ("GET", "/metrics") => Target::Open(Open::Metrics),
        ("GET", "/openapi.json") => Target::Open(Open::Document),
        ("POST", "/auth/login") => Target::Login,
        ("GET", "/v1.0/ws" | "/v1.0/service_agents/ws") => Target::Socket,
        _ => match path.strip_prefix("/v1.0/") {
            // an empty part is no id
            Some(path) if !path.ends_with('/') => {
                let catalog = catalog.ok_or_else(starting)?;
                let routed = mounted(catalog, method, path, query);
                let routed = routed.or_else(|| plain(catalog, method, (path, query), None));
                routed.map_or(Target::Missing, Target::Api)
            }
            Some(_) | None => Target::Missing,
        },
    })
}

pub(crate) fn starting() -> Error {
    Error::unavailable("The node is starting.")
}

/// The longest mount that has this path and method.
fn mounted(catalog: &Catalog, method: &str, path: &str, query: &str) -> Option<Routed> {
    let matching = catalog.mounts.iter().filter_map(|(mount, resource)| {
        let (captured, rest) = capture(mount.path, path)?;
        let routed = match mount.locate {
            Locate::Rows if rest.is_empty() => plain(catalog, method, (resource.path, query), Some(*mount)),
            Locate::Rows => {
                plain(catalog, method, (&format!("{}/{rest}", resource.path), query), Some(*mount))
            }
            Locate::Customer | Locate::Agent | Locate::Only | Locate::Collection(_) => {
                single(catalog, method, (mount, resource), captured, rest)
            }
        };
        Some((mount.path.len(), routed?))
    });
    matching.max_by_key(|(length, _)| *length).map(|(_, routed)| routed)
}

/// A mount that stands for one row or one question.
fn single(
    catalog: &Catalog,
    method: &str,
    (mount, resource): (&Mount, &'static Resource),
    captured: Row,
    rest: &str,
) -> Option<Routed> {
    let name = if rest.is_empty() { None } else { Some(rest) };
    let op = mount_op(catalog, (mount, resource), Method::parse(method)?, name)?;
    let template = mounted_template(mount, &op);
    Some(Routed { template, wanted: Ok(Wanted { resource, op, mount: Some(*mount), captured }) })
}

/// What stands at the `{names}` of a mount's path, and what follows it.
fn capture<'p>(mount: &str, path: &'p str) -> Option<(Row, &'p str)> {
    let mut captured = Row::new();
    let mut rest = path;
    for part in mount.split('/') {
        let (head, tail) = rest.split_once('/').unwrap_or((rest, ""));
        match part.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) if !head.is_empty() => {
                captured.insert(name.to_owned(), head.into());
            }
            _ if part == head => {}
            Some(_) | None => return None,
        }
        rest = tail;
    }
    Some((captured, rest))
}

fn mount_op(
    catalog: &Catalog,
    (mount, resource): (&Mount, &Resource),
    method: Method,
    name: Option<&str>,
) -> Option<Op> {
    // whose id it is, access finds out
    let id = Uuid::nil();
    match (mount.locate, method, name) {
        (Locate::Collection(verb), _, None) if verb.method == method => Some(Op::Ask(verb)),
        (Locate::Collection(_), ..) => None,
        (_, Method::Get, None) => Some(Op::Get(id)),
        (_, Method::Put, None) => Some(Op::Update(id)),
        (_, Method::Delete, None) => Some(Op::Delete(id)),
        (_, _, Some(name)) => {
            let verbs = &catalog.named(resource.name)?.verbs;
            let verb = verbs.iter().find(|verb| verb.method == method && verb.name == name)?;
            Some(Op::Verb(id, verb))
        }
        (_, _, None) => None,
    }
    .filter(|op| is_offered(catalog, (resource, Some(mount)), op))
}

/// The rows of a resource, at its own path or, with other rules, at that of a mount.
fn plain(
    catalog: &Catalog,
    method: &str,
    (path, query): (&str, &str),
    mount: Option<Mount>,
) -> Option<Routed> {
    let found = catalog.route(method, path, || page_of(query));
    let (resource, op) = match &found {
        Ok((resource, op)) => (*resource, op.clone()),
        // a bad id or page: see whether the path exists at all
        Err(error) if error.reason != "ROUTE_NOT_FOUND" => {
            catalog.route(method, &with_any_id(path), || Ok(Page::of(0, None))).ok()?
        }
        Err(_) => return None,
    };
    let wanted = found.map(|(resource, op)| Wanted { resource, op, mount, captured: Row::new() });
    is_offered(catalog, (resource, mount.as_ref()), &op).then(|| {
        let template = mount.as_ref().map_or_else(|| template(resource, &op), |m| mounted_template(m, &op));
        Routed { template, wanted }
    })
}

fn page_of(query: &str) -> Result<Page> {
    let pairs: Vec<(Cow<'_, str>, Cow<'_, str>)> =
        query::pairs(query).filter(|(_, value)| !value.is_empty()).collect();
    page(pairs.iter().map(|(name, value)| (name.as_ref(), value.as_ref())))
}

fn with_any_id(path: &str) -> String {
    let any = Uuid::max().to_string();
    let swap = |(at, part): (usize, &str)| if at == 1 { any.clone() } else { part.to_owned() };
    path.split('/').enumerate().map(swap).collect::<Vec<_>>().join("/")
}

/// Is this for callers from outside, at this place? What is not has no route.
pub(crate) fn is_offered(catalog: &Catalog, (resource, mount): (&Resource, Option<&Mount>), op: &Op) -> bool {
    let ops = mount.map_or(resource.ops, |mount| mount.ops);
    let stands_here = match op {
        Op::List(_) => ops.has(Ops::LIST),
        Op::Create => ops.has(Ops::CREATE),
        Op::Get(_) => ops.has(Ops::GET),
        Op::Update(_) => ops.has(Ops::UPDATE),
        Op::Delete(_) => ops.has(Ops::DELETE),
        Op::Verb(_, verb) => {
            verb.rule != Rule::Internal && mount.is_none_or(|mount| mount.verbs.contains(&verb.name))
        }
        Op::Ask(verb) => match mount {
            Some(mount) => matches!(mount.locate, Locate::Collection(_)),
            None => !catalog.is_mounted(resource, verb),
        },
    };
    stands_here && rule(op, resource, mount) != Rule::Internal
}

pub(crate) fn mounted_template(mount: &Mount, op: &Op) -> String {
    let path = mount.path;
    match (mount.locate, op) {
        (Locate::Rows, Op::Get(_) | Op::Update(_) | Op::Delete(_)) => format!("/v1.0/{path}/{{id}}"),
        (Locate::Rows, Op::Verb(_, verb)) => format!("/v1.0/{path}/{{id}}/{}", verb.name),
        (_, Op::Verb(_, verb)) => format!("/v1.0/{path}/{}", verb.name),
        (_, Op::List(_) | Op::Create | Op::Get(_) | Op::Update(_) | Op::Delete(_) | Op::Ask(_)) => {
            format!("/v1.0/{path}")
        }
    }
}

pub(crate) fn template(resource: &Resource, op: &Op) -> String {
    let path = resource.path;
    match op {
        Op::List(_) | Op::Create => format!("/v1.0/{path}"),
        Op::Get(_) | Op::Update(_) | Op::Delete(_) => format!("/v1.0/{path}/{{id}}"),
        Op::Verb(_, verb) => format!("/v1.0/{path}/{{id}}/{}", verb.name),
        Op::Ask(verb) => format!("/v1.0/{path}/{}", verb.name),
    }
}
