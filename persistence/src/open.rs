//! From a URL to a store. Errors here are read by whoever starts the node: they say what to do.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::sync::Arc;

use protocol::ports::Store;
use protocol::{Error, Resource, Result};
use sqlx::mysql::MySqlConnectOptions;
use sqlx::{ConnectOptions as _, MySql};
use tokio::time::{Duration, Instant, sleep};
use uuid::Uuid;

use crate::sql::{LOCK_LIMIT, SqlStore, Sqlite, SqliteOptions, Unopened};

/// Reads side by side. SQLite's run on this machine's processors, MySQL's wait for a network.
const SQLITE_READERS: u32 = 4;
const MYSQL_READERS: u32 = 8;
/// Statements that stay prepared per connection of MySQL: a few per resource.
const PREPARED: usize = 512;
const LOCKED: Duration = Duration::from_millis(20);
/// A process that is about to end may still have the file.
const OTHER_LIMIT: Duration = Duration::from_secs(1);

/// How sqlx begins to say that it was built without the other way to send a password of MySQL's own kind.
const WITHOUT_TLS: &str = "RSA auth backend disabled";

/// Opens and migrates a store.
///
/// - `sqlite:PATH`, `sqlite://PATH`: a file, made with mode 0600 if it is missing.
/// - `sqlite::memory:`: a scratch file that goes away with the store.
/// - `mysql://user:password@host:port/database`: MySQL or MariaDB.
///
/// `node` numbers this node's events: two running nodes must not share it.
pub async fn open(url: &str, node: &str, resources: &[&'static Resource]) -> Result<Arc<dyn Store>> {
    let (scheme, rest) = url.split_once(':').unwrap_or((url, ""));
    match (scheme, rest.strip_prefix("//").unwrap_or(rest)) {
        ("sqlite", ":memory:") => scratch(node, resources).await,
        ("sqlite", path) if !path.is_empty() => {
            Ok(Arc::new(file(Path::new(path), "FULL", node, resources).await?))
        }
        ("mysql" | "mariadb", _) => mysql(url, node, resources).await,
        _ => Err(Error::invalid("the database must be sqlite:PATH or mysql://user:password@host/database")),
    }
}

/// The files of a database that ends with its store. A killed process leaves them to the system's cleaner.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn of(path: PathBuf) -> Self {
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        for suffix in ["", "-wal", "-shm", "-lock"] {
            let mut path = self.0.clone().into_os_string();
            path.push(suffix);
            // already gone is as good as removed
            let _ = std::fs::remove_file(path);
        }
    }
}

/// The lock of a database that this process has to itself. The system gives it back when the process ends,
/// however it ends.
pub(crate) struct Held(#[expect(dead_code, reason = "the lock is the open file")] File);

impl Held {
    /// Beside the database: whoever closes a file of SQLite's gives up SQLite's own locks on it.
    async fn take(path: &Path) -> Result<Self> {
        let mut name = path.as_os_str().to_owned();
        name.push("-lock");
        let name = PathBuf::from(name);
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&name);
        let file = file.map_err(|cause| cannot_open(path, &reason(&cause)))?;
        let until = Instant::now() + OTHER_LIMIT;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Held(file)),
                Err(TryLockError::WouldBlock) if Instant::now() < until => sleep(LOCKED).await,
                Err(TryLockError::WouldBlock) => {
                    let path = path.display();
                    return Err(Error::unavailable(format!(
                        "another process has {path} open; stop it, or give another folder with --data"
                    )));
                }
                Err(TryLockError::Error(cause)) => return Err(cannot_open(path, &reason(&cause))),
            }
        }
    }
}

/// A file, because a database in memory is one connection's, or locks its readers out of whole tables.
async fn scratch(node: &str, resources: &[&'static Resource]) -> Result<Arc<dyn Store>> {
    let path = std::env::temp_dir().join(format!("branchline-{}.db", Uuid::now_v7()));
    let scratch = Scratch::of(path.clone());
    let store = file(&path, "OFF", node, resources).await?;
    Ok(Arc::new(store.with_scratch(scratch)))
}

async fn file(
    path: &Path,
    synchronous: &'static str,
    node: &str,
    resources: &[&'static Resource],
) -> Result<SqlStore<Sqlite>> {
    let made = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path);
    made.map_err(|cause| cannot_open(path, &reason(&cause)))?;
    let held = Held::take(path).await?;
    let options = SqliteOptions { path: path.to_owned(), synchronous, most_pages: None };
    let until = Instant::now() + LOCK_LIMIT;
    loop {
        match SqlStore::start(options.clone(), SQLITE_READERS, node, resources).await {
            Err(Unopened::Connect(cause)) if is_locked(&cause) && Instant::now() < until => {
                sleep(LOCKED).await
            }
            Err(Unopened::Connect(sqlx::Error::Database(cause))) => {
                return Err(cannot_open(path, cause.message()));
            }
            Err(Unopened::Connect(cause)) => return Err(cannot_open(path, &cause.to_string())),
            Err(Unopened::Migrate(error)) => return Err(error),
            Ok(store) => return Ok(store.holding(held)),
        }
    }
}

/// Another node is opening the same file: SQLite does not wait for the switch to its write-ahead log.
fn is_locked(cause: &sqlx::Error) -> bool {
    /// SQLITE_BUSY, in its first byte whatever is behind it.
    const BUSY: i32 = 5;
    let code = cause.as_database_error().and_then(|cause| cause.code());
    code.and_then(|code| code.parse::<i32>().ok()).is_some_and(|code| code & 0xff == BUSY)
}

async fn mysql(url: &str, node: &str, resources: &[&'static Resource]) -> Result<Arc<dyn Store>> {
    // the parser's own words may repeat the password
    let options = MySqlConnectOptions::from_str(url).map_err(|_| {
        Error::invalid("the database URL cannot be read; it must be mysql://user:password@host:port/database")
    })?;
    if options.get_database().is_none_or(str::is_empty) {
        return Err(Error::invalid("the database URL names no database; add it: mysql://host/NAME"));
    }
    let place = format!("{}:{}", options.get_host(), options.get_port());
    let options = options.statement_cache_capacity(PREPARED).disable_statement_logging();
    let started = SqlStore::<MySql>::start(options, MYSQL_READERS, node, resources).await;
    let store = started.map_err(|unopened| match unopened {
        Unopened::Connect(sqlx::Error::Database(cause)) => {
            Error::unavailable(format!("the database at {place} refuses: {}", cause.message()))
        }
        Unopened::Connect(sqlx::Error::Io(cause)) => {
            let reason = reason(&cause);
            Error::unavailable(format!("cannot reach the database at {place}: {reason}; does it run there?"))
        }
        Unopened::Connect(sqlx::Error::Configuration(cause))
            if cause.to_string().starts_with(WITHOUT_TLS) =>
        {
            Error::unavailable(format!(
                "the database at {place} takes this password over TLS only: \
                 give it a certificate, and no ssl-mode=DISABLED in its URL"
            ))
        }
        Unopened::Connect(cause) => {
            Error::unavailable(format!("cannot use the database at {place}: {cause}"))
        }
        Unopened::Migrate(error) => error,
    })?;
    Ok(Arc::new(store))
}

fn cannot_open(path: &Path, reason: &str) -> Error {
    let path = path.display();
    Error::unavailable(format!("cannot open {path}: {reason}; give another folder with --data"))
}

/// `permission denied`, not `Permission denied (os error 13)`.
fn reason(cause: &std::io::Error) -> String {
    let text = cause.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}
