//! Stores for tests, and where their files are.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use protocol::ports::Store;
use uuid::Uuid;

use crate::sample::CALL;

pub(crate) const NODE: &str = "node-a";

/// A folder that goes away with its guard.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(Uuid::now_v7().to_string());
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The URL of a database in this folder.
    pub(crate) fn url(&self) -> String {
        format!("sqlite:{}", self.path("node.db").display())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) async fn open(url: &str) -> Arc<dyn Store> {
    persistence::open(url, NODE, &[&CALL]).await.unwrap()
}
