//! `POST /activeflows`: a flow, or a list of actions, that runs at once and for nothing but itself.

use std::sync::Arc;

use protocol::{Context, Error, Result, Row, read};
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::action::{Media, RESERVED};
use super::begin::{Birth, Program, Sources};
use super::call_begun::texts;
use super::check;
use super::flows::Flows;
use super::literal::{Literal, Url};

/// VoIPBIN's limit, in bytes.
const ADDRESS: usize = 1024;
const REFERENCE: &str = "api";

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Wish {
    id: Uuid,
    flow_id: Uuid,
    actions: Value,
    variables: Map<String, Value>,
}

/// Empty, or where a request could be sent to.
pub(super) fn web_address(value: &Value) -> Result<()> {
    match value.as_str() {
        Some("") => Ok(()),
        Some(text) if text.len() <= ADDRESS && Url::literal(value).is_some() => Ok(()),
        Some(_) | None => Err(Error::invalid(format!("must be {} of at most {ADDRESS} bytes", Url::WANTED))),
    }
}

pub(super) async fn create(flows: Arc<Flows>, by: Context, mut row: Row) -> Result<Value> {
    by.customer()?;
    let wish: Wish = read(&row)?;
    let id = if wish.id.is_nil() { Uuid::now_v7() } else { wish.id };
    if id <= RESERVED {
        return Err(Error::invalid("id is reserved"));
    }
    let program = match (wish.flow_id.is_nil(), &wish.actions) {
        (false, _) => flows.program(by.scope, wish.flow_id).await?,
        (true, Value::Null) => Program::default(),
        (true, actions) => {
            Program { actions: check::actions(actions, id, &|_| false)?, ..Program::default() }
        }
    };
    for given in ["actions", "variables"] {
        row.remove(given);
    }
    let birth = Birth {
        id,
        program,
        reference_type: REFERENCE.to_owned(),
        reference_id: Uuid::nil(),
        reference_activeflow_id: Uuid::nil(),
        media: Media::of_reference(REFERENCE),
        waits: false,
        complete_count: 0,
        variables: Sources { external: texts(wish.variables), ..Sources::default() },
        columns: row,
    };
    flows.begin(birth, &by).await.map(Value::Object)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_address_is_absolute_and_short_enough_to_store() {
        let long = format!("https://example.com/{}", "x".repeat(ADDRESS));
        for (address, expected) in
            [("", true), ("https://example.com/hook", true), ("example.com", false), (&long, false)]
        {
            assert_eq!(web_address(&json!(address)).is_ok(), expected, "{address:.40}");
        }
    }
}
