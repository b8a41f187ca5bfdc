//! Ringing others into a bridge with a call: the work behind the flow action `connect`.

use std::sync::Arc;

use protocol::ports::Filter;
use protocol::{Context, Error, Result, Row, Status};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::api::{ConnectTo, Connected, Placed};
use super::bridge::{self, Bridge};
use super::calls::{Calls, patch};
use super::outgoing::Leg;
use super::place::{MOST, fan_out};
use crate::kernel::id_of;

pub(super) async fn connect(calls: Arc<Calls>, by: Context, id: Uuid, to: ConnectTo) -> Result<Connected> {
    let caller = calls.rows().get(by.scope, id).await?;
    calls.up(&by, id).await?;
    let bridge = to.key;
    let placed = match open(&calls, &by, bridge, &caller).await {
        Err(error) if error.status == Status::AlreadyExists => under_way(&calls, &by, bridge).await?,
        outcome => outcome.map(|()| Placed::default())?,
    };
    let placed = if placed.is_empty() { ring(&calls, &by, id, (&caller, to)).await } else { Ok(placed) };
    if let Ok(placed) = &placed {
        for expected in placed.call_ids.iter().chain(&placed.groupcall_ids) {
            calls.bridges.insist(bridge, bridge::Msg::Expect(*expected))?;
        }
    }
    // if nobody will come, the bridge ends as any bridge in which nobody is expected
    calls.bridges.insist(bridge, bridge::Msg::Gone(EXPECTED))?;
    Ok(Connected { confbridge_id: bridge, placed: placed? })
}

async fn ring(calls: &Arc<Calls>, by: &Context, id: Uuid, (caller, to): (&Row, ConnectTo)) -> Result<Placed> {
    let leg = Leg {
        source: if to.source.target.is_empty() { address(caller, "source")? } else { to.source },
        actions: far_flow(to.key),
        master_call_id: id,
        anonymous: to.anonymous,
        early_execution: to.early_media,
        ..Leg::default()
    };
    fan_out(calls, by, leg, to.destinations, to.key).await?.ids()
}

/// Who rings already, when this was asked before and the asker crashed since.
async fn under_way(calls: &Calls, by: &Context, bridge: Uuid) -> Result<Placed> {
    let of = || Filter::by("confbridge_id", json!(bridge));
    let alone = of().and("groupcall_id", json!(Uuid::nil()));
    let ids = |rows: Vec<Row>| rows.iter().map(id_of).collect::<Result<Vec<_>>>();
    Ok(Placed {
        call_ids: ids(calls.rows().some(by.scope, alone, MOST).await?)?,
        groupcall_ids: ids(calls.group_rows().some(by.scope, of(), MOST).await?)?,
    })
}

/// Stands for those who are being dialled: a bridge must not end before they were named.
const EXPECTED: Uuid = Uuid::from_u128(1);

async fn open(calls: &Arc<Calls>, by: &Context, id: Uuid, caller: &Row) -> Result<()> {
    let row = patch([
        ("id", json!(id)),
        ("activeflow_id", caller.get("activeflow_id").cloned().unwrap_or_default()),
        ("reference_type", json!("call")),
        ("reference_id", json!(id_of(caller)?)),
        ("expected_ids", json!([EXPECTED])),
        ("node", json!(calls.deps.settings.node)),
    ]);
    let row = calls.bridges.stored(calls.bridge_rows().insert(row, by).await)?;
    calls.bridges.spawn(id, Bridge::new(calls.clone(), row)?).await.map(drop)
}

/// What the called side does once it answers: come here, and end when it is over.
fn far_flow(bridge: Uuid) -> Vec<Value> {
    let action = |kind: &str, option: Map<String, Value>| json!({"id": Uuid::new_v4(), "type": kind, "option": option});
    let join = Map::from_iter([("confbridge_id".to_owned(), json!(bridge))]);
    vec![action("confbridge_join", join), action("hangup", Map::new())]
}

fn address(row: &Row, name: &str) -> Result<protocol::Address> {
    let value = row.get(name).cloned().unwrap_or_default();
    let wrong = |_| Error::new(Status::FailedPrecondition, "STATE_INVALID", "the call has no source address");
    serde_json::from_value(value).map_err(wrong)
}
