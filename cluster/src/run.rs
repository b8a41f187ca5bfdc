//! The commands of the program: a node until it is told to stop, the demo, and what operators ask a node.

use std::process::ExitCode;

use protocol::{Error, Result};

use crate::config::{self, Backend, Cli, Command, Config};
use crate::node::serves;
use crate::stop::Stop;
use crate::telemetry::trace;
use crate::{Node, Plan, admin, chaos, cli, demo, first, telemetry};
use actors::kernel::Outcome;
use proto::admin::v1::{Act, Fault, HinderActorRequest};

/// What a command that failed ends with.
const FAILED: u8 = 1;

/// Media, signalling and SQLite have threads of their own. One worker for each processor would be one too many: it is
/// woken for every answer of those, to find that another has taken it.
fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).saturating_sub(1).max(1)
}

pub fn run(cli: Cli) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers()).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return fail(&Error::internal(error)),
    };
    let done = runtime.block_on(carry_out(cli));
    // the runtime is still there to send them
    trace::stop();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

/// One clear line for whoever started it.
fn fail(error: &Error) -> ExitCode {
    match &error.cause {
        Some(cause) => eprintln!("error: {}: {cause}", error.message),
        None => eprintln!("error: {}", error.message),
    }
    ExitCode::from(FAILED)
}

async fn carry_out(Cli { config, command }: Cli) -> Result<()> {
    match command {
        None => {
            let node = config.node();
            let traces = trace::export(config.otlp_endpoint.as_deref(), &node).map_err(Error::invalid)?;
            telemetry::logs::start(&config.log(), config.log_format(), &node, traces)
                .map_err(Error::invalid)?;
            serve(&config).await
        }
        Some(Command::Demo { stay }) => {
            let quiet = config.log.clone().unwrap_or_else(|| "warn".to_owned());
            telemetry::logs::start(&quiet, config.log_format(), "demo", None).map_err(Error::invalid)?;
            demo::run(stay, shared(&config)?.as_ref()).await
        }
        Some(Command::Chaos { rounds, seed, calls, kills }) => {
            let quiet = config.log.clone().unwrap_or_else(|| "error".to_owned());
            telemetry::logs::start(&quiet, config.log_format(), "chaos", None).map_err(Error::invalid)?;
            let meet = meeting(&config)?;
            chaos::run(chaos::Settings { rounds, seed, calls: calls as usize, kills, ..meet }).await
        }
        Some(command) => operate(&config, command).await,
    }
}

/// What operators ask a node that runs.
async fn operate(config: &Config, command: Command) -> Result<()> {
    let of = |at: &config::Admin| operator(config, at);
    match command {
        Command::Demo { .. } | Command::Chaos { .. } => Err(Error::internal("this is no question to a node")),
        Command::Tree { admin, only, json } => cli::tree(&of(&admin)?, only, json).await,
        Command::Top(admin) => cli::top(&of(&admin)?).await,
        Command::Calls { admin, watch, json } => cli::calls(&of(&admin)?, watch, json).await,
        Command::Events { admin, events } => cli::events(&of(&admin)?, events).await,
        Command::Drain { admin, which } => cli::drain(&of(&admin)?, &which).await,
        Command::Restart { admin, actor } => cli::act(&of(&admin)?, Act::Restart, actor).await,
        Command::Kill { admin, actor } => cli::act(&of(&admin)?, Act::Kill, actor).await,
        Command::Replay { admin, id, all, json } => cli::replay(&of(&admin)?, id, all, json).await,
        Command::Delay { admin, place, ms, seconds } => {
            let asked = HinderActorRequest {
                fault: Fault::Delay.into(),
                delay_ms: ms,
                seconds,
                ..Default::default()
            };
            cli::hinder(&of(&admin)?, place, asked).await
        }
        Command::Drop { admin, place, count, seconds } => {
            let (count, seconds) = (count.unwrap_or_default(), seconds.unwrap_or_default());
            let asked =
                HinderActorRequest { fault: Fault::Drop.into(), count, seconds, ..Default::default() };
            cli::hinder(&of(&admin)?, place, asked).await
        }
        Command::Lift { admin, place } => cli::lift(&of(&admin)?, place).await,
        Command::Log { admin, on, directives } => cli::log(&of(&admin)?, on, directives).await,
    }
}

/// What three nodes of the demo meet at; none of it is one node alone.
fn shared(config: &Config) -> Result<Option<demo::Shared>> {
    let store = config.store();
    let shared = ["mysql", "mariadb"].contains(&store.scheme());
    match (shared, config.cache.scheme() != "memory", config.bus.scheme() != "memory") {
        (false, false, false) => Ok(None),
        (true, true, true) => Ok(Some(demo::Shared {
            store: store.url().to_owned(),
            cache: config.cache.url().to_owned(),
            bus: config.bus.url().to_owned(),
        })),
        _ => {
            Err(Error::invalid("a demo on three nodes needs --store mysql:, --cache redis: and --bus amqp:"))
        }
    }
}

/// Where the two nodes of a chaos run meet; one node alone has its own.
fn meeting(config: &Config) -> Result<chaos::Settings> {
    let store = config.store();
    let shared = ["mysql", "mariadb"].contains(&store.scheme());
    let url = |there: bool, backend: &Backend| there.then(|| backend.url().to_owned());
    let (cached, bus) = (config.cache.scheme() != "memory", config.bus.scheme() != "memory");
    if shared != bus || (cached && !bus) {
        return Err(Error::invalid("chaos on two nodes needs --store mysql: and --bus amqp:"));
    }
    Ok(chaos::Settings {
        rounds: 0,
        seed: None,
        calls: 0,
        kills: false,
        store: url(shared, &store),
        bus: url(bus, &config.bus),
        cache: url(cached, &config.cache),
    })
}

/// A certificate does without the token; a token that is there is shown anyway.
fn operator(config: &Config, at: &config::Admin) -> Result<cli::Operator> {
    let token = match at.token(config) {
        Some(token) => Some(token.expose().to_owned()),
        None if at.has_identity() => None,
        None => Some(admin::made_token(&config.data)?),
    };
    Ok(at.operator(config, token))
}

async fn serve(config: &Config) -> Result<()> {
    telemetry::metrics::install();
    // from here on: whoever is impatient may stop it before it has started
    let mut stop = Stop::listen()?;
    let node = tokio::select! {
        node = Node::start(Plan::of(config)) => node?,
        () = stop.told() => return Ok(()),
    };
    announce(&node);
    if let Err(error) = welcome(&node, config).await {
        node.stop(config.stop_within()).await;
        return Err(error);
    }
    let outcome = tokio::select! {
        outcome = node.ended() => outcome,
        () = stop.told() => Outcome::Shutdown,
        () = node.drained() => Outcome::Shutdown,
    };
    node.stop(config.stop_within()).await;
    match outcome {
        Outcome::Exhausted(error) => Err(Error::internal(format!("the node gave up: {error}"))),
        Outcome::Shutdown | Outcome::Running => Ok(()),
    }
}

/// The first user is made where users are kept.
async fn welcome(node: &Node, config: &Config) -> Result<()> {
    if serves(&config.serve, "agent-manager")
        && let Some(welcome) = first::welcome(&node.deps, &config.data).await?
    {
        welcome.show(node);
    }
    Ok(())
}

fn announce(node: &Node) {
    let http = node.gateway.as_ref().map(|gateway| gateway.local_addr().to_string()).unwrap_or_default();
    let sip = node.voice.local().udp;
    tracing::info!(http, %sip, admin = %node.admin.local_addr(), "ready");
}
