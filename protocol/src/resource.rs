//! A resource described as data. One store, one CRUD engine, one set of routes read this table.

use std::cmp::Ordering;

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
    /// Where each column stands among [`Resource::columns`], by the alphabet, as the names of a row are.
    order: [u8; MOST_COLUMNS],
}

/// Columns that a resource may have.
const MOST_COLUMNS: usize = 64;

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
    /// Names that are not plain identifiers fail the build, so SQL and paths need no escaping, and so do too many columns
    /// and two of one name.
    pub const fn new(name: &'static str, path: &'static str, fields: &'static [Field]) -> Self {
        plain(name);
        let mut at = 0;
        while at < fields.len() {
            plain(fields[at].name);
            at += 1;
        }
        Resource {
            name,
            path,
            fields,
            ops: Ops::ALL,
            access: Access::STAFF,
            shared: false,
            given_id: false,
            order: alphabet(fields),
        }
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
        let named = |at: &u8| column(self.fields, *at as usize).name.cmp(name);
        let at = self.order().binary_search_by(named).ok()?;
        Some(column(self.fields, self.order()[at] as usize))
    }

    /// The values of a row with the columns that they are of and where these stand among [`Resource::columns`], by the
    /// alphabet. What is of no column has none. Both are in one order, so nothing is looked for.
    pub fn cells<'r>(&self, row: &'r Row) -> impl Iterator<Item = Cell<'r>> + use<'r, '_> {
        let mut rest = self.order();
        row.iter().map(move |(name, value)| {
            while let [at, after @ ..] = rest {
                let (at, field) = (*at as usize, column(self.fields, *at as usize));
                match field.name.cmp(name) {
                    Ordering::Greater => break,
                    Ordering::Less => rest = after,
                    Ordering::Equal => {
                        rest = after;
                        return Cell { name, value, column: Some((at, field)) };
                    }
                }
            }
            Cell { name, value, column: None }
        })
    }

    fn order(&self) -> &[u8] {
        &self.order[..COMMON.len() + self.fields.len()]
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
            if !row.contains_key(field.name) {
                row.insert(field.name.to_owned(), field.zero());
            }
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

/// A value of a row, under its name.
pub struct Cell<'r> {
    pub name: &'r str,
    pub value: &'r Value,
    /// Its place among all columns of the resource, and itself.
    pub column: Option<(usize, &'static Field)>,
}

const fn column(fields: &'static [Field], at: usize) -> &'static Field {
    if at < COMMON.len() { &COMMON[at] } else { &fields[at - COMMON.len()] }
}

/// By insertion: it is done while building.
const fn alphabet(fields: &'static [Field]) -> [u8; MOST_COLUMNS] {
    let count = COMMON.len() + fields.len();
    assert!(count <= MOST_COLUMNS, "a resource has at most 64 columns");
    let mut order = [0; MOST_COLUMNS];
    let mut sorted = 0;
    while sorted < count {
        let name = column(fields, sorted).name.as_bytes();
        let mut at = sorted;
        while at > 0 && is_before(name, column(fields, order[at - 1] as usize).name.as_bytes()) {
            order[at] = order[at - 1];
            at -= 1;
        }
        order[at] = sorted as u8;
        sorted += 1;
    }
    order
}

const fn is_before(one: &[u8], other: &[u8]) -> bool {
    let mut at = 0;
    while at < one.len() && at < other.len() {
        if one[at] != other[at] {
            return one[at] < other[at];
        }
        at += 1;
    }
    assert!(one.len() != other.len(), "two columns have one name");
    one.len() < other.len()
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
    fn every_column_is_found_by_its_name_and_beside_its_value() {
        let mut row = Row::new();
        PHONE.fill(&mut row);
        row.extend(["a", "id2", "zz"].map(|name| (name.to_owned(), Value::Null)));
        let mut seen = 0;
        for Cell { name, column, .. } in PHONE.cells(&row) {
            let Some((at, field)) = column else {
                assert!(PHONE.field(name).is_none() && ["a", "id2", "zz"].contains(&name), "{name}");
                continue;
            };
            assert_eq!((field.name, PHONE.field(name).map(|field| field.name)), (name, Some(name)));
            assert_eq!(PHONE.columns().nth(at).map(|field| field.name), Some(name));
            seen += 1;
        }
        assert_eq!(seen, PHONE.columns().count());
        let some = Row::from_iter(["password", "tm_create"].map(|name| (name.to_owned(), Value::Null)));
        assert_eq!(PHONE.cells(&some).filter(|cell| cell.column.is_some()).count(), 2);
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
