//! The commands of the program. Without one it runs a node.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::{Config, Secret, values};
use crate::cli::{Identity, Operator};

/// A communications platform in one program: voice, messaging, AI agents and contact centre behind one HTTP API.
///
/// Every flag may also be given in the environment, as in BRANCHLINE_HTTP, or in the file that --config names.
#[derive(Clone, Debug, Parser)]
#[command(name = "branchline", version)]
pub struct Cli {
    #[command(flatten)]
    pub config: Config,
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Starts a node with everything on it and makes a call from end to end
    ///
    /// With --store mysql:, --cache redis: and --bus amqp: it starts three nodes that meet there. The database must
    /// be empty.
    Demo {
        /// Leaves the node running afterwards
        #[arg(long)]
        stay: bool,
    },
    /// Breaks nodes, actors and connections under load and says what was lost: nothing, or it ends with 1
    ///
    /// One node on SQLite; with --store mysql: and --bus amqp: two nodes that meet there, over an empty database.
    Chaos {
        /// How many times something breaks
        #[arg(long, value_name = "COUNT", default_value_t = 200)]
        #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
        rounds: u32,
        /// Chooses what breaks, as an earlier run has printed it [default: any]
        #[arg(long, value_name = "NUMBER")]
        seed: Option<u64>,
        /// How many calls are kept up meanwhile
        #[arg(long, value_name = "COUNT", default_value_t = 6)]
        #[arg(value_parser = clap::value_parser!(u32).range(1..=60))]
        calls: u32,
        /// Only kills nodes
        #[arg(long)]
        kills: bool,
    },
    /// Shows the running actors of all nodes
    Tree {
        #[command(flatten)]
        admin: Admin,
        /// Only those of this node
        #[arg(long, value_name = "NAME")]
        only: Option<String>,
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
    /// Shows nodes, domains and live calls on the whole screen, again every two seconds; q ends it
    Top(Admin),
    /// Shows the live calls of the installation
    Calls {
        #[command(flatten)]
        admin: Admin,
        /// Goes on and shows what happens, one line an event
        #[arg(long)]
        watch: bool,
        /// Prints JSON, one line a call or event
        #[arg(long)]
        json: bool,
    },
    /// Shows the newest events of the platform
    Events {
        #[command(flatten)]
        admin: Admin,
        #[command(flatten)]
        events: Events,
    },
    /// Begins the planned stop of a node, as SIGTERM does
    Drain {
        #[command(flatten)]
        admin: Admin,
        /// The node
        #[arg(value_name = "NODE")]
        which: String,
    },
    /// Has an actor end in its own way and start again, and says what that did to users
    Restart {
        #[command(flatten)]
        admin: Admin,
        #[command(flatten)]
        actor: Actor,
    },
    /// Ends an actor in the middle of whatever it does, and says what that did to users
    Kill {
        #[command(flatten)]
        admin: Admin,
        #[command(flatten)]
        actor: Actor,
    },
    /// Has an actor take its messages late for a while, waits for the end, and says what that did to users
    ///
    /// It ends by itself, also when this command does not wait for it; branchline lift ends it sooner.
    Delay {
        #[command(flatten)]
        admin: Admin,
        #[command(flatten)]
        place: Place,
        /// How much later each message is taken
        #[arg(long, value_name = "MILLISECONDS", value_parser = clap::value_parser!(u32).range(1..=10_000))]
        ms: u32,
        /// How long
        #[arg(long = "for", value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=300))]
        seconds: u32,
    },
    /// Refuses the next messages to an actor, waits for the end, and says what that did to users
    ///
    /// A request is answered 503 at once, an event is given back and comes again. It ends by itself, also when this
    /// command does not wait for it; branchline lift ends it sooner.
    Drop {
        #[command(flatten)]
        admin: Admin,
        #[command(flatten)]
        place: Place,
        /// How many [default: 1000 at most]
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1000), required_unless_present = "seconds")]
        count: Option<u32>,
        /// How long [default: 60 at most]
        #[arg(long = "for", value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=60))]
        seconds: Option<u32>,
    },
    /// Ends what delay or drop has begun, and says what it did to users
    Lift {
        #[command(flatten)]
        admin: Admin,
        #[command(flatten)]
        place: Place,
    },
    /// Publishes events again that a follower could not take; without an id it lists them
    Replay {
        #[command(flatten)]
        admin: Admin,
        /// The dead event
        #[arg(conflicts_with = "all")]
        id: Option<String>,
        /// All that are there now
        #[arg(long)]
        all: bool,
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
    /// Shows what a node logs, or changes it until it is changed again or the process ends
    Log {
        #[command(flatten)]
        admin: Admin,
        /// The node [default: the one that is asked]
        #[arg(long, value_name = "NODE", value_parser = values::node)]
        on: Option<String>,
        /// A level, or directives as in info,cluster=debug
        directives: Option<String>,
    },
}

