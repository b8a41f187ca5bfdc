//! A resource described as data. One store, one CRUD engine, one set of routes read this table.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{Access, Error, Field, Result, View};

/// A stored record, keyed by column name.
pub type Row = Map<String, Value>;

/// Reads the part of a row that a piece of logic needs.
pub fn read<T: DeserializeOwned>(row: &Row) -> Result<T> {
    T::deserialize(row).map_err(Error::internal)
}

/// Which of the five plain operations the HTTP API offers. Verbs come on top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ops(u8);

impl Ops {
    pub const NONE: Ops = Ops(0);
    pub const LIST: Ops = Ops(1);
    pub const GET: Ops = Ops(2);
    pub const CREATE: Ops = Ops(4);
    pub const UPDATE: Ops = Ops(8);
    pub const DELETE: Ops = Ops(16);
    pub const ALL: Ops = Ops(31);
    pub const READ: Ops = Ops(3);

    pub const fn and(self, other: Ops) -> Ops {
        Ops(self.0 | other.0)
    }
    pub const fn without(self, other: Ops) -> Ops {
        Ops(self.0 & !other.0)
    }
    pub const fn has(self, other: Ops) -> bool {
        self.0 & other.0 == other.0
    }
}

#[derive(Debug)]
pub struct Resource {
    /// Singular; also the table and the first word of its events.
    pub name: &'static str,
    /// Plural; the path below `/v1.0/`.
    pub path: &'static str,
    /// Without the common columns (see [`Resource::columns`]).
    pub fields: &'static [Field],
    pub ops: Ops,
    pub access: Access,
    /// Owned by the installation, not by a customer (carriers, routes): `customer_id` is not forced.
    pub shared: bool,
    /// A creation may name the id of the new row.
    pub given_id: bool,
}

/// What every row has. `rev` counts its changes: it guards updates and caches and never leaves.
const COMMON: &[Field] = &[
    Field::id("id"),
    Field::id("customer_id").filter(),
    Field::time("tm_create"),
    Field::time("tm_update"),
    Field::time("tm_delete"),
    Field::int("rev").internal(),
];

impl Resource {
    /// Names that are not plain identifiers fail the build, so SQL and paths need no escaping.
    pub const fn new(name: &'static str, path: &'static str, fields: &'static [Field]) -> Self {
        plain(name);
        let mut at = 0;
        while at < fields.len() {
            plain(fields[at].name);
            at += 1;
        }
        Resource { name, path, fields, ops: Ops::ALL, access: Access::STAFF, shared: false, given_id: false }
    }
    pub const fn ops(mut self, ops: Ops) -> Self {
        self.ops = ops;
        self
    }
    pub const fn access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }
    pub const fn shared(mut self) -> Self {
        self.shared = true;
        self
    }
    pub const fn given_id(mut self) -> Self {
        self.given_id = true;
        self
    }

    /// Every column, in the order of every SELECT.
    pub fn columns(&self) -> impl Iterator<Item = &'static Field> + Clone + use<> {
        COMMON.iter().chain(self.fields)
    }

    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.columns().find(|field| field.name == name)
    }

    /// Takes from `body` the fields that `allowed` accepts, checked and in stored form; the rest is ignored.
    pub fn pick(&self, body: &Value, allowed: impl Fn(&Field) -> bool) -> Result<Row> {
        let Value::Object(body) = body else {
            return Err(Error::invalid("the body must be a JSON object"));
        };
        let mut row = Row::new();
        for field in self.columns().filter(|field| allowed(field)) {
            if let Some(value) = body.get(field.name) {
                row.insert(field.name.to_owned(), field.admit(value.clone())?);
            }
        }
        Ok(row)
    }

    /// The checked fields of a new row. A required one that is missing or empty is refused by name.
    pub fn pick_new(&self, body: &Value) -> Result<Row> {
        // what belongs to the installation may still be for one customer: its operator says whose it is
        let owner = |field: &Field| self.shared && field.name == "customer_id";
        let given = |field: &Field| self.given_id && field.name == "id";
        let mut row = self.pick(body, |field| field.create || owner(field) || given(field))?;
        if row.get("id").is_some_and(|id| *id == Field::id("id").zero()) {
            row.remove("id");
        }
        let nil = Field::id("id").zero();
        let empty = |value: &Value| {
            value.is_null() || value == "" || *value == nil || *value == Value::Array(Vec::new())
        };
        match self.fields.iter().find(|f| f.required && row.get(f.name).is_none_or(empty)) {
            Some(missing) => Err(Error::invalid(format!("{} is required", missing.name))),
            None => Ok(row),
        }
    }

    /// Gives every column that the row lacks the value of an unset one.
    pub fn fill(&self, row: &mut Row) {
        for field in self.columns() {
            row.entry(field.name).or_insert_with(|| field.zero());
        }
    }

    /// What may leave the platform.
    pub fn view<'r>(&'r self, row: &'r Row) -> View<'r> {
        View { resource: self, row, secrets: false }
    }

    /// The answer to a creation: the only view in which secrets stand.
    pub fn reveal<'r>(&'r self, row: &'r Row) -> View<'r> {
        View { resource: self, row, secrets: true }
    }
}

