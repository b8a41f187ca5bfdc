//! What the parts of a GET cost without HTTP, in this process, on the database that the node left.

use std::path::Path;
use std::sync::Arc;

use benches::rounds::{Round, print_head, print_side};
use benches::{cpu, node};
use cluster::first;
use protocol::ports::{Clock as _, Deps, SystemClock, Unit, Write};
use protocol::{Address, Context, Error, Op, Resource, Result, Row, Scope, time};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant};
use uuid::Uuid;

const ROUND: Duration = Duration::from_secs(1);
const CALLERS: usize = 16;

struct Parts {
    deps: Deps,
    resource: &'static Resource,
    id: Uuid,
    row: Row,
}

impl Parts {
    async fn ask(self: Arc<Self>) -> Result<()> {
        let by = Context::own(Scope::Platform);
        self.deps.op(self.resource, Op::Get(self.id), Value::Null, &by).await.map(drop)
    }

    async fn fetch(self: Arc<Self>) -> Result<()> {
        self.deps.store.get(self.resource, Scope::Platform, self.id).await.map(drop)
    }

    async fn show(self: Arc<Self>) -> Result<()> {
        let view = self.resource.view(&self.row);
        serde_json::to_vec(&view).map(drop).map_err(Error::internal)?;
        tokio::task::consume_budget().await;
        Ok(())
    }
}

async fn round<F>(parts: &Arc<Parts>, work: fn(Arc<Parts>) -> F) -> Result<[Round; 1]>
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let (began, before) = (Instant::now(), cpu::own()?);
    let mut tasks = JoinSet::new();
    for _ in 0..CALLERS {
        let parts = parts.clone();
        tasks.spawn(async move {
            let mut done = 0;
            while began.elapsed() < ROUND {
                work(parts.clone()).await?;
                done += 1;
            }
            Ok::<u64, Error>(done)
        });
    }
    let units = tasks.join_all().await.into_iter().sum::<Result<u64>>()?;
    Ok([Round { units, wall: began.elapsed(), cpu: cpu::own()?.saturating_sub(before) }])
}

fn calls(deps: &Deps) -> Result<&'static Resource> {
    let found = deps.catalog()?.named("call").map(|entry| entry.resource);
    found.ok_or_else(|| Error::internal("no calls in the catalog"))
}

/// A first start with a call of the first customer, that is over; the customer's key and the call.
pub(crate) async fn prepare(data: &Path) -> Result<(String, Uuid)> {
    let node = node::here(data, &["*"]).await?;
    let welcome = first::welcome(&node.deps, data).await?;
    let welcome = welcome.ok_or_else(|| Error::internal("the folder is not empty"))?;
    let (resource, id, now) = (calls(&node.deps)?, Uuid::new_v4(), time::stamp(SystemClock.now()));
    let given = json!({
        "id": id, "customer_id": welcome.customer_id, "rev": 1, "tm_create": now, "tm_update": now,
        "flow_id": Uuid::new_v4(), "activeflow_id": Uuid::new_v4(), "type": "flow",
        "source": Address::new("tel", "+15550111"), "destination": Address::new("tel", "+15550100"),
        "status": "hangup", "direction": "incoming", "hangup_by": "remote", "hangup_reason": "normal",
        "tm_progressing": now, "tm_ringing": now, "tm_hangup": now,
    });
    let mut row = given.as_object().cloned().unwrap_or_default();
    resource.fill(&mut row);
    let unit = Unit { writes: vec![Write::Insert { resource, row: row.into() }], ..Unit::default() };
    node.deps.store.commit(unit).await?;
    node.stop(Duration::from_secs(5)).await;
    Ok((welcome.accesskey, id))
}

pub(crate) async fn measure(data: &Path, id: Uuid) -> Result<()> {
    let node = node::here(data, &["*"]).await?;
    let resource = calls(&node.deps)?;
    let row = node.deps.store.get(resource, Scope::Platform, id).await?;
    let row = row.ok_or_else(|| Error::internal("the call is gone"))?;
    let parts = Arc::new(Parts { deps: node.deps.clone(), resource, id, row });
    print_head("parts, without HTTP");
    print_side("the row through its domain", &round(&parts, Parts::ask).await?);
    print_side("  of it the store", &round(&parts, Parts::fetch).await?);
    print_side("view and JSON of the row", &round(&parts, Parts::show).await?);
    node.stop(Duration::from_secs(5)).await;
    Ok(())
}
