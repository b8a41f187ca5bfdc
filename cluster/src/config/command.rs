//! The commands of the program. Without one it runs a node.

use clap::{Args, Parser, Subcommand};

use super::{Config, Secret, values};

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
    },
    /// Shows the running actors of a node
    Tree(Admin),
    /// Shows the live calls of a node
    Calls {
        #[command(flatten)]
        admin: Admin,
        /// Goes on and shows what happens, one line an event
        #[arg(long)]
        watch: bool,
    },
}

/// Which node to ask. The token is --admin-token's.
#[derive(Args, Clone, Debug)]
pub struct Admin {
    /// The node's operators' address [default: http:// and --grpc]
    #[arg(long, value_name = "URL", value_parser = values::web)]
    admin: Option<String>,
}

impl Admin {
    pub fn url(&self, config: &Config) -> String {
        self.admin.clone().unwrap_or_else(|| format!("http://{}", config.grpc))
    }

    /// None: the one that the node keeps in its data folder.
    pub fn token<'a>(&self, config: &'a Config) -> Option<&'a Secret> {
        config.admin_token.as_ref()
    }
}
