//! The ids that a body names. Each must exist for the caller before the body goes anywhere.

use protocol::{Error, Field, Kind, Op, Resource, Result};
use serde_json::Value;
use uuid::Uuid;

/// Ids in one field. Each costs a look-up.
const MOST: usize = 100;

/// The resource and id of everything that `body` refers to, each once. What is no id is left to the domain,
/// which refuses it by name.
pub(crate) fn of(resource: &Resource, op: &Op, body: &Value) -> Result<Vec<(&'static str, Uuid)>> {
    let taken: fn(&Field) -> bool = match op {
        Op::Create => |field| field.create,
        Op::Update(_) => |field| field.update,
        // a verb that sets a field names it as the row does
        Op::Verb(..) | Op::Ask(_) => |_| true,
        Op::List(_) | Op::Get(_) | Op::Delete(_) => return Ok(Vec::new()),
    };
    let mut found = Vec::new();
    for field in resource.fields.iter().filter(|field| taken(field)) {
        let (Some(of), Some(value)) = (field.of, body.get(field.name)) else { continue };
        let values = match (field.kind, value) {
            (Kind::List, Value::Array(values)) => values.as_slice(),
            _ => std::slice::from_ref(value),
        };
        if values.len() > MOST {
            return Err(Error::invalid(format!("{} must not hold more than {MOST} ids", field.name)));
        }
        found.extend(values.iter().filter_map(id).map(|id| (of, id)));
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

fn id(value: &Value) -> Option<Uuid> {
    value.as_str()?.parse().ok().filter(|id: &Uuid| !id.is_nil())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const CAR: Resource = Resource::new(
        "car",
        "cars",
        &[
            Field::id("owner_id").create().of("person"),
            Field::list("wheel_ids").edit().of("wheel"),
            Field::id("other_id").edit(),
        ],
    );

    #[test]
    fn declared_ids_are_found_once() {
        let (a, b) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let body = json!({"owner_id": a, "wheel_ids": [b, a, b, Uuid::nil(), 7, "x"], "other_id": a});
        let found = of(&CAR, &Op::Create, &body).expect("ids");
        assert_eq!(found, [("person", a), ("wheel", a), ("wheel", b)]);
        assert_eq!(of(&CAR, &Op::Update(a), &body).expect("ids"), [("wheel", a), ("wheel", b)]);
        assert!(of(&CAR, &Op::Create, &json!({"wheel_ids": vec![a; 101]})).is_err());
    }
}
