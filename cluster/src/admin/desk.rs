//! The service itself: a line per request, the work is in the file of its subject.

use std::sync::Arc;

use futures_util::StreamExt as _;
use proto::admin::v1 as m;
use proto::admin::v1::admin_server::Admin;
use protocol::{Cursor, Error, Page};
use serde_json::Value;
use tonic::{Request, Response, Status};

use super::calls::{Calls, customer};
use super::dead::{Dead, Replayed};
use super::events::{Events, Wanted};
use super::nodes::Nodes;
use super::question::Question;
use super::refusal::refusal;
use super::watches::{Watch, Watches};
use super::{act, cluster, hinder, message, tree};

/// Events of a list unless said otherwise, and at most.
const USUAL: usize = 100;
const MOST: usize = 1000;

pub(crate) struct Desk {
    pub(crate) nodes: Nodes,
    pub(crate) calls: Calls,
    pub(crate) events: Events,
    pub(crate) dead: Dead,
    pub(crate) watches: Watches,
}

/// The desk as a service: the console sits at the same one.
#[derive(Clone)]
pub(super) struct Service(pub(super) Arc<Desk>);

type Answer<T> = Result<Response<T>, Status>;

fn ok<T>(answer: T) -> Answer<T> {
    Ok(Response::new(answer))
}

#[tonic::async_trait]
impl Admin for Service {
    type WatchTreeStream = Watch<m::WatchTreeResponse>;
    type WatchCallsStream = Watch<m::WatchCallsResponse>;
    type WatchClusterStream = Watch<m::WatchClusterResponse>;
    type WatchEventsStream = Watch<m::WatchEventsResponse>;
    type HinderActorStream = Watch<m::HinderActorResponse>;

    async fn read_tree(&self, request: Request<m::ReadTreeRequest>) -> Answer<m::ReadTreeResponse> {
        let m::ReadTreeRequest { path, depth, node } = request.into_inner();
        let root = tree::read(&self.0.nodes, &node, &path, depth).await.map_err(refusal)?;
        ok(m::ReadTreeResponse { root: Some(root) })
    }

    async fn watch_tree(&self, request: Request<m::WatchTreeRequest>) -> Answer<Self::WatchTreeStream> {
        let m::WatchTreeRequest { path, depth, node } = request.into_inner();
        let trees = tree::watch(self.0.nodes.clone(), node, (path, depth));
        self.0.watches.open(trees).map(Response::new)
    }

    async fn list_calls(&self, request: Request<m::ListCallsRequest>) -> Answer<m::ListCallsResponse> {
        self.0.calls.list(request.into_inner()).await.map(Response::new).map_err(refusal)
    }

    async fn watch_calls(&self, request: Request<m::WatchCallsRequest>) -> Answer<Self::WatchCallsStream> {
        let changes = self.0.calls.watch(&request.get_ref().customer_id).await.map_err(refusal)?;
        self.0.watches.open(changes).map(Response::new)
    }

    async fn stop_actor(&self, request: Request<m::StopActorRequest>) -> Answer<m::StopActorResponse> {
        let found = act::stop(&self.0.nodes, request.into_inner()).await?;
        ok(m::StopActorResponse { found })
    }

    async fn act_on_actor(&self, request: Request<m::ActOnActorRequest>) -> Answer<m::ActOnActorResponse> {
        let acted = act::act(&self.0.nodes, request.into_inner()).await?;
        ok(message::acted(acted))
    }

    async fn hinder_actor(&self, request: Request<m::HinderActorRequest>) -> Answer<Self::HinderActorStream> {
        let reports = hinder::hinder(self.0.nodes.clone(), request.into_inner()).await?;
        self.0.watches.open(reports).map(Response::new)
    }

    async fn lift_fault(&self, request: Request<m::LiftFaultRequest>) -> Answer<m::LiftFaultResponse> {
        let report = hinder::lifted(&self.0.nodes, request.into_inner()).await?;
        ok(m::LiftFaultResponse { report: Some(report) })
    }

    async fn read_cluster(&self, _: Request<m::ReadClusterRequest>) -> Answer<m::ReadClusterResponse> {
        let (nodes, asked) = cluster::read(&self.0.nodes).await;
        ok(m::ReadClusterResponse { nodes, asked })
    }

    async fn watch_cluster(&self, _: Request<m::WatchClusterRequest>) -> Answer<Self::WatchClusterStream> {
        self.0.watches.open(cluster::watch(self.0.nodes.clone())).map(Response::new)
    }

