//! `branchline top`: nodes, domains and live calls on the whole screen.

use proto::admin::v1::{
    ActorKind, Call, DomainPace, ListCallsRequest, Node, TreeNode, WatchClusterRequest, WatchClusterResponse,
};
use protocol::{Result, time};

use super::calls::party;
use super::client::{Operator, connect, refused};
use super::screen::{Screen, keys};
use super::table::plain;
use super::tree::{age, state};
use crate::stop::Stop;

const QUIT: [u8; 2] = [b'q', CONTROL_C];
/// In raw mode the terminal sends no signal for it.
const CONTROL_C: u8 = 3;
/// The least that is kept for calls below the domains: their head and two of them.
const CALLS: usize = 4;

/// Shows the installation until `q`, ctrl-c or a signal.
///
/// # Errors
/// The node cannot be reached or refuses, it stops, or this is no terminal.
pub async fn top(operator: &Operator) -> Result<()> {
    let mut client = connect(operator).await?;
    let mut nodes = client.watch_cluster(WatchClusterRequest {}).await.map_err(refused)?.into_inner();
    let mut stop = Stop::listen()?;
    let screen = Screen::enter()?;
    let mut keys = keys();
    loop {
        let message = tokio::select! {
            message = nodes.message() => message.map_err(refused)?,
            key = keys.recv() => match key {
                Some(key) if !QUIT.contains(&key) => continue,
                _ => return Ok(()),
            },
            () = stop.told() => return Ok(()),
        };
        let Some(now) = message else { return Ok(()) };
        let calls = client.list_calls(ListCallsRequest::default()).await.map_err(refused)?.into_inner();
        let now = Now { nodes: now, calls: calls.calls, clock: time::stamp(chrono::Utc::now()) };
        screen.show(&now.lines(Screen::size()));
    }
}

/// What is shown.
struct Now {
    nodes: WatchClusterResponse,
    calls: Vec<Call>,
    clock: String,
}

impl Now {
    /// Exactly as many lines as fit, none longer than the screen is wide.
    fn lines(&self, (columns, rows): (usize, usize)) -> Vec<String> {
        let many = self.nodes.nodes.len() > 1;
        let mut lines = vec![self.title()];
        let room = rows.saturating_sub(lines.len() + CALLS + 3);
        lines.extend(limited(self.nodes.nodes.iter().map(node), room.div_ceil(3)));
        lines.push(String::new());
        lines.push(domain_head(many));
        let left = rows.saturating_sub(lines.len() + CALLS + 1);
        lines.extend(limited(self.domains(many).into_iter(), left));
        lines.push(String::new());
        lines.push(format!("{:<16} {:<16} {:<12} {:<16} {:>8}", "FROM", "TO", "STATUS", "FLOW STEP", "AGE"));
        let left = rows.saturating_sub(lines.len());
        lines.extend(limited(self.calls.iter().map(|one| call(one, &self.clock)), left));
        lines.truncate(rows);
        lines.iter().map(|line| cut(line, columns)).collect()
    }

    fn title(&self) -> String {
        let clock = self.clock.get(11..19).unwrap_or_default();
        let (nodes, calls) = (self.nodes.nodes.len(), self.calls.len());
        let rate: f64 =
            self.nodes.nodes.iter().flat_map(|node| &node.domains).map(|pace| pace.per_second).sum();
        format!(
            "branchline {clock}  {nodes} nodes  {calls} calls  {rate:.1} req/s  seen from {}  q: quit",
            self.nodes.asked
        )
    }

    /// The busiest first, and those in trouble before them.
    fn domains(&self, many: bool) -> Vec<String> {
        let mut all: Vec<(&Node, &TreeNode, DomainPace)> = Vec::new();
        for node in &self.nodes.nodes {
            let places = node.tree.iter().flat_map(|tree| &tree.children);
            for place in places.filter(|place| place.kind() == ActorKind::Supervisor) {
                let pace = node.domains.iter().find(|pace| pace.domain == place.name);
                all.push((node, place, pace.cloned().unwrap_or_default()));
            }
        }
        let trouble =
            |place: &TreeNode| (place.state() != proto::admin::v1::ActorState::Running, waiting(place));
        all.sort_by(|(_, a, x), (_, b, y)| {
            trouble(b).cmp(&trouble(a)).then(y.per_second.total_cmp(&x.per_second)).then(a.name.cmp(&b.name))
        });
        all.into_iter().map(|(node, place, pace)| domain(node, place, (&pace, many))).collect()
    }
}

/// At most so many, the last one saying how many are left out.
fn limited(lines: impl Iterator<Item = String>, most: usize) -> Vec<String> {
    let mut all: Vec<String> = lines.collect();
    if all.len() > most && most > 0 {
        let left = all.len() - (most - 1);
        all.truncate(most - 1);
        all.push(format!("... and {left} more"));
    }
    all.truncate(most);
    all
}

