//! From a domain's reply to what leaves: views of rows, pages with their token, and the success code.

use http::StatusCode;
use protocol::{Catalog, Cursor, Error, Op, Reply, Resource, Result, Row, View};
use serde::Serialize;
use serde_json::{Value, json};

use crate::access::Answer;
use crate::response::{Response, empty, json as as_json};

/// Where VoIPBIN answers something else than 200.
const CODES: &[(&str, &str, StatusCode)] = &[
    ("POST", "/v1.0/contacts", StatusCode::CREATED),
    ("POST", "/v1.0/contacts/{id}/addresses", StatusCode::CREATED),
    ("POST", "/v1.0/contacts/{id}/tags", StatusCode::CREATED),
    ("POST", "/v1.0/contact_addresses", StatusCode::CREATED),
    ("POST", "/v1.0/speakings", StatusCode::CREATED),
    ("POST", "/v1.0/service_agents/contacts", StatusCode::CREATED),
    ("POST", "/v1.0/service_agents/contacts/{id}/tags", StatusCode::CREATED),
    ("POST", "/v1.0/service_agents/contact_addresses", StatusCode::CREATED),
    ("POST", "/v1.0/aiaudits", StatusCode::ACCEPTED),
    ("POST", "/v1.0/aipromptproposals", StatusCode::ACCEPTED),
];

pub(crate) fn code(method: &str, template: &str) -> StatusCode {
    let special = CODES.iter().find(|(m, path, _)| *m == method && *path == template);
    special.map_or(StatusCode::OK, |(_, _, code)| *code)
}

/// How a reply has to be read before it leaves.
#[derive(Clone, Copy)]
pub(crate) enum Shape {
    Created,
    Verb(Reply),
}

impl Shape {
    pub(crate) fn of(op: &Op) -> Self {
        match op {
            Op::Create => Shape::Created,
            Op::List(_) => Shape::Verb(Reply::Page),
            Op::Get(_) | Op::Update(_) | Op::Delete(_) => Shape::Verb(Reply::Row),
            Op::Verb(_, verb) | Op::Ask(verb) => Shape::Verb(verb.reply),
        }
    }
}

pub(crate) fn respond(
    catalog: &Catalog,
    resource: &Resource,
    (shape, code): (Shape, StatusCode),
    answer: Answer,
) -> Result<Response> {
    let value = match answer {
        Answer::Row(row) => return as_json(code, &resource.view(&row)),
        Answer::Value(value) => value,
    };
    match (shape, value) {
        (Shape::Verb(Reply::Empty), _) => Ok(empty(code)),
        (Shape::Verb(Reply::Document), value) => as_json(code, &value),
        (Shape::Verb(Reply::Page), value) => page(resource, code, value),
        (Shape::Verb(Reply::Row), Value::Object(row)) => as_json(code, &resource.view(&row)),
        (Shape::Created, Value::Object(row)) if row.contains_key("id") => {
            as_json(code, &resource.reveal(&row))
        }
        (Shape::Created, Value::Object(groups)) => as_json(code, &grouped(catalog, groups)),
        (Shape::Verb(Reply::Row) | Shape::Created, _) => Err(Error::internal("a row was expected")),
    }
}

/// The rows of a list, bare or in an envelope, and the envelope's own token.
pub(crate) fn rows(value: Value) -> (Vec<Row>, Option<String>) {
    let (list, token) = match value {
        Value::Object(mut envelope) => {
            let token = envelope.get("next_page_token").and_then(Value::as_str).map(str::to_owned);
            (envelope.remove("result"), token)
        }
        Value::Array(_) => (Some(value), None),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => (None, None),
    };
    let rows = match list {
        Some(Value::Array(list)) => list.into_iter().filter_map(row).collect(),
        Some(_) | None => Vec::new(),
    };
    (rows, token)
}

fn row(value: Value) -> Option<Row> {
    if let Value::Object(row) = value { Some(row) } else { None }
}

/// The token of every page but an empty one is that of its last row, as clients of VoIPBIN expect.
fn page(resource: &Resource, code: StatusCode, value: Value) -> Result<Response> {
    let (rows, token) = rows(value);
    let last = || rows.last().and_then(Cursor::of).map(|cursor| cursor.token());
    let next_page_token = token.or_else(last).unwrap_or_default();
    as_json(code, &Listed { next_page_token, result: rows.iter().map(|row| resource.view(row)).collect() })
}

#[derive(Serialize)]
struct Listed<'r> {
    next_page_token: String,
    result: Vec<View<'r>>,
}

/// One creation may make rows of several resources (`POST /calls`): each list under its resource's path.
/// What is under another name does not leave.
fn grouped(catalog: &Catalog, groups: Row) -> Row {
    let view = |(path, list): (String, Value)| {
        let resource = catalog.at(&path)?.resource;
        let (rows, _) = rows(list);
        let views: Vec<_> = rows.iter().map(|row| resource.reveal(row)).collect();
        Some((path, json!(views)))
    };
    groups.into_iter().filter_map(view).collect()
}