    async fn list_events(&self, request: Request<m::ListEventsRequest>) -> Answer<m::ListEventsResponse> {
        let m::ListEventsRequest { event_type, customer_id, page_size } = request.into_inner();
        let wanted = wanted(event_type, &customer_id)?;
        let most = usize::try_from(page_size).ok().filter(|size| (1..=MOST).contains(size)).unwrap_or(USUAL);
        let (events, resume_token) = self.0.events.list(&wanted, most).await.map_err(refusal)?;
        ok(m::ListEventsResponse { events: events.into_iter().map(message::event).collect(), resume_token })
    }

    async fn watch_events(&self, request: Request<m::WatchEventsRequest>) -> Answer<Self::WatchEventsStream> {
        let m::WatchEventsRequest { event_type, customer_id, resume_token } = request.into_inner();
        let wanted = wanted(event_type, &customer_id)?;
        let words = self.0.events.watch(wanted, &resume_token).await.map_err(refusal)?;
        let words = words.map(|word| word.map(message::word).map_err(refusal));
        self.0.watches.open(words).map(Response::new)
    }

    async fn list_dead_events(
        &self,
        request: Request<m::ListDeadEventsRequest>,
    ) -> Answer<m::ListDeadEventsResponse> {
        let m::ListDeadEventsRequest { page_size, page_token } = request.into_inner();
        let after = Some(page_token).filter(|token| !token.is_empty()).map(|token| Cursor::parse(&token));
        let page = Page::of(page_size.into(), after.transpose().map_err(refusal)?);
        let (letters, next_page_token) = self.0.dead.list(&page).await.map_err(refusal)?;
        let total = self.0.dead.count().await.map_err(refusal)?;
        let events = letters.into_iter().map(message::letter).collect();
        ok(m::ListDeadEventsResponse { events, next_page_token, total })
    }

    async fn replay_dead_events(
        &self,
        request: Request<m::ReplayDeadEventsRequest>,
    ) -> Answer<m::ReplayDeadEventsResponse> {
        let m::ReplayDeadEventsRequest { id, all } = request.into_inner();
        self.0.replay(&id, all).await.map(|sum| Response::new(message::replayed(sum))).map_err(refusal)
    }

    async fn read_log(&self, request: Request<m::ReadLogRequest>) -> Answer<m::ReadLogResponse> {
        let directives = self.0.log(&request.get_ref().node, None).await.map_err(refusal)?;
        ok(m::ReadLogResponse { directives })
    }

    async fn change_log(&self, request: Request<m::ChangeLogRequest>) -> Answer<m::ChangeLogResponse> {
        let m::ChangeLogRequest { node, directives } = request.into_inner();
        let directives = self.0.log(&node, Some(directives)).await.map_err(refusal)?;
        ok(m::ChangeLogResponse { directives })
    }

    async fn drain_node(&self, request: Request<m::DrainNodeRequest>) -> Answer<m::DrainNodeResponse> {
        let node = request.into_inner().node;
        self.0.drain(&node).await.map_err(refusal)?;
        ok(m::DrainNodeResponse { node })
    }
}

impl Desk {
    /// Publishes one dead event again, or all of them.
    pub(crate) async fn replay(&self, id: &str, all: bool) -> Result<Replayed, Error> {
        match (id, all) {
            ("", true) => self.dead.replay_all().await,
            ("", false) => Err(Error::invalid("id must name a dead event, or all must be true")),
            (_, true) => Err(Error::invalid("give either id or all")),
            (id, false) => {
                let id = id.parse().map_err(|_| Error::invalid("id must be the UUID of a dead event"))?;
                self.dead.replay(id).await.map(|()| Replayed { replayed: 1, ..Replayed::default() })
            }
        }
    }

    /// What a node logs, after it was changed to `directives` if there are some.
    pub(crate) async fn log(&self, node: &str, directives: Option<String>) -> Result<String, Error> {
        if directives.as_ref().is_some_and(String::is_empty) {
            return Err(Error::invalid("directives must be a level or directives, as in info,cluster=debug"));
        }
        let answer: Value = self.nodes.ask(node, &Question::Log { directives }).await?;
        Ok(answer.get("directives").and_then(Value::as_str).unwrap_or_default().to_owned())
    }

    pub(crate) async fn drain(&self, node: &str) -> Result<(), Error> {
        if node.is_empty() {
            return Err(Error::invalid("node must name the node to stop"));
        }
        self.nodes.ask::<Value>(node, &Question::Drain).await.map(drop)
    }
}

fn wanted(pattern: String, customer_id: &str) -> Result<Wanted, Status> {
    Ok(Wanted { pattern, customer: customer(customer_id).map_err(refusal)? })
}
