//! The rule of one voice: the node and its heir against each other, in all weathers.

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::*;

const MS: Duration = Duration::from_millis(1);

fn peer(silence: Duration, renewals: i64) -> Peer {
    Peer {
        node: "old".into(),
        serves: Vec::new(),
        alive: silence <= LEASE,
        late: silence > protocol::ports::LATE,
        quiet: silence > QUIET,
        until: Time::from_timestamp(renewals, 0),
    }
}

#[test]
fn a_node_that_lost_both_witnesses_at_once_is_gone_when_it_has_been_quiet() {
    let died = Instant::now();
    let mut doubt = Doubt::default();
    let at = |ms: u32| died + ms * MS;
    doubt.hear(&peer(601 * MS, 1), Word::Gone, (at(600), at(601)));
    assert!(!doubt.is_sure(&peer(2000 * MS, 1), at(2000)), "not quiet");
    assert!(doubt.is_sure(&peer(2001 * MS, 1), at(2001)));
}

#[test]
fn a_node_that_lived_on_the_word_of_the_bus_is_gone_when_that_word_is_over() {
    let lost = Instant::now();
    let at = |ms: u32| lost + ms * MS;
    // the store has not heard it for 20 s, the bus had it until now
    let mut node = Standing::renewed(at(0));
    for word in (0..20_000).step_by(1000) {
        node.heard(at(0), at(word));
    }
    let (mut doubt, quiet) = (Doubt::default(), peer(20_000 * MS, 1));
    doubt.hear(&quiet, Word::Here, (at(18_900), at(18_900)));
    doubt.hear(&quiet, Word::Gone, (at(19_000), at(19_000)));
    assert!(node.until() > at(19_000), "it still speaks");
    assert!(!doubt.is_sure(&quiet, at(19_001)));
    assert!(doubt.is_sure(&quiet, node.until()) && doubt.is_sure(&quiet, at(19_000) + WORD));
}

#[test]
fn a_queue_that_came_back_helps_nobody_before_the_store_hears_its_node() {
    let begun = Instant::now();
    let mut node = Standing::renewed(begun);
    node.heard(begun + MS, begun + 1000 * MS);
    assert_eq!(node.until(), begun + QUIET, "others may have found it gone");
    node.heard(begun - MS, begun + 1000 * MS);
    assert_eq!(node.until(), begun + 1000 * MS + WORD);
    let mut doubt = Doubt::default();
    doubt.hear(&peer(700 * MS, 1), Word::Gone, (begun, begun));
    doubt.hear(&peer(2100 * MS, 1), Word::Here, (begun, begun));
    assert!(doubt.is_sure(&peer(2100 * MS, 1), begun + WORD));
    doubt.hear(&peer(700 * MS, 2), Word::Here, (begun, begun));
    assert!(!doubt.is_sure(&peer(2100 * MS, 2), begun + WORD), "the store has heard of it");
}

#[test]
fn a_node_that_answers_nothing_is_gone_with_its_lease() {
    let asked = Instant::now();
    let mut doubt = Doubt::default();
    for (silence, word) in [(700, Word::Silent), (6000, Word::Unknown), (7000, Word::Silent)] {
        let at = asked + silence * MS;
        doubt.hear(&peer(silence * MS, 1), word, (at, at + 1000 * MS));
    }
    assert!(!doubt.is_sure(&peer(LEASE, 1), asked + 20_000 * MS), "its lease runs");
    assert!(!doubt.is_sure(&peer(LEASE + MS, 1), asked + 11_999 * MS), "our own bus was not sound before");
    assert!(doubt.is_sure(&peer(LEASE + MS, 1), asked + 12_000 * MS));
}

/// Spans of time in which something is there, by turns.
struct Weather(Vec<Duration>);

impl Weather {
    fn random(random: &mut StdRng, turns: std::ops::Range<u32>) -> Self {
        let mut at = Duration::ZERO;
        let changes = (0..12).map(|_| {
            at += random.random_range(turns.clone()) * MS;
            at
        });
        Weather(changes.collect())
    }

