//! A private MariaDB: a child process on a free port with a folder of its own, gone with its guard. It is a MySQL
//! where `BRANCHLINE_TEST_MYSQLD` names the program of one: the same tests run on either.

use std::ffi::OsString;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use sqlx::{AssertSqlSafe, Connection as _, MySqlConnection};
use tokio::time::{Duration, Instant, sleep};
use uuid::Uuid;

/// A first start on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(60);
const PORT_ATTEMPTS: u32 = 5;
/// MySQL insists on an ending.
const LOG: &str = "log.err";
/// What only MySQL knows: a second port, which would be taken, and a folder that a distribution may not have made.
const MYSQL_ONLY: [&str; 2] = ["--mysqlx=OFF", "--secure-file-priv=NULL"];

pub(crate) struct MariaDb {
    pub(crate) child: Child,
    pub(crate) port: u16,
    folder: PathBuf,
}

impl MariaDb {
    /// `None` when it is not installed, which only a CI machine may not be.
    pub(crate) async fn start() -> Option<Self> {
        if mysqld().is_none() && !["mariadbd", "mariadb-install-db"].iter().all(|name| is_installed(name)) {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "mariadbd is not installed");
            println!("skipped: mariadbd is not installed");
            return None;
        }
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("mariadb-{}", Uuid::now_v7()));
        std::fs::create_dir_all(&folder).unwrap();
        install(&folder);
        for _ in 0..PORT_ATTEMPTS {
            let port = free_port();
            let mut server = MariaDb { child: serve(&folder, port), port, folder: folder.clone() };
            if server.is_up().await {
                return Some(server);
            }
        }
        panic!("the database does not start; see {}/{LOG}", folder.display());
    }

    /// The URL of a new, empty database.
    pub(crate) async fn database(&self) -> String {
        let name = format!("t{}", Uuid::now_v7().simple());
        let mut admin = self.admin().await.unwrap();
        let create = AssertSqlSafe(format!("CREATE DATABASE {name}"));
        sqlx::raw_sql(create).execute(&mut admin).await.unwrap();
        format!("mysql://root@127.0.0.1:{}/{name}", self.port)
    }

    /// Kills the server as a power cut of its machine would, and starts it again at once or later.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) async fn restart(&mut self) {
        self.child = serve(&self.folder, self.port);
        assert!(self.is_up().await, "the database does not start again");
    }

    pub(crate) async fn admin(&self) -> sqlx::Result<MySqlConnection> {
        MySqlConnection::connect(&format!("mysql://root@127.0.0.1:{}/mysql", self.port)).await
    }

    /// Answers within the limit; `false` when the process ended, as it does when its port is taken.
    async fn is_up(&mut self) -> bool {
        let until = Instant::now() + START_LIMIT;
        while Instant::now() < until && self.child.try_wait().unwrap().is_none() {
            if self.admin().await.is_ok() {
                return true;
            }
            sleep(Duration::from_millis(50)).await;
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        false
    }
}

impl Drop for MariaDb {
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

fn mysqld() -> Option<OsString> {
    std::env::var_os("BRANCHLINE_TEST_MYSQLD")
}

fn install(folder: &Path) {
    // a temporary folder of its own: the names in a shared one collide
    std::fs::create_dir_all(folder.join("tmp")).unwrap();
    let (program, how): (_, &[_]) = match mysqld() {
        Some(mysqld) => (mysqld, &["--no-defaults", "--initialize-insecure", MYSQL_ONLY[1]]),
        None => (
            "mariadb-install-db".into(),
            &["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"],
        ),
    };
    let done = Command::new(program)
        .args(how)
        .arg(format!("--datadir={}", folder.join("data").display()))
        .arg(format!("--tmpdir={}", folder.join("tmp").display()))
        .args(as_user(folder))
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

fn serve(folder: &Path, port: u16) -> Child {
    let at = |option: &str, name: &str| format!("--{option}={}", folder.join(name).display());
    let (program, own): (_, &[_]) = match mysqld() {
        Some(mysqld) => (mysqld, &MYSQL_ONLY),
        None => ("mariadbd".into(), &[]),
    };
    Command::new(program)
        .args([
            "--no-defaults",
            "--bind-address=127.0.0.1",
            "--skip-log-bin",
            "--innodb-buffer-pool-size=32M",
        ])
        .args(own)
        .arg(format!("--port={port}"))
        .args([at("datadir", "data"), at("socket", "socket"), at("pid-file", "pid"), at("log-error", LOG)])
        .arg(at("tmpdir", "tmp"))
        .args(as_user(folder))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The server refuses to run as root unless it is told to.
fn as_user(folder: &Path) -> Option<&'static str> {
    (std::fs::metadata(folder).unwrap().uid() == 0).then_some("--user=root")
}

/// Below the range of ports that outgoing connections take.
pub(crate) fn free_port() -> u16 {
    let random = |_| 20_000 + u16::try_from(Uuid::new_v4().as_u128() % 12_000).unwrap();
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    (0..100).map(random).find(is_free).unwrap()
}
