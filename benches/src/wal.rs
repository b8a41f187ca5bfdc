//! Counts the transactions of a database by watching SQLite's write-ahead log from outside.
//!
//! Every transaction ends with a frame that carries the size of the database; others carry zero there. The log
//! starts over with another salt when it was copied back, so it has to be looked at often, and what is written
//! between the last look and a fresh start is missed.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use protocol::Result;
use tokio::task::JoinSet;
use tokio::time::{Duration, interval};

const HEADER: u64 = 32;
const FRAME: u64 = 24;
/// A log of 1,000 pages takes far longer to fill.
const LOOK: Duration = Duration::from_millis(5);

/// Watches until it is dropped.
pub struct Transactions {
    count: Arc<AtomicU64>,
    _watch: JoinSet<()>,
}

impl Transactions {
    /// `database` is the main file; only what is written from now on counts.
    pub fn watch(database: &Path) -> Result<Transactions> {
        let mut log = database.as_os_str().to_owned();
        log.push("-wal");
        let mut place = Place { log: PathBuf::from(log), salt: [0; 8], page: 0, at: HEADER };
        place.advance();
        let count = Arc::new(AtomicU64::new(0));
        let (counted, mut watch) = (count.clone(), JoinSet::new());
        watch.spawn(async move {
            let mut ticks = interval(LOOK);
            loop {
                ticks.tick().await;
                counted.fetch_add(place.advance(), Ordering::Relaxed);
            }
        });
        Ok(Transactions { count, _watch: watch })
    }

    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

struct Place {
    log: PathBuf,
    salt: [u8; 8],
    page: u64,
    at: u64,
}

impl Place {
    /// Transactions since the last time. A log that is not there holds none.
    fn advance(&mut self) -> u64 {
        let Ok(log) = File::open(&self.log) else { return 0 };
        let mut header = [0; HEADER as usize];
        if log.read_exact_at(&mut header, 0).is_err() {
            return 0;
        }
        if header[16..24] != self.salt {
            self.salt.copy_from_slice(&header[16..24]);
            self.page = u64::from(number(&header[8..12]));
            self.at = HEADER;
        }
        let (mut found, mut frame) = (0, [0; FRAME as usize]);
        while log.read_exact_at(&mut frame, self.at).is_ok() && frame[8..16] == self.salt {
            found += u64::from(number(&frame[4..8]) != 0);
            self.at += FRAME + self.page;
        }
        found
    }
}

fn number(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

#[cfg(test)]
mod tests {
    use protocol::ports::{Entry, Journal, Unit};
    use uuid::Uuid;

    use super::*;
    use crate::served::Folder;

    #[tokio::test]
    async fn every_transaction_counts_once() {
        let folder = Folder::new("wal").expect("a folder");
        let file = folder.join("test.db");
        let store =
            persistence::open(&format!("sqlite:{}", file.display()), "test", &[]).await.expect("a store");
        let mut place = Place { log: folder.join("test.db-wal"), salt: [0; 8], page: 0, at: HEADER };
        place.advance();
        for _ in 0..3 {
            let entry = Entry {
                kind: "test",
                id: Uuid::now_v7(),
                parent: Uuid::nil(),
                node: String::new(),
                data: "x".into(),
            };
            let unit = Unit { journal: vec![Journal::Put(entry)], ..Unit::default() };
            store.commit(unit).await.expect("a commit");
        }
        assert_eq!((place.advance(), place.advance()), (3, 0));
        store.close().await;
    }

    #[test]
    fn a_log_that_is_not_there_holds_nothing() {
        let mut place = Place { log: "/nowhere/a-wal".into(), salt: [0; 8], page: 0, at: HEADER };
        assert_eq!(place.advance(), 0);
    }
}
