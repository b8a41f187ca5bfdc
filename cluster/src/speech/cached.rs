//! Spoken texts as files by the hash of what was said, so that a prompt costs its engine once.
//!
//! The folder is a cache: any file may be removed at any time, also by hand.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use protocol::ports::{Speech, Utterance};
use protocol::{Error, Result};
use ring::digest;
use tokio::fs;
use tokio::sync::Mutex;
use tracing::warn;
use uuid::Uuid;

/// The size that the folder may have, in bytes: about three hours at 16 kHz.
const MOST: u64 = 384 * 1024 * 1024;

pub(super) struct Cached {
    engine: Arc<dyn Speech>,
    /// The engine and whatever of its configuration can be heard.
    kind: String,
    folder: PathBuf,
    most: u64,
    size: AtomicU64,
    /// One sweep at a time.
    sweep: Mutex<()>,
}

impl Cached {
    pub(super) async fn open(engine: (Arc<dyn Speech>, String), folder: PathBuf) -> Result<Self> {
        Self::limited(engine, folder, MOST).await
    }

    async fn limited(engine: (Arc<dyn Speech>, String), folder: PathBuf, most: u64) -> Result<Self> {
        fs::create_dir_all(&folder).await.map_err(Error::internal)?;
        let (engine, kind) = engine;
        let size = AtomicU64::new(0);
        let cached = Cached { engine, kind, folder, most, size, sweep: Mutex::default() };
        cached.sweep().await;
        Ok(cached)
    }

    /// A failure to keep what was spoken is no failure to speak.
    async fn keep(&self, path: &Path, audio: &Bytes) {
        let draft = self.folder.join(format!(".{}.tmp", Uuid::now_v7()));
        let written = async {
            fs::write(&draft, audio).await?;
            fs::rename(&draft, path).await
        };
        if let Err(error) = written.await {
            warn!(%error, path = %path.display(), "spoken text not kept");
            let _ = fs::remove_file(&draft).await;
            return;
        }
        let length = u64::try_from(audio.len()).unwrap_or(u64::MAX);
        if self.size.fetch_add(length, Ordering::Relaxed).saturating_add(length) > self.most {
            self.sweep().await;
        }
    }

    /// Measures the folder and, when it is too large, removes the oldest down to three quarters, so that the
    /// next sweep is not due at once. What an interrupted write left behind goes too once it is old.
    async fn sweep(&self) {
        let Ok(_alone) = self.sweep.try_lock() else { return };
        let mut files = files(&self.folder).await;
        files.sort_unstable();
        let mut size: u64 = files.iter().map(|(_, length, _)| length).sum();
        if size > self.most {
            for (_, length, path) in files {
                if size <= self.most / 4 * 3 {
                    break;
                }
                match fs::remove_file(&path).await {
                    Ok(()) => size = size.saturating_sub(length),
                    Err(error) => warn!(%error, path = %path.display(), "old spoken text not removed"),
                }
            }
        }
        self.size.store(size, Ordering::Relaxed);
    }
}

async fn files(folder: &Path) -> Vec<(SystemTime, u64, PathBuf)> {
    let mut found = Vec::new();
    let Ok(mut entries) = fs::read_dir(folder).await else { return found };
    while let Ok(Some(entry)) = entries.next_entry().await {
        let Ok(about) = entry.metadata().await else { continue };
        if about.is_file() {
            let changed = about.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            found.push((changed, about.len(), entry.path()));
        }
    }
    found
}

#[async_trait]
impl Speech for Cached {
    fn name(&self) -> &'static str {
        self.engine.name()
    }

    async fn say(&self, utterance: &Utterance) -> Result<Bytes> {
        let path = self.folder.join(format!("{}.wav", name(&self.kind, utterance)));
        if let Ok(audio) = fs::read(&path).await {
            return Ok(audio.into());
        }
        let audio = self.engine.say(utterance).await?;
        self.keep(&path, &audio).await;
        Ok(audio)
    }
}

/// Lengths go in front, so that no two utterances are the same bytes.
fn name(engine: &str, utterance: &Utterance) -> String {
    let mut hash = digest::Context::new(&digest::SHA256);
    for part in [engine, &utterance.language, &utterance.voice, &utterance.text] {
        hash.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    /// Speaks a kilobyte, and counts.
    #[derive(Default)]
    struct Counted(AtomicUsize);

    #[async_trait]
    impl Speech for Counted {
        fn name(&self) -> &'static str {
            "counted"
        }

        async fn say(&self, utterance: &Utterance) -> Result<Bytes> {
            self.0.fetch_add(1, Ordering::SeqCst);
            Ok(utterance.text.repeat(1000).into())
        }
    }

    fn utterance(text: &str, voice: &str) -> Utterance {
        Utterance { text: text.into(), language: "en".into(), voice: voice.into() }
    }

    fn folder() -> PathBuf {
        std::env::temp_dir().join(format!("branchline-{}", Uuid::now_v7()))
    }

    #[tokio::test]
    async fn the_same_words_are_spoken_once_also_after_a_restart() {
        let (engine, folder) = (Arc::new(Counted::default()), folder());
        for _ in 0..2 {
            let cached =
                Cached::open((engine.clone(), "counted".into()), folder.clone()).await.expect("open");
            for (text, voice) in [("a", ""), ("a", ""), ("b", ""), ("a", "v")] {
                assert_eq!(cached.say(&utterance(text, voice)).await.expect("audio"), text.repeat(1000));
            }
        }
        assert_eq!(engine.0.load(Ordering::SeqCst), 3);
        std::fs::remove_dir_all(folder).expect("removed");
    }

    #[tokio::test]
    async fn the_folder_stays_small_and_the_newest_stay() {
        let (engine, folder) = (Arc::new(Counted::default()), folder());
        let cached = Cached::limited((engine, "counted".into()), folder.clone(), 4000).await.expect("open");
        let first = folder.join(format!("{}.wav", name("counted", &utterance("0", ""))));
        for n in 0..5 {
            cached.say(&utterance(&n.to_string(), "")).await.expect("audio");
            if n == 0 {
                let file = std::fs::File::options().write(true).open(&first).expect("the first");
                file.set_modified(SystemTime::UNIX_EPOCH).expect("made old");
            }
        }
        let left = files(&folder).await;
        assert_eq!(left.iter().map(|(_, length, _)| length).sum::<u64>(), 3000);
        assert!(!first.exists(), "the oldest goes first");
        std::fs::remove_dir_all(folder).expect("removed");
    }

    #[test]
    fn names_do_not_run_together() {
        let (one, other) = (utterance("bc", "a"), utterance("c", "ab"));
        assert_ne!(name("e", &one), name("e", &other));
        assert_ne!(name("e", &one), name("f", &one));
        assert_eq!(name("e", &one).len(), 64);
    }
}
