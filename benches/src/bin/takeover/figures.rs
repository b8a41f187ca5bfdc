//! What a takeover says in figures: times of calls as median, 95th in a hundred, and last.

use std::fmt;
use std::sync::Arc;

use tokio::time::{Duration, Instant};

use crate::ear::Ear;
use crate::scene::Ledger;

/// After the death of their node, all calls are back within this.
pub(crate) const TARGET: Duration = Duration::from_secs(3);

/// One death, as the far end lived through it.
pub(crate) struct Takeover {
    pub(crate) calls: usize,
    /// From the kill to the re-INVITE, in seconds, of those calls that got one.
    pub(crate) moved: Vec<f64>,
    /// From the kill to the first packet of the heir.
    pub(crate) heard: Vec<f64>,
    /// From the last packet of the one to the first of the other.
    pub(crate) gap: Vec<f64>,
    /// From the kill until a call had both.
    pub(crate) back: Vec<f64>,
    /// Breaks in the audio in the second before the kill: not zero when the machine was too busy.
    pub(crate) unsteady: usize,
}

impl Takeover {
    pub(crate) fn of(calls: &[Arc<Ear>], killed: Instant) -> Takeover {
        let (mut moved, mut heard, mut gap, mut back) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for call in calls {
            let (last, first) = call.handed_over(killed);
            let told = call.moved(killed);
            moved.extend(told.map(|at| seconds(killed, at)));
            heard.extend(first.map(|packet| seconds(killed, packet.at)));
            gap.extend(last.zip(first).map(|(last, first)| seconds(last.at, first.at)));
            back.extend(told.zip(first).map(|(at, packet)| seconds(killed, at.max(packet.at))));
        }
        let unsteady = calls.iter().map(|call| call.unsteady(killed)).sum();
        Takeover { calls: calls.len(), moved, heard, gap, back, unsteady }
    }

    pub(crate) fn lost(&self) -> usize {
        self.calls - self.back.len()
    }

    pub(crate) fn show(&self, round: usize, ledger: &Ledger) {
        println!("\ndeath {round}, {} calls up         median       p95       max, s", self.calls);
        for (name, figures) in [
            ("re-INVITE after the kill", &self.moved),
            ("first RTP of the heir after it", &self.heard),
            ("gap in the audio", &self.gap),
        ] {
            println!("{name:<32} {}", Tail::of(figures));
        }
        let within = self.back.iter().filter(|back| **back <= TARGET.as_secs_f64()).count();
        println!("back within {} s: {within}; never came back: {}", TARGET.as_secs(), self.lost());
        println!("breaks in the audio in the second before: {}", self.unsteady);
        println!(
            "ledger: charged once {}, more than once {}, not {}; entries less balance {}",
            ledger.charged_once, ledger.charged_more, ledger.not_charged, ledger.difference
        );
    }
}

fn seconds(from: Instant, to: Instant) -> f64 {
    to.saturating_duration_since(from).as_secs_f64()
}

/// The figure that half of them, 95 in a hundred and all do not exceed.
pub(crate) struct Tail([f64; 3]);

impl Tail {
    /// Of no figures: not a number.
    pub(crate) fn of(figures: &[f64]) -> Tail {
        let mut figures = figures.to_vec();
        figures.sort_by(f64::total_cmp);
        let at = |part: f64| {
            let place = (part * figures.len() as f64).ceil() as usize;
            figures.get(place.saturating_sub(1)).copied().unwrap_or(f64::NAN)
        };
        Tail([at(0.5), at(0.95), at(1.0)])
    }
}

impl fmt::Display for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [median, most, last] = self.0;
        write!(f, "{median:>9.2} {most:>9.2} {last:>9.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_is_at_the_end() {
        let figures: Vec<f64> = (1..=200).map(f64::from).collect();
        assert_eq!(Tail::of(&figures).0, [100.0, 190.0, 200.0]);
        assert_eq!(Tail::of(&[7.0]).0, [7.0; 3]);
        assert!(Tail::of(&[]).0[0].is_nan());
    }
}
