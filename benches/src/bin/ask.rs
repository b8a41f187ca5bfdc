//! Processor time of one ask through a domain's mailbox, with its credits and lanes, against a call of
//! ractor's own factory with the same router, as many workers, the same request and the same answer.

use std::sync::Arc;

use actors::kernel::{Domain, Mailbox, Supervisor};
use benches::rounds::{Round, Spread, in_turns, print_head, print_side};
use benches::served::Folder;
use benches::{cpu, machine, node};
use protocol::ports::Deps;
use protocol::{Command, Context, Error, Op, Request, Resource, Result, Scope, Verb};
use ractor::factory::{
    Factory, FactoryArguments, FactoryMessage, Job, JobOptions, Worker, WorkerId, queues::DefaultQueue,
    routing::StickyQueuerRouting,
};
use ractor::rpc::CallResult;
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant};
use uuid::Uuid;

const ROUNDS: usize = 5;
/// Asks of a round: about a second of work, so that the clock's steps of 10 ms do not matter.
const ASKS: u64 = 320_000;
/// As many as a domain's pool has.
const WORKERS: usize = 32;

static THING: Resource = Resource::new("thing", "things", &[]);

/// A verb that does nothing.
#[derive(Serialize, Deserialize)]
struct Nothing {}

impl Command for Nothing {
    const VERB: Verb = Verb::internal("nothing");
    type Reply = ();
}

async fn nothing(_: Arc<()>, _: Context, _: Nothing) -> Result<()> {
    Ok(())
}

fn request() -> Request {
    let context = Context::own(Scope::Platform);
    Request { resource: &THING, op: Op::Ask(const { &Nothing::VERB }), body: Value::Null, context }
}

struct Bare;

struct Question(Box<Request>, RpcReplyPort<Result<Value>>);

type Pool = ActorRef<FactoryMessage<Uuid, Question>>;

impl Worker for Bare {
    type Key = Uuid;
    type Message = Question;
    type Arguments = ();
    type State = ();

    async fn pre_start(&self, _: WorkerId, _: &Pool, (): ()) -> std::result::Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle(
        &self,
        _: WorkerId,
        _: &Pool,
        job: Job<Uuid, Question>,
        (): &mut (),
    ) -> std::result::Result<Uuid, ActorProcessingErr> {
        let Question(request, reply) = job.msg;
        drop(reply.send(Ok(request.body)));
        Ok(job.key)
    }
}

async fn bare_pool() -> Result<Pool> {
    let build = ractor::factory::worker_builder(|_| (Bare, ()));
    let args = FactoryArguments::builder()
        .worker_builder(Box::new(build))
        .num_initial_workers(WORKERS)
        .router(StickyQueuerRouting::default())
        .queue(DefaultQueue::default())
        .build();
    let factory =
        Factory::<Uuid, Question, (), Bare, StickyQueuerRouting<_, _>, DefaultQueue<_, _>>::default();
    Ok(Actor::spawn(None, factory, args).await.map_err(Error::internal)?.0)
}

async fn call(pool: &Pool) -> Result<Value> {
    let request = Box::new(request());
    let (key, limit) = (request.key(), request.context.remaining());
    let job = |reply| {
        let msg = Question(request, reply);
        FactoryMessage::Dispatch(Job { key, msg, options: JobOptions::default(), accepted: None })
    };
    match pool.call(job, Some(limit)).await.map_err(|_| Error::unavailable("the factory is gone"))? {
        CallResult::Success(answer) => answer,
        CallResult::Timeout | CallResult::SenderError => Err(Error::timeout()),
    }
}

/// `callers` tasks ask one after the other until [`ASKS`] are answered.
async fn round<F>(callers: u64, ask: impl Fn() -> F + Clone + Send + 'static) -> Result<Round>
where
    F: Future<Output = Result<Value>> + Send,
{
    let each = ASKS / callers;
    let (began, before) = (Instant::now(), cpu::own()?);
    let mut tasks = JoinSet::new();
    for _ in 0..callers {
        let ask = ask.clone();
        tasks.spawn(async move {
            for _ in 0..each {
                ask().await?;
            }
            Ok::<_, Error>(())
        });
    }
    tasks.join_all().await.into_iter().collect::<Result<()>>()?;
    Ok(Round { units: each * callers, wall: began.elapsed(), cpu: cpu::own()?.saturating_sub(before) })
}

async fn compare(mailbox: &Mailbox, pool: &Pool, callers: u64) -> Result<()> {
    let run = async |side: usize| {
        let (mailbox, pool) = (mailbox.clone(), pool.clone());
        match side {
            0 => {
                round(callers, move || {
                    let mailbox = mailbox.clone();
                    async move { mailbox.ask(request()).await }
                })
                .await
            }
            _ => {
                round(callers, move || {
                    let pool = pool.clone();
                    async move { call(&pool).await }
                })
                .await
            }
        }
    };
    let sides = in_turns(ROUNDS, 2, run).await?;
    print_head(&format!("{callers} callers"));
    print_side("ask through credits and lanes", &sides[0]);
    print_side("call of ractor's factory", &sides[1]);
    let ratio = Spread::of_pairs(&sides[0], &sides[1], |ours, theirs| ours.cpu_each() / theirs.cpu_each());
    println!("CPU ratio, at most 1.3:            {ratio}");
    Ok(())
}

fn domain(deps: &Deps) -> Domain {
    Domain::new("bench-manager", deps).resource(&THING).ask(&Arc::new(()), nothing)
}

#[tokio::main]
async fn main() -> Result<()> {
    machine::announce("ask");
    let folder = Folder::new("ask")?;
    // what the domain may reach, from a node that serves none
    let node = node::here(&folder.0, &[]).await?;
    let mailbox = Mailbox::new(Arc::new(domain(&node.deps)));
    let tree = Supervisor::new("bench").child(mailbox.child()).start().await?;
    let pool = bare_pool().await?;
    for callers in [1, 64] {
        compare(&mailbox, &pool, callers).await?;
    }
    println!("load at the end: {}", machine::load());
    pool.stop(None);
    tree.stop().await;
    node.stop(Duration::from_secs(5)).await;
    Ok(())
}
