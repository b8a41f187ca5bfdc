//! The real program as a process of its own, which a test may kill and start again on the same folder and ports.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use protocol::ports::voice::Transport;
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};
use voice::{Account, Phone};

use crate::api::{Api, LOOK, PATIENCE};
use crate::market::switch;
use crate::platform::{HERE, free_blocks, free_port};

/// What the first start leaves for its operator.
const ACCESS: &str = "first-access.txt";
/// Its standard error, of all its starts.
const SAID: &str = "said";
const PASSWORD: &str = "a-long-secret";

pub(crate) struct Program {
    process: Child,
    folder: PathBuf,
    pub(crate) sip: SocketAddr,
    grpc: SocketAddr,
    flags: Vec<String>,
    pub(crate) api: Api,
    pub(crate) operator: Api,
    pub(crate) realm: String,
}

impl Program {
    pub(crate) async fn start() -> Program {
        Self::with(&[]).await
    }

    /// With more flags.
    pub(crate) async fn with(more: &[(&str, &str)]) -> Program {
        Self::begin(folder(), "survivor", more).await
    }

    /// Another node of the same installation.
    pub(crate) async fn beside(&self, node: &str, more: &[(&str, &str)]) -> Program {
        let folder = folder();
        std::fs::create_dir_all(&folder).unwrap();
        for file in ["node.key", "token.key", ACCESS] {
            std::fs::copy(self.folder.join(file), folder.join(file)).unwrap();
        }
        Self::begin(folder, node, more).await
    }

    async fn begin(folder: PathBuf, node: &str, more: &[(&str, &str)]) -> Program {
        let [http, sip, grpc] = [(); 3].map(|()| SocketAddr::new(HERE, free_port()));
        let media = free_blocks(2);
        let flags = [
            ("data", folder.display().to_string()),
            ("http", http.to_string()),
            ("sip", sip.to_string()),
            ("grpc", grpc.to_string()),
            ("rtp", format!("{media}-{}", media + 399)),
            ("node", node.to_owned()),
            ("allow-private", "127.0.0.0/8".to_owned()),
            ("customer-rate", "0".to_owned()),
            ("address-rate", "0".to_owned()),
            ("log", "warn".to_owned()),
        ];
        let more = more.iter().map(|(name, value)| (*name, (*value).to_owned()));
        let flags = flags.into_iter().chain(more);
        let flags: Vec<_> = flags.flat_map(|(name, value)| [format!("--{name}"), value]).collect();
        std::fs::create_dir_all(&folder).unwrap();
        let process = spawn(&flags, &folder);
        let nobody = Api::new(http, "");
        let access = first_access(&folder).await;
        let [username, password, key] = ["username", "password", "accesskey"].map(|name| said(&access, name));
        let api = nobody.with_key(&key);
        let customer = api_is_up(&api).await;
        // the admin is the last that the first start makes
        let operator = until(async || nobody.try_login(&username, &password).await).await;
        let realm = format!("{customer}.registrar.branchline.local");
        Program { process, folder, sip, grpc, flags, api, operator, realm }
    }

    /// Tells it to stop (SIGTERM) and waits until it has.
    pub(crate) async fn terminate(&mut self) {
        self.signal("-TERM");
        assert!(timeout(PATIENCE, self.process.wait()).await.expect("it stops").unwrap().success());
    }

    /// All its threads stand still, and its connections stay (SIGSTOP).
    pub(crate) fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Its threads go on where they stood (SIGCONT).
    pub(crate) fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let id = self.process.id().unwrap().to_string();
        assert!(std::process::Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// Kills it as a power cut would (SIGKILL).
    pub(crate) async fn kill(&mut self) {
        self.process.kill().await.unwrap();
        assert!(self.api.ask("GET", "ping", Value::Null).await.is_none(), "it still answers");
    }

    /// The same program on the same folder and ports; returns when it answers.
    pub(crate) async fn again(&mut self) {
        self.process = spawn(&self.flags, &self.folder);
        api_is_up(&self.api).await;
    }

    /// It has ended by itself, and how.
    pub(crate) async fn ended(&mut self) -> std::process::ExitStatus {
        timeout(2 * PATIENCE, self.process.wait()).await.expect("it ends by itself").unwrap()
    }

    /// All that it said on its standard error.
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(self.folder.join(SAID)).unwrap()
    }

    /// It runs.
    pub(crate) fn runs(&mut self) -> bool {
        self.process.try_wait().unwrap().is_none()
    }

    /// A phone that is registered here as a new extension.
    pub(crate) async fn phone(&self, extension: &str) -> Phone {
        let body = json!({"extension": extension, "password": PASSWORD, "name": extension, "detail": ""});
        self.api.made("extensions", body).await;
        let phone = switch().await;
        let account = Account {
            server: self.sip,
            transport: Transport::Udp,
            user: extension.to_owned(),
            domain: self.realm.clone(),
            password: PASSWORD.to_owned(),
        };
        phone.register(account).await.unwrap();
        phone
    }

    /// What `branchline calls` shows.
    pub(crate) async fn live_calls(&self) -> String {
        self.says(&["calls"]).await
    }

    /// What the program says of the nodes that this one knows.
    pub(crate) async fn says(&self, what: &[&str]) -> String {
        let folder = self.folder.display().to_string();
        let asked = command().args(what).args(["--data", &folder, "--grpc", &self.grpc.to_string()]).output();
        let answer = asked.await.unwrap();
        assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
        String::from_utf8_lossy(&answer.stdout).into_owned()
    }

    pub(crate) async fn stop(mut self) {
        self.process.kill().await.unwrap();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn folder() -> PathBuf {
    std::env::temp_dir().join(format!("branchline-it-{}", uuid::Uuid::now_v7()))
}

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_branchline"));
    command.env_clear().stdin(Stdio::null()).kill_on_drop(true);
    command
}

fn spawn(flags: &[String], folder: &Path) -> Child {
    let said = File::options().create(true).append(true).open(folder.join(SAID)).unwrap();
    command().args(flags).stdout(Stdio::null()).stderr(said).spawn().unwrap()
}

/// What `attempt` finds, once it finds something.
async fn until<T>(attempt: impl AsyncFn() -> Option<T>) -> T {
    let limit = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = attempt().await {
            return found;
        }
        assert!(Instant::now() < limit, "the node does not come up");
        sleep(LOOK).await;
    }
}

/// The file with the first credentials, once it is complete.
async fn first_access(folder: &Path) -> String {
    let complete = async || {
        let text = std::fs::read_to_string(folder.join(ACCESS)).unwrap_or_default();
        (!said(&text, "accesskey").is_empty()).then_some(text)
    };
    until(complete).await
}

fn said(text: &str, name: &str) -> String {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    line.unwrap_or_default().to_owned()
}

/// The customer's id, once the API answers.
async fn api_is_up(api: &Api) -> String {
    let customer = async || match api.ask("GET", "v1.0/customer", Value::Null).await {
        Some((200, customer)) => customer["id"].as_str().map(str::to_owned),
        Some(_) | None => None,
    };
    until(customer).await
}