const fn plain(name: &str) {
    let bytes = name.as_bytes();
    assert!(!bytes.is_empty() && bytes.len() <= 48, "a name has 1 to 48 bytes");
    let mut at = 0;
    while at < bytes.len() {
        assert!(matches!(bytes[at], b'a'..=b'z' | b'0'..=b'9' | b'_'), "a name is a-z, 0-9 and _");
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PHONE: Resource = Resource::new(
        "phone",
        "phones",
        &[
            Field::text("name").edit().required(),
            Field::text("password").create().secret(),
            Field::text("node").internal(),
        ],
    );

    #[test]
    fn a_body_changes_only_what_it_may() {
        let row =
            PHONE.pick_new(&json!({"name": "a", "node": "x", "customer_id": "y", "nope": 1})).expect("row");
        assert_eq!(Value::Object(row), json!({"name": "a"}));
        assert_eq!(PHONE.pick_new(&json!({"name": ""})).expect_err("refused").message, "name is required");
        assert!(PHONE.pick(&json!([]), |_| true).is_err());
    }

    #[test]
    fn only_a_shared_row_names_its_customer() {
        const CABLE: Resource = Resource::new("cable", "cables", &[]).shared();
        let id = "0190f3a0-0000-7000-8000-000000000001";
        let row = CABLE.pick_new(&json!({"customer_id": id, "rev": 7})).expect("row");
        assert_eq!(Value::Object(row), json!({"customer_id": id}));
    }

    #[test]
    fn a_body_names_its_id_only_where_that_is_allowed() {
        const OWN: Resource = Resource::new("own", "owns", &[]).given_id();
        let id = "0190f3a0-0000-7000-8000-000000000001";
        assert_eq!(Value::Object(OWN.pick_new(&json!({"id": id})).expect("row")), json!({"id": id}));
        assert!(OWN.pick_new(&json!({"id": uuid::Uuid::nil()})).expect("row").is_empty());
        assert!(OWN.pick_new(&json!({"id": "mine"})).is_err());
        assert_eq!(PHONE.pick_new(&json!({"id": id, "name": "a"})).expect("row").get("id"), None);
    }

    #[test]
    fn secrets_leave_once_and_internals_never() {
        let Value::Object(row) = json!({"name": "a", "password": "p", "node": "n", "rev": 1, "other": 2})
        else {
            unreachable!()
        };
        assert_eq!(json!(PHONE.view(&row)), json!({"name": "a"}));
        assert_eq!(json!(PHONE.reveal(&row)), json!({"name": "a", "password": "p"}));
    }
}
