//! As much of Kubernetes' API server as a watch over pods asks for, over real HTTP: lists in pages, watches as
//! lines of JSON, versions that count every change. Faults are asked of it by name.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// What `app` of every pod here is, unless a test says otherwise.
pub(crate) const SELECTOR: &str = "app=branchline";
pub(crate) const NAMESPACE: &str = "telephony";

pub(crate) struct ApiServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    _serving: JoinSet<()>,
}

struct Shared {
    state: Mutex<State>,
    /// Counts whatever watches must look at.
    tick: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    version: u64,
    pods: BTreeMap<String, Value>,
    /// The lines of watches, each with the version that it leads to.
    log: Vec<(u64, String)>,
    /// Versions before this one are too old to go on from.
    oldest: u64,
    /// Statuses of the next answers, in place of them.
    refusals: VecDeque<u16>,
    /// How often all watches were ended so far, and how the last time.
    ends: u64,
    politely: bool,
    requests: Vec<String>,
}

impl ApiServer {
    pub(crate) async fn start() -> ApiServer {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Mutex::new(State { version: 1, ..State::default() });
        let shared = Arc::new(Shared { state, tick: watch::Sender::new(0) });
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, shared.clone()));
        ApiServer { address, shared, _serving: serving }
    }

    pub(crate) fn url(&self) -> Uri {
        format!("http://{}", self.address).parse().unwrap()
    }

    /// Puts a pod there, or changes it.
    pub(crate) fn put(&self, pod: Value) {
        let name = pod["metadata"]["name"].as_str().unwrap().to_owned();
        self.change(|state| {
            let what = if state.pods.contains_key(&name) { "MODIFIED" } else { "ADDED" };
            let pod = state.note(what, pod);
            state.pods.insert(name, pod);
        });
    }

    pub(crate) fn delete(&self, name: &str) {
        self.change(|state| {
            let pod = state.pods.remove(name).unwrap();
            state.note("DELETED", pod);
        });
    }

    /// Tells watches the version without a change.
    pub(crate) fn bookmark(&self) -> u64 {
        self.change(|state| {
            state.note("BOOKMARK", json!({"kind": "Pod", "apiVersion": "v1", "metadata": {}}));
            state.version
        })
    }

    /// A line that no client can read in place of the deletion of this pod.
    pub(crate) fn delete_garbled(&self, name: &str) {
        self.change(|state| {
            state.pods.remove(name).unwrap();
            state.version += 1;
            state.log.push((state.version, "{\"type\": \"DELETED\", \"object\": 7}\n".to_owned()));
        });
    }

    /// Forgets how it came to be: whoever is behind must list.
    pub(crate) fn compact(&self) {
        self.change(|state| {
            state.version += 1;
            state.oldest = state.version;
            state.log.clear();
        });
    }

    /// Cuts the connections of all watches, in the middle of a line.
    pub(crate) fn cut(&self) {
        self.change(|state| (state.ends, state.politely) = (state.ends + 1, false));
    }

    /// Ends all watches, as a server does after a while.
    pub(crate) fn end(&self) {
        self.change(|state| (state.ends, state.politely) = (state.ends + 1, true));
    }

    /// The next answers are these statuses.
    pub(crate) fn refuse(&self, statuses: &[u16]) {
        self.change(|state| state.refusals.extend(statuses));
    }

    /// Waits until a watch was asked for so many times.
    pub(crate) async fn watched(&self, times: usize) {
        let mut tick = self.shared.tick.subscribe();
        tick.wait_for(|_| self.requests().1.len() >= times).await.unwrap();
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.shared.state());
        self.shared.tick.send_modify(|tick| *tick += 1);
        changed
    }

    /// The requests so far: lists, then those of watches.
    pub(crate) fn requests(&self) -> (Vec<String>, Vec<String>) {
        let all = self.shared.state().requests.clone();
        all.into_iter().partition(|request| !request.contains("watch=true"))
    }
}

/// A pod that runs and is ready.
pub(crate) fn pod(name: &str, uid: u128) -> Value {
    json!({
        "kind": "Pod", "apiVersion": "v1",
        "metadata": {
            "name": name, "namespace": NAMESPACE, "uid": uuid(uid), "labels": {"app": "branchline"},
        },
        "status": {
            "phase": "Running", "podIP": "10.0.0.1", "conditions": [{"type": "Ready", "status": "True"}],
        },
    })
}

pub(crate) fn uuid(number: u128) -> String {
    format!("00000000-0000-4000-8000-{number:012x}")
}

