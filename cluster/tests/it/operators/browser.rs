//! The console as a browser asks for it, and what the port tells without credentials.

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_SECURITY_POLICY, COOKIE, HOST, ORIGIN, SET_COOKIE};
use http::{Method, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

use super::{TOKEN, platform, soon};
use crate::platform::Platform;

const WRONG: &str = "an-admin-token-of-tesks";
const PROTO: &str = include_str!("../../../../proto/branchline/admin/v1/admin.proto");

struct Browser {
    at: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Browser {
    fn of(platform: &Platform) -> Browser {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Browser { at: platform.node.admin.local_addr().to_string(), client }
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        head: &[(&str, &str)],
        body: Value,
    ) -> Response<Incoming> {
        let mut request = http::Request::builder().method(method).uri(format!("http://{}{path}", self.at));
        request = request.header(HOST, &self.at);
        for (name, value) in head {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::from(body.to_string())).unwrap();
        soon(self.client.request(request)).await.unwrap()
    }

    fn own(&self) -> String {
        format!("http://{}", self.at)
    }

    /// The cookie of a session.
    async fn sign_in(&self) -> String {
        let origin = self.own();
        let path = "/console/api/session";
        let head = [(ORIGIN.as_str(), origin.as_str())];
        let answer = self.ask(Method::POST, path, &head, json!({"token": TOKEN})).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let cookie = answer.headers()[SET_COOKIE].to_str().unwrap();
        for wanted in ["HttpOnly", "SameSite=Strict", "Path=/console", "Max-Age="] {
            assert!(cookie.contains(wanted), "{cookie}");
        }
        cookie.split(';').next().unwrap().to_owned()
    }
}

async fn text(answer: Response<Incoming>) -> String {
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Every route that shows or changes something.
const ROUTES: [(Method, &str); 8] = [
    (Method::GET, "/console/api/live"),
    (Method::POST, "/console/api/act"),
    (Method::POST, "/console/api/hinder"),
    (Method::POST, "/console/api/hindered"),
    (Method::POST, "/console/api/lift"),
    (Method::POST, "/console/api/replay"),
    (Method::POST, "/console/api/log"),
    (Method::POST, "/console/api/drain"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_is_refused_on_every_route() {
    let platform = platform().await;
    let browser = Browser::of(&platform);
    let origin = browser.own();
    let wrong = format!("Bearer {WRONG}");
    let expired = "branchline_console=1000.AAAA";
    for (method, path) in ROUTES {
        for shown in [None, Some((AUTHORIZATION.as_str(), &*wrong)), Some((COOKIE.as_str(), expired))] {
            let head: Vec<_> = [(ORIGIN.as_str(), &*origin)].into_iter().chain(shown).collect();
            let answer = browser.ask(method.clone(), path, &head, json!({"node": "it"})).await;
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{path} {shown:?}");
        }
    }
    let head = [(ORIGIN.as_str(), &*origin)];
    let refused = browser.ask(Method::POST, "/console/api/session", &head, json!({"token": WRONG})).await;
    assert_eq!((refused.status(), refused.headers().get(SET_COOKIE)), (StatusCode::UNAUTHORIZED, None));

    let grpc = Client::builder(TokioExecutor::new()).http2_only(true).build_http::<Full<Bytes>>();
    let methods = PROTO.lines().filter_map(|line| line.strip_prefix("  rpc ")?.split('(').next());
    let methods: Vec<&str> = methods.collect();
    assert!(methods.len() >= 15, "{methods:?}");
    for method in methods {
        let request = http::Request::post(format!("{origin}/branchline.admin.v1.Admin/{method}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header(AUTHORIZATION, &wrong)
            .body(Full::from(vec![0; 5]))
            .unwrap();
        let answer = soon(grpc.request(request)).await.unwrap();
        assert_eq!(answer.headers()["grpc-status"], "16", "{method}");
    }
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_site_asks_for_is_refused_in_spite_of_the_cookie() {
    let platform = platform().await;
    let browser = Browser::of(&platform);
    let (cookie, own) = (browser.sign_in().await, browser.own());
    let session = (COOKIE.as_str(), cookie.as_str());
    let act = json!({"node": "", "path": "tag-manager/pool", "act": "kill", "rehearse": true});
    for origin in [None, Some("http://evil.example"), Some("null"), Some("http://127.0.0.1:1")] {
        let head: Vec<_> =
            origin.map(|origin| (ORIGIN.as_str(), origin)).into_iter().chain([session]).collect();
        for (path, body) in [("act", &act), ("drain", &json!({"node": "it"}))] {
            let answer =
                browser.ask(Method::POST, &format!("/console/api/{path}"), &head, body.clone()).await;
            assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{path} {origin:?}");
        }
        let sign_in = json!({"token": TOKEN});
        let answer = browser.ask(Method::POST, "/console/api/session", &head, sign_in).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "nobody is signed in from elsewhere: {origin:?}");
    }
    let head = [session, (ORIGIN.as_str(), &*own)];
    let answer = browser.ask(Method::POST, "/console/api/act", &head, act).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let would: Value = serde_json::from_str(&text(answer).await).unwrap();
    assert_eq!(would["found"], true, "{would}");
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_metrics_are_open_and_the_page_loads_nothing_from_elsewhere() {
    let platform = platform().await;
    let browser = Browser::of(&platform);
    for path in ["/health", "/health/live", "/health/ready", "/health/open", "/metrics"] {
        assert_eq!(browser.ask(Method::GET, path, &[], Value::Null).await.status(), StatusCode::OK, "{path}");
    }
    let page = browser.ask(Method::GET, "/console/", &[], Value::Null).await;
    let policy = page.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    let page = text(page).await;
    assert!(!page.contains("://") && !page.contains("<style") && !page.contains(" style="), "{page}");
    let quoted = page.split('"').filter(|part| part.ends_with(".js") || part.ends_with(".css"));
    for file in quoted {
        let answer = browser.ask(Method::GET, &format!("/console/{file}"), &[], Value::Null).await;
        assert_eq!(answer.status(), StatusCode::OK, "{file}");
    }
    let scripts = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/console");
    for script in std::fs::read_dir(scripts).unwrap() {
        let path = script.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "js") {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let answer = browser.ask(Method::GET, &format!("/console/{name}"), &[], Value::Null).await;
            let script = text(answer).await;
            assert_eq!(script, std::fs::read_to_string(&path).unwrap(), "{name} is served");
            assert!(!script.contains("innerHTML") && !script.contains("://"), "{name}");
        }
    }
    assert_eq!(browser.ask(Method::GET, "/nowhere", &[], Value::Null).await.status(), StatusCode::NOT_FOUND);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_drops_messages_and_is_told_what_that_did() {
    let platform = platform().await;
    let browser = Browser::of(&platform);
    let (cookie, own) = (browser.sign_in().await, browser.own());
    let head = [(COOKIE.as_str(), cookie.as_str()), (ORIGIN.as_str(), &*own)];
    let asked = async |what: &str, body: Value| {
        let answer = browser.ask(Method::POST, &format!("/console/api/{what}"), &head, body).await;
        let status = answer.status();
        (status, serde_json::from_str::<Value>(&text(answer).await).unwrap())
    };
    let at = json!({"node": "", "path": "tag-manager/pool"});
    assert_eq!(asked("hindered", at.clone()).await.0, StatusCode::NOT_FOUND);
    let mut drop = at.clone();
    (drop["fault"], drop["seconds"]) = (json!({"drop": {"count": 1}}), json!(60));
    let (status, begun) = asked("hinder", drop.clone()).await;
    assert_eq!((status, &begun["has_ended"]), (StatusCode::OK, &json!(false)), "{begun}");
    assert_eq!(asked("hinder", drop).await.0, StatusCode::CONFLICT, "one at a time");
    let seen = browser.ask(Method::GET, "/console/api/live", &head, Value::Null).await;
    reads(seen, "\"fault\":\"messages dropped (0 of 1) for ").await;
    assert_eq!(platform.post("tags", json!({"name": "dropped"})).await.0, 503);
    let (_, done) = asked("hindered", at.clone()).await;
    assert_eq!((&done["id"], &done["has_ended"], &done["dropped"]), (&begun["id"], &json!(true), &json!(1)));
    assert_eq!(done["effect"], "1 message dropped, 1 request failed");
    assert_eq!(asked("lift", at).await.1["has_ended"], true);
    platform.stop().await;
}

/// What is hidden takes no focus: a row of the tree may have no other button.
#[test]
fn whoever_goes_by_keys_reaches_every_act() {
    let style = include_str!("../../../src/console/style.css");
    let rules: Vec<_> = style.split('}').filter(|rule| rule.contains(".act")).collect();
    assert!(rules.len() >= 3, "{rules:?}");
    for rule in rules {
        assert!(!rule.contains("visibility") && !rule.contains("display"), "{rule}");
    }
}

/// Reads a stream until it has said this to the end of the frame; all that it said.
async fn reads(answer: Response<Incoming>, wanted: &str) -> String {
    assert_eq!(answer.status(), StatusCode::OK);
    let (mut body, mut said) = (answer.into_body(), String::new());
    let reading = async {
        while !said.split_once(wanted).is_some_and(|(_, rest)| rest.contains("\n\n")) {
            let frame = body.frame().await.expect("it goes on").unwrap();
            said.push_str(&String::from_utf8_lossy(&frame.into_data().unwrap_or_default()));
        }
    };
    soon(reading).await;
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_lives_and_goes_on_after_a_cut_without_missing_an_event() {
    let platform = platform().await;
    let browser = Browser::of(&platform);
    let cookie = browser.sign_in().await;
    let head = [(COOKIE.as_str(), cookie.as_str())];
    let answer = browser.ask(Method::GET, "/console/api/live", &head, Value::Null).await;
    let tag = platform.made("tags", json!({"name": "<b>bold</b>"})).await;
    let said = reads(answer, &format!("\"resource_id\":\"{tag}\"")).await;
    let last = said.lines().rev().find_map(|line| line.strip_prefix("id: ")).expect("an id").to_owned();
    let unseen = platform.made("tags", json!({"name": "unseen"})).await;
    let head = [head[0], ("last-event-id", last.as_str())];
    let answer = browser.ask(Method::GET, "/console/api/live", &head, Value::Null).await;
    reads(answer, &format!("\"resource_id\":\"{unseen}\"")).await;
    let answer = browser.ask(Method::GET, "/console/api/live", &head[..1], Value::Null).await;
    let said = reads(answer, "event: state").await;
    let state = said.split("event: state\ndata: ").nth(1).and_then(|rest| rest.lines().next()).unwrap();
    let state: Value = serde_json::from_str(state).unwrap();
    assert_eq!((&state["asked"], &state["nodes"][0]["state"]), (&json!("it"), &json!("running")));
    assert!(state["nodes"][0]["tree"]["children"].as_array().unwrap().len() > 10, "{state}");
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_seen_also_while_its_store_is_away() {
    let platform = platform().await;
    let browser = Browser::of(&platform);
    platform.node.deps.store.close().await;
    let bearer = format!("Bearer {TOKEN}");
    let head = [(AUTHORIZATION.as_str(), bearer.as_str())];
    let answer = browser.ask(Method::GET, "/console/api/live", &head, Value::Null).await;
    let said = reads(answer, "event: state").await;
    assert!(
        said.contains("\"fault\":\"calls, events") && said.contains("\"name\":\"call-manager\""),
        "{said}"
    );
    platform.stop().await;
}
