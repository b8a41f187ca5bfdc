//! What a caller wants done, free of the connection that brought it: decided about, sent, and answered.

use std::sync::Arc;

use http::StatusCode;
use protocol::{Context, Resource, Result, Scope};
use serde_json::Value;

use crate::access::{Caller, Gate, Granted, Wanted};
use crate::parts::Parts;
use crate::reply::{self, Shape};
use crate::response::Response;

pub(crate) struct Errand {
    pub(crate) caller: Caller,
    pub(crate) wanted: Wanted,
    /// The code of its success.
    pub(crate) code: StatusCode,
    pub(crate) request_id: Arc<str>,
}

/// An errand that was granted, and how it will be answered.
pub(crate) struct Decided {
    granted: Granted,
    resource: &'static Resource,
    shape: Shape,
    code: StatusCode,
}

impl Errand {
    /// Only looks: whatever it refuses, nothing was changed.
    pub(crate) async fn decide(self, parts: &Parts, mut body: Value) -> Result<Decided> {
        let Errand { caller, mut wanted, code, request_id } = self;
        if let Value::Object(body) = &mut body {
            body.append(&mut wanted.captured);
        }
        let (resource, shape) = (wanted.resource, Shape::of(&wanted.op));
        // access sets the scope that it grants
        let context = Context::new(Scope::Customer(caller.customer_id()), request_id);
        let gate = Gate { caller, peers: &*parts.peers, catalog: parts.catalog()?, context };
        Ok(Decided { granted: gate.grant(wanted, body).await?, resource, shape, code })
    }
}

impl Decided {
    pub(crate) async fn send(self, parts: &Parts) -> Result<Response> {
        let answer = self.granted.send(&*parts.peers).await?;
        reply::respond(parts.catalog()?, self.resource, (self.shape, self.code), answer)
    }
}
