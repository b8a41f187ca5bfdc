//! Dashboards and alerts: what they show exists, what they say is understood, and what they mean is written down.
//!
//! `promtool` is Prometheus' own judge of it. Where it is missing, tests that need it say so and do nothing; a
//! pipeline (`CI=true`) must have it.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use protocol::ports::voice::{CAUSE_NORMAL, LegEvent};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::api::LOOK;
use crate::calls::{all_over, ended, hears, phone, realm, rings, sees};
use crate::pair::Pair;
use crate::platform::{PATIENCE, Platform};

fn chart() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../charts/branchline")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(chart().join(path)).unwrap()
}

/// Every dashboard by its file's name.
fn dashboards() -> Vec<(String, Value)> {
    let files = std::fs::read_dir(chart().join("dashboards")).unwrap();
    let mut all: Vec<_> = files
        .map(|file| file.unwrap().path())
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            (path.file_stem().unwrap().to_string_lossy().into_owned(), serde_json::from_str(&text).unwrap())
        })
        .collect();
    all.sort_by(|(one, _): &(String, Value), (other, _)| one.cmp(other));
    all
}

fn panels(dashboard: &Value) -> impl Iterator<Item = &Value> {
    dashboard["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row")
}

fn expressions(dashboard: &Value) -> Vec<String> {
    let targets = panels(dashboard).flat_map(|panel| panel["targets"].as_array().unwrap());
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

/// The queries behind the variables.
fn queries(dashboard: &Value) -> Vec<String> {
    let variables = dashboard["templating"]["list"].as_array().unwrap().iter();
    variables.filter_map(|variable| Some(variable["query"]["query"].as_str()?.to_owned())).collect()
}

/// Name and expression of every alert. The file is written so that this is easy.
fn alerts() -> Vec<(String, String)> {
    let text = read("alerts.yaml");
    let mut lines = text.lines();
    let mut found = Vec::new();
    while let Some(line) = lines.next() {
        if let Some(name) = line.trim().strip_prefix("- alert: ") {
            assert_eq!(lines.next().unwrap().trim(), "expr: >-");
            found.push((name.to_owned(), lines.next().unwrap().trim().to_owned()));
        }
    }
    found
}

/// The names of figures in an expression: words with an underscore that are neither called nor in brackets.
fn names(expression: &str) -> BTreeSet<String> {
    let (mut found, mut word, mut depth, mut quoted) = (BTreeSet::new(), String::new(), 0, false);
    for letter in expression.chars().chain([' ']) {
        if letter == '_' || letter.is_ascii_alphanumeric() {
            word.push(letter);
            continue;
        }
        let done = std::mem::take(&mut word);
        if done.contains('_') && letter != '(' && depth == 0 && !quoted {
            found.insert(done);
        }
        match letter {
            '"' => quoted = !quoted,
            '{' | '[' if !quoted => depth += 1,
            '}' | ']' if !quoted => depth -= 1,
            _ => {}
        }
    }
    found
}

/// Everything that is shown or watched, and where.
fn used() -> Vec<(String, String)> {
    let shown = dashboards().into_iter().flat_map(|(file, dashboard)| {
        let all = expressions(&dashboard).into_iter().chain(queries(&dashboard));
        all.map(move |expression| (file.clone(), expression)).collect::<Vec<_>>()
    });
    let all = shown.chain(alerts());
    all.flat_map(|(place, text)| names(&text).into_iter().map(move |name| (place.clone(), name))).collect()
}

async fn metrics(platform: &Platform) -> String {
    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new());
    let client: hyper_util::client::legacy::Client<_, http_body_util::Full<bytes::Bytes>> =
        client.build_http();
    let uri = format!("http://{}/metrics", platform.http).parse().unwrap();
    let answer = client.get(uri).await.unwrap();
    let body = http_body_util::BodyExt::collect(answer.into_body()).await.unwrap();
    String::from_utf8(body.to_bytes().to_vec()).unwrap()
}

