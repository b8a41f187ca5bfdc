//! What operators type, and the program that they type it for.

use std::process::{Output, Stdio};

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;
use tokio::time::Instant;

use super::soon;
use crate::platform::PATIENCE;
use crate::process::{Folder, Ports, Running, program};

/// A node that runs, and what is asked of it.
struct Terminal {
    folder: Folder,
    ports: Ports,
    node: Running,
}

impl Terminal {
    async fn open() -> Terminal {
        let (folder, ports) = (Folder::new(), Ports::free());
        let child = program(&folder, &ports, &["--log", "warn"]).spawn().unwrap();
        let node = Running::of(child, &folder, &ports).await;
        Terminal { folder, ports, node }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_branchline"));
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.args(args).args(["--grpc", &self.ports.grpc.to_string()]);
        command.arg("--data").arg(self.folder.data()).stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    async fn output(&self, args: &[&str]) -> Output {
        soon(self.command(args).output()).await.unwrap()
    }

    /// What a command that must succeed prints.
    async fn says(&self, args: &[&str]) -> String {
        let output = self.output(args).await;
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{args:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
        said
    }

    /// The last events, once there are so many: they are noted a moment after they became true.
    async fn events(&self, count: usize) -> String {
        let limit = Instant::now() + PATIENCE;
        loop {
            let events = self.says(&["events", "--json", "--last", &count.to_string()]).await;
            if events.lines().count() == count {
                return events;
            }
            assert!(Instant::now() < limit, "{events}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_and_acts_from_the_terminal() {
    let at = Terminal::open().await;
    let tree: Value = serde_json::from_str(&at.says(&["tree", "--json"]).await).unwrap();
    assert_eq!((&tree[0]["node"], &tree[0]["state"]), (&"it".into(), &"running".into()));
    let sheet = at.says(&["tree"]).await;
    assert!(sheet.contains("\nit ") && sheet.contains("└─ pool"), "{sheet}");
    let events = at.events(3).await;
    assert!(events.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{events}");
    assert_eq!(at.says(&["calls"]).await, "no live calls\n");
    assert_eq!(at.says(&["replay"]).await, "no dead events\n");
    assert_eq!(at.says(&["replay", "--all"]).await, "0 published again\n");
    let killed = at.says(&["kill", "tag-manager/pool"]).await;
    assert_eq!(killed, "tag-manager/pool killed: no user notices: nothing waits there\n");
    let done: Value =
        serde_json::from_str(&at.says(&["restart", "call-manager", "--on", "it", "--json"]).await).unwrap();
    assert_eq!(done["requests_failed"], 0, "{done}");
    for wrong in [
        ["kill", "nothing/here"],
        ["lift", "call-manager/pool"],
        ["drain", "nobody"],
        ["replay", "nothing"],
        ["log", "loud=very"],
    ] {
        let output = at.output(&wrong).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.starts_with("error: "), "{wrong:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{wrong:?}: {said}");
    }
    at.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_dropped_and_delayed_on_the_node_that_is_named() {
    let at = Terminal::open().await;
    let dropped = at.says(&["drop", "tag-manager/pool", "--count", "5", "--for", "1", "--json"]).await;
    let reports: Vec<Value> = dropped.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ends: Vec<_> = reports.iter().map(|report| report["has_ended"].as_bool().unwrap()).collect();
    assert_eq!(
        (ends, &reports[1]["dropped"]),
        (vec![false, true], &0.into()),
        "it waits for the end: {dropped}"
    );
    let late = at.says(&["delay", "tag-manager/pool", "--ms", "5", "--for", "1", "--on", "it"]).await;
    assert!(late.ends_with("tag-manager/pool: no user noticed: no message came\n"), "{late}");
    // its own name, also where the environment says it, is not whom an act is for
    let meant = at.output(&["kill", "tag-manager/pool", "--node", "elsewhere"]).await;
    let said = String::from_utf8_lossy(&meant.stderr).into_owned();
    assert!(meant.status.code() == Some(2) && said.contains("say --on NODE"), "{said}");
    let mut named = at.command(&["restart", "tag-manager/pool"]);
    assert!(soon(named.env("BRANCHLINE_NODE", "elsewhere").output()).await.unwrap().status.success());
    at.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_logs_is_changed_while_it_runs() {
    let at = Terminal::open().await;
    assert_eq!(at.says(&["log"]).await, "warn\n");
    assert!(!crate::process::output(&at.folder).contains("\"level\":\"debug\""));
    // every connection of an operator is one of h2's
    assert_eq!(at.says(&["log", "info,h2=debug"]).await, "info,h2=debug\n");
    assert_eq!(at.says(&["log"]).await, "info,h2=debug\n");
    at.node.stop().await;
    let said = crate::process::output(&at.folder);
    assert!(said.contains("log changed by an operator"), "{said}");
    assert!(said.contains("\"level\":\"debug\""), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drained_node_ends_as_if_it_had_been_told_by_a_signal() {
    let at = Terminal::open().await;
    assert_eq!(at.says(&["drain", "it"]).await, "it has begun to stop\n");
    assert_eq!(at.node.ended().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn top_fills_the_terminal_and_gives_it_back() {
    let at = Terminal::open().await;
    // a terminal of its own, of the usual size
    let top = at.command(&["top"]);
    let words = std::iter::once(top.as_std().get_program()).chain(top.as_std().get_args());
    let line = words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ");
    let mut child = Command::new("script")
        .args(["-qec", &format!("stty rows 24 cols 80; {line}"), "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let (mut keys, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut seen = Vec::new();
    let reading = async {
        while !String::from_utf8_lossy(&seen).contains("call-manager") {
            assert!(screen.read_buf(&mut seen).await.unwrap() > 0, "{}", String::from_utf8_lossy(&seen));
        }
    };
    soon(reading).await;
    keys.write_all(b"q").await.unwrap();
    soon(screen.read_to_end(&mut seen)).await.unwrap();
    assert!(soon(child.wait()).await.unwrap().success());
    let seen = String::from_utf8_lossy(&seen);
    assert!(seen.contains("\x1b[?1049h") && seen.ends_with("\x1b[?25h\x1b[?1049l"), "{seen:?}");
    at.node.stop().await;
}
