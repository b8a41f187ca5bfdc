//! Everything an operator may set, each once: name, default and explanation.
//!
//! A flag wins over the environment, that over the file, that over the default. The environment's names are
//! the flags': `--call-seconds` is `BRANCHLINE_CALL_SECONDS`, and `call-seconds` in the file.

mod command;
mod load;
mod secret;
#[cfg(test)]
mod tests;
mod values;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use protocol::ports;

use crate::admin::Tls;
use crate::outward::{Allow, Reach};
use crate::speech;
use crate::telemetry::logs::Format;
pub use command::{Actor, Admin, Cli, Command, Events, Place};
pub use load::{Refusal, from_process, parse};
pub use secret::{Backend, Secret};
pub use values::{Ports, Rate};

/// The settings of one node.
#[derive(Args, Clone, Debug)]
pub struct Config {
    /// Reads settings from a TOML file: the flags' names without the dashes in front
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Where the HTTP API and the WebSocket listen
    #[arg(long, global = true, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    pub http: SocketAddr,

    /// Certificate chain of the HTTP listener, PEM; together with --tls-key
    #[arg(long, global = true, value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,

    /// Private key of the HTTP listener, PEM; together with --tls-cert
    #[arg(long, global = true, value_name = "FILE")]
    pub tls_key: Option<PathBuf>,

    /// Where SIP listens, UDP and TCP
    #[arg(long, global = true, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:5060")]
    pub sip: SocketAddr,

    /// The address under which phones and carriers reach this node, when it is behind NAT
    #[arg(long, global = true, value_name = "ADDRESS")]
    pub external_ip: Option<IpAddr>,

    /// UDP ports for media; a call takes an even one and the odd one after it for each leg
    #[arg(long, global = true, value_name = "FIRST-LAST", default_value = "20000-20999")]
    pub rtp: Ports,

    /// Where operators are served: gRPC, the page /console/, health and metrics
    #[arg(long, global = true, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8081")]
    pub grpc: SocketAddr,

    /// Certificate chain of the operators' listener, PEM; together with --grpc-key
    #[arg(long, global = true, value_name = "FILE")]
    pub grpc_cert: Option<PathBuf>,

    /// Private key of the operators' listener, PEM; together with --grpc-cert
    #[arg(long, global = true, value_name = "FILE")]
    pub grpc_key: Option<PathBuf>,

    /// An authority, PEM: operators with a client certificate of it need no token; needs --grpc-cert
    #[arg(long, global = true, value_name = "FILE")]
    pub grpc_client_ca: Option<PathBuf>,

    /// Where this node keeps what is its own: database, keys, recordings, spoken texts
    #[arg(long, global = true, value_name = "FOLDER", default_value = "branchline-data")]
    pub data: PathBuf,

    /// The database [default: sqlite:DATA/branchline.db]
    #[arg(long, global = true, value_name = "URL")]
    pub store: Option<Backend>,

    /// The cache: memory:, or redis://user:password@host:port/number (rediss:// over TLS) that nodes share.
    /// While Redis is away each node applies the rate limits by itself
    #[arg(long, global = true, value_name = "URL", default_value = "memory:")]
    pub cache: Backend,

    /// The message bus between nodes: memory: for a node alone, or RabbitMQ as in
    /// amqp://user:password@host:5672/vhost; amqps:// with TLS
    #[arg(long, global = true, value_name = "URL", default_value = "memory:")]
    pub bus: Backend,

    /// What this node serves: domains by name and `gateway`, or `*` for all
    #[arg(long, global = true, value_name = "DOMAIN,...", value_delimiter = ',', default_value = "*")]
    #[arg(value_parser = values::domain)]
    pub serve: Vec<String>,

    /// The name of this node, the same after every restart [default: the host's name]
    #[arg(long, global = true, value_name = "NAME", value_parser = values::node)]
    pub node: Option<String>,

    /// The SIP base domain; registrars and trunks are names below it. Phones that cannot resolve it take this
    /// node's address as their outbound proxy
    #[arg(long, global = true, value_name = "NAME", default_value = "branchline.local")]
    #[arg(value_parser = values::name)]
    pub domain: String,

    /// Lets webhooks, fetched flows and media go to a private address or network, as in 10.0.0.0/8 or
    /// 127.0.0.1:9000; repeatable
    #[arg(long, global = true, value_name = "NETWORK[:PORT]", value_delimiter = ',')]
    pub allow_private: Vec<Allow>,

    /// Country calling codes that customers may dial unless they have a list of their own, as in 1,44
    /// [default: none]
    #[arg(long, global = true, value_name = "CODE,...", value_delimiter = ',')]
    #[arg(value_parser = values::calling_code)]
    pub destinations: Vec<String>,

