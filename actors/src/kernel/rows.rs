//! Create, read, update, delete, list: once, for every resource.
//!
//! The only code that changes a row, because it is the only code that says so afterwards.

use std::sync::Arc;

use protocol::ports::{Deps, Filter, Unit, Write};
use protocol::{Context, Cursor, Error, Event, Field, Op, Page, Request, Resource, Result, Row, Scope, time};
use serde_json::{Value, json};
use uuid::Uuid;

/// The rows of one resource, as its own domain sees them.
pub(crate) struct Rows<'a> {
    pub(crate) publisher: &'static str,
    pub(crate) resource: &'static Resource,
    pub(crate) deps: &'a Deps,
}

/// Two requests that change one row at the same time meet once or twice, not more often.
const CONFLICTS: usize = 5;
/// The most rows that a clean-up reads at once.
const CLEAN_UP: u32 = 500;

impl Rows<'_> {
    pub(super) async fn serve(&self, request: Request) -> Result<Value> {
        let by = &request.context;
        match request.op {
            Op::List(page) => self.page(by, &request.body, &page).await,
            Op::Create => self.insert(self.resource.pick_new(&request.body)?, by).await.map(Value::Object),
            Op::Get(id) => self.get(by.scope, id).await.map(Value::Object),
            Op::Update(id) => {
                let patch = self.resource.pick(&request.body, |field| field.update)?;
                self.change(id, patch, "updated", by).await.map(Value::Object)
            }
            Op::Delete(id) => self.delete(id, by).await.map(Value::Object),
            Op::Verb(..) | Op::Ask(_) => Err(protocol::catalog::no_route()),
        }
    }

    pub(crate) async fn get(&self, scope: Scope, id: Uuid) -> Result<Row> {
        self.look(scope, id).await.map(Arc::unwrap_or_clone)
    }

    /// These columns of it.
    pub(crate) async fn part(&self, scope: Scope, id: Uuid, columns: &'static [&'static str]) -> Result<Row> {
        let row = self.deps.store.part(self.resource, scope, id, columns).await?;
        row.ok_or_else(|| Error::no_such(self.resource.name))
    }

    /// As [`Rows::get`], for whoever only reads it: nothing is copied.
    pub(crate) async fn look(&self, scope: Scope, id: Uuid) -> Result<Arc<Row>> {
        let row = self.deps.store.look(self.resource, scope, id).await?;
        row.ok_or_else(|| Error::no_such(self.resource.name))
    }

    /// The newest live row that matches.
    pub(crate) async fn find(&self, scope: Scope, filter: Filter) -> Result<Option<Row>> {
        let page = Page { size: 1, after: None };
        Ok(self.deps.store.list(self.resource, scope, &filter, &page).await?.pop())
    }

    /// Live rows that match, newest first, at most `most`.
    pub(crate) async fn some(&self, scope: Scope, filter: Filter, most: u32) -> Result<Vec<Row>> {
        self.deps.store.list(self.resource, scope, &filter, &Page { size: most, after: None }).await
    }

    /// Does `act` with every live row of a customer, page by page, however many there are.
    pub(crate) async fn each<F>(&self, customer: Uuid, mut act: impl FnMut(Row) -> F) -> Result<()>
    where
        F: Future<Output = Result<()>>,
    {
        let (scope, filter) = (Scope::Customer(customer), Filter::default());
        let mut page = Page { size: CLEAN_UP, after: None };
        loop {
            let rows = self.deps.store.list(self.resource, scope, &filter, &page).await?;
            page.after = rows.last().and_then(Cursor::of);
            for row in rows {
                act(row).await?;
            }
            if page.after.is_none() {
                return Ok(());
            }
        }
    }

    /// Deletes every live row of a customer that is gone.
    pub(crate) async fn delete_all(&self, customer: Uuid) -> Result<()> {
        let by = Context::own(Scope::Customer(customer));
        self.each(customer, |row| {
            let by = by.clone();
            async move {
                match self.delete(id_of(&row)?, &by).await {
                    Err(error) if error.status != protocol::Status::NotFound => Err(error),
                    Ok(_) | Err(_) => Ok(()),
                }
            }
        })
        .await
    }

    /// Gives a checked row its identity and stores it with its `created` event. The answer holds the
    /// secrets as they were given; what is stored holds them sealed.
    pub(crate) async fn insert(&self, row: Row, by: &Context) -> Result<Row> {
        let mut unit = Unit::default();
        let row = self.draft(&mut unit, row, by)?;
        self.deps.store.commit(unit).await?;
        Ok(row)
    }

    /// As [`Rows::insert`], as part of a unit that the caller commits.
    pub(crate) fn draft(&self, unit: &mut Unit, mut row: Row, by: &Context) -> Result<Row> {
        row.entry("id").or_insert_with(|| json!(Uuid::now_v7()));
        if let Some(customer) = by.scope.customer() {
            row.insert("customer_id".into(), json!(customer));
        }
        row.insert("tm_create".into(), json!(time::stamp(self.deps.clock.now())));
        row.insert("rev".into(), json!(1));
        self.resource.fill(&mut row);
        let sealed = Arc::new(self.seal(row.clone())?);
        unit.events.push(self.fact("created", &sealed, by));
        unit.writes.push(Write::Insert { resource: self.resource, row: sealed });
        Ok(row)
    }

    /// Stores a row that is itself the record of a fact (a delivery, an attempt): no event.
    pub(crate) fn record(&self, unit: &mut Unit, mut row: Row) {
        row.entry("id").or_insert_with(|| json!(Uuid::now_v7()));
        row.entry("tm_create").or_insert_with(|| json!(time::stamp(self.deps.clock.now())));
        row.insert("rev".into(), json!(1));
        self.resource.fill(&mut row);
        unit.writes.push(Write::Insert { resource: self.resource, row: Arc::new(row) });
    }

    /// Applies a patch and publishes the row as it then is, under `<resource>_<what>`.
    pub(crate) async fn change(&self, id: Uuid, patch: Row, what: &str, by: &Context) -> Result<Row> {
        self.alter(id, what, by, |_| Ok(patch.clone())).await
    }

    /// Changes a row by what it is: `decide` sees the current row and answers the patch, or refuses.
    /// It is asked again when the row was changed meanwhile.
    pub(crate) async fn alter(
        &self,
        id: Uuid,
        what: &str,
        by: &Context,
        decide: impl Fn(&Row) -> Result<Row>,
    ) -> Result<Row> {
        let mut tries = 0;
        loop {
            let row = self.look(by.scope, id).await?;
            let mut unit = Unit::default();
            let changed = self.amend(&mut unit, (&row, decide(&row)?), what, by)?;
            match self.deps.store.commit(unit).await {
                Err(error) if error.is_conflict() && tries < CONFLICTS => tries += 1,
                Err(error) => return Err(error),
                Ok(()) => return Ok(Arc::unwrap_or_clone(changed)),
            }
        }
    }

    /// As [`Rows::change`] on a row that was just read, as part of a unit that the caller commits.
    pub(crate) fn amend(
        &self,
        unit: &mut Unit,
        (row, patch): (&Row, Row),
        what: &str,
        by: &Context,
    ) -> Result<Arc<Row>> {
        let changed = self.put(unit, (row, patch), by)?;
        unit.events.push(self.fact(what, &changed, by));
        Ok(changed)
    }

    /// As [`Rows::amend`], when nothing that leaves the platform changes: there is nothing to tell.
    ///
    /// # Errors
    /// Something does.
    pub(crate) fn set(&self, unit: &mut Unit, (row, patch): (&Row, Row), by: &Context) -> Result<Arc<Row>> {
        let leaves = |name: &str| self.resource.field(name).is_none_or(|field| !field.internal);
        match patch.iter().find(|(name, value)| leaves(name) && row.get(*name) != Some(value)) {
            Some((name, _)) => Err(Error::internal(format!("{name} leaves: a change of it is a fact"))),
            None => self.put(unit, (row, patch), by),
        }
    }

    fn put(&self, unit: &mut Unit, (row, patch): (&Row, Row), by: &Context) -> Result<Arc<Row>> {
        let (id, rev) = (id_of(row)?, row.get("rev").and_then(Value::as_i64).unwrap_or_default());
        let mut patch = self.seal(patch)?;
        patch.insert("tm_update".into(), json!(time::stamp(self.deps.clock.now())));
        let mut changed = row.clone();
        for (name, value) in &patch {
            match changed.get_mut(name) {
                Some(before) => before.clone_from(value),
                None => drop(changed.insert(name.clone(), value.clone())),
            }
        }
        changed.insert("rev".into(), json!(rev + 1));
        let changed = Arc::new(changed);
        let (resource, scope, after) = (self.resource, by.scope, Some(changed.clone()));
        unit.writes.push(Write::Update { resource, id, scope, patch, rev, after });
        Ok(changed)
    }

    pub(crate) async fn delete(&self, id: Uuid, by: &Context) -> Result<Row> {
        self.change(id, self.tombstone(), "deleted", by).await
    }

    /// The patch that deletes a row.
    pub(crate) fn tombstone(&self) -> Row {
        Row::from_iter([("tm_delete".to_owned(), json!(time::stamp(self.deps.clock.now())))])
    }

    async fn page(&self, by: &Context, filter: &Value, page: &Page) -> Result<Value> {
        // whose rows they are is the scope's business, except where everybody's rows are one list
        let allowed = |field: &Field| field.filter && (self.resource.shared || field.name != "customer_id");
        let equal = if filter.is_null() { Row::new() } else { self.resource.pick(filter, allowed)? };
        let filter = Filter { equal, ..Filter::default() };
        let rows = self.deps.store.list(self.resource, by.scope, &filter, page).await?;
        Ok(page_of(rows))
    }

    pub(crate) fn fact(&self, what: &str, row: &Arc<Row>, by: &Context) -> Event {
        Event {
            r#type: format!("{}_{what}", self.resource.name),
            publisher: self.publisher.into(),
            data_type: "application/json".into(),
            data: row.clone(),
            id: Uuid::now_v7(),
            time: time::stamp(self.deps.clock.now()),
            resource: self.resource.name.into(),
            about: Uuid::nil(),
            request_id: by.request_id.to_string(),
        }
    }

    fn seal(&self, mut row: Row) -> Result<Row> {
        let secret = |field: &&Field| field.secret && row.contains_key(field.name);
        for field in self.resource.columns().filter(secret).collect::<Vec<_>>() {
            if let Some(Value::String(plain)) = row.get(field.name) {
                let sealed = self.deps.vault.seal(plain)?;
                row.insert(field.name.into(), json!(sealed));
            }
        }
        Ok(row)
    }
}

/// VoIPBIN's list: rows and the token of the next page.
pub(crate) fn page_of(rows: Vec<Row>) -> Value {
    let next = rows.last().and_then(Cursor::of).map(|cursor| cursor.token()).unwrap_or_default();
    json!({ "result": rows, "next_page_token": next })
}

pub(crate) fn id_of(row: &Row) -> Result<Uuid> {
    let id = row.get("id").and_then(Value::as_str).and_then(|id| id.parse().ok());
    id.ok_or_else(|| Error::internal("a row without an id"))
}
