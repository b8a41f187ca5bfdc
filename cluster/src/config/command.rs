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
