//! From an HTTP request to its response: the one path that every request takes, in the documented order.
//!
//! Request id, CORS, route, limit per address, who is calling, limit per customer, frozen, parse, grant,
//! send, view; with an `Idempotency-Key` all from parse on happens once ([`Once`]). A path that does not exist is said to be so before anybody is asked for credentials.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::header::{LOCATION, ORIGIN};
use http::request::Parts as Head;
use http::{HeaderValue, Method, Request, StatusCode};
use hyper::body::Incoming;
use protocol::catalog::no_route;
use protocol::{Op, Result};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::field::{Empty, display};
use tracing::{Instrument, Span, debug, info_span};

use crate::access::Wanted;
use crate::errand::Errand;
use crate::figures::{Figures, Served};
use crate::hub::Hub;
use crate::idempotency::Key;
use crate::limit::Limiter;
use crate::once::Once;
use crate::parts::Parts;
use crate::response::{Refusal, Response, empty, refused, typed};
use crate::route::{self, Open, Routed, Target};
use crate::settings::Settings;
use crate::{Authority, Caller, Credential, auth, body, cors, openapi, reply, request_id, system, websocket};

/// The label of what matches no route, so that strangers cannot make up label values.
const UNMATCHED: &str = "unmatched";

/// W3C Trace Context.
const TRACEPARENT: &str = "traceparent";

pub(crate) struct Front {
    parts: Parts,
    settings: Settings,
    authority: Arc<Authority>,
    limiter: Limiter,
    hub: Arc<Hub>,
    once: Once,
    document: OnceLock<Bytes>,
    figures: Figures,
}

/// What is known of a request from its first line on.
struct Arrival<'a> {
    head: &'a Head,
    request_id: &'a Arc<str>,
    address: IpAddr,
}

impl Arrival<'_> {
    fn query(&self) -> &str {
        self.head.uri.query().unwrap_or_default()
    }
}

impl Front {
    pub(crate) fn new(
        parts: Parts,
        settings: Settings,
        hub: Arc<Hub>,
        tasks: (TaskTracker, CancellationToken),
    ) -> Self {
        let authority = Arc::new(Authority::new(parts.clone(), &settings.jwt_key));
        let limiter = Limiter::new(settings.limits, parts.cache.clone());
        let once = Once::new(parts.clone(), tasks);
        Front {
            parts,
            settings,
            authority,
            limiter,
            hub,
            once,
            document: OnceLock::new(),
            figures: Figures::default(),
        }
    }

    pub(crate) async fn serve(&self, request: Request<Incoming>, peer: IpAddr) -> Response {
        let started = Instant::now();
        let (head, incoming) = request.into_parts();
        let request_id = request_id::of(&head.headers);
        let is_cross = head.headers.contains_key(ORIGIN);
        let method = label(&head.method);
        let span = info_span!("request", %request_id, method, customer = Empty);
        if let Some(parent) = head.headers.get(TRACEPARENT).and_then(|value| value.to_str().ok()) {
            (self.parts.adopt)(&span, parent);
        }
        let (route, outcome) = self.answer(head, incoming, peer, &request_id).instrument(span.clone()).await;
        let mut response = outcome.unwrap_or_else(|refusal| refused(&refusal, &request_id));
        if let Ok(id) = HeaderValue::from_str(&request_id) {
            response.headers_mut().insert(request_id::HEADER, id);
        }
        if is_cross {
            cors::allow(response.headers_mut());
        }
        self.record(&span, Served { method, route, status: response.status() }, started.elapsed());
        response
    }

    async fn answer(
        &self,
        head: Head,
        incoming: Incoming,
        peer: IpAddr,
        request_id: &Arc<str>,
    ) -> (Cow<'static, str>, Result<Response, Refusal>) {
        if cors::is_preflight(&head.method, &head.headers) {
            return (UNMATCHED.into(), Ok(cors::preflight()));
        }
        let (path, query) = (head.uri.path(), head.uri.query().unwrap_or_default());
        let target = match route::find(self.parts.catalog.get(), head.method.as_str(), path, query) {
            Ok(target) => target,
            Err(error) => return (UNMATCHED.into(), Err(error.into())),
        };
        let address = self.address(&head, peer);
        let arrival = Arrival { head: &head, request_id, address };
        match target {
            Target::Api(routed) => {
                let Routed { template, wanted } = routed;
                let code = reply::code(head.method.as_str(), &template);
                (template.into(), self.api(wanted, code, incoming, &arrival).await)
            }
            // what is rare is boxed, so that other requests do not carry the room for it from hand to hand
            Target::Socket => {
                ("/v1.0/ws".into(), Box::pin(self.socket(head, incoming, address, request_id)).await)
            }
            Target::Login => ("/auth/login".into(), Box::pin(self.login(incoming, &arrival)).await),
            Target::Open(what) => self.open(what).await,
            Target::Moved { code, to } => (UNMATCHED.into(), moved(code, &to).map_err(Refusal::from)),
            Target::Missing => (UNMATCHED.into(), Err(no_route().into())),
        }
    }

