//! The order in which carriers are tried. Pure: everything that decides is an argument.

use std::cmp::Reverse;
use std::collections::HashSet;

use serde::Deserialize;
use uuid::{Uuid, uuid};

/// The customer whose routes are everybody's defaults. VoIPBIN's id.
pub(super) const EVERYBODY: Uuid = uuid!("00000000-0000-0000-0000-000000000001");
/// The target of a route for every number.
pub(super) const ALL: &str = "all";

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Route {
    pub(super) id: Uuid,
    pub(super) customer_id: Uuid,
    pub(super) provider_id: Uuid,
    pub(super) priority: i64,
    pub(super) target: String,
}

/// Every target that covers the number: its prefixes, and all.
pub(super) fn targets(number: &str) -> Vec<String> {
    let prefixes = number.char_indices().skip(1).map(|(at, c)| number[..at + c.len_utf8()].to_owned());
    prefixes.chain([ALL.to_owned()]).collect()
}

/// A customer's own routes before the defaults; then the lowest priority, the longest target, the oldest id.
/// Each provider is tried once, at its best place.
pub(super) fn order(mut routes: Vec<Route>) -> Vec<Route> {
    let length = |target: &str| if target == ALL { 0 } else { target.len() };
    routes.sort_by_key(|r| (r.customer_id == EVERYBODY, r.priority, Reverse(length(&r.target)), r.id));
    let mut seen = HashSet::new();
    routes.retain(|route| seen.insert(route.provider_id));
    routes
}

/// Providers that fail again and again are kept as the last resort.
pub(super) fn sick_last<T>(ways: Vec<T>, is_sick: impl Fn(&T) -> bool) -> Vec<T> {
    let (sick, mut healthy): (Vec<T>, Vec<T>) = ways.into_iter().partition(is_sick);
    healthy.extend(sick);
    healthy
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Uuid = Uuid::from_u128(0xc);

    fn route(id: u128, customer_id: Uuid, provider: u128, priority: i64, target: &str) -> Route {
        let (id, provider_id) = (Uuid::from_u128(id), Uuid::from_u128(provider));
        Route { id, customer_id, provider_id, priority, target: target.into() }
    }

    fn check(routes: Vec<Route>, expected: &[u128]) {
        let ids: Vec<_> = order(routes).into_iter().map(|route| route.id.as_u128()).collect();
        assert_eq!(ids, expected);
    }

    #[test]
    fn a_number_is_covered_by_its_prefixes_and_by_all() {
        assert_eq!(targets("+4420"), ["+4", "+44", "+442", "+4420", "all"]);
    }

    #[test]
    fn the_priority_decides_before_the_longest_target() {
        check(
            vec![route(1, OWN, 1, 0, "all"), route(2, OWN, 2, 0, "+1"), route(3, OWN, 3, 9, "+1416")],
            &[2, 1, 3],
        );
    }

    #[test]
    fn the_oldest_wins_among_equals() {
        check(
            vec![route(4, OWN, 4, 1, "+1"), route(3, OWN, 3, 1, "+1"), route(2, OWN, 2, 0, "+1")],
            &[2, 3, 4],
        );
    }

    #[test]
    fn own_routes_come_before_defaults_and_a_provider_once() {
        check(
            vec![
                route(1, EVERYBODY, 1, 0, "+1416"),
                route(2, EVERYBODY, 2, 0, "+1"),
                route(3, OWN, 2, 0, "all"),
                route(4, OWN, 3, 0, "+1"),
            ],
            &[4, 3, 1],
        );
    }

    #[test]
    fn the_sick_go_to_the_end_in_their_order() {
        assert_eq!(sick_last(vec![1, 2, 3, 4], |way| way % 2 == 1), [2, 4, 1, 3]);
    }
}
