//! Backends of the bus. What crosses one is always the wire form, also between nodes of one process.

mod answer;
mod fact;
mod lanes;
pub mod memory;
pub mod rabbit;
mod subscriptions;

use std::sync::Arc;

use protocol::ports::Bus;
use protocol::{Error, Result};

use memory::{Broker, MemoryBus};
use rabbit::RabbitBus;

/// The bus that the URL names: `memory:` for `broker`, or RabbitMQ. The error names the flag and never shows
/// a password.
pub async fn open(url: &str, broker: Broker, node: &str) -> Result<Arc<dyn Bus>> {
    match url.split(':').next().unwrap_or_default() {
        "memory" => Ok(Arc::new(MemoryBus::new(broker))),
        "amqp" | "amqps" => match RabbitBus::connect(url, node).await {
            Ok(bus) => Ok(Arc::new(bus)),
            Err(mut error) => {
                error.message = format!("--bus: {}", error.message);
                Err(error)
            }
        },
        other => Err(Error::invalid(format!("--bus: {other} is not available; use memory: or amqp://"))),
    }
}
