//! Sides measured in turns, and what their rounds say: medians, with the least and the most beside them.

use std::fmt;

use protocol::Result;
use tokio::time::Duration;

/// One side, once.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    /// Units of work that succeeded.
    pub units: u64,
    pub wall: Duration,
    /// Processor time of whoever did the work.
    pub cpu: Duration,
}

impl Round {
    pub fn per_second(&self) -> f64 {
        self.units as f64 / self.wall.as_secs_f64()
    }

    /// Processor time of one unit, in microseconds.
    pub fn cpu_each(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.units as f64
    }
}

/// Runs every side once a round, in the other order every other round: what drifts hits all alike.
/// The answer is by side, then by round.
pub async fn in_turns<T>(
    rounds: usize,
    sides: usize,
    mut run: impl AsyncFnMut(usize) -> Result<T>,
) -> Result<Vec<Vec<T>>> {
    let mut measured: Vec<Vec<T>> = (0..sides).map(|_| Vec::new()).collect();
    for round in 0..rounds {
        for at in 0..sides {
            let side = if round % 2 == 0 { at } else { sides - 1 - at };
            measured[side].push(run(side).await?);
        }
    }
    Ok(measured)
}

/// The middle one of several figures, and the outer ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    pub median: f64,
    pub least: f64,
    pub most: f64,
}

impl Spread {
    /// Of no figures: not a number.
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Spread {
        let mut figures: Vec<f64> = figures.into_iter().collect();
        figures.sort_by(f64::total_cmp);
        let at = |at: usize| figures.get(at).copied().unwrap_or(f64::NAN);
        let (low, high) = (figures.len().saturating_sub(1) / 2, figures.len() / 2);
        Spread {
            median: f64::midpoint(at(low), at(high)),
            least: at(0),
            most: figures.last().copied().unwrap_or(f64::NAN),
        }
    }

    /// Of what `figure` says about the two sides' rounds, taken in pairs.
    pub fn of_pairs(ours: &[Round], theirs: &[Round], figure: impl Fn(&Round, &Round) -> f64) -> Spread {
        Spread::of(ours.iter().zip(theirs).map(|(ours, theirs)| figure(ours, theirs)))
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = match self.median {
            large if large >= 100.0 => 0,
            middle if middle >= 10.0 => 1,
            _ => 2,
        };
        let text = format!("{:.digits$} ({:.digits$} to {:.digits$})", self.median, self.least, self.most);
        f.pad(&text)
    }
}

/// A line of a table: a name, a rate, processor time of one unit.
pub fn print_side(name: &str, rounds: &[Round]) {
    let rate = Spread::of(rounds.iter().map(Round::per_second));
    let cpu = Spread::of(rounds.iter().map(Round::cpu_each));
    println!("{name:<34} {rate:>30} {cpu:>28}");
}

pub fn print_head(what: &str) {
    println!("\n{what:<34} {:>30} {:>28}", "per second", "CPU us each");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let spread = Spread::of([3.0, 1.0, 2.0, 10.0]);
        assert_eq!(spread, Spread { median: 2.5, least: 1.0, most: 10.0 });
        assert_eq!(Spread::of([7.0]), Spread { median: 7.0, least: 7.0, most: 7.0 });
        assert!(Spread::of([]).median.is_nan());
        assert_eq!(format!("{:>22}", Spread::of([0.5])), "   0.50 (0.50 to 0.50)");
    }

    #[tokio::test]
    async fn sides_change_their_order() {
        let (order, round) = (
            std::cell::RefCell::new(Vec::new()),
            Round { units: 1, wall: Duration::from_secs(2), cpu: Duration::from_micros(5) },
        );
        let run = async |side: usize| {
            order.borrow_mut().push(side);
            Ok(round)
        };
        let measured = in_turns(3, 2, run).await.expect("rounds");
        assert_eq!((order.into_inner(), measured[1].len()), (vec![0, 1, 1, 0, 0, 1], 3));
        assert_eq!((round.per_second(), round.cpu_each()), (0.5, 5.0));
    }
}
