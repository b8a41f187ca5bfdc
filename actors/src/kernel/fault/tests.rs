//! Faults before a mailbox, in paused time.

use std::sync::Arc;

use protocol::Status;
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant, advance};

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn delay(milliseconds: u64, seconds: u64) -> Order {
    Order { fault: Fault::Delay(Duration::from_millis(milliseconds)), lasts: Duration::from_secs(seconds) }
}

fn drops(most: usize, seconds: u64) -> Order {
    Order { fault: Fault::Drop(most), lasts: Duration::from_secs(seconds) }
}

async fn enters(faults: &Faults, message: Message) -> Result<()> {
    faults.pass(message, Instant::now() + MINUTE / 2).await.map(drop)
}

#[tokio::test(start_paused = true)]
async fn what_is_delayed_comes_late_and_in_its_order() {
    let (faults, begun) = (Arc::new(Faults::default()), Instant::now());
    faults.put(delay(500, 1), None).unwrap();
    let (mut all, order) = (JoinSet::new(), Arc::new(Mutex::new(Vec::new())));
    for at in 0..20 {
        let (faults, order) = (faults.clone(), order.clone());
        all.spawn(async move {
            let turn = faults.pass(Message::Request, Instant::now() + MINUTE).await.unwrap();
            order.lock().unwrap().push(at);
            drop(turn);
        });
    }
    all.join_all().await;
    assert!(begun.elapsed() >= Duration::from_millis(500));
    assert_eq!(*order.lock().unwrap(), (0..20).collect::<Vec<_>>());
    let report = faults.report().unwrap();
    assert_eq!((report.delayed, report.requests_failed, report.has_ended), (20, 0, false));
}

#[tokio::test(start_paused = true)]
async fn a_delay_ends_by_itself_and_nobody_passes_those_who_wait() {
    let faults = Arc::new(Faults::default());
    faults.put(delay(2000, 1), None).unwrap();
    let (late, mut all) = (Arc::new(AtomicUsize::default()), JoinSet::new());
    let (waiting, before) = (faults.clone(), late.clone());
    all.spawn(async move {
        enters(&waiting, Message::Event).await.unwrap();
        add(&before);
    });
    tokio::task::yield_now().await;
    advance(Duration::from_millis(1500)).await;
    assert!(faults.report().unwrap().has_ended);
    enters(&faults, Message::Request).await.unwrap();
    assert_eq!(count(&late), 1, "the one before it is in");
    assert!(faults.standing().is_none(), "and then it costs nothing again");
    let report = faults.report().unwrap();
    assert_eq!((report.delayed, report.events_late, report.left), (1, 1, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_come_in_before_its_deadline_was_never_begun() {
    let faults = Faults::default();
    faults.put(delay(10_000, 60), None).unwrap();
    for (message, failed) in [(Message::Request, 1), (Message::Event, 1)] {
        let error = faults.pass(message, Instant::now() + Duration::from_secs(1)).await.unwrap_err();
        assert_eq!((error.status, error.unbegun), (Status::Unavailable, true));
        assert_eq!(faults.report().unwrap().requests_failed, failed);
    }
    assert_eq!(faults.report().unwrap().events_late, 1);
}

#[tokio::test(start_paused = true)]
async fn as_many_as_were_ordered_are_dropped_and_no_end_of_a_leg() {
    let (faults, thing) = (Faults::default(), Uuid::now_v7());
    faults.put(drops(3, 60), None).unwrap();
    let error = enters(&faults, Message::Request).await.unwrap_err();
    assert_eq!((error.status, error.unbegun), (Status::Unavailable, true));
    enters(&faults, Message::Event).await.unwrap_err();
    assert_eq!(faults.stamp(thing, Message::Vital).unwrap(), None);
    faults.stamp(thing, Message::Word).unwrap_err();
    enters(&faults, Message::Request).await.unwrap();
    let report = faults.report().unwrap();
    let done = (report.dropped, report.requests_failed, report.events_late, report.messages_lost);
    assert_eq!((done, report.has_ended), ((3, 1, 1, 1), true));
}

#[tokio::test(start_paused = true)]
async fn one_stands_at_a_time_until_it_ends_or_is_lifted() {
    let (faults, one, other) = (Faults::default(), Uuid::now_v7(), Uuid::now_v7());
    faults.put(drops(10, 10), Some(one)).unwrap();
    assert_eq!(faults.stamp(other, Message::Request).unwrap(), None, "it is not about this one");
    faults.stamp(one, Message::Request).unwrap_err();
    let error = faults.put(delay(1, 1), None).unwrap_err();
    assert!(error.message.contains("for 11 s more"), "{error}");
    assert!(faults.lift().unwrap().has_ended);
    assert_eq!(faults.stamp(one, Message::Request).unwrap(), None);
    faults.put(drops(10, 10), None).unwrap();
    advance(Duration::from_secs(10)).await;
    enters(&faults, Message::Request).await.unwrap();
    assert_eq!(faults.report().unwrap().dropped, 0);
}

#[test]
fn an_order_without_a_bound_is_refused() {
    let bad = [
        delay(0, 1),
        delay(10_001, 1),
        delay(1, 0),
        delay(1, 301),
        drops(0, 1),
        drops(1001, 1),
        drops(1, 61),
    ];
    for order in bad {
        let error = Faults::default().put(order, None).unwrap_err();
        assert!(error.message.contains(" must be 1 to "), "{order:?}: {error}");
    }
    assert!(Order::check(&delay(10_000, 300)).is_ok() && Order::check(&drops(1000, 60)).is_ok());
}
