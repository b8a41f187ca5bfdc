//! The demo that stays, to play with.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Folder, Ports, Running, output, program};
use crate::platform::PATIENCE;

/// The demo, and a slow machine.
const PLAYED: Duration = PATIENCE.saturating_mul(3);

/// What stands behind `name` on a line of its own.
fn said(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| line.strip_prefix(name)).map(|rest| rest.trim().to_owned())
}

fn address(of: &str) -> SocketAddr {
    of.strip_prefix("http://").unwrap().split('/').next().unwrap().parse().unwrap()
}

fn file(of: &str) -> PathBuf {
    PathBuf::from(of.rsplit_once(" in ").unwrap().1)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demo_that_stays_says_where_everything_is_until_it_is_told_to_stop() {
    let folder = Folder::new();
    let child = program(&folder, &Ports::free(), &["demo", "--stay"]).spawn().unwrap();
    let limit = Instant::now() + PLAYED;
    while said(&output(&folder), "It all stays").is_none() {
        assert!(Instant::now() < limit, "{}", output(&folder));
        sleep(Duration::from_millis(50)).await;
    }
    let text = output(&folder);
    let [api, console] = ["API", "console"].map(|name| said(&text, name).unwrap());
    let [access, token] = [&api, &console].map(|line| file(line));
    assert!(access.is_file() && token.is_file(), "{text}");
    let ports = Ports { http: address(&api), ..Ports::free() };
    let running = Running::of(child, &folder, &ports).await;
    let page = running.client.get(format!("http://{}/console/", address(&console)).parse().unwrap()).await;
    assert_eq!(page.unwrap().status(), 200);
    running.stop().await;
    assert!(!access.parent().is_some_and(Path::exists), "its folder goes with it");
}
