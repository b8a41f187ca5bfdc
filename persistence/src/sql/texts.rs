//! Texts of statements. Names come from the resource, so one kind of request has one text, which is made once.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use protocol::{Field, Resource, Scope};
use serde_json::Value;

/// Texts that are kept. Which columns change together a customer may choose, so there are many that could be.
const KEPT: usize = 2048;

pub(super) fn inserts<'n>(
    resource: &Resource,
    names: impl Iterator<Item = &'n str>,
    unless: Option<&str>,
) -> String {
    let names: Vec<_> = names.map(|name| format!("`{name}`")).collect();
    let marks = vec!["?"; names.len()].join(", ");
    let insert = format!("INSERT INTO `{}` ({}) VALUES ({marks})", resource.name, names.join(", "));
    match unless {
        Some(unless) => format!("{insert} {unless}"),
        None => insert,
    }
}

/// A value for a column, and where the column stands among those of its resource.
pub(super) struct Given<'r> {
    pub(super) at: usize,
    pub(super) field: &'static Field,
    pub(super) value: &'r Value,
}

pub(super) fn updates(resource: &Resource, fields: &[Given<'_>], live: &str) -> String {
    let sets: String = fields.iter().map(|given| format!(", `{}` = ?", given.field.name)).collect();
    format!("UPDATE `{}` SET rev = rev + 1{sets}{live} AND rev = ?", resource.name)
}

/// Which columns of their resource these are, a bit for each.
pub(super) fn columns(fields: &[Given<'_>]) -> u64 {
    fields.iter().fold(0, |set, given| set | (1 << given.at))
}

/// All columns, with `rest` after the name of the table.
pub(super) fn select(resource: &'static Resource, rest: &'static str) -> Cow<'static, str> {
    text(resource, Text::Select(rest), || {
        let names: Vec<_> = resource.columns().map(|field| format!("`{}`", field.name)).collect();
        format!("SELECT {} FROM `{}`{rest}", names.join(", "), resource.name)
    })
}

/// These columns of a resource, with `rest` after the name of the table.
pub(super) fn selected(
    resource: &'static Resource,
    columns: &'static [&'static str],
    rest: &'static str,
) -> Cow<'static, str> {
    text(resource, Text::Part(columns, rest), || {
        let names: Vec<_> = columns.iter().map(|name| format!("`{name}`")).collect();
        format!("SELECT {} FROM `{}`{rest}", names.join(", "), resource.name)
    })
}

/// After the name of a table: the row of an id, if it is alive and of this scope.
pub(super) fn live(scope: Scope) -> &'static str {
    match scope {
        Scope::Platform => " WHERE id = ? AND tm_delete IS NULL",
        Scope::Customer(_) => " WHERE id = ? AND tm_delete IS NULL AND customer_id = ?",
    }
}

/// What a resource has one text for, by what ends it: that differs by dialect and scope.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Text {
    /// Of whole rows.
    Insert(Option<&'static str>),
    /// Of these columns.
    Update(u64, &'static str),
    Select(&'static str),
    Part(&'static [&'static str], &'static str),
}

/// A text of a resource, made once if there is room for it.
pub(super) fn text(
    resource: &'static Resource,
    of: Text,
    make: impl FnOnce() -> String,
) -> Cow<'static, str> {
    static TEXTS: RwLock<BTreeMap<(usize, Text), &'static str>> = RwLock::new(BTreeMap::new());
    let at = (std::ptr::from_ref(resource).addr(), of);
    let known = TEXTS.read().unwrap_or_else(PoisonError::into_inner);
    if let Some(text) = known.get(&at) {
        return Cow::Borrowed(text);
    }
    let is_full = known.len() >= KEPT;
    drop(known);
    if is_full {
        return Cow::Owned(make());
    }
    let made = Box::leak(make().into_boxed_str());
    Cow::Borrowed(TEXTS.write().unwrap_or_else(PoisonError::into_inner).entry(at).or_insert(made))
}
