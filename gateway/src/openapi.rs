//! The API's own description (OpenAPI 3.0.3), made from the same catalog that requests are routed by.
//!
//! Bodies of verbs are typed in their domains and described there; here they are objects. `x-access` says who
//! may use an operation: the words are [`Rule`]'s.

use protocol::catalog::Locate;
use protocol::{Catalog, Field, Kind, Method, Mount, Op, Page, Reply, Resource, Rule, Verb};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::access::rule;
use crate::idempotency::LONGEST;
use crate::reply::code;
use crate::route::{is_offered, mounted_template, template};

pub(crate) fn document(catalog: &Catalog) -> Value {
    let mut paths = Map::new();
    for (method, path, operation) in operations(catalog) {
        let methods = paths.entry(path).or_insert_with(|| json!({}));
        if let Value::Object(methods) = methods {
            methods.insert(method.name().to_lowercase(), operation);
        }
    }
    json!({
        "openapi": "3.0.3",
        "info": {"title": "Branchline", "version": env!("CARGO_PKG_VERSION")},
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}, {"accesskey": []}, {"token": []}],
        "paths": paths,
        "components": {
            "schemas": schemas(catalog),
            "responses": {"Error": {"description": "Refused.", "content": content(reference("Error"))}},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "A token or an access key."},
                "accesskey": {"type": "apiKey", "in": "query", "name": "accesskey"},
                "token": {"type": "apiKey", "in": "query", "name": "token"},
            },
        },
    })
}

type Operation = (Method, String, Value);

fn operations(catalog: &Catalog) -> Vec<Operation> {
    let mut all = vec![fixed("/ping"), fixed("/health/live"), fixed("/health/ready"), login()];
    for entry in &catalog.entries {
        let (resource, id) = (entry.resource, Uuid::nil());
        all.extend(plain(catalog, (entry.resource, None)));
        let verbs = entry.verbs.iter().map(|verb| (*verb, Op::Verb(id, verb)));
        let verbs = verbs.chain(entry.asks.iter().map(|verb| (*verb, Op::Ask(verb))));
        let offered = verbs.filter(|(_, op)| is_offered(catalog, (resource, None), op));
        all.extend(offered.map(|(verb, op)| of_verb(resource, verb, (&op, None))));
    }
    for (mount, resource) in &catalog.mounts {
        all.extend(mounted(catalog, mount, resource));
    }
    all
}

/// The five plain operations, as far as they are offered at this place.
fn plain(catalog: &Catalog, (resource, mount): (&Resource, Option<&Mount>)) -> Vec<Operation> {
    let id = Uuid::nil();
    let all = [
        (Method::Get, Op::List(Page::of(0, None))),
        (Method::Post, Op::Create),
        (Method::Get, Op::Get(id)),
        (Method::Put, Op::Update(id)),
        (Method::Delete, Op::Delete(id)),
    ];
    let offered = all.into_iter().filter(|(_, op)| is_offered(catalog, (resource, mount), op));
    let described = offered.map(|(method, op)| {
        let path = mount.map_or_else(|| template(resource, &op), |mount| mounted_template(mount, &op));
        let mut value = of_op(resource, method, &op, &path);
        allow(&mut value, rule(&op, resource, mount));
        (method, path, value)
    });
    described.collect()
}

fn of_op(resource: &Resource, method: Method, op: &Op, path: &str) -> Value {
    let is_list = matches!(op, Op::List(_));
    let shape = if is_list { Reply::Page } else { Reply::Row };
    let mut parameters = parameters(path);
    if is_list {
        parameters.extend(filters(resource));
    }
    let body = match method {
        Method::Post => Some(reference(&format!("{}Create", pascal(resource.name)))),
        Method::Put => Some(reference(&format!("{}Update", pascal(resource.name)))),
        Method::Get | Method::Delete => None,
    };
    operation(method, path, (parameters, body), answer(resource, shape))
}

