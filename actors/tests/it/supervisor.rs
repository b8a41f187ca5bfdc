//! OTP's rules, exactly: order, restart types, budget, escalation.

use std::sync::{Arc, Mutex};

use actors::kernel::{Budget, Child, Outcome, Restart, Running, State, Strategy, Supervisor};
use protocol::Error;
use tokio::sync::mpsc;
use tokio::time::{Duration, Instant, sleep};

/// What the children did, in order.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn add(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }
    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
    fn count(&self, line: &str) -> usize {
        self.lines().iter().filter(|l| *l == line).count()
    }
    /// Waits in paused time, at most a minute of it, until a line was logged so often.
    async fn reaches(&self, line: &str, times: usize) {
        let limit = Instant::now() + Duration::from_secs(60);
        while self.count(line) < times {
            assert!(Instant::now() < limit, "{line} {times} times in {:?}", self.lines());
            sleep(Duration::from_millis(1)).await;
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum End {
    Fails,
    Panics,
    Returns,
}

/// A child that ends when it is told how.
struct Script {
    child: Child,
    end: mpsc::UnboundedSender<End>,
}

fn script(id: &'static str, log: &Log) -> Script {
    let (end, orders) = mpsc::unbounded_channel();
    let (log, orders) = (log.clone(), Arc::new(tokio::sync::Mutex::new(orders)));
    let child = Child::task(id, move |token| {
        let (log, orders) = (log.clone(), orders.clone());
        async move {
            log.add(format!("start {id}"));
            let mut orders = orders.lock().await;
            tokio::select! {
                () = token.cancelled() => {
                    log.add(format!("stop {id}"));
                    Ok(())
                }
                Some(order) = orders.recv() => match order {
                    End::Panics => panic!("as told"),
                    End::Returns => Ok(()),
                    End::Fails => Err(Error::unavailable("as told")),
                },
            }
        }
    });
    Script { child, end }
}

async fn started(log: &Log, supervisor: Supervisor) -> Running {
    let tree = supervisor.start().await.unwrap();
    for child in tree.branch.read().children {
        log.reaches(&format!("start {}", child.name), 1).await;
    }
    tree
}

#[tokio::test(start_paused = true)]
async fn children_start_in_order_and_stop_in_reverse() {
    let log = Log::default();
    let supervisor =
        ["a", "b", "c"].into_iter().fold(Supervisor::new("root"), |s, id| s.child(script(id, &log).child));
    let tree = started(&log, supervisor).await;
    tree.stop().await;
    assert_eq!(log.lines(), ["start a", "start b", "start c", "stop c", "stop b", "stop a"]);
    assert_eq!(tree.ended().await, Outcome::Shutdown);
}

#[tokio::test(start_paused = true)]
async fn restart_types_decide_by_how_a_child_ended() {
    for (restart, end, again) in [
        (Restart::Permanent, End::Fails, true),
        (Restart::Permanent, End::Panics, true),
        (Restart::Permanent, End::Returns, true),
        (Restart::Transient, End::Fails, true),
        (Restart::Transient, End::Panics, true),
        (Restart::Temporary, End::Fails, false),
        (Restart::Temporary, End::Panics, false),
    ] {
        let log = Log::default();
        let (first, other) = (script("first", &log), script("other", &log));
        let tree =
            started(&log, Supervisor::new("root").child(first.child.restart(restart)).child(other.child))
                .await;
        first.end.send(end).unwrap();
        if again {
            log.reaches("start first", 2).await;
        } else {
            while tree.branch.read().children[0].state != State::Stopped {
                sleep(Duration::from_millis(1)).await;
            }
        }
        assert_eq!(log.count("start first"), 1 + usize::from(again), "{restart:?} {end:?}");
        assert_eq!(log.count("start other"), 1, "the other child is left alone");
        tree.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_restart_too_many_stops_the_others_in_reverse_and_then_the_supervisor() {
    let log = Log::default();
    let (a, bad, c) = (script("a", &log), script("bad", &log), script("c", &log));
    let supervisor = Supervisor::new("root").child(a.child).child(bad.child).child(c.child);
    let tree = started(&log, supervisor).await;
    for round in 2..=6 {
        bad.end.send(End::Fails).unwrap();
        log.reaches("start bad", round).await;
    }
    assert_eq!(log.count("stop a"), 0, "five restarts in thirty seconds are within the budget");
    bad.end.send(End::Panics).unwrap();
    assert!(matches!(tree.ended().await, Outcome::Exhausted(_)));
    assert_eq!(log.count("start bad"), 6);
    assert_eq!(log.lines()[log.lines().len() - 2..], ["stop c", "stop a"]);
}

#[tokio::test(start_paused = true)]
async fn restarts_older_than_the_period_are_forgotten() {
    let log = Log::default();
    let bad = script("bad", &log);
    let mut supervisor = Supervisor::new("root").child(bad.child);
    supervisor.budget = Budget { limit: 2, period: Duration::from_secs(10) };
    let tree = started(&log, supervisor).await;
    for round in 0..4 {
        for once in 0..2 {
            bad.end.send(End::Fails).unwrap();
            log.reaches("start bad", 2 + 2 * round + once).await;
        }
        sleep(Duration::from_secs(10)).await;
    }
    assert_eq!(tree.branch.read().children[0].restarts, 8);
    tree.stop().await;
}

#[tokio::test(start_paused = true)]
async fn rest_for_one_starts_those_after_it_again_in_order() {
    let log = Log::default();
    let scripts = ["a", "b", "c"].map(|id| script(id, &log));
    let [a, b, c] = scripts;
    let mut supervisor = Supervisor::new("root").child(a.child).child(b.child).child(c.child);
    supervisor.strategy = Strategy::RestForOne;
    let tree = started(&log, supervisor).await;
    b.end.send(End::Fails).unwrap();
    log.reaches("start c", 2).await;
    assert_eq!(log.lines(), ["start a", "start b", "start c", "stop c", "start b", "start c"]);
    tree.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_isolated_child_is_down_for_a_while_and_costs_nobody_else() {
    let log = Log::default();
    let (bad, good) = (script("bad", &log), script("good", &log));
    let mut inner = Supervisor::new("inner").child(bad.child);
    inner.budget = Budget { limit: 1, period: Duration::from_secs(5) };
    let outer = Supervisor::new("root").child(inner.as_child().isolated()).child(good.child);
    let tree = outer.start().await.unwrap();
    log.reaches("start bad", 1).await;
    let mut starts = 1;
    for wait in [1, 2, 4] {
        for _ in 0..2 {
            bad.end.send(End::Fails).unwrap();
            starts += 1;
            if starts % 2 == 0 {
                log.reaches("start bad", starts).await;
            }
        }
        starts -= 1;
        while tree.branch.read().children[0].state != State::Down {
            sleep(Duration::from_millis(1)).await;
        }
        let since = Instant::now();
        starts += 1;
        log.reaches("start bad", starts).await;
        let took = since.elapsed();
        assert!(
            took.as_secs_f64() > f64::from(wait) - 0.1 && took.as_secs_f64() < f64::from(wait) + 0.1,
            "{took:?}"
        );
        starts = log.count("start bad");
    }
    assert_eq!(log.count("start good"), 1);
    assert!(tree.branch.read().children[0].last_error.contains("as told"));
    tree.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_supervisor_past_its_budget_is_its_parents_business() {
    let log = Log::default();
    let bad = script("bad", &log);
    let mut inner = Supervisor::new("inner").child(bad.child);
    inner.budget = Budget { limit: 0, period: Duration::from_secs(5) };
    let mut outer = Supervisor::new("root").child(inner.as_child());
    outer.budget = Budget { limit: 1, period: Duration::from_secs(30) };
    let tree = outer.start().await.unwrap();
    log.reaches("start bad", 1).await;
    bad.end.send(End::Fails).unwrap();
    log.reaches("start bad", 2).await;
    bad.end.send(End::Fails).unwrap();
    assert!(matches!(tree.ended().await, Outcome::Exhausted(error) if error.contains("as told")));
}

#[tokio::test(start_paused = true)]
async fn a_child_that_does_not_stop_in_time_is_killed() {
    let log = Log::default();
    let deaf = log.clone();
    let child = Child::task("deaf", move |_| {
        let log = deaf.clone();
        async move {
            log.add("start deaf");
            std::future::pending().await
        }
    });
    let supervisor =
        Supervisor::new("root").child(child.shutdown(Duration::from_secs(3))).child(script("b", &log).child);
    let tree = started(&log, supervisor).await;
    let since = Instant::now();
    tree.stop().await;
    assert!(since.elapsed() >= Duration::from_secs(3) && since.elapsed() < Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_child_that_cannot_start_stops_those_before_it() {
    let log = Log::default();
    let bad = Child::new("bad", actors::kernel::Kind::Task, |_, _| async {
        Err(ractor::SpawnErr::StartupFailed("no".into()))
    });
    let supervisor = Supervisor::new("root").child(script("a", &log).child).child(bad);
    assert!(supervisor.start().await.is_err());
    log.reaches("stop a", 1).await;
}