/// A call that is answered, heard and ended.
async fn talk(platform: &Platform) {
    let ((alice, _), (bob, _)) = (phone(platform, "100").await, phone(platform, "200").await);
    let leg = alice.call(&format!("sip:200@{}", realm(platform))).await.unwrap();
    let far = rings(&bob).await;
    bob.ring(far).await.unwrap();
    sees(&alice, leg, LegEvent::Ringing).await;
    bob.answer(far).await.unwrap();
    sees(&alice, leg, LegEvent::Answered).await;
    alice.tone(leg, 440).await.unwrap();
    hears(&bob, far, 440).await;
    bob.hangup(far, CAUSE_NORMAL).await.unwrap();
    ended(&alice, leg).await;
    all_over(platform, 2).await;
}

/// What the node exports, once all that is used is there: some of it is looked up every few seconds.
async fn shown(platform: &Platform) -> String {
    let limit = Instant::now() + PATIENCE;
    loop {
        let text = metrics(platform).await;
        let exported: BTreeSet<_> = text.lines().filter_map(|line| line.split(['{', ' ']).next()).collect();
        let missing: Vec<_> =
            used().into_iter().filter(|(_, name)| !exported.contains(name.as_str())).collect();
        if missing.is_empty() {
            return text;
        }
        assert!(Instant::now() < limit, "shown and not exported: {missing:?}\n{text}");
        sleep(LOOK).await;
    }
}

/// Two nodes, because what one asks of another is shown, too.
#[tokio::test(flavor = "multi_thread")]
async fn every_figure_on_a_dashboard_is_one_that_a_node_exports() {
    let pair = Pair::start().await;
    let tag = pair.near.made("tags", json!({"name": "vip"})).await;
    assert_eq!(pair.near.delete(&format!("tags/{tag}")).await.0, 200);
    talk(&pair.near).await;
    let text = shown(&pair.near).await;
    let unexplained: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .filter(|name| !name.starts_with("test_") && !text.contains(&format!("# HELP {name} ")))
        .collect();
    assert!(unexplained.is_empty(), "without a word of what they are: {unexplained:?}");
    let ids: Vec<_> = text.lines().filter(|line| has_id(line)).collect();
    assert!(ids.is_empty(), "ids as labels: {ids:?}");
    if let Some(promtool) = promtool() {
        judged(promtool, &["check", "metrics"], &text);
    }
    pair.stop().await;
}

/// The sum of a figure over all its labels that the line must have.
fn sum(text: &str, name: &str, label: &str) -> f64 {
    let mine = |line: &&str| line.split(['{', ' ']).next() == Some(name) && line.contains(label);
    text.lines().filter(mine).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happened_on_two_nodes_is_in_their_figures() {
    let pair = Pair::start().await;
    pair.near.made("tags", json!({"name": "vip"})).await;
    talk(&pair.near).await;
    let happened = [
        ("http_requests_total", "route=\"/v1.0/tags\""),
        ("http_request_duration_seconds_count", "method=\"POST\""),
        ("domain_requests_total", "domain=\"tag-manager\",status=\"200\""),
        ("domain_up", "domain=\"call-manager\""),
        ("domain_credits", "domain=\"call-manager\""),
        ("bus_asks_total", "domain=\"tag-manager\",status=\"200\""),
        ("bus_served_total", "domain=\"tag-manager\""),
        ("bus_published_total", "result=\"confirmed\""),
        ("follower_lag_seconds_count", ""),
        ("calls_attempted_total", "direction=\"outgoing\""),
        ("calls_answered_total", "direction=\"incoming\""),
        ("calls_ended_total", "reason=\"normal\""),
        ("call_post_dial_seconds_count", ""),
        ("call_duration_seconds_count", ""),
        ("rtp_packets_received_total", ""),
        ("rtp_packets_sent_total", ""),
        ("store_commits_total", "result=\"stored\""),
        ("store_read_duration_seconds_count", ""),
        ("store_connections_max", ""),
        ("dependency_up", "dependency=\"store\""),
    ];
    let text = shown(&pair.near).await;
    let nothing: Vec<_> = happened.iter().filter(|(name, label)| sum(&text, name, label) < 1.0).collect();
    assert!(nothing.is_empty(), "{nothing:?}\n{text}");
    pair.stop().await;
}

fn has_id(line: &str) -> bool {
    line.split('"').any(|word| word.parse::<uuid::Uuid>().is_ok())
}

fn promtool() -> Option<Command> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let program =
        std::env::split_paths(&paths).map(|folder| folder.join("promtool")).find(|path| path.is_file());
    assert!(program.is_some() || std::env::var("CI").as_deref() != Ok("true"), "promtool is not installed");
    if program.is_none() {
        eprintln!("promtool is not installed: nothing is tested here");
    }
    program.map(Command::new)
}

