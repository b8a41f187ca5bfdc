//! A private RabbitMQ: a child process on free ports with a folder of its own, gone with its guard or with
//! this process, however that ends.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use tokio::sync::OnceCell;
use tokio::time::{Duration, Instant, sleep, timeout};
use uuid::Uuid;

/// A first start on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(90);
const ATTEMPTS: u32 = 3;
const HANG_LIMIT: Duration = Duration::from_secs(5);
/// Every test gets a virtual host of its own.
const VHOSTS: usize = 53;
const PROGRAM: &str = "rabbitmq-server";
/// Debian's in the path refuses to run as anybody else than its own user.
const FOLDERS: [&str; 2] = ["/usr/lib/rabbitmq/bin", "/usr/sbin"];

/// The broker in a process group of its own, its name server beside it. Both are killed when the pipe on
/// standard input ends.
const SCRIPT: &str = r#"
epmd -address 127.0.0.1 & names=$!
setsid "$1" >"$2/log" 2>&1 & server=$!
echo "$server" >"$2/server"
read -r _ || :
kill -s KILL -- "-$server" "$names"
wait
if [ "$3" = shared ]; then rm -rf "$2"; fi
"#;

/// User `it`, password `pa/ss`: RabbitMQ's salted SHA-256.
const PASSWORD_HASH: &str = "c2FsdFiq59nd1ILkNndExLhJyF4eAZCcaGQzwqICJaHo8dpq";
const QUIET: &str = "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none +sbwtdio none";

pub(crate) struct RabbitMq {
    keeper: Option<Child>,
    /// What is shared is never dropped: its script removes the folder.
    kind: &'static str,
    /// For clients, for other nodes of a cluster, for the name server.
    ports: [u16; 3],
    folder: PathBuf,
    given: AtomicUsize,
}

static SHARED: OnceCell<Option<RabbitMq>> = OnceCell::const_new();

/// One for all tests of this process; `None` when it is not installed, which only a CI machine may not be.
pub(crate) async fn shared() -> Option<&'static RabbitMq> {
    SHARED.get_or_init(|| RabbitMq::open("shared")).await.as_ref()
}

impl RabbitMq {
    /// One that may be killed and started again.
    pub(crate) async fn start() -> Option<RabbitMq> {
        Self::open("own").await
    }

