//! What the parts of a GET cost without HTTP, in this process, on the database that the node left.

use std::path::Path;
use std::sync::Arc;

use benches::cpu;
use benches::rounds::{Round, print_head, print_side};
use cluster::{Node, Plan, config};
use protocol::ports::Deps;
use protocol::{Context, Error, Op, Resource, Result, Row, Scope};
use serde_json::Value;
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

pub(crate) async fn measure(data: &Path, id: Uuid) -> Result<()> {
    let data = data.display().to_string();
    let args =
        ["bench", "--http", "127.0.0.1:0", "--sip", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--data", &data];
    let cli = config::parse(args, |_| None).map_err(|_| Error::internal("the arguments are good"))?;
    let node = Node::start(Plan::of(&cli.config)).await?;
    let resource = node.deps.catalog()?.named("call").map(|entry| entry.resource);
    let resource = resource.ok_or_else(|| Error::internal("no calls in the catalog"))?;
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
