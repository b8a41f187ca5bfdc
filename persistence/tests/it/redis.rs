//! A private Redis: a child process on a free port with a folder of its own, gone with its guard.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tokio::time::{Duration, Instant, sleep};
use uuid::Uuid;

/// A start on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(20);
const PORT_ATTEMPTS: u32 = 5;

pub(crate) struct Redis {
    child: Child,
    port: u16,
    folder: PathBuf,
    more: Vec<String>,
}

impl Redis {
    /// `None` when it is not installed, which only a CI machine may not be.
    pub(crate) async fn start() -> Option<Self> {
        Self::with(&[]).await
    }

    /// With options of its own, as on its command line.
    pub(crate) async fn with(more: &[&str]) -> Option<Self> {
        if !is_installed("redis-server") {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "redis-server is not installed");
            println!("skipped: redis-server is not installed");
            return None;
        }
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("redis-{}", Uuid::now_v7()));
        std::fs::create_dir_all(&folder).unwrap();
        let more: Vec<String> = more.iter().map(ToString::to_string).collect();
        for _ in 0..PORT_ATTEMPTS {
            let port = free_port();
            let child = serve(&folder, port, &more);
            let mut server = Redis { child, port, folder: folder.clone(), more: more.clone() };
            if server.is_up().await {
                return Some(server);
            }
        }
        panic!("redis-server does not start; see {}/log", folder.display());
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// As a power cut of its machine would.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Begins again where [`Redis::kill`] ended it, with nothing kept.
    pub(crate) async fn restart(&mut self) {
        self.child = serve(&self.folder, self.port, &self.more);
        assert!(self.is_up().await, "redis-server does not start again");
    }

    /// It holds its connections and takes new ones, and answers nothing.
    pub(crate) fn hang(&self) {
        self.signal("-STOP");
    }

    pub(crate) fn go_on(&self) {
        self.signal("-CONT");
    }

    /// The first kilobyte of the answer to an inline command, which is all of what tests ask.
    pub(crate) fn ask(&self, command: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(START_LIMIT))?;
        stream.write_all(format!("{command}\r\n").as_bytes())?;
        let mut answer = [0; 1024];
        let read = stream.read(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer[..read]).into_owned())
    }

    fn signal(&self, signal: &str) {
        // the shell's own: the program is not everywhere
        let kill = format!("kill {signal} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Answers within the limit; `false` when the process ended, as it does when its port is taken.
    async fn is_up(&mut self) -> bool {
        let until = Instant::now() + START_LIMIT;
        while Instant::now() < until && self.child.try_wait().unwrap().is_none() {
            // one that wants a password is up too
            if self.ask("PING").is_ok_and(|answer| !answer.is_empty()) {
                return true;
            }
            sleep(Duration::from_millis(10)).await;
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        false
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

fn is_installed(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
}

fn serve(folder: &Path, port: u16, more: &[String]) -> Child {
    Command::new("redis-server")
        .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
        .args(["--port", &port.to_string()])
        .arg("--dir")
        .arg(folder)
        .arg("--logfile")
        .arg(folder.join("log"))
        .args(more)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Below the range of ports that outgoing connections take.
fn free_port() -> u16 {
    let random = |_| 20_000 + u16::try_from(Uuid::new_v4().as_u128() % 12_000).unwrap();
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    (0..100).map(random).find(is_free).unwrap()
}
