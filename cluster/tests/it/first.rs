//! The first access of an installation whose nodes start together, and die.

use std::time::Duration;

use cluster::bus::memory::Broker;
use cluster::{Node, Welcome, first};
use protocol::ports::Filter;
use protocol::{Resource, Scope};
use tokio::join;

use crate::mariadb::MariaDb;
use crate::platform::plan;

/// Whom everybody takes for the one that makes the first access, and who never does.
const GHOST: &str = "ghost";

struct Pair {
    one: Node,
    other: Node,
    /// Where each of them keeps what it shows.
    folders: [std::path::PathBuf; 2],
}

impl Pair {
    /// Two nodes with all domains over one empty database; who was to make the first access is gone.
    async fn start(database: &MariaDb) -> Pair {
        let (url, broker) = (database.database().await, Broker::default());
        let folder = || std::env::temp_dir().join(format!("branchline-it-{}", uuid::Uuid::now_v7()));
        let folders = [folder(), folder()];
        std::fs::create_dir(&folders[1]).unwrap();
        let start = async |name: &str| {
            let mut plan = plan(folders[0].clone());
            (plan.store, plan.broker) = (url.clone(), broker.clone());
            plan.settings.node = name.into();
            Node::start(plan).await.unwrap()
        };
        let (one, other) = (start("one").await, start("other").await);
        assert_eq!(one.deps.store.agree("first node", GHOST).await.unwrap(), GHOST);
        Pair { one, other, folders }
    }

    async fn count(&self, name: &str) -> u64 {
        let of: &'static Resource = self.one.deps.catalog().unwrap().named(name).unwrap().resource;
        self.one.deps.store.count(of, Scope::Platform, &Filter::default()).await.unwrap()
    }

    fn file(&self, at: usize) -> String {
        std::fs::read_to_string(self.folders[at].join("first-access.txt")).unwrap()
    }

    async fn stop(self) {
        self.other.stop(Duration::from_secs(5)).await;
        self.one.stop(Duration::from_secs(5)).await;
        for folder in self.folders {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

fn access(welcome: &Welcome) -> (&str, &str, &str) {
    (&welcome.password, &welcome.accesskey, &welcome.webhook_secret)
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_both_go_on_for_a_dead_one_make_one_access() {
    let Some(database) = MariaDb::start().await else { return };
    let pair = Pair::start(&database).await;
    let shown = join!(
        first::welcome(&pair.one.deps, &pair.folders[0]),
        first::welcome(&pair.other.deps, &pair.folders[1])
    );
    let shown: Vec<_> = [shown.0.unwrap(), shown.1.unwrap()].into_iter().flatten().collect();
    assert!(!shown.is_empty());
    assert!(shown.iter().all(|one| access(one) == access(&shown[0])), "all are the same");
    for (name, count) in [("customer", 1), ("accesskey", 1), ("agent", 1)] {
        assert_eq!(pair.count(name).await, count, "{name}");
    }
    for (at, node) in [&pair.one, &pair.other].into_iter().enumerate() {
        assert!(first::welcome(&node.deps, &pair.folders[at]).await.unwrap().is_none(), "once");
    }
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_that_was_made_and_not_shown_is_shown_by_the_next() {
    let Some(database) = MariaDb::start().await else { return };
    let pair = Pair::start(&database).await;
    let store = &pair.one.deps.store;
    let seed = format!("{}.a-key-that-nobody-can-guess", uuid::Uuid::now_v7());
    let sealed = pair.one.deps.vault.seal(&seed).unwrap();
    assert_eq!(store.agree("first access", &sealed).await.unwrap(), sealed);
    let made = first::welcome(&pair.one.deps, &pair.folders[0]).await.unwrap().unwrap();
    assert!(pair.file(0).contains(&made.accesskey) && pair.file(0).contains(&made.password));
    assert_eq!(store.agree("first access", "").await.unwrap(), "shown", "no secret is left in the store");
    // as if it had died just before it said so
    store.decide("first access", &sealed).await.unwrap();
    let again = first::welcome(&pair.other.deps, &pair.folders[1]).await.unwrap().unwrap();
    assert_eq!((access(&again), pair.file(1)), (access(&made), pair.file(0)));
    assert_eq!((pair.count("accesskey").await, pair.count("agent").await), (1, 1));
    pair.stop().await;
}