    fn turns(&self, at: Duration) -> usize {
        self.0.partition_point(|change| *change <= at)
    }

    fn is_fine(&self, at: Duration) -> bool {
        self.turns(at).is_multiple_of(2)
    }

    /// Since when it is fine.
    fn since(&self, at: Duration) -> Duration {
        self.turns(at).checked_sub(1).map_or(Duration::ZERO, |last| self.0[last])
    }
}

/// A moment between two others.
fn between(random: &mut StdRng, from: Duration, to: Duration) -> Duration {
    from + (to - from) * random.random_range(0..=100) / 100
}

/// One turn of the old node.
struct Step {
    /// When the store heard of it, if it did.
    arrives: Option<Duration>,
    /// Until when it speaks from then on.
    until: Duration,
}

fn old(random: &mut StdRng, [store, bus]: &[Weather; 2], zero: Instant) -> Vec<Step> {
    let (mut standing, mut now) = (Standing::renewed(zero), Duration::ZERO);
    let mut steps = vec![Step { arrives: Some(now), until: QUIET }];
    while now < 60_000 * MS {
        let begun = now;
        now += random.random_range(1..600) * MS;
        let at = between(random, begun, now);
        let arrives = store.is_fine(at).then_some(at);
        // its answer may be lost
        if arrives.is_some() && store.is_fine(now) {
            standing = Standing::renewed(zero + begun);
        } else {
            let asked = now;
            now += random.random_range(1..300) * MS;
            let said = between(random, asked, now);
            if bus.is_fine(said) {
                standing.heard(zero + bus.since(said), zero + asked);
            }
        }
        steps.push(Step { arrives, until: standing.until() - zero });
        now += random.random_range(200..600) * MS;
    }
    steps
}

/// When the heir takes over, by what it sees.
fn heir(random: &mut StdRng, bus: &Weather, renewals: &[Duration], zero: Instant) -> Option<Duration> {
    let (mut doubt, mut now) = (Doubt::default(), Duration::ZERO);
    let count = |now: Duration| renewals.partition_point(|at| *at <= now);
    while now < 60_000 * MS {
        now += random.random_range(100..300) * MS;
        let known = count(now);
        let peer = peer(now - renewals[known - 1], known as i64);
        if !peer.late {
            doubt = Doubt::default();
            continue;
        }
        let asked = now;
        now += random.random_range(1..200) * MS;
        let word = if bus.is_fine(between(random, asked, now)) { Word::Here } else { Word::Gone };
        doubt.hear(&peer, word, (zero + asked, zero + now));
        // the store itself refuses when the node was renewed meanwhile
        if doubt.is_sure(&peer, zero + now) && count(now) == known {
            return Some(now);
        }
    }
    None
}

#[test]
fn whatever_the_store_and_the_bus_do_nobody_takes_over_while_the_old_node_speaks() {
    let (zero, mut taken) = (Instant::now(), 0);
    for seed in 0..5_000 {
        let mut random = StdRng::seed_from_u64(seed);
        let weather = [Weather::random(&mut random, 1..9000), Weather::random(&mut random, 1..6000)];
        let steps = old(&mut random, &weather, zero);
        let renewals: Vec<_> = steps.iter().filter_map(|step| step.arrives).collect();
        let Some(at) = heir(&mut random, &weather[1], &renewals, zero) else { continue };
        taken += 1;
        // with its next word from the store it hears that its name was taken, and ends
        let own = steps.iter().take_while(|step| step.arrives.is_none_or(|arrives| arrives <= at));
        let spoke = own.map(|step| step.until).max().unwrap_or_default();
        assert!(spoke <= at, "seed {seed}: it spoke until {spoke:?}, and was taken over at {at:?}");
    }
    assert!(taken > 500, "{taken}");
}