    /// The longest call, in seconds from its answer
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 3600)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=604_800))]
    pub call_seconds: u64,

    /// How long the timeline and finished webhook deliveries are kept, in days
    #[arg(long, global = true, value_name = "DAYS", default_value_t = 30)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub retention_days: u32,

    /// A speech endpoint that is compatible with OpenAI's, as in https://api.openai.com/v1
    #[arg(long, global = true, value_name = "URL", value_parser = values::web)]
    pub speech_url: Option<String>,

    /// The key of the speech endpoint; better given in the environment or the file
    #[arg(long, global = true, value_name = "KEY", value_parser = values::key)]
    pub speech_key: Option<Secret>,

    /// The model that the speech endpoint is asked for
    #[arg(long, global = true, value_name = "NAME", default_value = "tts-1")]
    pub speech_model: String,

    /// The voice for texts that name none [default: alloy with --speech-url, else the engine's own]
    #[arg(long, global = true, value_name = "NAME")]
    pub speech_voice: Option<String>,

    /// The pods whose end `sentinel` tells of: a label selector in the namespace of this pod, as in
    /// app.kubernetes.io/name=branchline [default: none]
    #[arg(long, global = true, value_name = "SELECTOR", value_parser = values::selector)]
    pub pods: Option<String>,

    /// What is logged: a level, or directives as in info,cluster=debug [default: RUST_LOG, else info]
    #[arg(long, global = true, value_name = "DIRECTIVES", value_parser = values::directives)]
    pub log: Option<String>,

    /// How log lines are written [default: text on a terminal, else json]
    #[arg(long, global = true, value_name = "FORMAT")]
    pub log_format: Option<Format>,

    /// Where traces go: an OpenTelemetry collector's gRPC, as in http://127.0.0.1:4317. Only in a program that
    /// was built with the feature otel
    #[arg(long, global = true, value_name = "URL", value_parser = values::web)]
    pub otlp_endpoint: Option<String>,

    /// How long calls and requests may take to end when the node is told to stop, in seconds
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 30)]
    #[arg(value_parser = clap::value_parser!(u64).range(0..=86_400))]
    pub stop_seconds: u64,

    /// API requests of a customer: a second, and at once; 0 for no limit
    #[arg(long, global = true, value_name = "RATE/BURST", default_value = "16.7/33")]
    pub customer_rate: Rate,

    /// API requests of an address: a second, and at once; 0 for no limit
    #[arg(long, global = true, value_name = "RATE/BURST", default_value = "200/400")]
    pub address_rate: Rate,

    /// Requests of an address to /auth: a second, and at once; 0 for no limit
    #[arg(long, global = true, value_name = "RATE/BURST", default_value = "10/20")]
    pub auth_rate: Rate,

    /// The token that operators show to --grpc; better given in the environment or the file [default: made at
    /// the first start and kept in DATA]
    #[arg(long, global = true, value_name = "TOKEN", value_parser = values::key)]
    pub admin_token: Option<Secret>,
}

impl Config {
    /// The database, in the data folder unless said otherwise.
    pub fn store(&self) -> Backend {
        let own = || Backend::of(format!("sqlite:{}", self.data.join("branchline.db").display()));
        self.store.clone().unwrap_or_else(own)
    }

    pub fn node(&self) -> String {
        self.node.clone().unwrap_or_else(values::host)
    }

    /// Does this node serve the domain (or `gateway`)?
    pub fn serves(&self, domain: &str) -> bool {
        self.serve.iter().any(|name| name == "*" || name == domain)
    }

    /// Certificate chain and private key.
    pub fn tls(&self) -> Option<(PathBuf, PathBuf)> {
        self.tls_cert.clone().zip(self.tls_key.clone())
    }

    /// The files of the operators' listener.
    pub fn grpc_tls(&self) -> Option<Tls> {
        let (certificate, key) = self.grpc_cert.clone().zip(self.grpc_key.clone())?;
        Some(Tls { certificate, key, client_ca: self.grpc_client_ca.clone() })
    }

    pub fn stop_within(&self) -> Duration {
        Duration::from_secs(self.stop_seconds)
    }

    /// What domains may read.
    pub fn settings(&self) -> ports::Settings {
        ports::Settings {
            node: self.node(),
            domain: self.domain.clone(),
            destinations: self.destinations.clone(),
            call_seconds: self.call_seconds,
            retention_days: self.retention_days,
        }
    }

    pub fn reach(&self) -> Reach {
        Reach::Public(self.allow_private.clone())
    }

    pub fn speech(&self) -> speech::Settings {
        let endpoint = self.speech_url.clone().map(|url| speech::Endpoint {
            url,
            key: self.speech_key.clone(),
            model: self.speech_model.clone(),
        });
        let voice = if endpoint.is_some() { "alloy" } else { "" };
        let voice = self.speech_voice.clone().unwrap_or_else(|| voice.to_owned());
        speech::Settings { data: self.data.clone(), endpoint, voice }
    }

    /// Directives for the log.
    pub fn log(&self) -> String {
        let usual = || std::env::var("RUST_LOG").ok().filter(|directives| !directives.is_empty());
        self.log.clone().or_else(usual).unwrap_or_else(|| "info".to_owned())
    }

    pub fn log_format(&self) -> Format {
        self.log_format.unwrap_or_else(Format::fitting)
    }
}