fn of_verb(resource: &Resource, verb: &Verb, (op, mount): (&Op, Option<&Mount>)) -> Operation {
    let path = mount.map_or_else(|| template(resource, op), |mount| mounted_template(mount, op));
    let body = matches!(verb.method, Method::Post | Method::Put).then(|| json!({"type": "object"}));
    let inputs = (parameters(&path), body);
    let mut value = operation(verb.method, &path, inputs, answer(resource, verb.reply));
    allow(&mut value, rule(op, resource, mount));
    (verb.method, path, value)
}

fn mounted(catalog: &Catalog, mount: &Mount, resource: &'static Resource) -> Vec<Operation> {
    if let Locate::Collection(verb) = mount.locate {
        return vec![of_verb(resource, verb, (&Op::Ask(verb), Some(mount)))];
    }
    let mut all = plain(catalog, (resource, Some(mount)));
    let verbs = catalog.named(resource.name).map(|entry| entry.verbs.as_slice()).unwrap_or_default();
    let verbs = verbs.iter().map(|verb| (*verb, Op::Verb(Uuid::nil(), verb)));
    let offered = verbs.filter(|(_, op)| is_offered(catalog, (resource, Some(mount)), op));
    all.extend(offered.map(|(verb, op)| of_verb(resource, verb, (&op, Some(mount)))));
    all
}

fn operation(method: Method, path: &str, inputs: (Vec<Value>, Option<Value>), answer: Value) -> Value {
    let (mut parameters, body) = inputs;
    if method == Method::Post && path.starts_with("/v1.0/") {
        parameters.push(idempotency_key());
    }
    let words = path.trim_start_matches("/v1.0").replace(['{', '}'], "").replace(['/', '-'], "_");
    let code = code(method.name(), path).as_str().to_owned();
    let mut operation = json!({
        "operationId": format!("{}{words}", method.name().to_lowercase()),
        "responses": {code: answer, "default": {"$ref": "#/components/responses/Error"}},
    });
    let Value::Object(fields) = &mut operation else { return operation };
    if !parameters.is_empty() {
        fields.insert("parameters".to_owned(), parameters.into());
    }
    if let Some(schema) = body {
        fields.insert("requestBody".to_owned(), json!({"content": content(schema)}));
    }
    operation
}

fn allow(operation: &mut Value, rule: Rule) {
    let who = match rule {
        Rule::Internal => "internal",
        Rule::Platform => "platform",
        Rule::Admin => "admin",
        Rule::Staff => "staff",
        Rule::Member => "member",
        Rule::Own => "own",
    };
    if let Value::Object(fields) = operation {
        fields.insert("x-access".to_owned(), who.into());
    }
}

/// What stands in the path.
fn parameters(path: &str) -> Vec<Value> {
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let schema = |name: &str| of_kind(if name.ends_with("id") { Kind::Id } else { Kind::Text });
    names.map(|name| json!({"name": name, "in": "path", "required": true, "schema": schema(name)})).collect()
}

fn idempotency_key() -> Value {
    json!({
        "name": "Idempotency-Key",
        "in": "header",
        "description": "Sent again with the same key and body within 24 hours, the request is not carried out \
                        again and gets the same answer.",
        "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST, "pattern": "^[!-~]+$"},
    })
}

fn filters(resource: &Resource) -> Vec<Value> {
    let parameter = |name: &str, schema: Value| json!({"name": name, "in": "query", "schema": schema});
    let filters = resource.columns().filter(|field| field.filter && !field.internal);
    let filters = filters.filter(|field| resource.shared || field.name != "customer_id");
    let mut all = vec![
        parameter("page_size", json!({"type": "integer", "maximum": Page::MOST, "default": Page::MOST})),
        parameter("page_token", json!({"type": "string"})),
    ];
    // of a list: the values to look for, separated by commas
    let kind = |field: &Field| if field.kind == Kind::List { Kind::Text } else { field.kind };
    all.extend(filters.map(|field| parameter(field.name, of_kind(kind(field)))));
    all
}