    async fn open(&self, what: Open) -> (Cow<'static, str>, Result<Response, Refusal>) {
        let probe = &*self.parts.probe;
        let (route, outcome) = match what {
            Open::Ping => ("/ping", system::ping()),
            Open::Live => ("/health/live", system::live(probe).await),
            Open::Ready => ("/health/ready", system::ready(probe).await),
            Open::Metrics => ("/metrics", Ok(system::metrics(probe))),
            Open::Document => ("/openapi.json", self.document()),
        };
        (route.into(), outcome.map_err(Refusal::from))
    }

    async fn api(
        &self,
        wanted: Result<Wanted>,
        code: StatusCode,
        incoming: Incoming,
        arrival: &Arrival<'_>,
    ) -> Result<Response, Refusal> {
        let caller = self.enter(arrival).await?.0;
        let errand = Errand { caller, wanted: wanted?, code, request_id: arrival.request_id.clone() };
        if let Some(key) = Key::of(arrival.head)? {
            let bytes = self.read(incoming).await?;
            return Box::pin(self.once.answer(errand, key, (arrival.head, bytes))).await;
        }
        let body = self.payload(&errand.wanted, arrival.query(), incoming).await?;
        Ok(errand.decide(&self.parts, body).await?.send(&self.parts).await?)
    }

    /// Everything between the connection and the handler that may refuse a request.
    async fn enter<'a>(&self, arrival: &'a Arrival<'_>) -> Result<(Caller, Credential<'a>), Refusal> {
        self.limiter.v1(arrival.address)?;
        let credential = Credential::find(&arrival.head.headers, arrival.query())?;
        let caller = self.authority.caller(&credential, arrival.request_id).await?;
        Span::current().record("customer", display(caller.customer_id()));
        self.limiter.customer(caller.customer_id()).await?;
        self.authority.admit(&caller, arrival.request_id).await?;
        Ok((caller, credential))
    }

    async fn payload(&self, wanted: &Wanted, query: &str, incoming: Incoming) -> Result<Value> {
        match &wanted.op {
            Op::Get(_) | Op::Delete(_) => return Ok(json!({})),
            Op::List(_) => return body::filter(wanted.resource, query),
            Op::Verb(_, verb) | Op::Ask(verb) if verb.method == protocol::Method::Get => {
                return Ok(body::parameters(query));
            }
            Op::Create | Op::Update(_) | Op::Verb(..) | Op::Ask(_) => {}
        }
        body::of(wanted.resource, &wanted.op, &self.read(incoming).await?)
    }

    async fn read(&self, incoming: Incoming) -> Result<Bytes> {
        body::read(incoming, self.settings.body_limit, self.settings.body_timeout).await
    }

    async fn login(&self, incoming: Incoming, arrival: &Arrival<'_>) -> Result<Response, Refusal> {
        self.limiter.auth(arrival.address)?;
        let bytes = self.read(incoming).await?;
        auth::login(&self.authority, &self.limiter, &bytes, arrival.request_id).await
    }

    async fn socket(
        &self,
        head: Head,
        incoming: Incoming,
        address: IpAddr,
        request_id: &Arc<str>,
    ) -> Result<Response, Refusal> {
        let arrival = Arrival { head: &head, request_id, address };
        let (caller, credential) = self.enter(&arrival).await?;
        let credential = credential.into_owned();
        let guest = websocket::Guest { caller, credential, authority: self.authority.clone() };
        websocket::open(&self.hub, Request::from_parts(head, incoming), guest).await
    }

    fn record(&self, span: &Span, served: Served, took: Duration) {
        let (route, status, duration_ms) = (&*served.route, served.status.as_u16(), took.as_secs_f64() * 1e3);
        debug!(parent: span, route, status, duration_ms, "request served");
        self.figures.count(served, took);
    }

    fn document(&self) -> Result<Response> {
        let document = match self.document.get() {
            Some(document) => document,
            None => {
                let made = crate::go_json::bytes(&openapi::document(self.parts.catalog()?))?;
                self.document.get_or_init(|| made)
            }
        };
        Ok(typed(StatusCode::OK, "application/json; charset=utf-8", document.clone()))
    }

    /// The header of a trusted proxy, if one is set, else the socket's peer.
    fn address(&self, head: &Head, peer: IpAddr) -> IpAddr {
        let header = self.settings.client_address_header.as_ref();
        let told = header.and_then(|name| head.headers.get(name)?.to_str().ok()?.trim().parse().ok());
        told.unwrap_or(peer)
    }
}

fn moved(code: StatusCode, to: &str) -> Result<Response> {
    let mut response = empty(code);
    let to = HeaderValue::from_str(to).map_err(protocol::Error::internal)?;
    response.headers_mut().insert(LOCATION, to);
    Ok(response)
}

/// A client's own method names do not become label values.
fn label(method: &Method) -> &'static str {
    protocol::Method::parse(method.as_str()).map_or("OTHER", protocol::Method::name)
}
