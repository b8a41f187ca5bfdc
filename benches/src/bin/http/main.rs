//! `GET /v1.0/calls/{id}` with an access key on a node, against a bare hyper server that answers the same
//! bytes, each in a process of its own; then where the rest goes.

mod bare;
mod parts;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::process::ExitCode;

use benches::api::Api;
use benches::node::{self, BenchNode};
use benches::rounds::{Round, Spread, in_turns, print_head, print_side};
use benches::served::{Folder, HERE, Served, free_port};
use benches::{cpu, machine};
use bytes::Bytes;
use protocol::{Error, Result};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant, sleep};
use uuid::Uuid;

const ROUNDS: usize = 4;
const ROUND: Duration = Duration::from_millis(1500);
const CONNECTIONS: usize = 16;
/// Nothing is limited, so that nothing is refused.
const UNLIMITED: [&str; 4] = ["--customer-rate", "0", "--address-rate", "0"];
/// A bare server listens within this.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is asked for, of whom, and what must be answered.
struct Side {
    name: &'static str,
    process: u32,
    to: SocketAddr,
    key: String,
    path: String,
    status: u16,
}

impl Side {
    async fn load(&self) -> Result<Round> {
        let mut clients = Vec::new();
        for _ in 0..CONNECTIONS {
            clients.push(Api::connect(self.to, &self.key).await?);
        }
        let (began, before) = (Instant::now(), cpu::spent(self.process)?);
        let mut tasks = JoinSet::new();
        for client in clients {
            tasks.spawn(ask(client, self.path.clone(), self.status, began + ROUND));
        }
        let units = tasks.join_all().await.into_iter().sum::<Result<u64>>()?;
        Ok(Round { units, wall: began.elapsed(), cpu: cpu::spent(self.process)?.saturating_sub(before) })
    }
}

/// One after the other on one connection; an answer of another kind ends the bench.
async fn ask(mut client: Api, path: String, status: u16, until: Instant) -> Result<u64> {
    let mut answered = 0;
    while Instant::now() < until {
        let answer = client.ask("GET", &path, &Value::Null).await?;
        if answer.status() != status {
            return Err(Error::internal(format!("{path} was answered {}", answer.status())));
        }
        answered += 1;
    }
    Ok(answered)
}

fn names(answer: &http::Response<Bytes>) -> BTreeSet<&str> {
    answer.headers().keys().map(http::HeaderName::as_str).collect()
}

async fn bare(folder: &Folder, answer: &http::Response<Bytes>) -> Result<(Served, SocketAddr)> {
    let (file, address) = (folder.join("answer"), SocketAddr::new(HERE, free_port()?));
    bare::keep(answer, &file)?;
    let arguments = [address.to_string(), file.display().to_string()];
    let served = Served::start(bare::ROLE, &arguments, &folder.join("bare.log"))?;
    let began = Instant::now();
    while Api::connect(address, "").await.is_err() {
        if began.elapsed() > PATIENCE {
            return Err(Error::unavailable("the bare server never listened"));
        }
        sleep(Duration::from_millis(5)).await;
    }
    Ok((served, address))
}

fn sides(node: &BenchNode, key: &str, id: Uuid, bare: (u32, SocketAddr)) -> Vec<Side> {
    let of = |name, path: String, status| {
        let (process, to, key) = (node.served.process, node.http, key.to_owned());
        Side { name, process, to, key, path, status }
    };
    let call = format!("/v1.0/calls/{id}");
    vec![
        of("node: GET /v1.0/calls/{id}", call.clone(), 200),
        Side { name: "bare hyper, the same bytes", process: bare.0, to: bare.1, ..of("", call, 200) },
        of("node: a tag that is not there", format!("/v1.0/tags/{}", Uuid::now_v7()), 404),
        of("node: a route that is not there", "/v1.0/nothing".into(), 404),
        of("node: /ping", "/ping".into(), 200),
    ]
}

/// Rounds of every side, and the two ratios.
async fn compare(sides: &[Side]) -> Result<()> {
    for side in sides {
        side.load().await?;
    }
    let rounds = in_turns(ROUNDS, sides.len(), async |side| sides[side].load().await).await?;
    print_head(&format!("{CONNECTIONS} connections"));
    for (side, rounds) in sides.iter().zip(&rounds) {
        print_side(side.name, rounds);
    }
    let cpu = Spread::of_pairs(&rounds[0], &rounds[1], |node, bare| bare.cpu_each() / node.cpu_each());
    let rate = Spread::of_pairs(&rounds[0], &rounds[1], |node, bare| node.per_second() / bare.per_second());
    println!("share of the bare server's work, by CPU, at least 0.33, aim 0.67: {cpu}");
    println!("the same by rate, with the load generator on the same cores:      {rate}");
    Ok(())
}

async fn measure() -> Result<()> {
    machine::announce("http");
    let folder = Folder::new("http")?;
    let data = folder.join("data");
    let (key, id) = parts::prepare(&data).await?;
    let node = BenchNode::start(&data, &UNLIMITED).await?;
    let mut api = Api::connect(node.http, &key).await?;
    let answer = api.ask("GET", &format!("/v1.0/calls/{id}"), &Value::Null).await?;
    println!(
        "the answer: {}, {} headers, a body of {} bytes",
        answer.status(),
        answer.headers().len(),
        answer.body().len()
    );
    let (bare, address) = bare(&folder, &answer).await?;
    let same = Api::connect(address, &key).await?.ask("GET", "/", &Value::Null).await?;
    if same.body() != answer.body() || names(&same) != names(&answer) {
        return Err(Error::internal("the bare server answers something else"));
    }
    compare(&sides(&node, &key, id, (bare.process, address))).await?;
    bare.stop().await?;
    node.served.stop().await?;
    parts::measure(&data, id).await?;
    println!("load at the end: {}", machine::load());
    Ok(())
}

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some(node::ROLE) => node::run(),
        Some(bare::ROLE) => benches::run(bare::serve()),
        _ => benches::run(measure()),
    }
}
