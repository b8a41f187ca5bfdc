//! `branchline tree`: every actor of every node, one line each.

use proto::admin::v1::{ActorKind, ActorState, Node, ReadClusterRequest, ReadTreeRequest, TreeNode};
use protocol::Result;
use serde_json::{Value, json};

use super::client::{Operator, connect, refused};
use super::table::{plain, print, table};

const HEAD: [&str; 7] = ["NAME", "KIND", "STATE", "AGE", "DEPTH", "RESTARTS", "LAST ERROR"];

/// Prints the tree of every node, or of the one that is named.
///
/// # Errors
/// The node cannot be reached or refuses the token, or the named one does not answer.
pub async fn tree(operator: &Operator, only: Option<String>, is_json: bool) -> Result<()> {
    let mut client = connect(operator).await?;
    let nodes = match only {
        Some(name) => vec![Node { name, ..Node::default() }],
        None => client.read_cluster(ReadClusterRequest {}).await.map_err(refused)?.into_inner().nodes,
    };
    let mut all = Vec::new();
    for mut node in nodes {
        if node.error.is_empty() {
            let asked = ReadTreeRequest { node: node.name.clone(), ..ReadTreeRequest::default() };
            node.tree = client.read_tree(asked).await.map_err(refused)?.into_inner().root;
        }
        all.push(node);
    }
    let text = if is_json {
        format!("{}\n", Value::from_iter(all.iter().map(machine)))
    } else {
        all.iter().map(shown).collect::<Vec<_>>().join("\n")
    };
    print(&text).map(drop)
}

/// The name of the node stands where its root's would: all roots have the same.
fn shown(node: &Node) -> String {
    match &node.tree {
        Some(root) => table(&sheet(&TreeNode { name: node.name.clone(), ..root.clone() })),
        None => format!("{}  {}: {}\n", plain(&node.name), plain(&node.state), plain(&node.error)),
    }
}

fn machine(node: &Node) -> Value {
    let state = if node.state.is_empty() { "running" } else { &node.state };
    json!({"node": node.name, "state": state, "error": node.error, "tree": node.tree.as_ref().map(branch)})
}

fn branch(node: &TreeNode) -> Value {
    json!({
        "name": node.name,
        "kind": kind(node.kind()),
        "state": state(node.state()),
        "age_ms": node.age_ms,
        "depth": node.depth,
        "restarts": node.restarts,
        "last_error": node.last_error,
        "fault": node.fault,
        "children": node.children.iter().map(branch).collect::<Vec<_>>(),
    })
}

fn sheet(root: &TreeNode) -> Vec<[String; 7]> {
    let mut rows = vec![HEAD.map(str::to_owned), row("", root)];
    below(root, "", &mut rows);
    rows
}

/// Adds the children of `node`, each behind the lines that lead to it.
fn below(node: &TreeNode, lines: &str, rows: &mut Vec<[String; 7]>) {
    for (at, child) in node.children.iter().enumerate() {
        let is_last = at + 1 == node.children.len();
        let (corner, under) = if is_last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        rows.push(row(&format!("{lines}{corner}"), child));
        below(child, &format!("{lines}{under}"), rows);
    }
}

fn row(lines: &str, node: &TreeNode) -> [String; 7] {
    [
        format!("{lines}{}", node.name),
        kind(node.kind()).to_owned(),
        state(node.state()).to_owned(),
        age(node.age_ms / 1000),
        node.depth.to_string(),
        node.restarts.to_string(),
        [&*node.fault, &*node.last_error]
            .into_iter()
            .filter(|text| !text.is_empty())
            .collect::<Vec<_>>()
            .join("; "),
    ]
}

const fn kind(kind: ActorKind) -> &'static str {
    match kind {
        ActorKind::Unspecified => "?",
        ActorKind::Supervisor => "supervisor",
        ActorKind::Pool => "pool",
        ActorKind::Live => "live",
        ActorKind::Task => "task",
        ActorKind::Actor => "actor",
    }
}

pub(super) const fn state(state: ActorState) -> &'static str {
    match state {
        ActorState::Unspecified => "?",
        ActorState::Starting => "starting",
        ActorState::Running => "running",
        ActorState::Stopping => "stopping",
        ActorState::Stopped => "stopped",
        ActorState::Down => "down",
    }
}

/// The two largest units: enough to see what was restarted lately.
pub(super) fn age(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m{:02}s", seconds % 60),
        (0, _, _) => format!("{hours}h{:02}m", minutes % 60),
        (_, _, _) => format!("{days}d{:02}h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_two_units() {
        for (seconds, shown) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m00s"),
            (3_599, "59m59s"),
            (3_600, "1h00m"),
            (90_000, "1d01h"),
            (8_640_000, "100d00h"),
        ] {
            assert_eq!(age(seconds), shown);
        }
    }

    #[test]
    fn a_tree_is_drawn_with_lines() {
        let leaf = |name: &str, kind: ActorKind| TreeNode {
            name: name.to_owned(),
            kind: kind.into(),
            state: ActorState::Running.into(),
            ..TreeNode::default()
        };
        let pool =
            TreeNode { restarts: 12, last_error: "killed".to_owned(), ..leaf("pool", ActorKind::Pool) };
        let calls = TreeNode { children: vec![pool], ..leaf("calls", ActorKind::Supervisor) };
        let outbox = TreeNode { age_ms: 61_000, depth: 7, ..leaf("outbox", ActorKind::Task) };
        let root = TreeNode { children: vec![calls, outbox], ..leaf("node", ActorKind::Supervisor) };
        let expected = "\
NAME        KIND        STATE    AGE    DEPTH  RESTARTS  LAST ERROR
node        supervisor  running  0s         0         0
├─ calls    supervisor  running  0s         0         0
│  └─ pool  pool        running  0s         0        12  killed
└─ outbox   task        running  1m01s      7         0
";
        assert_eq!(table(&sheet(&root)), expected);
    }
}
