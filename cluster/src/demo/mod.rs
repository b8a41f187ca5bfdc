//! The main job in one command: a call from the API to a phone, through a flow, to a second phone, and all
//! that follows from it. Everything in it is real: HTTP, SIP, RTP, webhooks, money.

pub(crate) mod api;
mod places;
mod receiver;
mod scene;
pub(crate) mod setup;
mod stage;
mod story;

use protocol::{Error, Result};
use tokio::time::{Duration, timeout};

use places::Places;
pub(crate) use places::{free_block, free_port};
use receiver::Receiver;
use stage::Stage;

pub use stage::Shared;

/// A demo that hangs is a demo that failed.
const LONGEST: Duration = Duration::from_secs(90);

/// On one node with everything, or on three that meet at what is `shared`: an empty database, a cache, a broker.
pub async fn run(stay: bool, shared: Option<&Shared>) -> Result<()> {
    let places = Places::find()?;
    let played = timeout(LONGEST, play(&places, stay, shared)).await;
    let outcome =
        played.unwrap_or_else(|_| Err(Error::unavailable("the demo did not come to its end in time")));
    places.clear();
    outcome
}

async fn play(places: &Places, stay: bool, shared: Option<&Shared>) -> Result<()> {
    crate::telemetry::metrics::install();
    let receiver = Receiver::start().await?;
    let stage = Stage::set(places, receiver.address(), shared).await?;
    let outcome = perform(places, &stage, &receiver, stay).await;
    stage.clear().await;
    receiver.stop().await;
    outcome
}

async fn perform(places: &Places, stage: &Stage, receiver: &Receiver, stay: bool) -> Result<()> {
    let node = stage.front()?;
    let welcome = stage.welcome(&places.folder).await?;
    let story = story::Story::follow(node).await?;
    scene::perform(places, node, &welcome, receiver).await?;
    story.complete().await?;
    println!("\nEverything was seen: the call, both tones, the webhooks with their signatures, the charge.");
    if stay {
        welcome.show(node);
        println!("It all stays until you press Ctrl-C.");
        let _ = tokio::signal::ctrl_c().await;
    }
    Ok(())
}
