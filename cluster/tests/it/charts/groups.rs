//! Who serves what, how many of them, and under which names.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::helm::{all, install, tool};
use super::object::text;
use crate::platform::Platform;

fn served(release: &super::helm::Release) -> BTreeMap<String, Vec<String>> {
    let serves = |group: &super::object::Object| {
        let serve = group.variable("BRANCHLINE_SERVE").expect("it serves something");
        serve.split(',').map(str::to_owned).collect()
    };
    release.groups().map(|group| (group.pod_label("app.kubernetes.io/component"), serves(group))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chart_knows_the_domains_that_exist() {
    let platform = Platform::start().await;
    let domains = actors::domains(&platform.node.deps);
    let mut expected: Vec<_> = domains.iter().map(|domain| domain.name).collect();
    expected.sort_unstable();
    let path = super::root().join("charts/branchline/templates/_groups.tpl");
    let helper = std::fs::read_to_string(path).unwrap();
    let (_, list) = helper.split_once("{{- define \"branchline.domains\" -}}\n").unwrap();
    let known: Vec<_> = list.lines().next().unwrap().split(' ').collect();
    assert_eq!(known, expected);
    platform.stop().await;
}

#[test]
fn every_domain_is_served_by_the_group_that_values_say() {
    for release in all() {
        let served = served(release);
        let mut domains: Vec<_> = served.values().flatten().map(String::as_str).collect();
        domains.sort_unstable();
        match release.name.as_str() {
            "single-node" => assert_eq!(domains, ["*"]),
            _ => assert_eq!(domains.len(), 16, "{}: {domains:?}", release.name),
        }
        domains.dedup();
        if release.name == "one-per-domain" {
            assert_eq!(served.len(), 16);
            for (group, serves) in &served {
                let alone = if group == "gateway" { group.clone() } else { format!("{group}-manager") };
                assert_eq!(*serves, [alone]);
            }
        }
        if release.name == "default" {
            let groups: Vec<_> = served.keys().map(String::as_str).collect();
            assert_eq!(groups, ["call", "flow", "gateway", "platform", "sentinel"]);
            assert_eq!(served["call"], ["call-manager"]);
            assert_eq!(served["platform"].len(), 11);
        }
    }
}

#[test]
fn a_group_grows_between_the_numbers_of_its_values() {
    for release in all() {
        for scaler in release.of("HorizontalPodAutoscaler") {
            let name = text(scaler.at("/spec/scaleTargetRef/name"));
            let kind = text(scaler.at("/spec/scaleTargetRef/kind"));
            let group = release.groups().find(|group| group.name() == name && group.kind() == kind);
            let group = group.unwrap_or_else(|| panic!("{}: no {kind} {name}", release.name));
            assert!(group.at("/spec/replicas").is_null(), "two would decide how many {name} has");
            let bounds = (scaler.at("/spec/minReplicas"), scaler.at("/spec/maxReplicas"));
            match name {
                "branchline-gateway" => assert_eq!(bounds, (&json!(3), &json!(20))),
                _ => panic!("{}: {name} grows", release.name),
            }
        }
        let growing: Vec<_> = release.of("HorizontalPodAutoscaler").map(|scaler| scaler.name()).collect();
        match release.name.as_str() {
            "single-node" => assert!(growing.is_empty()),
            _ => assert_eq!(growing, ["branchline-gateway"], "{}", release.name),
        }
        let fixed = release.groups().filter(|group| !growing.contains(&group.name()));
        assert!(fixed.into_iter().all(|group| group.at("/spec/replicas").is_u64()));
    }
}

#[test]
fn calls_grow_from_three_to_ten_once_they_may() {
    if tool("").is_none() {
        return;
    }
    let set = json!({"groups": {"call": {"autoscaling": {"enabled": true}}}});
    let release = install("growing", &json!({"set": set})).unwrap();
    let scaler =
        release.of("HorizontalPodAutoscaler").find(|scaler| scaler.name() == "branchline-call").unwrap();
    assert_eq!((scaler.at("/spec/minReplicas"), scaler.at("/spec/maxReplicas")), (&json!(3), &json!(10)));
    assert!(release.notes.contains("NOTE: more than one node is to serve groups.call."), "{}", release.notes);
}

/// What a domain committed waits under the name of its node: a name that never comes back would keep it.
#[test]
fn whatever_commits_facts_keeps_its_name() {
    for release in all() {
        for (group, serves) in served(release) {
            let name = format!("branchline-{group}");
            let keeps_nothing = serves.iter().all(|domain| domain == "gateway" || domain == "tts-manager");
            assert_eq!(release.has("Deployment", &name), keeps_nothing, "{}: {group}", release.name);
            assert_eq!(release.has("StatefulSet", &name), !keeps_nothing, "{}: {group}", release.name);
        }
        for group in release.of("StatefulSet") {
            assert!(release.has("Service", text(group.at("/spec/serviceName"))), "{}", group.name());
        }
    }
}

#[test]
fn nodes_are_renewed_and_drained_one_by_one() {
    for release in all() {
        for group in release.groups() {
            match group.kind() {
                "StatefulSet" => assert_eq!(group.at("/spec/updateStrategy/type"), "RollingUpdate"),
                _ => assert_eq!(group.at("/spec/strategy/rollingUpdate/maxUnavailable"), 0),
            }
            let grace = group.pod()["terminationGracePeriodSeconds"].as_u64().unwrap();
            let stop: u64 = group.variable("BRANCHLINE_STOP_SECONDS").unwrap().parse().unwrap();
            assert!(grace >= stop + 30, "{}: killed after {grace} s, stops within {stop} s", group.name());
            if release.name != "single-node" {
                let budget = release.of("PodDisruptionBudget").find(|budget| budget.name() == group.name());
                assert_eq!(*budget.unwrap().at("/spec/maxUnavailable"), json!(1), "{}", group.name());
            }
        }
    }
}

#[test]
fn a_group_of_ones_own_is_what_its_values_say() {
    if tool("").is_none() {
        return;
    }
    let set = json!({"groups": {
        "platform": {"serve": [
            "agent", "billing", "customer", "direct", "idempotency", "number", "registrar", "route", "timeline",
            "webhook",
        ]},
        "labels": {
            "serve": ["tag"], "stateful": false, "replicas": 2, "stopSeconds": 7,
            "resources": {"limits": {"memory": "99Mi"}}, "nodeSelector": {"a": "b"},
            "env": [{"name": "RUST_BACKTRACE", "value": "1"}],
        },
    }});
    let release = install("own", &json!({"set": set})).unwrap();
    let group = release.of("Deployment").find(|group| group.name() == "branchline-labels").unwrap();
    assert_eq!(*group.at("/spec/replicas"), json!(2));
    assert_eq!(group.variable("BRANCHLINE_SERVE"), Some("tag"));
    assert_eq!(group.variable("BRANCHLINE_STOP_SECONDS"), Some("7"));
    assert_eq!(group.variable("RUST_BACKTRACE"), Some("1"));
    assert_eq!(group.pod()["nodeSelector"], json!({"a": "b"}));
    let resources: &Value = &group.container()["resources"];
    assert_eq!((&resources["limits"]["memory"], &resources["limits"]["cpu"]), (&json!("99Mi"), &json!("1")));
}
