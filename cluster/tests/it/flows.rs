//! Flows and activeflows through a whole node, without a call.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant, sleep};

use crate::platform::{HERE, PATIENCE, Platform, free_port};

/// A customer's server: answers every request with the same document and remembers what it was asked.
struct Server {
    at: SocketAddr,
    asked: Arc<Mutex<Vec<Value>>>,
    _tasks: JoinSet<()>,
}

impl Server {
    async fn start(answer: Value) -> Server {
        let listener = TcpListener::bind((HERE, free_port())).await.expect("a free port");
        let (at, asked) = (listener.local_addr().expect("it is bound"), Arc::<Mutex<Vec<Value>>>::default());
        let seen = asked.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut served = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                served.spawn(serve(stream, answer.to_string(), seen.clone()));
            }
        });
        Server { at, asked, _tasks: tasks }
    }

    fn url(&self) -> String {
        format!("http://{}/", self.at)
    }

    async fn is_asked(&self, shall: impl Fn(&Value) -> bool) -> Value {
        let limit = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = self.asked.lock().expect("nothing panics").iter().find(|body| shall(body)) {
                return found.clone();
            }
            assert!(Instant::now() < limit, "never asked: {:?}", self.asked);
            sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn serve(stream: TcpStream, answer: String, seen: Arc<Mutex<Vec<Value>>>) {
    let service = service_fn(|request: hyper::Request<hyper::body::Incoming>| {
        let (answer, seen) = (answer.clone(), seen.clone());
        async move {
            let body = request.into_body().collect().await.expect("a whole body").to_bytes();
            seen.lock().expect("nothing panics").push(serde_json::from_slice(&body).unwrap_or_default());
            Ok::<_, Infallible>(hyper::Response::new(Full::new(Bytes::from(answer))))
        }
    });
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

fn ended(row: &Value) -> bool {
    row["status"] == "ended"
}

fn executed(row: &Value) -> Vec<&str> {
    row["executed_actions"].as_array().into_iter().flatten().filter_map(|a| a["type"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_flow_has_ids_and_a_name_and_bad_actions_are_refused_by_path() {
    let platform = Platform::start().await;
    let actions = json!([{"id": "again", "type": "variable_set", "option": {"key": "a", "value": "1"}},
                         {"type": "goto", "option": {"target_id": "again", "loop_count": 2}}]);
    let (_, flow) = platform.post("flows", json!({"name": "n", "detail": "d", "actions": actions})).await;
    assert_eq!(flow["actions"][1]["option"]["target_id"], flow["actions"][0]["id"]);
    assert!(flow["direct_hash"].as_str().unwrap().starts_with("direct."), "{flow}");
    let at = format!("flows/{}", flow["id"].as_str().unwrap());
    let (_, renamed) = platform.put(&at, json!({"name": "other"})).await;
    assert_eq!((&renamed["name"], &renamed["detail"]), (&json!("other"), &json!("d")));
    assert_eq!(renamed["actions"], flow["actions"]);
    let wrong =
        json!({"actions": [{"type": "play", "option": {"stream_urls": ["https://a/b"], "volume": 1}}]});
    for answer in [platform.put(&at, wrong.clone()).await, platform.post("flows", wrong).await] {
        assert_eq!(answer.0, 400);
        assert!(answer.1.to_string().contains("actions[0].option.volume"), "{}", answer.1);
    }
    let (_, regenerated) = platform.post(&format!("{at}/direct-hash-regenerate"), Value::Null).await;
    assert_ne!(regenerated["direct_hash"], flow["direct_hash"]);
    assert_eq!(platform.delete(&at).await.0, 200);
    assert_eq!(platform.get(&at).await.0, 404);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_activeflow_runs_at_once_fetches_what_comes_next_and_sends_what_it_learnt() {
    let platform = Platform::start().await;
    let hook = Server::start(json!({})).await;
    let data = r#"{"said": "${greeting} ${name}"}"#;
    let fetched = json!([{"type": "webhook_send", "option": {"uri": hook.url(), "data": data}}]);
    let server = Server::start(fetched).await;
    let id = uuid::Uuid::now_v7();
    let actions = json!([{"type": "variable_set", "option": {"key": "greeting", "value": "hello"}},
                         {"type": "talk", "option": {"text": "nobody listens"}},
                         {"type": "fetch", "option": {"event_url": server.url()}}]);
    let body = json!({"id": id, "actions": actions, "variables": {"name": "Ann", "voipbin.x": "no"}});
    let (status, row) = platform.post("activeflows", body.clone()).await;
    assert_eq!((status, &row["id"], &row["reference_type"]), (200, &json!(id), &json!("api")), "{row}");
    assert_eq!(server.is_asked(|_| true).await["activeflow_id"], json!(id));
    hook.is_asked(|body| body["said"] == "hello Ann").await;
    let row = platform.becomes(&format!("activeflows/{id}"), ended).await;
    assert_eq!(executed(&row), ["", "variable_set", "talk", "fetch", "webhook_send"]);
    assert_eq!(platform.post("activeflows", body).await.0, 409);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_that_ends_is_followed_by_the_one_it_names() {
    let platform = Platform::start().await;
    let hook = Server::start(json!({})).await;
    let send = json!([{"type": "webhook_send", "option": {"uri": hook.url(), "data": r#"{"got": "${a}"}"#}}]);
    let last = platform.made("flows", json!({"name": "last", "actions": send})).await;
    let set = json!([{"type": "variable_set", "option": {"key": "a", "value": "1"}}]);
    let first = json!({"name": "first", "actions": set, "on_complete_flow_id": last});
    let first = platform.made("flows", first).await;
    let id = platform.made("activeflows", json!({"flow_id": first})).await;
    hook.is_asked(|body| body["got"] == "1").await;
    let both = |page: &Value| {
        let rows = page["result"].as_array().expect("a list");
        rows.len() == 2 && rows.iter().all(ended)
    };
    let page = platform.becomes("activeflows", both).await;
    assert_eq!(page["result"][0]["reference_activeflow_id"], json!(id));
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_activeflow_is_stopped_once_and_deleted() {
    let platform = Platform::start().await;
    let id = platform.made("activeflows", json!({"actions": [{"type": "block"}]})).await;
    let at = format!("activeflows/{id}");
    let row = platform.becomes(&at, |row| row["current_action"]["type"] == "block").await;
    assert_eq!(row["status"], "running");
    for _ in 0..2 {
        let (status, row) = platform.post(&format!("{at}/stop"), Value::Null).await;
        assert_eq!((status, &row["status"]), (200, &json!("ended")));
    }
    let running = platform.made("activeflows", json!({"actions": [{"type": "block"}]})).await;
    for id in [&id, &running] {
        assert!(platform.delete(&format!("activeflows/{id}")).await.0 < 300);
        assert_eq!(platform.get(&format!("activeflows/{id}")).await.0, 404);
    }
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_flow_of_another_customer_does_not_exist() {
    let platform = Platform::start().await;
    let flow = platform.made("flows", json!({"name": "mine", "actions": []})).await;
    let (_, key) = platform.another_customer("other@example.com").await;
    let body = json!({"flow_id": flow});
    let (status, _) = platform.send_as(&key, "POST", "v1.0/activeflows", body).await;
    assert_eq!(status, 404);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_activeflow_outlives_its_node_with_its_variables() {
    let platform = Platform::start().await;
    let hook = Server::start(json!({})).await;
    let send = json!([{"type": "webhook_send", "option": {"uri": hook.url(), "data": r#"{"got": "${a}"}"#}}]);
    let last = platform.made("flows", json!({"name": "last", "actions": send})).await;
    let waits = json!([{"type": "variable_set", "option": {"key": "a", "value": "kept"}}, {"type": "block"}]);
    let first = json!({"name": "first", "actions": waits, "on_complete_flow_id": last});
    let first = platform.made("flows", first).await;
    let id = platform.made("activeflows", json!({"flow_id": first})).await;
    let at = format!("activeflows/{id}");
    platform.becomes(&at, |row| row["current_action"]["type"] == "block").await;
    let platform = platform.restart().await;
    // until it is rebuilt, it answers that it is being rebuilt
    let limit = Instant::now() + PATIENCE;
    while platform.post(&format!("{at}/stop"), Value::Null).await.0 != 200 {
        assert!(Instant::now() < limit, "never rebuilt");
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(platform.get(&at).await.1["status"], "ended");
    hook.is_asked(|body| body["got"] == "kept").await;
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn flows_and_activeflows_go_with_their_customer() {
    let platform = Platform::start().await;
    let (customer, key) = platform.another_customer("gone@example.com").await;
    let id: uuid::Uuid = customer.parse().expect("a customer");
    let flow = json!({"name": "x", "actions": [{"type": "block"}]});
    let (_, flow) = platform.send_as(&key, "POST", "v1.0/flows", flow).await;
    let body = json!({"flow_id": flow["id"]});
    let (status, run) = platform.send_as(&key, "POST", "v1.0/activeflows", body).await;
    assert_eq!(status, 200, "{run}");
    let operator = platform.operator().await;
    let (status, _) =
        platform.send_as(&operator, "DELETE", &format!("v1.0/customers/{id}"), Value::Null).await;
    assert_eq!(status, 200);
    let limit = Instant::now() + PATIENCE;
    while !platform.node.deps.store.journal("activeflow", None).await.expect("a journal").is_empty() {
        assert!(Instant::now() < limit, "it still runs");
        sleep(Duration::from_millis(20)).await;
    }
    platform.stop().await;
}
