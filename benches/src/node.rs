//! A node as the shipped program starts it, in a process of its own.
//!
//! The role [`ROLE`] runs the very function that `branchline`'s `main` runs, so a bench needs no second binary;
//! only the API's rate limits differ, where a bench says so.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cluster::{Node, Plan};
use protocol::{Error, Result};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant, sleep};

use crate::api::{Api, text};
use crate::counted::patience;
use crate::served::{HERE, Served, free_port};

/// The first argument of a process that shall be a node; the others are `branchline`'s.
pub const ROLE: &str = "node";
/// A node that is not ready by then never will be.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often readiness is asked for: the error of a start-up time.
const LOOK: Duration = Duration::from_millis(1);
/// How often a log-in is tried: less than its rate limit lets through.
const LOG_IN: Duration = Duration::from_millis(250);
/// What another node of the same installation needs of the first one's folder.
const INSTALLATION: [&str; 3] = ["node.key", "token.key", ACCESS];
/// What the first start leaves for its operator.
const ACCESS: &str = "first-access.txt";

/// Runs the program with the arguments after the role.
pub fn run() -> ExitCode {
    let program = std::iter::once("branchline".into());
    match cluster::config::parse(program.chain(std::env::args_os().skip(2)), |_| None) {
        Ok(cli) => cluster::run::run(cli),
        Err(refusal) => refusal.exit(),
    }
}

/// A node in this process, on free ports. `serve` as the flag: domains by name, or `*`.
pub async fn here(data: &Path, serve: &[&str]) -> Result<Node> {
    let data = data.display().to_string();
    let any = ["--http", "127.0.0.1:0", "--sip", "127.0.0.1:0", "--grpc", "127.0.0.1:0"];
    let args = ["bench"].into_iter().chain(any).chain(["--data", &data, "--node", "bench"]);
    let cli =
        cluster::config::parse(args, |_| None).map_err(|_| Error::internal("the arguments are good"))?;
    let mut plan = Plan::of(&cli.config);
    plan.serve = serve.iter().map(|&name| name.to_owned()).collect();
    Node::start(plan).await
}

/// A node as the shipped program is, ready.
pub struct BenchNode {
    pub served: Served,
    pub data: PathBuf,
    pub http: SocketAddr,
    pub sip: SocketAddr,
    /// From the start of the process to the first 200 of `/health/ready`.
    pub ready_after: Duration,
}

impl BenchNode {
    /// A node on `data` with everything at its defaults, and `more` arguments. Answers when it is ready.
    pub async fn start(data: &Path, more: &[&str]) -> Result<BenchNode> {
        Self::named("bench", data, more).await
    }

    /// As [`BenchNode::start`], under a name of its own.
    pub async fn named(name: &str, data: &Path, more: &[&str]) -> Result<BenchNode> {
        let [http, sip, admin] =
            [free_port()?, free_port()?, free_port()?].map(|port| SocketAddr::new(HERE, port));
        let mut arguments: Vec<String> = Vec::new();
        for (flag, value) in [("--http", http), ("--sip", sip), ("--grpc", admin)] {
            arguments.extend([flag.to_owned(), value.to_string()]);
        }
        arguments.extend(["--data".to_owned(), data.display().to_string()]);
        arguments.extend(["--node".to_owned(), name.to_owned()]);
        arguments.extend(more.iter().map(|&argument| argument.to_owned()));
        let began = Instant::now();
        let served = Served::start(ROLE, &arguments, &data.with_extension("log"))?;
        ready(http, began).await?;
        Ok(BenchNode { served, data: data.to_owned(), http, sip, ready_after: began.elapsed() })
    }

    /// Makes `data` a folder for another node of this one's installation.
    pub async fn share_with(&self, data: &Path) -> Result<()> {
        self.first("accesskey").await?;
        std::fs::create_dir_all(data).map_err(Error::internal)?;
        for file in INSTALLATION {
            std::fs::copy(self.data.join(file), data.join(file)).map_err(Error::internal)?;
        }
        Ok(())
    }

    /// The API as the first customer uses it.
    pub async fn customer(&self) -> Result<Api> {
        Api::connect(self.http, &self.first("accesskey").await?).await
    }

    /// The API as the first admin uses it. The file names the admin before there is one.
    pub async fn operator(&self) -> Result<Api> {
        let began = Instant::now();
        let body =
            json!({"username": self.first("username").await?, "password": self.first("password").await?});
        let mut api = Api::connect(self.http, "").await?;
        loop {
            match api.send("POST", "/auth/login", body.clone()).await {
                Ok(answer) => return Api::connect(self.http, text(&answer, "token")?).await,
                Err(error) if began.elapsed() > patience(PATIENCE) => return Err(error),
                Err(_) => sleep(LOG_IN).await,
            }
        }
    }

    /// What the first start left for the first user: `username`, `password`, `accesskey`.
    pub async fn first(&self, name: &str) -> Result<String> {
        let began = Instant::now();
        loop {
            let text = std::fs::read_to_string(self.data.join(ACCESS)).unwrap_or_default();
            let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            if let Some(found) = found.filter(|found| !found.is_empty()) {
                return Ok(found.to_owned());
            }
            if began.elapsed() > patience(PATIENCE) {
                return Err(Error::unavailable(format!("the node never wrote its {name}")));
            }
            sleep(LOOK).await;
        }
    }
}

async fn ready(http: SocketAddr, began: Instant) -> Result<()> {
    loop {
        if let Ok(mut api) = Api::connect(http, "").await
            && api.send("GET", "/health/ready", Value::Null).await.is_ok()
        {
            return Ok(());
        }
        if began.elapsed() > patience(PATIENCE) {
            return Err(Error::unavailable("the node was never ready"));
        }
        sleep(LOOK).await;
    }
}
