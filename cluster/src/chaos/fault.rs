//! What can be done to an installation, and the doing of it.

use std::fmt;

use protocol::Result;
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use tokio::time::{Duration, sleep};

use super::operator::{self, Victim};
use super::relay::{Relay, Where};
use super::site::Site;

/// How long a server is away or silent: shorter than what others wait before they take a node for dead.
const AWAY_MS: std::ops::Range<u64> = 200..3_000;
/// A node that is cut off for so long is taken for dead, and ends when it hears of it.
const CUT_OFF_MS: std::ops::Range<u64> = 8_000..14_000;
/// How long a killed node stays away.
const DEAD_MS: std::ops::Range<u64> = 0..500;
/// Answers of a server that are spoilt.
const PIECES: std::ops::Range<u32> = 1..6;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Server {
    Broker,
    Database,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// SIGKILL, and a new start.
    Kill,
    Crash(Victim),
    /// Connections end and work again at once.
    Cut(Server),
    /// Nobody is there for a while.
    Away(Server),
    /// Connections stay open, and nothing passes for a while.
    Stall(Server),
    /// Bytes of answers are other ones.
    Spoil(Server),
    /// One node hears neither the database nor the broker, and lives on.
    Isolate,
}

/// All that can be done to a node alone.
const ALONE: &[Fault] = &[
    Fault::Kill,
    Fault::Kill,
    Fault::Crash(Victim::Living),
    Fault::Crash(Victim::Pool),
    Fault::Crash(Victim::Task),
];

/// All that can be done besides to two that share something.
const SHARED: &[Fault] = &[
    Fault::Cut(Server::Broker),
    Fault::Away(Server::Broker),
    Fault::Stall(Server::Broker),
    Fault::Spoil(Server::Broker),
    Fault::Cut(Server::Database),
    Fault::Away(Server::Database),
    Fault::Stall(Server::Database),
    Fault::Spoil(Server::Database),
    Fault::Isolate,
];

impl Fault {
    pub(super) fn choose(random: &mut StdRng, shared: bool) -> Fault {
        let more = if shared { SHARED } else { &[] };
        let all: Vec<Fault> = ALONE.iter().chain(more).copied().collect();
        all.choose(random).copied().unwrap_or(Fault::Kill)
    }

    /// Does it to a node of the site, or to all, and makes an end of it. What exactly it was.
    pub(super) async fn happen(self, site: &mut Site, random: &mut StdRng) -> Result<String> {
        let at = random.random_range(0..site.posts.len());
        let name = site.posts[at].program.name.clone();
        match self {
            Fault::Kill => {
                let dead = milliseconds(random, DEAD_MS);
                site.posts[at].program.kill().await?;
                sleep(dead).await;
                Ok(name)
            }
            Fault::Crash(victim) => {
                let path = operator::crash(&site.posts[at].program, victim, random).await?;
                Ok(format!("{name} {}", path.unwrap_or_else(|| "nobody".to_owned())))
            }
            Fault::Cut(server) => {
                relays(site, server).for_each(Relay::cut);
                Ok("of all nodes".to_owned())
            }
            Fault::Away(server) => during(site, server, milliseconds(random, AWAY_MS), Relay::away).await,
            Fault::Stall(server) => during(site, server, milliseconds(random, AWAY_MS), Relay::stall).await,
            Fault::Spoil(server) => {
                let pieces = random.random_range(PIECES);
                let spoil = |relay: &Relay| relay.spoil(pieces, Where::Head);
                during(site, server, milliseconds(random, AWAY_MS), spoil).await
            }
            Fault::Isolate => {
                let cut_off = milliseconds(random, CUT_OFF_MS);
                let post = &site.posts[at];
                let both = || [&post.store, &post.bus].into_iter().flatten();
                both().for_each(Relay::stall);
                sleep(cut_off).await;
                both().for_each(Relay::heal);
                Ok(format!("{name} for {} ms", cut_off.as_millis()))
            }
        }
    }
}

fn milliseconds(random: &mut StdRng, range: std::ops::Range<u64>) -> Duration {
    Duration::from_millis(random.random_range(range))
}

fn relays(site: &Site, server: Server) -> impl Iterator<Item = &Relay> {
    site.posts.iter().filter_map(move |post| match server {
        Server::Broker => post.bus.as_ref(),
        Server::Database => post.store.as_ref(),
    })
}

async fn during(site: &Site, server: Server, long: Duration, begins: impl Fn(&Relay)) -> Result<String> {
    relays(site, server).for_each(begins);
    sleep(long).await;
    relays(site, server).for_each(Relay::heal);
    Ok(format!("for {} ms", long.as_millis()))
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Kill => f.write_str("node killed"),
            Fault::Crash(Victim::Living) => f.write_str("call or flow crashed"),
            Fault::Crash(Victim::Pool) => f.write_str("pool crashed"),
            Fault::Crash(Victim::Task) => f.write_str("task crashed"),
            Fault::Cut(server) => write!(f, "{server} cut"),
            Fault::Away(server) => write!(f, "{server} away"),
            Fault::Stall(server) => write!(f, "{server} silent"),
            Fault::Spoil(server) => write!(f, "{server} spoilt"),
            Fault::Isolate => f.write_str("node cut off"),
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Server::Broker => "broker",
            Server::Database => "database",
        })
    }
}
