//! SQL text and its values, built together. Names come from the resource, values are only ever bound, so
//! one kind of request has one text and stays prepared on its connection.

use std::borrow::Cow;
use std::fmt::Write as _;

use protocol::ports::{Bound, Filter};
use protocol::{Cell, Cursor, Error, Field, Kind, Page, Resource, Result, Row, Scope, time};
use serde_json::Value;
use uuid::Uuid;

use super::dialect::Dialect;
use super::schema;
use super::texts::{Given, Text, columns, inserts, live, select, selected, text, updates};

/// The longest text of an indexable column, in characters.
const SHORT: usize = 255;
/// The most values of [`Filter::any`]: databases limit what one statement binds.
const MOST_VALUES: usize = 1000;

#[derive(Clone)]
pub(crate) struct Statement {
    pub(crate) sql: Cow<'static, str>,
    pub(crate) values: Vec<Bound>,
    /// It finds one row by its key, or none.
    pub(crate) is_of_one: bool,
    /// It adds a row that nobody refuses: neighbours of the same text may be run as one.
    pub(crate) adds: bool,
}

/// A column that is not there is an error.
pub(super) fn all_known(resource: &Resource, columns: &[&str]) -> Result<()> {
    columns.iter().find(|name| resource.field(name).is_none()).map_or(Ok(()), |name| Err(unknown(name)))
}

impl Statement {
    pub(crate) fn new(sql: impl Into<Cow<'static, str>>) -> Self {
        Statement { sql: sql.into(), values: Vec::new(), is_of_one: false, adds: false }
    }

    /// Binds the next value of a table of our own.
    pub(crate) fn with(mut self, value: impl Into<Bound>) -> Self {
        self.values.push(value.into());
        self
    }

    /// It finds one row at most, by its key: a question that takes no time.
    pub(crate) fn of_one(mut self) -> Self {
        self.is_of_one = true;
        self
    }

    /// It adds a row, after `VALUES`, that nobody refuses.
    pub(crate) fn adding(mut self) -> Self {
        self.adds = true;
        self
    }

    /// Binds its last value, a number, instead of the one before.
    pub(crate) fn number(&mut self, number: i64) {
        self.values.pop();
        self.values.push(Bound::Int(number));
    }

    pub(crate) fn insert(resource: &'static Resource, row: &Row) -> Result<Self> {
        if row.get("id").is_none_or(Value::is_null) {
            return Err(Error::invalid("a row needs an id"));
        }
        let fields = known(resource, row)?;
        let names = || fields.iter().map(|given| given.field.name);
        let mut this = match fields.len() == resource.columns().count() {
            true => Self::new(text(resource, Text::Insert(None), || inserts(resource, names(), None))),
            false => Self::new(inserts(resource, names(), None)),
        };
        this.values.reserve(fields.len());
        for Given { field, value, .. } in fields {
            this.bind(field, value)?;
        }
        Ok(this)
    }

    /// As [`Statement::insert`], unless its id is taken.
    pub(crate) fn record<D: Dialect>(
        resource: &'static Resource,
        values: Vec<(&'static str, Bound)>,
    ) -> Result<Self> {
        let unless = Some(D::UNLESS_TAKEN);
        let names = || resource.columns().map(|field| field.name);
        let sql = text(resource, Text::Insert(unless), || inserts(resource, names(), unless));
        let mut this = Self::new(sql).adding();
        if !names().eq(values.iter().map(|(name, _)| *name)) {
            return Err(Error::invalid(format!(
                "a record of {} holds its columns in their order",
                resource.name
            )));
        }
        for (field, (_, value)) in resource.columns().zip(&values) {
            if let Bound::Text(text) = value {
                fits(field, text)?;
            }
        }
        this.values.extend(values.into_iter().map(|(_, value)| value));
        Ok(this)
    }

    /// Matches nothing when the row is gone, is another customer's, or has another revision.
    pub(crate) fn update(
        resource: &'static Resource,
        id: Uuid,
        scope: Scope,
        change: (&Row, i64),
    ) -> Result<Self> {
        let (patch, rev) = change;
        let fields = known(resource, patch)?;
        if let Some(Given { field, .. }) =
            fields.iter().find(|given| matches!(given.field.name, "id" | "rev"))
        {
            return Err(Error::invalid(format!("{} cannot be changed", field.name)));
        }
        let live = live(scope);
        let of = Text::Update(columns(&fields), live);
        let mut this = Self::new(text(resource, of, || updates(resource, &fields, live)));
        for Given { field, value, .. } in fields {
            this.bind(field, value)?;
        }
        Ok(this.by_key(id, scope).with(rev))
    }

    /// One row if the row is there for this scope, whatever its revision.
    pub(crate) fn exists(resource: &Resource, id: Uuid, scope: Scope) -> Self {
        Self::new(format!("SELECT 1 FROM `{}`{}", resource.name, live(scope))).by_key(id, scope)
    }

    pub(crate) fn get(resource: &'static Resource, id: Uuid, scope: Scope) -> Self {
        Self::new(select(resource, live(scope))).of_one().by_key(id, scope)
    }

    /// As [`Statement::get`], these columns in their order.
    pub(crate) fn part(
        resource: &'static Resource,
        columns: &'static [&'static str],
        id: Uuid,
        scope: Scope,
    ) -> Self {
        Self::new(selected(resource, columns, live(scope))).of_one().by_key(id, scope)
    }

