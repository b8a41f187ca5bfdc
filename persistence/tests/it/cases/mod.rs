//! What every store must do.

mod journal;
mod outbox;
mod pages;
mod rows;
mod timers;
mod units;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use protocol::ports::Store;

type Run = Box<dyn Fn(Arc<dyn Store>) -> Pin<Box<dyn Future<Output = ()> + Send>>>;

pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) run: Run,
}

fn case<F>(name: &'static str, run: impl Fn(Arc<dyn Store>) -> F + 'static) -> Case
where
    F: Future<Output = ()> + Send + 'static,
{
    Case { name, run: Box::new(move |store| Box::pin(run(store))) }
}

pub(crate) fn all() -> Vec<Case> {
    vec![
        case("values come back as they went in", rows::values_come_back),
        case("bad values and columns are refused", rows::bad_values_are_refused),
        case("lists are found by what they hold", rows::lists_are_found_by_what_they_hold),
        case("a taken id or value is refused", rows::taken_is_refused),
        case("a record is stored once, and what is delivered goes with it", rows::records_are_stored_once),
        case("a unique value is free after a deletion", rows::unique_among_live),
        case("a stale revision is a conflict", rows::stale_is_a_conflict),
        case("of 64 racers one wins", rows::one_racer_wins),
        case(
            "who was told of a change reads it, however many read the row meanwhile",
            rows::changes_are_read,
        ),
        case("a deleted row is gone", rows::deleted_is_gone),
        case("a foreign scope sees and changes nothing", rows::scopes_are_apart),
        case("a part of a row holds its columns", rows::parts_of_rows),
        case(
            "what a change made of a row is what is read",
            rows::what_a_change_made_of_a_row_is_what_is_read,
        ),
        case("a unit is stored whole or not at all", units::all_or_nothing),
        case("a refused unit leaves its neighbours alone", units::neighbours_go_on),
        case("callers may go away", units::callers_may_leave),
        case("what may wait for others is stored in its place, also when none come", units::in_company),
        case("a closed store answers so", units::closed_is_unavailable),
        case("pages are stable", pages::pages_are_stable),
        case("filters select", pages::filters_select),
        case("journal entries are put, found and erased", journal::entries),
        case("timers are set, moved and cancelled", timers::timers),
        case("the outbox tells commits in order", outbox::order_of_commits),
        case("a commit wakes who waits for it", outbox::commits_wake),
        case("what waits is counted, and the oldest shown", outbox::backlog),
    ]
}
