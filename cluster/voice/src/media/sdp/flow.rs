//! Which way a stream flows, as the one who says it sees it (RFC 3264 5.1).

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    SendRecv,
    SendOnly,
    RecvOnly,
    Inactive,
}

impl Flow {
    pub(crate) const fn of(send: bool, receive: bool) -> Flow {
        match (send, receive) {
            (true, true) => Flow::SendRecv,
            (true, false) => Flow::SendOnly,
            (false, true) => Flow::RecvOnly,
            (false, false) => Flow::Inactive,
        }
    }

    pub(crate) const fn sends(self) -> bool {
        matches!(self, Flow::SendRecv | Flow::SendOnly)
    }

    pub(crate) const fn receives(self) -> bool {
        matches!(self, Flow::SendRecv | Flow::RecvOnly)
    }

    /// The attribute's name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Flow::SendRecv => "sendrecv",
            Flow::SendOnly => "sendonly",
            Flow::RecvOnly => "recvonly",
            Flow::Inactive => "inactive",
        }
    }

    pub(super) fn named(name: &str) -> Option<Flow> {
        let all = [Flow::SendRecv, Flow::SendOnly, Flow::RecvOnly, Flow::Inactive];
        all.into_iter().find(|flow| flow.name() == name)
    }
}
