//! Everything that can be known to be wrong with a list of actions before it runs.
//!
//! Ids that are no UUIDs (`"a1"`) are names: each becomes the UUIDv5 of its text within `names`, wherever it
//! stands, so that references by it keep working and the same flow always gets the same ids. An action
//! without an id gets a new one.

use std::collections::HashSet;

use protocol::Result;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::action::{Action, ELSEWHERE, FINISH, Kind, RESERVED};
use super::option::Instruction;
use super::reader::{Stage, refusal};
use super::template::is_template;

/// The most actions in one list.
const ACTIONS: usize = 1_000;
/// The largest option and the largest list, in bytes of JSON. A list is journalled with every step of every
/// activeflow that runs it.
const OPTION: usize = 65_536;
const LIST: usize = 1 << 20;
/// How deep a `call` may start calls that start calls.
const DEPTH: usize = 4;
/// The fields of options that name other actions.
const TARGETS: [&str; 3] = ["target_id", "default_target_id", "false_target_id"];
const TARGET_MAP: &str = "target_ids";

/// Checks the `actions` of a flow, or of the document that `fetch` got, and gives every action its id.
///
/// `names` is the flow's id. `known` tells of actions outside the list that it may jump to: those of the
/// frames below for a fetched list, none for a saved flow.
///
/// # Errors
/// `INVALID_ARGUMENT`, `INVALID_ACTION_TYPE` or `INVALID_ANONYMOUS_VALUE`, with the path of the wrong field
/// (`actions[3].option.duration must be an integer of milliseconds`), also as the detail `field`.
pub(crate) fn actions(list: &Value, names: Uuid, known: &dyn Fn(Uuid) -> bool) -> Result<Vec<Action>> {
    Checker { names, known, path: "actions".to_owned(), depth: 0 }.list(list)
}

struct Checker<'a> {
    names: Uuid,
    known: &'a dyn Fn(Uuid) -> bool,
    path: String,
    depth: usize,
}

/// A checked action and the ids it leads to, each with its path.
struct Checked {
    action: Action,
    targets: Vec<(String, Uuid)>,
}

impl Checker<'_> {
    fn list(&self, list: &Value) -> Result<Vec<Action>> {
        let Value::Array(list) = list else { return Err(refusal(&self.path, "must be an array")) };
        if list.len() > ACTIONS {
            return Err(refusal(&self.path, &format!("must not have more than {ACTIONS} actions")));
        }
        let mut size = 0;
        let mut checked = Vec::with_capacity(list.len());
        for (at, item) in list.iter().enumerate() {
            size += item.to_string().len();
            if size > LIST {
                return Err(refusal(&self.path, &format!("must not be larger than {LIST} bytes")));
            }
            checked.push(self.action(item, &format!("{}[{at}]", self.path))?);
        }
        self.ids(&checked)?;
        Ok(checked.into_iter().map(|checked| checked.action).collect())
    }

    fn action(&self, item: &Value, path: &str) -> Result<Checked> {
        let Value::Object(item) = item else { return Err(refusal(path, "must be an object")) };
        let kind = kind(item, path)?;
        let id = match self.id(item, "id", path)? {
            id if id.is_nil() => Uuid::now_v7(),
            id if id <= RESERVED => return Err(refusal(&format!("{path}.id"), "is reserved")),
            id => id,
        };
        let next_id = self.id(item, "next_id", path)?;
        let option_path = format!("{path}.option");
        let mut option = match item.get("option") {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(option)) => option.clone(),
            Some(_) => return Err(refusal(&option_path, "must be an object")),
        };
        if Value::Object(option.clone()).to_string().len() > OPTION {
            return Err(refusal(&option_path, &format!("must not be larger than {OPTION} bytes")));
        }
        self.name_targets(&mut option);
        let instruction = Instruction::read(kind, &option, option_path.clone(), Stage::Saved)?;
        self.inner_flow(&instruction, &option_path)?;
        let mut targets = vec![(format!("{path}.next_id"), next_id)];
        targets.extend(
            instruction.targets().into_iter().map(|(field, id)| (format!("{option_path}.{field}"), id)),
        );
        Ok(Checked { action: Action { next_id, ..Action::new(id, kind, option) }, targets })
    }

    fn id(&self, item: &Map<String, Value>, name: &str, path: &str) -> Result<Uuid> {
        match item.get(name) {
            None | Some(Value::Null) => Ok(Uuid::nil()),
            Some(Value::String(text)) => Ok(self.identify(text)),
            Some(_) => Err(refusal(&format!("{path}.{name}"), "must be a text")),
        }
    }

    fn identify(&self, text: &str) -> Uuid {
        match text.trim() {
            "" => Uuid::nil(),
            text => text.parse().unwrap_or_else(|_| Uuid::new_v5(&self.names, text.as_bytes())),
        }
    }

    /// Puts ids where names of actions stand. Texts with variables and wrong types stay as they are.
    fn name_targets(&self, option: &mut Map<String, Value>) {
        let name = |value: &mut Value| {
            if let Some(text) = value.as_str().filter(|text| !is_template(text)) {
                *value = Value::from(self.identify(text).to_string());
            }
        };
        for field in TARGETS {
            option.get_mut(field).map(name).unwrap_or_default();
        }
        if let Some(Value::Object(ways)) = option.get_mut(TARGET_MAP) {
            ways.values_mut().for_each(name);
        }
    }

    /// The flow inside a `call` is a list of its own: its ids are nobody else's.
    fn inner_flow(&self, instruction: &Instruction, path: &str) -> Result<()> {
        let Instruction::Call(call) = instruction else { return Ok(()) };
        let path = format!("{path}.actions");
        if self.depth == DEPTH && !call.actions.is_empty() {
            return Err(refusal(&path, &format!("must not be nested more than {DEPTH} deep")));
        }
        let inner = Checker { names: self.names, known: &|_| false, path, depth: self.depth + 1 };
        inner.list(&Value::Array(call.actions.clone())).map(drop)
    }

    fn ids(&self, list: &[Checked]) -> Result<()> {
        let mut own = HashSet::with_capacity(list.len());
        for (at, Checked { action, .. }) in list.iter().enumerate() {
            if !own.insert(action.id) {
                return Err(refusal(&format!("{}[{at}].id", self.path), "is the id of an earlier action"));
            }
        }
        let exists = |id: Uuid| id.is_nil() || id == FINISH || own.contains(&id) || (self.known)(id);
        match list.iter().flat_map(|checked| &checked.targets).find(|(_, id)| !exists(*id)) {
            Some((path, _)) => Err(refusal(path, "must be the id of an action of this flow")),
            None => Ok(()),
        }
    }
}

fn kind(item: &Map<String, Value>, path: &str) -> Result<Kind> {
    let path = format!("{path}.type");
    let name = item.get("type").and_then(Value::as_str).unwrap_or_default();
    let problem = match Kind::parse(name) {
        Some(kind) => return Ok(kind),
        None if name.is_empty() => "is required".to_owned(),
        None if ELSEWHERE.contains(&name) => format!("{name:?} is not available on this platform"),
        None => format!("{name:?} is not a type of action"),
    };
    let mut error = refusal(&path, &problem);
    error.reason = "INVALID_ACTION_TYPE".into();
    Err(error)
}
