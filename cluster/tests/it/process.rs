//! The program itself: what it prints, how it ends, and what is still there after it was killed.

use std::collections::BTreeSet;
use std::fs::File;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::api::Api;
use crate::platform::{HERE, PATIENCE, free_port};

#[path = "../../../gateway/tests/it/certificate.rs"]
pub(crate) mod certificate;
mod demo;
mod tls;

/// An end that was asked for takes no longer: 2 s of grace for what is under way, and the stopping itself.
const STOPS: Duration = Duration::from_secs(15);

/// A folder that goes away with the test.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Folder {
        let path = std::env::temp_dir().join(format!("branchline-process-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.0.join("data")
    }

    fn first_access(&self) -> PathBuf {
        self.data().join("first-access.txt")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) struct Ports {
    http: SocketAddr,
    sip: SocketAddr,
    pub(crate) grpc: SocketAddr,
}

impl Ports {
    pub(crate) fn free() -> Ports {
        let free = || SocketAddr::new(HERE, free_port());
        Ports { http: free(), sip: free(), grpc: free() }
    }
}

/// The program, not started, with all that it says in a file.
pub(crate) fn program(folder: &Folder, ports: &Ports, more: &[&str]) -> Command {
    let output = File::options().create(true).append(true).open(folder.0.join("output")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_branchline"));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.args(["--node", "it", "--stop-seconds", "2", "--customer-rate", "0", "--address-rate", "0"]);
    for (flag, address) in [("--http", ports.http), ("--sip", ports.sip), ("--grpc", ports.grpc)] {
        if !more.contains(&flag) {
            command.args([flag, &address.to_string()]);
        }
    }
    if !more.contains(&"--data") {
        command.arg("--data").arg(folder.data());
    }
    command.args(more).current_dir(&folder.0).stdin(Stdio::null());
    command.stdout(output.try_clone().unwrap()).stderr(output).kill_on_drop(true);
    command
}

pub(crate) fn output(folder: &Folder) -> String {
    std::fs::read_to_string(folder.0.join("output")).unwrap()
}

pub(crate) struct Running {
    child: Child,
    http: SocketAddr,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Running {
    /// Starts it and waits until it is ready.
    async fn start(folder: &Folder) -> Running {
        Self::with(folder, &[]).await
    }

    /// As [`Running::start`], with an environment of its own.
    async fn with(folder: &Folder, environment: &[(&str, &str)]) -> Running {
        let ports = Ports::free();
        let child = program(folder, &ports, &[]).envs(environment.iter().copied()).spawn().unwrap();
        Self::of(child, folder, &ports).await
    }

    /// Waits until a node that was started is ready.
    pub(crate) async fn of(child: Child, folder: &Folder, ports: &Ports) -> Running {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let mut running = Running { child, http: ports.http, client };
        let limit = Instant::now() + PATIENCE;
        while running
            .send("", "GET", "health/ready", Value::Null)
            .await
            .is_none_or(|(status, _)| status != 200)
        {
            let ended = running.child.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < limit, "{ended:?} {}", output(folder));
            sleep(Duration::from_millis(20)).await;
        }
        running
    }

    /// `None` when no whole answer came.
    async fn send(&self, key: &str, method: &str, path: &str, body: Value) -> Option<(u16, Value)> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut request = http::Request::builder().method(method).uri(format!("http://{}/{path}", self.http));
        if !key.is_empty() {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        let answer = self.client.request(request.body(Full::from(body)).unwrap()).await.ok()?;
        let status = answer.status().as_u16();
        let bytes = answer.into_body().collect().await.ok()?.to_bytes();
        Some((status, serde_json::from_slice(&bytes).unwrap_or_default()))
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().expect("it runs").to_string();
        assert!(std::process::Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    pub(crate) async fn ended(mut self) -> ExitStatus {
        timeout(STOPS, self.child.wait()).await.expect("it ends in time").unwrap()
    }

    pub(crate) async fn stop(self) {
        self.signal("-TERM");
        assert_eq!(self.ended().await.code(), Some(0));
    }
}

/// The values of `first-access.txt`, once it is complete.
async fn secrets(folder: &Folder) -> Vec<(String, String)> {
    let limit = Instant::now() + PATIENCE;
    loop {
        let text = std::fs::read_to_string(folder.first_access()).unwrap_or_default();
        let lines = text.lines().filter_map(|line| line.split_once(": "));
        let values: Vec<_> = lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        if values.iter().any(|(name, value)| name == "accesskey" && !value.is_empty()) {
            return values;
        }
        assert!(Instant::now() < limit, "no first access: {text}");
        sleep(Duration::from_millis(20)).await;
    }
}

async fn accesskey(folder: &Folder) -> String {
    secrets(folder).await.into_iter().find(|(name, _)| name == "accesskey").unwrap().1
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// It ends by itself, badly, with one line that says why.
async fn refused(folder: &Folder, ports: &Ports, more: &[&str]) -> String {
    let mut child = program(folder, ports, more).spawn().unwrap();
    let status = timeout(PATIENCE, child.wait()).await.expect("it ends by itself").unwrap();
    let said = output(folder);
    assert!(status.code().is_some_and(|code| code != 0), "{more:?}: {status:?} {said}");
    let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "{more:?}: {said}");
    errors[0].to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_start_leaves_its_secrets_in_a_file_and_nowhere_else() {
    let folder = Folder::new();
    let running = Running::start(&folder).await;
    let first = secrets(&folder).await;
    assert_eq!(mode(&folder.first_access()), 0o600);
    let key = accesskey(&folder).await;
    assert_eq!(running.send(&key, "GET", "v1.0/customer", Value::Null).await.unwrap().0, 200);
    running.stop().await;
    for name in ["node.key", "token.key"] {
        assert_eq!(mode(&folder.data().join(name)), 0o600, "{name}");
    }
    let again = Running::start(&folder).await;
    assert_eq!(again.send(&key, "GET", "v1.0/customer", Value::Null).await.unwrap().0, 200);
    assert_eq!(secrets(&folder).await, first, "nothing new at the second start");
    again.stop().await;
    let said = output(&folder);
    for (name, value) in first.iter().filter(|(name, value)| name != "username" && !value.is_empty()) {
        assert!(!said.contains(value), "{name} was printed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_is_named_with_its_flag() {
    for flag in ["--http", "--sip", "--grpc"] {
        let (folder, ports) = (Folder::new(), Ports::free());
        let taken = SocketAddr::new(HERE, free_port());
        let _held = (TcpListener::bind(taken).unwrap(), UdpSocket::bind(taken).unwrap());
        let error = refused(&folder, &ports, &[flag, &taken.to_string()]).await;
        assert!(error.contains(flag) && error.contains(&taken.to_string()), "{flag}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_used_is_named() {
    let beside = Folder::new();
    let file = beside.0.join("file");
    std::fs::write(&file, "no folder").unwrap();
    let (below, missing) = (file.join("data"), beside.0.join("missing.pem"));
    let (below, missing) = (below.to_str().unwrap(), missing.to_str().unwrap());
    for (culprit, more) in [
        ("--data", vec!["--data", below]),
        ("--data", vec!["--data", "/proc"]),
        ("--http", vec!["--http", "nonsense"]),
        ("--rtp", vec!["--rtp", "9"]),
        ("--retention-days", vec!["--retention-days", "0"]),
        ("--bus", vec!["--bus", "amqp://nowhere"]),
        ("--cache", vec!["--cache", "memcached://nowhere"]),
        ("--serve", vec!["--serve", "nonsense"]),
        ("--store", vec!["--store", "postgres://nowhere/x"]),
        ("--config", vec!["--config", missing]),
        (missing, vec!["--tls-cert", missing, "--tls-key", missing]),
        ("--nonsense", vec!["--nonsense"]),
    ] {
        let folder = Folder::new();
        let error = refused(&folder, &Ports::free(), &more).await;
        assert!(error.contains(culprit), "{more:?}: {error}");
    }
}

/// What clients were told was stored, until no more answers came.
async fn load(running: &Arc<Running>, key: &str, clients: usize, enough: usize) -> (JoinSet<()>, Told) {
    let told: Told = Arc::default();
    let mut writers = JoinSet::new();
    for client in 0..clients {
        let (running, key, told) = (running.clone(), key.to_owned(), told.clone());
        writers.spawn(async move {
            for number in 0.. {
                let tag = json!({"name": format!("tag {client} {number}")});
                match running.send(&key, "POST", "v1.0/tags", tag).await {
                    Some((200, row)) => told.lock().unwrap().push(row["id"].as_str().unwrap().to_owned()),
                    Some(_) | None => return,
                }
            }
        });
    }
    let limit = Instant::now() + PATIENCE;
    while told.lock().unwrap().len() < enough {
        assert!(Instant::now() < limit, "only {} written", told.lock().unwrap().len());
        sleep(Duration::from_millis(5)).await;
    }
    (writers, told)
}

type Told = Arc<Mutex<Vec<String>>>;

/// Everything that was acknowledged is there, and its event reached its followers.
async fn nothing_is_lost_after(signal: &str) {
    let folder = Folder::new();
    let running = Arc::new(Running::start(&folder).await);
    let key = accesskey(&folder).await;
    let (mut writers, told) = load(&running, &key, 8, 400).await;
    running.signal(signal);
    while timeout(STOPS, writers.join_next()).await.expect("clients hear of the end").is_some() {}
    let ended = Arc::into_inner(running).expect("the clients are gone").ended().await;
    assert_eq!(ended.code(), (signal == "-TERM").then_some(0), "{ended:?}");
    let told = told.lock().unwrap().clone();
    let again = Running::start(&folder).await;
    let limit = Instant::now() + 2 * PATIENCE;
    for tag in &told {
        let (status, _) = again.send(&key, "GET", &format!("v1.0/tags/{tag}"), Value::Null).await.unwrap();
        assert_eq!(status, 200, "{tag} of {} is lost", told.len());
        let story = format!("v1.0/timelines/tags/{tag}/events");
        loop {
            let (_, page) = again.send(&key, "GET", &story, Value::Null).await.unwrap();
            if page["result"]
                .as_array()
                .is_some_and(|rows| rows.iter().any(|r| r["event_type"] == "tag_created"))
            {
                break;
            }
            assert!(Instant::now() < limit, "the event of {tag} is lost: {page}");
            sleep(Duration::from_millis(20)).await;
        }
    }
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_a_kill() {
    nothing_is_lost_after("-KILL").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_an_orderly_stop_under_load() {
    nothing_is_lost_after("-TERM").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_under_a_key_is_done_once_whenever_the_process_is_killed() {
    let folder = Folder::new();
    let running = Running::start(&folder).await;
    let api = Api::new(running.http, &accesskey(&folder).await);
    let send = async |api: Api, number: usize| {
        let body = json!({"name": number.to_string()}).to_string();
        (number, api.try_once(&format!("key-{number}"), "tags", &body).await)
    };
    let mut asked: JoinSet<_> = (0..60).map(|number| send(api.clone(), number)).collect();
    let mut answered = Vec::new();
    while answered.len() < 10 {
        let (number, answer) = asked.join_next().await.unwrap().unwrap();
        answered.push((number, answer.unwrap()));
    }
    running.signal("-KILL");
    running.ended().await;
    let late = asked.join_all().await.into_iter();
    answered.extend(late.filter_map(|(number, answer)| Some((number, answer?))));
    let again = Running::start(&folder).await;
    let api = api.at(again.http);
    for (number, first) in &answered {
        let answer = send(api.clone(), *number).await.1.unwrap();
        assert_eq!((answer.status(), answer.body()), (first.status(), first.body()));
    }
    for number in 0..60 {
        let status = send(api.clone(), number).await.1.unwrap().status().as_u16();
        assert!(matches!(status, 200 | 409), "{number}: {status}");
    }
    let tags = api.list("tags").await;
    let names: BTreeSet<_> = tags.iter().map(|tag| tag["name"].to_string()).collect();
    assert_eq!(names.len(), tags.len(), "one tag was made twice");
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_users_or_gateway_starts_and_stops() {
    let (folder, ports) = (Folder::new(), Ports::free());
    let mut child = program(&folder, &ports, &["--serve", "tag,timeline-manager"]).spawn().unwrap();
    let limit = Instant::now() + PATIENCE;
    while tokio::net::TcpStream::connect(ports.grpc).await.is_err() {
        assert!(Instant::now() < limit && child.try_wait().unwrap().is_none(), "{}", output(&folder));
        sleep(Duration::from_millis(20)).await;
    }
    let client = Client::builder(TokioExecutor::new()).build_http();
    let running = Running { child, http: ports.http, client };
    assert!(running.send("", "GET", "health/ready", Value::Null).await.is_none(), "it serves no HTTP");
    running.stop().await;
    assert!(!folder.first_access().exists());
}