fn node(node: &Node) -> String {
    let up = node.tree.as_ref().map(|tree| age(tree.age_ms / 1000)).unwrap_or_default();
    let live: u64 = node.tree.iter().map(alive).sum();
    let rate: f64 = node.domains.iter().map(|pace| pace.per_second).sum();
    let Node { name, state, error, .. } = node;
    match error.as_str() {
        "" => format!("{name:<20} {state:<10} up {up:<8} {live:>5} live  {rate:>7.1} req/s"),
        error => format!("{name:<20} {state:<10} {error}"),
    }
}

/// How many live things are below.
fn alive(place: &TreeNode) -> u64 {
    let own = if place.kind() == ActorKind::Live { place.depth } else { 0 };
    own + place.children.iter().map(alive).sum::<u64>()
}

/// What is accepted below and not done; things that live do not wait.
fn waiting(place: &TreeNode) -> u64 {
    let own = if place.kind() == ActorKind::Live { 0 } else { place.depth };
    own + place.children.iter().map(waiting).sum::<u64>()
}

fn restarts(place: &TreeNode) -> u64 {
    place.restarts + place.children.iter().map(restarts).sum::<u64>()
}

fn domain_head(many: bool) -> String {
    let node = if many { format!("{:<10} ", "NODE") } else { String::new() };
    format!(
        "{:<20} {node}{:<8} {:>5} {:>5} {:>7} {:>7} {:>6} {:>6}",
        "DOMAIN", "STATE", "WAIT", "RST", "REQ/S", "FAIL/S", "P50MS", "P99MS"
    )
}

fn domain(node: &Node, place: &TreeNode, (pace, many): (&DomainPace, bool)) -> String {
    let on = if many { format!("{:<10} ", cut(&node.name, 10)) } else { String::new() };
    format!(
        "{:<20} {on}{:<8} {:>5} {:>5} {:>7.1} {:>7.1} {:>6} {:>6}",
        cut(&place.name, 20),
        state(place.state()),
        waiting(place),
        restarts(place),
        pace.per_second,
        pace.failed_per_second,
        pace.p50_ms,
        pace.p99_ms
    )
}

fn call(call: &Call, clock: &str) -> String {
    let since =
        time::parse(&call.since).zip(time::parse(clock)).map(|(since, now)| (now - since).num_seconds());
    let age = since.and_then(|seconds| u64::try_from(seconds).ok()).map(age).unwrap_or_default();
    let (from, to) = (party(call.source.as_ref()), party(call.destination.as_ref()));
    let step = if call.action_type.is_empty() { "-" } else { &call.action_type };
    let (from, to, status, step) = (cut(&from, 16), cut(&to, 16), cut(&call.status, 12), cut(step, 16));
    format!("{from:<16} {to:<16} {status:<12} {step:<16} {age:>8}")
}

/// As much of it as fits, and nothing that a terminal would obey.
fn cut(text: &str, width: usize) -> String {
    plain(text).chars().take(width).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(name: &str, kind: ActorKind, children: Vec<TreeNode>) -> TreeNode {
        let state = proto::admin::v1::ActorState::Running.into();
        TreeNode { name: name.into(), kind: kind.into(), state, children, ..TreeNode::default() }
    }

    fn now(domains: usize, calls: usize) -> Now {
        let domain = |at: usize| {
            let pool = TreeNode { depth: at as u64, ..place("pool", ActorKind::Pool, Vec::new()) };
            place(&format!("domain-{at}"), ActorKind::Supervisor, vec![pool])
        };
        let tree = place("node", ActorKind::Supervisor, (0..domains).map(domain).collect());
        let well = Node { name: "a".into(), state: "running".into(), tree: Some(tree), ..Node::default() };
        let silent = Node {
            name: "b".into(),
            state: "no answer".into(),
            error: "it took \u{1b}[2J too long".into(),
            ..Node::default()
        };
        let call = Call {
            status: "progressing".into(),
            action_type: "talk".into(),
            since: "2026-01-02T03:04:00Z".into(),
            ..Call::default()
        };
        let nodes = WatchClusterResponse { nodes: vec![well, silent], asked: "a".into() };
        Now { nodes, calls: vec![call; calls], clock: "2026-01-02T03:04:05.000000Z".into() }
    }

    #[test]
    fn any_screen_is_filled_and_never_overflown() {
        for (columns, rows) in [(80, 24), (40, 10), (200, 60), (1, 1)] {
            let lines = now(14, 100).lines((columns, rows));
            assert!(lines.len() <= rows, "{rows}: {lines:?}");
            assert!(lines.iter().all(|line| line.chars().count() <= columns), "{lines:?}");
        }
    }

    #[test]
    fn a_usual_terminal_shows_nodes_domains_and_calls() {
        let text = now(14, 3).lines((80, 24)).join("\n");
        for wanted in ["2 nodes", "b                    no answer", "domain-13", "progressing", "talk", "5s"]
        {
            assert!(text.contains(wanted), "{wanted}: {text}");
        }
        assert!(!text.contains('\u{1b}'), "{text}");
        assert!(text.find("domain-13") < text.find("domain-12"), "what waits comes first");
    }
}