/// Which events, and how.
#[derive(Args, Clone, Debug)]
#[group(skip)]
pub struct Events {
    /// Goes on and shows what happens
    #[arg(long, short)]
    pub follow: bool,
    /// Only this type, or those with this beginning, as in call_*
    #[arg(long = "type", value_name = "PATTERN")]
    pub pattern: Option<String>,
    /// Only those of this customer
    #[arg(long, value_name = "ID")]
    pub customer: Option<String>,
    /// How many of the newest, at most 1000
    #[arg(long, value_name = "COUNT", default_value_t = 50)]
    #[arg(value_parser = clap::value_parser!(i32).range(1..=1000))]
    pub last: i32,
    /// Goes on where a watch ended that printed this token; implies --follow
    #[arg(long, value_name = "TOKEN")]
    pub resume: Option<String>,
    /// Prints JSON, one line an event
    #[arg(long)]
    pub json: bool,
}

/// Which actor, and whether to do anything to it.
#[derive(Args, Clone, Debug)]
#[group(skip)]
pub struct Actor {
    #[command(flatten)]
    pub place: Place,
    /// Only says what it would do to users
    #[arg(long)]
    pub rehearse: bool,
}

/// Where an actor is. `--node` is this host's own setting and says nothing about that.
#[derive(Args, Clone, Debug)]
#[group(skip)]
pub struct Place {
    /// Names from below the root, as in call-manager/pool
    pub path: String,
    /// The node on which it runs [default: the one that is asked]
    #[arg(long, value_name = "NODE", value_parser = values::node)]
    pub on: Option<String>,
    /// Prints JSON
    #[arg(long)]
    pub json: bool,
}

/// Which node to ask. The token is --admin-token's.
#[derive(Args, Clone, Debug)]
pub struct Admin {
    /// The node's operators' address [default: http:// or https:// and --grpc]
    #[arg(long, value_name = "URL", value_parser = values::web)]
    admin: Option<String>,
    /// The authority of the node's certificate, PEM [default: the public ones]
    #[arg(long, value_name = "FILE")]
    admin_ca: Option<PathBuf>,
    /// A client certificate that opens instead of the token, PEM; together with --admin-key
    #[arg(long, value_name = "FILE", requires = "admin_key")]
    admin_cert: Option<PathBuf>,
    /// Its private key, PEM
    #[arg(long, value_name = "FILE", requires = "admin_cert")]
    admin_key: Option<PathBuf>,
}

impl Command {
    /// Does it act on one node, which [`Place::on`] names?
    pub(super) fn acts_on_a_node(&self) -> bool {
        matches!(
            self,
            Command::Restart { .. }
                | Command::Kill { .. }
                | Command::Delay { .. }
                | Command::Drop { .. }
                | Command::Lift { .. }
                | Command::Log { .. }
        )
    }
}

impl Admin {
    /// Whom to ask as whom; a token is missing only where a certificate does without.
    pub fn operator(&self, config: &Config, token: Option<String>) -> Operator {
        let scheme = if config.grpc_cert.is_some() || self.admin_ca.is_some() { "https" } else { "http" };
        Operator {
            url: self.admin.clone().unwrap_or_else(|| format!("{scheme}://{}", config.grpc)),
            token,
            ca: self.admin_ca.clone(),
            identity: self.identity(),
        }
    }

    fn identity(&self) -> Option<Identity> {
        let (certificate, key) = self.admin_cert.clone().zip(self.admin_key.clone())?;
        Some(Identity { certificate, key })
    }

    /// Is there something else to show than the token?
    pub fn has_identity(&self) -> bool {
        self.admin_cert.is_some()
    }

    /// None: the one that the node keeps in its data folder.
    pub fn token<'a>(&self, config: &'a Config) -> Option<&'a Secret> {
        config.admin_token.as_ref()
    }
}