    async fn open(kind: &'static str) -> Option<RabbitMq> {
        if program().is_none() {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "{PROGRAM} is not installed");
            println!("skipped: {PROGRAM} is not installed");
            return None;
        }
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("rabbitmq-{}", Uuid::now_v7()));
        for _ in 0..ATTEMPTS {
            let ports = free_ports();
            prepare(&folder, ports[0]);
            let given = AtomicUsize::new(0);
            let mut server = RabbitMq { keeper: None, kind, ports, folder: folder.clone(), given };
            server.run();
            if server.is_up().await {
                return Some(server);
            }
        }
        panic!("{PROGRAM} does not start; see {}/log", folder.display());
    }

    /// The URL of a virtual host that nobody else uses.
    pub(crate) fn place(&self) -> String {
        let given = self.given.fetch_add(1, Ordering::SeqCst);
        assert!(given < VHOSTS, "more tests than virtual hosts");
        self.url(&format!("t{given}"))
    }

    fn url(&self, vhost: &str) -> String {
        format!("amqp://it:pa%2Fss@127.0.0.1:{}/{vhost}", self.ports[0])
    }

    /// As a power cut of its machine would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            drop(keeper.stdin.take());
            keeper.wait().unwrap();
        }
    }

    /// Its process stands still and its connections stay open, until it goes on.
    pub(crate) async fn hang(&self, hangs: bool) {
        let group = fs::read_to_string(self.folder.join("server")).unwrap();
        let signal = if hangs { "-STOP" } else { "-CONT" };
        let done = Command::new("kill").args([signal, "--", &format!("-{}", group.trim())]).status().unwrap();
        assert!(done.success());
        // the signal is on its way when kill returns, and every thread has to see it
        let until = Instant::now() + HANG_LIMIT;
        while hangs && !stands_still(group.trim()) {
            assert!(Instant::now() < until, "the broker goes on");
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// As if its memory were full (`true`), or enough again: it reads no more from those who publish.
    pub(crate) async fn alarm(&self, on: bool) {
        let mark = if on { "0.0000001" } else { "0.4" };
        let done = tokio::process::Command::new(program().unwrap().with_file_name("rabbitmqctl"))
            .args(["-n", &format!("it{}@localhost", self.ports[0]), "set_vm_memory_high_watermark", mark])
            .env("HOME", &self.folder)
            .env("ERL_EPMD_PORT", self.ports[2].to_string())
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            .kill_on_drop(true)
            .output();
        let done = timeout(START_LIMIT, done).await.expect("it is told").unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    /// On the same data.
    pub(crate) async fn restart(&mut self) {
        self.run();
        assert!(self.is_up().await, "{PROGRAM} does not start again");
    }

    async fn is_up(&self) -> bool {
        let until = Instant::now() + START_LIMIT;
        let url = self.url("t0");
        while Instant::now() < until {
            // one that has just been started may take a connection and say nothing on it
            let connect = lapin::Connection::connect(&url, lapin::ConnectionProperties::default());
            if matches!(timeout(HANG_LIMIT, connect).await, Ok(Ok(_))) {
                return true;
            }
            sleep(Duration::from_millis(100)).await;
        }
        false
    }

    fn run(&mut self) {
        let [port, other, names] = self.ports;
        let at = |name: &str| self.folder.join(name);
        let script = Command::new("sh")
            .args(["-c", SCRIPT, "sh"])
            .arg(program().unwrap())
            .arg(&self.folder)
            .arg(self.kind)
            .env("HOME", &self.folder)
            .env("ERL_EPMD_PORT", names.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODENAME", format!("it{port}@localhost"))
            .env("RABBITMQ_DIST_PORT", other.to_string())
            .env("RABBITMQ_CONFIG_FILE", at("rabbitmq.conf"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", at("plugins"))
            .env("RABBITMQ_MNESIA_BASE", at("data"))
            .env("RABBITMQ_PID_FILE", at("pid"))
            .env("RABBITMQ_LOG_BASE", &self.folder)
            .env("RABBITMQ_LOGS", "-")
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", QUIET)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.keeper = Some(script.unwrap());
    }
}

impl Drop for RabbitMq {
    fn drop(&mut self) {
        self.kill();
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = FOLDERS.iter().map(PathBuf::from).chain(std::env::split_paths(&path));
    folders.map(|folder| folder.join(PROGRAM)).find(|file| file.is_file())
}

fn prepare(folder: &Path, port: u16) {
    fs::create_dir_all(folder).unwrap();
    let names: Vec<String> = (0..VHOSTS).map(|n| format!("t{n}")).collect();
    let every = |vhost| json!({"user": "it", "vhost": vhost, "configure": ".*", "write": ".*", "read": ".*"});
    let definitions = json!({
        "rabbit_version": "3.10.0",
        "users": [{
            "name": "it", "password_hash": PASSWORD_HASH, "tags": "administrator",
            "hashing_algorithm": "rabbit_password_hashing_sha256",
        }],
        "vhosts": names.iter().map(|name| json!({"name": name})).collect::<Vec<_>>(),
        "permissions": names.iter().map(every).collect::<Vec<_>>(),
    });
    fs::write(folder.join("definitions.json"), definitions.to_string()).unwrap();
    let settings = format!(
        "listeners.tcp.1 = 127.0.0.1:{port}\nload_definitions = {}/definitions.json\ndisk_free_limit.absolute = 10MB\n",
        folder.display()
    );
    fs::write(folder.join("rabbitmq.conf"), settings).unwrap();
    fs::write(folder.join("plugins"), "[].\n").unwrap();
}

/// Below the range of ports that outgoing connections take.
fn free_ports() -> [u16; 3] {
    let random = |_| 22_000 + u16::try_from(Uuid::new_v4().as_u128() % 10_000).unwrap();
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let mut free = (0..1000).map(random).filter(is_free);
    let mut next = || free.next().unwrap();
    [next(), next(), next()]
}

/// Every thread of every process of the group is stopped (proc(5): state, ppid, pgrp after the name).
fn stands_still(group: &str) -> bool {
    let state = |stat: &Path| {
        let stat = fs::read_to_string(stat).ok()?;
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace().map(str::to_owned);
        Some((fields.next()?, fields.nth(1)?))
    };
    let mine = |stat: &Path| state(stat).is_some_and(|(_, of)| of == group);
    let processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok).map(|entry| entry.path());
    processes.filter(|process| mine(&process.join("stat"))).all(|process| {
        let threads = fs::read_dir(process.join("task")).into_iter().flatten().filter_map(Result::ok);
        threads.into_iter().all(|thread| {
            state(&thread.path().join("stat")).is_none_or(|(state, _)| matches!(&*state, "T" | "Z"))
        })
    })
}