fn judged(mut promtool: Command, arguments: &[&str], input: &str) {
    promtool.args(arguments).current_dir(chart());
    let mut child =
        promtool.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "promtool {arguments:?}: {}", String::from_utf8_lossy(&said));
}

#[test]
fn prometheus_takes_the_rules_and_they_do_what_they_shall() {
    for arguments in [&["check", "rules", "alerts.yaml"][..], &["test", "rules", "alerts.test.yaml"]] {
        if let Some(promtool) = promtool() {
            judged(promtool, arguments, "");
        }
    }
}

/// As recording rules, with the variables as Grafana would put them in.
#[test]
fn prometheus_understands_every_expression_of_the_dashboards() {
    let Some(promtool) = promtool() else { return };
    let all = dashboards().into_iter().flat_map(|(_, dashboard)| expressions(&dashboard));
    let rules: Vec<_> = all
        .enumerate()
        .map(|(at, text)| {
            let text = text.replace("$__rate_interval", "5m").replace("$node", ".*").replace("$domain", ".*");
            json!({"record": format!("shown:{at}"), "expr": text})
        })
        .collect();
    assert!(rules.len() > 50);
    let file = std::env::temp_dir().join(format!("branchline-shown-{}.yaml", uuid::Uuid::now_v7()));
    let groups = json!({"groups": [{"name": "shown", "rules": rules}]});
    std::fs::write(&file, groups.to_string()).unwrap();
    judged(promtool, &["check", "rules", file.to_str().unwrap()], "");
    std::fs::remove_file(file).unwrap();
}

#[test]
fn every_alert_is_tried_and_explained() {
    let docs = std::fs::read_to_string(chart().join("../../docs/operations.md")).unwrap();
    let (rules, tests, alerts) = (read("alerts.yaml"), read("alerts.test.yaml"), alerts());
    assert_eq!(alerts.len(), rules.matches("severity: ").count());
    assert_eq!(alerts.len(), rules.matches("        for: ").count());
    for (name, _) in alerts {
        assert!(tests.contains(&format!("\"{name}\"")), "{name} is not tried in alerts.test.yaml");
        assert!(
            docs.contains(&format!("\n### {name}\n")),
            "docs/operations.md does not say what {name} means"
        );
        let runbook = format!("runbook: docs/operations.md#{}\n", name.to_lowercase());
        assert!(rules.contains(&runbook), "{name} names no place in docs/operations.md");
    }
}

#[test]
fn every_dashboard_can_be_pointed_at_any_prometheus_and_any_node() {
    let mut uids = BTreeSet::new();
    for (file, dashboard) in dashboards() {
        assert!(uids.insert(dashboard["uid"].as_str().unwrap().to_owned()), "{file}: its uid is taken");
        let variables = dashboard["templating"]["list"].as_array().unwrap();
        let named = |name: &str| variables.iter().any(|variable| variable["name"] == name);
        assert!(named("datasource") && named("node"), "{file}");
        let mut ids = BTreeSet::new();
        for panel in dashboard["panels"].as_array().unwrap() {
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{file}: {}", panel["title"]);
        }
        for panel in panels(&dashboard) {
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{file}: {}", panel["title"]);
            assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{file}: {}", panel["title"]);
        }
        let unknown =
            expressions(&dashboard).into_iter().find(|text| text.contains("$domain") && !named("domain"));
        assert_eq!(unknown, None, "{file}");
    }
}

#[test]
fn names_are_found_in_expressions() {
    let found = |text: &str| names(text).into_iter().collect::<Vec<_>>();
    assert_eq!(found("sum by (le) (rate(a_b_bucket{c_d=\"e_f\"}[$__rate_interval]))"), ["a_b_bucket"]);
    assert_eq!(found("histogram_quantile(0.9, x_y) / z_total > 1"), ["x_y", "z_total"]);
    assert_eq!(found("label_values(node_info, instance)"), ["node_info"]);
}
