//! How many nodes a group has, and that there is always one to take over from another.

use serde_json::json;

use super::helm::{Release, all, install, tool};
use super::object::{Object, list, text};

fn scaler<'a>(release: &'a Release, group: &Object) -> Option<&'a Object> {
    release.of("HorizontalPodAutoscaler").find(|scaler| {
        text(scaler.at("/spec/scaleTargetRef/name")) == group.name()
            && text(scaler.at("/spec/scaleTargetRef/kind")) == group.kind()
    })
}

/// How many there are at least.
fn least(release: &Release, group: &Object) -> u64 {
    let number = match scaler(release, group) {
        Some(scaler) => scaler.at("/spec/minReplicas"),
        None => group.at("/spec/replicas"),
    };
    number.as_u64().expect("a number")
}

#[test]
fn calls_grow_from_three_to_ten_and_the_gateway_from_three_to_twenty() {
    for release in all().iter().filter(|release| release.name != "single-node") {
        let bounds = |name: &str| {
            let group = release.groups().find(|group| group.name() == name).unwrap();
            let scaler = scaler(release, group).unwrap();
            let bound = |path| scaler.at(path).as_u64().unwrap();
            (bound("/spec/minReplicas"), bound("/spec/maxReplicas"))
        };
        assert_eq!(bounds("branchline-gateway"), (3, 20));
        let most = if release.name == "machines" { 5 } else { 10 };
        assert_eq!(bounds("branchline-call"), (3, most), "{}", release.name);
    }
}

#[test]
fn a_number_is_the_scalers_or_the_groups_and_never_of_both() {
    for release in all() {
        let groups: Vec<_> = release.groups().collect();
        let scaled = groups.iter().filter(|group| scaler(release, group).is_some());
        assert_eq!(scaled.count(), release.of("HorizontalPodAutoscaler").count(), "{}", release.name);
        for group in groups {
            let fixed = group.at("/spec/replicas").is_u64();
            assert_ne!(fixed, scaler(release, group).is_some(), "{}: {}", release.name, group.name());
        }
    }
}

#[test]
fn nobody_is_alone_unless_it_is_everything() {
    for release in all() {
        for group in release.groups() {
            let alone = least(release, group) == 1;
            assert_eq!(alone, release.name == "single-node", "{}: {}", release.name, group.name());
        }
    }
}

/// A node that goes hands over what lives on it, which its peers hear: one at a time, and not at the first calm.
#[test]
fn a_group_shrinks_slowly() {
    for release in all() {
        for scaler in release.of("HorizontalPodAutoscaler") {
            let down = scaler.at("/spec/behavior/scaleDown");
            assert!(down["stabilizationWindowSeconds"].as_u64() >= Some(300), "{}", scaler.name());
            assert_eq!(down["policies"], json!([{"type": "Pods", "value": 1, "periodSeconds": 300}]));
            let metrics = list(scaler.at("/spec/metrics"));
            assert!(metrics.iter().any(|metric| metric["resource"]["name"] == "cpu"), "{}", scaler.name());
        }
    }
}

#[test]
fn calls_may_grow_by_a_figure_of_calls() {
    if tool("").is_none() {
        return;
    }
    let figure = json!({"type": "Pods", "pods":
        {"metric": {"name": "calls_live"}, "target": {"type": "AverageValue", "averageValue": "200"}}});
    let set = json!({"groups": {"call": {"autoscaling": {"metrics": [figure]}}}});
    let release = install("figures", &json!({"set": set})).unwrap();
    let group = release.groups().find(|group| group.name() == "branchline-call").unwrap();
    let metrics = list(scaler(&release, group).unwrap().at("/spec/metrics"));
    assert_eq!((metrics.len(), &metrics[1]), (2, &figure));
}

#[test]
fn no_node_goes_before_its_successor_is_ready() {
    for release in all() {
        for group in release.groups().filter(|group| group.kind() == "Deployment") {
            let update = group.at("/spec/strategy/rollingUpdate");
            assert_eq!(*update, json!({"maxSurge": 1, "maxUnavailable": 0}), "{}", group.name());
            assert!(group.container()["readinessProbe"].is_object(), "{}", group.name());
        }
    }
}

#[test]
fn a_node_is_not_killed_before_it_has_stopped() {
    for release in all() {
        for group in release.groups() {
            let grace = group.pod()["terminationGracePeriodSeconds"].as_u64().unwrap();
            let stop: u64 = group.variable("BRANCHLINE_STOP_SECONDS").unwrap().parse().unwrap();
            assert!(grace >= stop + 60, "{}: killed after {grace} s, stops within {stop} s", group.name());
            let waits = group.container()["lifecycle"]["preStop"].is_object();
            let has = |label: &str| group.pod_label(label) == "true";
            assert_eq!(waits, has("branchline/gateway") || has("branchline/voice"), "{}", group.name());
        }
    }
}

#[test]
fn where_there_are_several_one_is_disturbed_at_a_time() {
    for release in all() {
        for group in release.groups() {
            let budget = release.of("PodDisruptionBudget").find(|budget| budget.name() == group.name());
            assert_eq!(budget.is_some(), least(release, group) > 1, "{}: {}", release.name, group.name());
            assert!(budget.is_none_or(|budget| *budget.at("/spec/maxUnavailable") == 1), "{}", group.name());
        }
    }
}
