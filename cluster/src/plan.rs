//! Everything a node is started with, in the words of the parts that it is given to.

use std::net::SocketAddr;
use std::path::PathBuf;

use protocol::ports::Settings;

use crate::admin::Tls;
use crate::bus::memory::Broker;
use crate::config::Config;
use crate::outward::Reach;
use crate::pods::Watched;
use crate::speech;

#[derive(Clone)]
pub struct Plan {
    pub settings: Settings,
    pub data: PathBuf,
    /// `sqlite:PATH` or `mysql://...`
    pub store: String,
    /// `memory:` or `redis://...`
    pub cache: String,
    /// `memory:`, or `amqp://...` for RabbitMQ
    pub bus: String,
    /// Domains that this node serves: names with or without `-manager`, `gateway`, or `*`.
    pub serve: Vec<String>,
    pub voice: voice::Settings,
    /// Its token key is put in at the start.
    pub gateway: gateway::Settings,
    /// Where operators connect, and the token they show; `None` for the one in the data folder.
    pub admin: SocketAddr,
    pub admin_token: Option<String>,
    pub admin_tls: Option<Tls>,
    /// Where customers may aim besides public addresses.
    pub reach: Reach,
    pub speech: speech::Settings,
    /// Where `sentinel` is served.
    pub pods: Watched,
    /// What `memory:` connects to: nodes of one process share one.
    pub broker: Broker,
}

impl Plan {
    pub fn of(config: &Config) -> Plan {
        Plan {
            settings: config.settings(),
            data: config.data.clone(),
            store: config.store().url().to_owned(),
            cache: config.cache.url().to_owned(),
            bus: config.bus.url().to_owned(),
            serve: config.serve.clone(),
            voice: voice(config),
            gateway: gateway(config),
            admin: config.grpc,
            admin_token: config.admin_token.as_ref().map(|token| token.expose().to_owned()),
            admin_tls: config.grpc_tls(),
            reach: config.reach(),
            speech: config.speech(),
            pods: config.pods.clone().map_or(Watched::Nothing, Watched::Own),
            broker: Broker::default(),
        }
    }
}

fn voice(config: &Config) -> voice::Settings {
    voice::Settings {
        sip_udp: config.sip,
        sip_tcp: Some(config.sip),
        external_ip: config.external_ip,
        rtp_bind: config.sip.ip(),
        rtp_ports: config.rtp.range(),
        ..voice::Settings::default()
    }
}

fn gateway(config: &Config) -> gateway::Settings {
    let rate = |rate: crate::config::Rate| gateway::Rate::new(rate.per_second, rate.burst);
    let mut settings = gateway::Settings::new(config.http, Vec::new());
    settings.tls = config.tls();
    settings.limits.v1 = rate(config.address_rate);
    settings.limits.customer = rate(config.customer_rate);
    settings.limits.auth = rate(config.auth_rate);
    settings
}
