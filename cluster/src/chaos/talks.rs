//! Calls, kept at some number: from the API to a telephone number, with a flow that waits, and from one built-in
//! telephone to another.

use std::sync::Arc;

use protocol::Result;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Duration, sleep};
use tokio_util::sync::CancellationToken;

use super::client::{Client, write};
use super::handset::{Handset, Manners, Tally};
use super::site::{PHONES, Site};
use crate::demo::setup::{CALLED, OWN};

/// Between two looks at how many there are: no storm of calls while a node is away.
const LOOK: Duration = Duration::from_millis(300);
/// The flow waits longer than anybody talks.
const WAIT_MS: u32 = 600_000;
/// An INVITE that nobody answers is given up after this, and then the platform's part of it.
const ENDS: Duration = Duration::from_secs(90);

pub(super) struct Talks {
    carrier: Arc<Handset>,
    caller: Arc<Handset>,
    called: Arc<Handset>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Talks {
    /// The telephones, before anybody calls.
    pub(super) async fn prepare() -> Result<Talks> {
        let open = async |manners| Ok::<_, protocol::Error>(Arc::new(Handset::open(manners).await?));
        let carrier = open(Manners::HangsUp).await?;
        let caller = open(Manners::HangsUp).await?;
        let called = open(Manners::Waits).await?;
        Ok(Talks { carrier, caller, called, stop: CancellationToken::new(), tasks: JoinSet::new() })
    }

    pub(super) fn carrier(&self) -> std::net::SocketAddr {
        self.carrier.local()
    }

    /// Keeps `count` calls up, a third of them between the two telephones.
    pub(super) async fn begin(&mut self, site: &Site, count: usize) -> Result<()> {
        let at = site.posts[0].program.sip;
        self.caller.register(at, PHONES[0], &site.realm()).await?;
        self.called.register(at, PHONES[1], &site.realm()).await?;
        let direct = count / 3;
        let uri = format!("sip:{}@{}", PHONES[1], site.realm());
        let (caller, stop) = (self.caller.clone(), self.stop.clone());
        self.tasks.spawn(async move {
            while stop.run_until_cancelled(sleep(LOOK)).await.is_some() {
                if caller.tally().open < direct {
                    // one that cannot be placed now is placed later
                    let _ = caller.call(&uri).await;
                }
            }
        });
        let (carrier, stop, nodes) = (self.carrier.clone(), self.stop.clone(), site.clients());
        self.tasks.spawn(async move { place(&carrier, &nodes, count - direct, &stop).await });
        Ok(())
    }

    /// Calls that were answered, and those of them that were lost.
    pub(super) fn tally(&self) -> Tally {
        let (mut all, more) = (self.carrier.tally(), self.caller.tally());
        all.talks += more.talks;
        all.up += more.up;
        all.open += more.open;
        all.lost.extend(more.lost);
        all
    }

    /// No new calls, and the end of all others.
    pub(super) async fn end(&mut self) -> Result<Tally> {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
        for handset in [&self.caller, &self.carrier, &self.called] {
            handset.hangs_up(ENDS).await?;
        }
        Ok(self.tally())
    }
}

/// Has the API call the carrier while fewer are up than shall be.
async fn place(carrier: &Handset, nodes: &[Client], count: usize, stop: &CancellationToken) {
    let call = json!({
        "actions": [{"type": "sleep", "option": {"duration": WAIT_MS}}, {"type": "hangup"}],
        "source": {"type": "tel", "target": OWN},
        "destinations": [{"type": "tel", "target": CALLED}],
    });
    let mut turn = 0;
    while stop.run_until_cancelled(sleep(LOOK)).await.is_some() {
        if carrier.tally().open < count {
            // whatever becomes of it, the rows of calls are looked at in the end
            let _ = write(nodes, turn, ("calls", &call)).await;
            turn += 1;
        }
    }
}
