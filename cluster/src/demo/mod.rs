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
use tokio::time::{Duration, Instant, timeout_at};

use places::Places;
pub(crate) use places::{free_block, free_port};
use receiver::Receiver;
use stage::Stage;

use crate::stop::Stop;
use crate::{Welcome, admin};

pub use stage::Shared;

/// A demo that hangs is a demo that failed. What stays afterwards stays.
const LONGEST: Duration = Duration::from_secs(90);

/// On one node with everything, or on three that meet at what is `shared`: an empty database, a cache, a broker.
pub async fn run(stay: bool, shared: Option<&Shared>) -> Result<()> {
    let places = Places::find()?;
    let outcome = play(&places, stay, shared).await;
    places.clear();
    outcome
}

async fn play(places: &Places, stay: bool, shared: Option<&Shared>) -> Result<()> {
    crate::telemetry::metrics::install();
    let limit = Instant::now() + LONGEST;
    let receiver = Receiver::start().await?;
    let stage = in_time(limit, Stage::set(places, receiver.address(), shared)).await?;
    let performed = in_time(limit, perform(places, &stage, &receiver)).await;
    let outcome = match performed {
        Ok(welcome) if stay => remain(places, &stage, &welcome).await,
        other => other.map(drop),
    };
    stage.clear().await;
    receiver.stop().await;
    outcome
}

async fn in_time<T>(limit: Instant, work: impl Future<Output = Result<T>>) -> Result<T> {
    let late = |_| Err(Error::unavailable("the demo did not come to its end in time"));
    timeout_at(limit, work).await.unwrap_or_else(late)
}

async fn perform(places: &Places, stage: &Stage, receiver: &Receiver) -> Result<Welcome> {
    let node = stage.front()?;
    let welcome = stage.welcome(&places.folder).await?;
    let story = story::Story::follow(node).await?;
    scene::perform(places, node, &welcome, receiver).await?;
    story.complete().await?;
    println!("\nEverything was seen: the call, both tones, the webhooks with their signatures, the charge.");
    Ok(welcome)
}

/// Until it is told to stop. Where things are is no secret, also where standard output is a file.
async fn remain(places: &Places, stage: &Stage, welcome: &Welcome) -> Result<()> {
    let mut stop = Stop::listen()?;
    welcome.show(stage.front()?);
    println!(
        "\nAPI      http://{}/v1.0; the first user and key are in {}",
        places.http,
        welcome.file().display()
    );
    println!(
        "console  http://{}/console/; the token is in {}",
        places.admin,
        places.folder.join(admin::TOKEN_FILE).display()
    );
    println!("SIP      {}, UDP and TCP", places.sip);
    println!("It all stays until you press Ctrl-C.");
    stop.told().await;
    Ok(())
}