    /// Newest first, ties by id.
    pub(crate) fn list<D: Dialect>(
        resource: &'static Resource,
        scope: Scope,
        filter: &Filter,
        page: &Page,
    ) -> Result<Self> {
        let mut this = Self::new(select(resource, ""));
        if let Some(force) = D::FORCE.filter(|_| page.after.is_some() && walks_pages(resource, scope, filter))
        {
            let _ = write!(this.sql.to_mut(), " {force} (`{}`)", D::index(resource.name, "page"));
        }
        this.matching::<D>(resource, scope, filter)?;
        if let Some(after) = &page.after {
            this.after(after)?;
        }
        let _ = write!(this.sql.to_mut(), " ORDER BY tm_create DESC, id DESC LIMIT {}", D::LIMIT);
        let by_key = |name: &String| resource.field(name).is_some_and(|field| field.unique);
        this.is_of_one = !filter.deleted && filter.equal.keys().any(by_key);
        Ok(this.with(page.size))
    }

    pub(crate) fn count<D: Dialect>(resource: &Resource, scope: Scope, filter: &Filter) -> Result<Self> {
        let mut this = Self::new(format!("SELECT COUNT(*) FROM `{}`", resource.name));
        this.matching::<D>(resource, scope, filter)?;
        Ok(this)
    }

    /// Binds the values of [`live`].
    fn by_key(mut self, id: Uuid, scope: Scope) -> Self {
        self.values.extend([id].into_iter().chain(scope.customer()).map(Bound::Id));
        self
    }

    fn matching<D: Dialect>(&mut self, resource: &Resource, scope: Scope, filter: &Filter) -> Result<()> {
        self.sql.to_mut().push_str(if filter.deleted { " WHERE 1 = 1" } else { " WHERE tm_delete IS NULL" });
        if let Scope::Customer(customer) = scope {
            self.sql.to_mut().push_str(" AND customer_id = ?");
            self.values.push(Bound::Id(customer));
        }
        for Given { field, value, .. } in known(resource, &filter.equal)? {
            if value.is_null() {
                let _ = write!(self.sql.to_mut(), " AND `{}` IS NULL", field.name);
            } else if let (Kind::List, Value::Array(values)) = (field.kind, value) {
                self.holds(field, values)?;
            } else {
                let _ = write!(self.sql.to_mut(), " AND `{}` = ?", field.name);
                self.bind(field, value)?;
                self.named::<D>(field, 1);
            }
        }
        match &filter.any {
            Some((name, values)) => self.any::<D>(resource, name, values),
            None => Ok(()),
        }
    }

    /// Says of the last `bound` ids that they name something, if they do: else their index is of no use.
    fn named<D: Dialect>(&mut self, field: &Field, bound: usize) {
        let name = |value: &Bound| matches!(value, Bound::Id(id) if !id.is_nil());
        let all = self.values.iter().rev().take(bound).all(name);
        if let Some(named) = schema::named::<D>(field).filter(|_| all) {
            let _ = write!(self.sql.to_mut(), " AND {named}");
        }
    }

    fn any<D: Dialect>(&mut self, resource: &Resource, name: &str, values: &[Value]) -> Result<()> {
        let field = resource.field(name).ok_or_else(|| unknown(name))?;
        if !self.sane(field, values)? {
            return Ok(());
        }
        let _ = write!(self.sql.to_mut(), " AND `{name}` IN ({})", vec!["?"; values.len()].join(", "));
        values.iter().try_for_each(|value| self.bind(field, value))?;
        self.named::<D>(field, values.len());
        Ok(())
    }

    /// A list is stored as JSON, in which a text stands between quotes: that finds it on both databases.
    fn holds(&mut self, field: &Field, values: &[Value]) -> Result<()> {
        if !self.sane(field, values)? {
            return Ok(());
        }
        let one = format!("INSTR(`{}`, ?) > 0", field.name);
        let _ = write!(self.sql.to_mut(), " AND ({})", vec![one; values.len()].join(" OR "));
        values.iter().try_for_each(|value| match value.is_string() {
            true => {
                self.values.push(Bound::json(value));
                Ok(())
            }
            false => Err(mistyped(field.name)),
        })
    }

