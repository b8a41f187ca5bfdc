//! The service itself: a line per request, the work is in the file of its subject.

use std::sync::Arc;

use actors::kernel::Branch;
use proto::admin::v1::admin_server::Admin;
use proto::admin::v1::{
    ListCallsRequest, ListCallsResponse, ReadTreeRequest, ReadTreeResponse, StopActorRequest,
    StopActorResponse, WatchCallsRequest, WatchCallsResponse, WatchTreeRequest, WatchTreeResponse,
};
use tonic::{Request, Response, Status};

use super::calls::Calls;
use super::refusal::refusal;
use super::watches::{Watch, Watches};
use super::{stop, tree};

pub(super) struct Desk {
    pub(super) tree: Arc<Branch>,
    pub(super) calls: Calls,
    pub(super) watches: Watches,
}

#[tonic::async_trait]
impl Admin for Desk {
    type WatchTreeStream = Watch<WatchTreeResponse>;
    type WatchCallsStream = Watch<WatchCallsResponse>;

    async fn read_tree(
        &self,
        request: Request<ReadTreeRequest>,
    ) -> Result<Response<ReadTreeResponse>, Status> {
        let ReadTreeRequest { path, depth } = request.into_inner();
        let root = tree::read(&self.tree, &path, depth)?;
        Ok(Response::new(ReadTreeResponse { root: Some(root) }))
    }

    async fn watch_tree(
        &self,
        request: Request<WatchTreeRequest>,
    ) -> Result<Response<Self::WatchTreeStream>, Status> {
        let WatchTreeRequest { path, depth } = request.into_inner();
        self.watches.open(tree::watch(self.tree.clone(), path, depth)).map(Response::new)
    }

    async fn list_calls(
        &self,
        request: Request<ListCallsRequest>,
    ) -> Result<Response<ListCallsResponse>, Status> {
        self.calls.list(request.into_inner()).await.map(Response::new).map_err(refusal)
    }

    async fn watch_calls(
        &self,
        request: Request<WatchCallsRequest>,
    ) -> Result<Response<Self::WatchCallsStream>, Status> {
        let changes = self.calls.watch(&request.get_ref().customer_id).await.map_err(refusal)?;
        self.watches.open(changes).map(Response::new)
    }

    async fn stop_actor(
        &self,
        request: Request<StopActorRequest>,
    ) -> Result<Response<StopActorResponse>, Status> {
        let mode = request.get_ref().mode();
        let found = stop::stop(&self.tree, &request.get_ref().path, mode)?;
        Ok(Response::new(StopActorResponse { found }))
    }
}
