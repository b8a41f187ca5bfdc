//! Faults under load, one after the other, and what was lost by them (nothing). Everything is real: the nodes are
//! processes of this program, clients write, telephones talk, a server takes webhooks.
//!
//! What breaks is chosen by the seed; when exactly it breaks what is the machine's doing.

mod client;
mod fault;
mod handset;
mod hooks;
mod operator;
mod program;
pub mod relay;
mod site;
mod talks;
mod verdict;
mod writers;

use std::collections::BTreeMap;

use protocol::{Error, Result};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::time::{Duration, Instant, sleep, timeout};

use fault::Fault;
use hooks::Hooks;
use program::Shared;
use site::Site;
use talks::Talks;
use verdict::Line;
use writers::Writers;

use crate::stop::Stop;

/// A node that is not well again after this is lost.
const RECOVERS: Duration = Duration::from_secs(60);
/// Writes that must be acknowledged between two faults: the next one meets a running installation.
const BETWEEN: usize = 4;
/// Before a fault, so that it meets other moments of the load.
const MOMENT_MS: std::ops::Range<u64> = 50..600;
/// Calls are up before the first fault.
const BEGINS: Duration = Duration::from_secs(30);

/// What is asked of a run.
pub struct Settings {
    pub rounds: u32,
    /// `None`: any.
    pub seed: Option<u64>,
    /// How many calls are kept up.
    pub calls: usize,
    /// Nothing else happens than that nodes are killed.
    pub kills: bool,
    /// The database, the broker and the cache of two nodes; without the first two one node runs alone.
    pub store: Option<String>,
    pub bus: Option<String>,
    pub cache: Option<String>,
}

/// Runs until all rounds are over and judged, or somebody presses Ctrl-C.
///
/// # Errors
/// Something was lost or doubled, or did not come back.
pub async fn run(settings: Settings) -> Result<()> {
    let seed = settings.seed.unwrap_or_else(|| rand::rng().random_range(0..1_000_000));
    println!("{} rounds with --seed {seed}", settings.rounds);
    let shared =
        Shared { store: settings.store.clone(), bus: settings.bus.clone(), cache: settings.cache.clone() };
    let hooks = Hooks::open().await?;
    let mut talks = Talks::prepare().await?;
    // what is dropped half open ends its nodes, too
    let mut stop = Stop::listen()?;
    let mut site = tokio::select! {
        site = Site::open(&shared) => site?,
        () = stop.told() => return Err(stopped()),
    };
    let harassed = async {
        site.furnish(talks.carrier(), hooks.local()).await?;
        let mut harm =
            Harm { site: &mut site, random: StdRng::seed_from_u64(seed), slowest: BTreeMap::new() };
        harm.run(&settings, &hooks, &mut talks).await
    };
    // the nodes are children that end with this process; here they end before it
    let outcome = tokio::select! {
        outcome = harassed => outcome,
        () = stop.told() => Err(stopped()),
    };
    site.close(outcome.is_err()).await;
    outcome
}

fn stopped() -> Error {
    Error::unavailable("stopped before the end")
}

struct Harm<'s> {
    site: &'s mut Site,
    random: StdRng,
    /// Of each fault: how often, and the slowest recovery.
    slowest: BTreeMap<String, (usize, Duration)>,
}

impl Harm<'_> {
    async fn run(&mut self, settings: &Settings, hooks: &Hooks, talks: &mut Talks) -> Result<()> {
        let writers = Writers::begin(&self.site.clients());
        talks.begin(self.site, settings.calls).await?;
        let begins = async {
            while talks.tally().up < settings.calls {
                sleep(client::LOOK).await;
            }
        };
        if timeout(BEGINS, begins).await.is_err() {
            let up = talks.tally().up;
            println!("only {up} of {} calls are up", settings.calls);
            if up == 0 {
                let seconds = BEGINS.as_secs();
                return Err(Error::unavailable(format!(
                    "no call is up after {seconds} s: none could be lost"
                )));
            }
        }
        for round in 1..=settings.rounds {
            let moment = Duration::from_millis(self.random.random_range(MOMENT_MS));
            sleep(moment).await;
            let fault = match settings.kills {
                true => Fault::Kill,
                false => Fault::choose(&mut self.random, self.site.posts.len() > 1),
            };
            self.round((round, fault), &writers, talks).await?;
        }
        let (promised, ended) = (writers.end().await, talks.end().await?);
        println!("\nThe load has ended. Looking at what is there ...");
        self.site.settles(RECOVERS).await?;
        let lines = verdict::judge(self.site, hooks, promised, ended).await?;
        self.report(&lines)
    }

    async fn round(&mut self, (round, fault): (u32, Fault), writers: &Writers, talks: &Talks) -> Result<()> {
        let (up, lost) = (talks.tally().up, talks.tally().lost.len());
        let what = fault.happen(self.site, &mut self.random).await?;
        let begun = Instant::now();
        let ended = self.site.recovers(RECOVERS).await?;
        self.writes_again(writers).await?;
        let took = begun.elapsed();
        let entry = self.slowest.entry(fault.to_string()).or_default();
        *entry = (entry.0 + 1, entry.1.max(took));
        let lost = talks.tally().lost.len() - lost;
        let fault = fault.to_string();
        println!("{round:>4}  {fault:<22} {what:<58} {up:>3} calls up, {lost} lost, back in {took:.2?}");
        for ended in ended.iter().filter(|_| !fault.contains("killed")) {
            println!("      {ended}");
        }
        Ok(())
    }

    /// Clients are acknowledged again.
    async fn writes_again(&self, writers: &Writers) -> Result<()> {
        let enough = writers.count() + BETWEEN;
        let again = async {
            while writers.count() < enough {
                sleep(client::LOOK).await;
            }
        };
        timeout(RECOVERS, again).await.map_err(|_| Error::unavailable("no write is acknowledged any more"))
    }

    fn report(&self, lines: &[Line]) -> Result<()> {
        println!("\n  {:<34} {:>9} {:>20}", "fault", "times", "slowest recovery");
        for (fault, (times, slowest)) in &self.slowest {
            println!("  {fault:<34} {times:>9} {:>20}", format!("{slowest:.2?}"));
        }
        println!("\n  {:<34} {:>9} {:>6} {:>8}", "what", "attempted", "lost", "doubled");
        lines.iter().for_each(Line::show);
        match lines.iter().all(Line::is_whole) {
            true => {
                println!("\nNothing was lost.");
                Ok(())
            }
            false => Err(Error::internal("something was lost")),
        }
    }
}