/// The pod with something else at this place.
pub(crate) fn with(mut pod: Value, pointer: &str, value: impl Into<Value>) -> Value {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    pod.pointer_mut(parent).unwrap()[name] = value.into();
    pod
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn note(&mut self, what: &str, object: Value) -> Value {
        self.version += 1;
        let object = with(object, "/metadata/resourceVersion", self.version.to_string());
        let line = json!({"type": what, "object": object});
        self.log.push((self.version, format!("{line}\n")));
        object
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let shared = shared.clone();
        connections.spawn(async move {
            let service = service_fn(|request| {
                let answer = answer(&shared, &request);
                async move { Ok::<_, Infallible>(answer) }
            });
            let connection = hyper::server::conn::http1::Builder::new();
            // a client that goes away is no fault
            let _ = connection.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

fn answer(shared: &Arc<Shared>, request: &Request<Incoming>) -> Response<Body> {
    let answer = decide(shared, &mut shared.state(), request);
    shared.tick.send_modify(|tick| *tick += 1);
    answer
}

fn decide(shared: &Arc<Shared>, state: &mut State, request: &Request<Incoming>) -> Response<Body> {
    state.requests.push(request.uri().to_string());
    if let Some(code) = state.refusals.pop_front() {
        return said(code, &status(code));
    }
    assert_eq!(request.uri().path(), format!("/api/v1/namespaces/{NAMESPACE}/pods"));
    let query = query(request.uri());
    assert_eq!(query["labelSelector"], SELECTOR);
    match query.get("watch") {
        None => list(state, &query),
        Some(_) => {
            assert_eq!(query["allowWatchBookmarks"], "true");
            let from = query["resourceVersion"].parse().unwrap();
            watch_from(shared, from, state.ends)
        }
    }
}

/// One page. The token of the next one is the last name of this one.
fn list(state: &State, query: &BTreeMap<String, String>) -> Response<Body> {
    let limit = query["limit"].parse().unwrap();
    let after = query.get("continue").cloned().unwrap_or_default();
    let chosen = |pod: &&Value| pod["metadata"]["labels"]["app"] == "branchline";
    let rest: Vec<_> = state.pods.range(after.clone()..).filter(|(name, _)| **name != after).collect();
    let items: Vec<_> = rest.iter().map(|(_, pod)| *pod).filter(chosen).take(limit).collect();
    let more = rest.len() > limit;
    let token = if more { items.last().unwrap()["metadata"]["name"].clone() } else { json!("") };
    let metadata = json!({"resourceVersion": state.version.to_string(), "continue": token});
    let page = json!({"kind": "PodList", "apiVersion": "v1", "metadata": metadata, "items": items});
    said(200, &page)
}

fn watch_from(shared: &Arc<Shared>, from: u64, ends: u64) -> Response<Body> {
    let begun = (shared.clone(), shared.tick.subscribe(), from);
    let lines = stream::unfold(Some(begun), move |at| async move {
        let (shared, mut tick, from) = at?;
        loop {
            tick.mark_unchanged();
            match shared.state().after(from, ends) {
                Next::Lines(lines, version) => {
                    return Some((Ok(lines), Some((shared.clone(), tick, version))));
                }
                Next::Last(line) => return Some((Ok(line), None)),
                Next::Cut => return Some((Err(io::Error::other("cut")), None)),
                Next::End => return None,
                Next::Nothing => {}
            }
            tick.changed().await.ok()?;
        }
    });
    // a cut leaves half a line behind
    let lines = lines.flat_map(|line| match line {
        Ok(line) => stream::iter(vec![Ok(line)]),
        Err(error) => stream::iter(vec![Ok("{\"type\": \"DELE".to_owned()), Err(error)]),
    });
    let frames = lines.map_ok(|lines: String| Frame::data(Bytes::from(lines)));
    Response::new(StreamBody::new(frames).boxed_unsync())
}

/// What a watch says next.
enum Next {
    Lines(String, u64),
    Last(String),
    End,
    Cut,
    Nothing,
}

impl State {
    fn after(&self, from: u64, ends: u64) -> Next {
        if from < self.oldest {
            return Next::Last(format!("{}\n", json!({"type": "ERROR", "object": status(410)})));
        }
        let new: String =
            self.log.iter().filter(|(version, _)| *version > from).map(|(_, line)| &**line).collect();
        match (new.is_empty(), self.ends > ends) {
            (false, _) => Next::Lines(new, self.version),
            (true, true) if self.politely => Next::End,
            (true, true) => Next::Cut,
            (true, false) => Next::Nothing,
        }
    }
}

fn status(code: u16) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "as asked", "code": code})
}

fn said(code: u16, body: &Value) -> Response<Body> {
    let body = Full::new(Bytes::from(body.to_string())).map_err(|never| match never {});
    let answer = Response::builder().status(code).header("content-type", "application/json");
    answer.body(body.boxed_unsync()).unwrap()
}

/// Names and values. Of escapes only that of `=` comes here.
fn query(uri: &Uri) -> BTreeMap<String, String> {
    let pairs = uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.replace("%3D", "="))).collect()
}