    /// One of none of them is nothing: `false`, and the statement says so.
    fn sane(&mut self, field: &Field, values: &[Value]) -> Result<bool> {
        if values.len() > MOST_VALUES || values.iter().any(Value::is_null) {
            let name = field.name;
            return Err(Error::invalid(format!(
                "{name} takes at most {MOST_VALUES} values, none of them null"
            )));
        }
        if values.is_empty() {
            self.sql.to_mut().push_str(" AND 1 = 0");
        }
        Ok(!values.is_empty())
    }

    /// The redundant `<=` is what gives both databases a range on the index.
    fn after(&mut self, Cursor { tm_create, id }: &Cursor) -> Result<()> {
        let time = time::parse(tm_create).ok_or_else(|| mistyped("page_token"))?;
        match id {
            None => {
                self.sql.to_mut().push_str(" AND tm_create < ?");
                self.values.push(Bound::Time(time));
            }
            Some(id) => {
                self.sql.to_mut().push_str(" AND tm_create <= ? AND (tm_create < ? OR id < ?)");
                self.values.extend([Bound::Time(time), Bound::Time(time), Bound::Id(*id)]);
            }
        }
        Ok(())
    }

    fn bind(&mut self, field: &Field, value: &Value) -> Result<()> {
        value.as_str().map_or(Ok(()), |text| fits(field, text))?;
        self.values.push(Bound::of(field.kind, value).ok_or_else(|| mistyped(field.name))?);
        Ok(())
    }
}

/// Is the page index the best one? Not when a filter has an index of its own.
fn walks_pages(resource: &Resource, scope: Scope, filter: &Filter) -> bool {
    let named = filter.equal.keys().map(String::as_str).chain(filter.any.iter().map(|(name, _)| *name));
    let indexed = |name: &str| name != "customer_id" && resource.field(name).is_some_and(is_indexed);
    let owned = scope.customer().is_some() || filter.equal.contains_key("customer_id");
    owned && !named.into_iter().any(indexed)
}

/// Has an index of its own: few rows share its value.
pub(super) fn is_indexed(field: &Field) -> bool {
    field.unique || (field.filter && field.kind == Kind::Id)
}

/// The row's columns by the alphabet, or the name of one that the resource lacks.
fn known<'r>(resource: &Resource, row: &'r Row) -> Result<Vec<Given<'r>>> {
    let known = |Cell { name, value, column }| {
        let (at, field) = column.ok_or_else(|| unknown(name))?;
        Ok(Given { at, field, value })
    };
    resource.cells(row).map(known).collect()
}

/// SQLite ignores the length of a column, MySQL fails the whole batch for it.
fn fits(field: &Field, text: &str) -> Result<()> {
    match field.is_short() && text.len() > SHORT && text.chars().count() > SHORT {
        true => Err(Error::invalid(format!("{} must not be longer than {SHORT} characters", field.name))),
        false => Ok(()),
    }
}

fn unknown(name: &str) -> Error {
    Error::invalid(format!("unknown field {name}"))
}

fn mistyped(name: &str) -> Error {
    Error::invalid(format!("{name} has the wrong type"))
}

#[cfg(test)]
mod tests {
    use sqlx::MySql;

    use super::super::Sqlite;
    use super::*;

    static TAG: Resource = Resource::new("tag", "tags", &[]);

    /// Twice, so that the second text is the one that was kept.
    #[test]
    fn every_dialect_and_scope_has_its_own_text() {
        let id = Uuid::from_u128(1);
        let (insert, record) = ("INSERT INTO `tag` (`customer_id`, ", "INSERT INTO `tag` (`id`, ");
        let fill = |field: &Field| if field.name == "id" { id.to_string().into() } else { Value::Null };
        let row: Row = TAG.columns().map(|field| (field.name.to_owned(), fill(field))).collect();
        let owned = Scope::Customer(Uuid::from_u128(2));
        let values = || TAG.columns().map(|field| (field.name, Bound::Null)).collect();
        for _ in 0..2 {
            for (made, begin, end, values) in [
                (Statement::insert(&TAG, &row), insert, " VALUES (?, ?, ?, ?, ?, ?)", 6),
                (Statement::record::<Sqlite>(&TAG, values()), record, ", ?) ON CONFLICT (id) DO NOTHING", 6),
                (
                    Statement::record::<MySql>(&TAG, values()),
                    record,
                    ", ?) ON DUPLICATE KEY UPDATE id = id",
                    6,
                ),
                (Ok(Statement::get(&TAG, id, Scope::Platform)), "SELECT `id`, ", " AND tm_delete IS NULL", 1),
                (Ok(Statement::get(&TAG, id, owned)), "SELECT `id`, ", " IS NULL AND customer_id = ?", 2),
            ] {
                let Statement { sql, values: bound, .. } = made.expect("a statement");
                assert!(sql.starts_with(begin) && sql.ends_with(end), "{sql}");
                assert!(matches!(sql, Cow::Borrowed(_)) && bound.len() == values, "{sql}");
            }
        }
    }
}
