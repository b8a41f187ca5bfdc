//! The main job in one command: a call from the API to a phone, through a flow, to a second phone, and all
//! that follows from it. Everything in it is real: HTTP, SIP, RTP, webhooks, money.

mod api;
mod places;
mod receiver;
mod scene;
mod setup;
mod story;

use protocol::{Error, Result};
use tokio::time::{Duration, timeout};

use crate::{Node, first};
use places::Places;
use receiver::Receiver;

/// A demo that hangs is a demo that failed.
const LONGEST: Duration = Duration::from_secs(90);
const STOP: Duration = Duration::from_secs(5);

pub async fn run(stay: bool) -> Result<()> {
    let places = Places::find()?;
    let played = timeout(LONGEST, play(&places, stay)).await;
    let outcome =
        played.unwrap_or_else(|_| Err(Error::unavailable("the demo did not come to its end in time")));
    places.clear();
    outcome
}

async fn play(places: &Places, stay: bool) -> Result<()> {
    crate::telemetry::metrics::install();
    println!("Starting a node in {}", places.folder.display());
    let receiver = Receiver::start().await?;
    let node = Node::start(places.plan(receiver.address())).await?;
    let welcome = first::welcome(&node.deps, &places.folder).await?;
    let welcome = welcome.ok_or_else(|| Error::internal("the demo's folder is not empty"))?;
    let story = story::Story::follow(&node).await?;
    let outcome = scene::perform(places, &node, &welcome, &receiver).await;
    let outcome = match outcome {
        Ok(()) => story.complete().await,
        Err(error) => Err(error),
    };
    if outcome.is_ok() {
        println!(
            "\nEverything was seen: the call, both tones, the webhooks with their signatures, the charge."
        );
    }
    if stay && outcome.is_ok() {
        welcome.show(&node);
        println!("The node stays until you press Ctrl-C.");
        let _ = tokio::signal::ctrl_c().await;
    }
    node.stop(STOP).await;
    receiver.stop().await;
    outcome
}