fn answer(resource: &Resource, shape: Reply) -> Value {
    let row = reference(&pascal(resource.name));
    let schema = match shape {
        Reply::Empty => return json!({"description": "Done."}),
        Reply::Document => json!({}),
        Reply::Row => row,
        Reply::Page => json!({
            "type": "object",
            "required": ["next_page_token", "result"],
            "properties": {"next_page_token": {"type": "string"}, "result": {"type": "array", "items": row}},
        }),
    };
    json!({"description": "Done.", "content": content(schema)})
}

fn schemas(catalog: &Catalog) -> Map<String, Value> {
    let mut all = Map::from_iter([("Error".to_owned(), error())]);
    for resource in catalog.resources() {
        let name = pascal(resource.name);
        // secrets too: they stand in the answer to a creation
        let outward = resource.columns().filter(|field| !field.internal);
        all.insert(format!("{name}Create"), object(resource.fields.iter().filter(|f| f.create), true));
        all.insert(format!("{name}Update"), object(resource.fields.iter().filter(|f| f.update), false));
        all.insert(name, object(outward, false));
    }
    all
}

fn object<'f>(fields: impl Iterator<Item = &'f Field> + Clone, is_new: bool) -> Value {
    let required: Vec<_> = fields.clone().filter(|f| is_new && f.required).map(|f| f.name).collect();
    let property = |field: &Field| (field.name.to_owned(), of_kind(field.kind));
    let properties: Map<_, _> = fields.map(property).collect();
    match required.is_empty() {
        true => json!({"type": "object", "properties": properties}),
        false => json!({"type": "object", "properties": properties, "required": required}),
    }
}

fn of_kind(kind: Kind) -> Value {
    match kind {
        Kind::Id => json!({"type": "string", "format": "uuid"}),
        Kind::Text => json!({"type": "string"}),
        Kind::Int => json!({"type": "integer", "format": "int64"}),
        Kind::Bool => json!({"type": "boolean"}),
        Kind::List => json!({"type": "array", "items": {}}),
        Kind::Map => json!({"type": "object", "additionalProperties": true}),
        Kind::Json => json!({"nullable": true}),
        Kind::Time => json!({"type": "string", "format": "date-time", "nullable": true}),
        Kind::Choice(of) => json!({"type": "string", "enum": of}),
    }
}

fn error() -> Value {
    let text = json!({"type": "string"});
    let fields = json!({
        "details": {"type": "array", "items": {"type": "object"}},
        "message": text,
        "reason": text,
        "request_id": text,
        "status": text,
    });
    let error = json!({
        "type": "object",
        "required": ["message", "reason", "request_id", "status"],
        "properties": fields,
    });
    json!({"type": "object", "required": ["error"], "properties": {"error": error}})
}

fn fixed(path: &str) -> Operation {
    let answer = json!({"description": "Done.", "content": content(json!({"type": "object"}))});
    let mut value = operation(Method::Get, path, (Vec::new(), None), answer);
    without_credentials(&mut value);
    (Method::Get, path.to_owned(), value)
}

fn login() -> Operation {
    let text = json!({"type": "string"});
    let body = json!({
        "type": "object",
        "required": ["username", "password"],
        "properties": {"username": text, "password": text},
    });
    let reply = json!({"type": "object", "properties": {"username": text, "token": text}});
    let answer = json!({"description": "Done.", "content": content(reply)});
    let mut value = operation(Method::Post, "/auth/login", (Vec::new(), Some(body)), answer);
    without_credentials(&mut value);
    (Method::Post, "/auth/login".to_owned(), value)
}

fn without_credentials(operation: &mut Value) {
    if let Value::Object(fields) = operation {
        fields.insert("security".to_owned(), json!([]));
    }
}

fn content(schema: Value) -> Value {
    json!({"application/json": {"schema": schema}})
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn pascal(name: &str) -> String {
    let upper = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect::<String>()
    };
    name.split('_').map(upper).collect()
}
