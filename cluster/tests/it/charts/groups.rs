//! Who serves what, as what, and under which names.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::helm::{all, domains, install, tool};
use super::object::{Object, list, text};
use crate::platform::Platform;

fn served(release: &super::helm::Release) -> BTreeMap<String, Vec<String>> {
    let serves = |group: &Object| {
        let serve = group.variable("BRANCHLINE_SERVE").expect("it serves something");
        serve.split(',').map(str::to_owned).collect()
    };
    release.groups().map(|group| (group.pod_label("app.kubernetes.io/component"), serves(group))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chart_knows_the_domains_that_exist() {
    let platform = Platform::start().await;
    let there = actors::domains(&platform.node.deps);
    let mut expected: Vec<_> = there.iter().map(|domain| domain.name).collect();
    expected.sort_unstable();
    let known = domains();
    assert_eq!(known, expected);
    platform.stop().await;
}

#[test]
fn every_domain_is_served_by_the_group_that_values_say() {
    for release in all() {
        let served = served(release);
        let mut all_served: Vec<_> = served.values().flatten().map(String::as_str).collect();
        all_served.sort_unstable();
        all_served.dedup();
        match release.name.as_str() {
            "single-node" => assert_eq!(all_served, ["*"]),
            _ => assert_eq!(all_served.len(), 16, "{}: {all_served:?}", release.name),
        }
        if release.name == "one-per-domain" {
            assert_eq!(served.len(), 16);
            for name in domains().iter().map(String::as_str).chain(["gateway"]) {
                let group = name.trim_end_matches("-manager");
                assert_eq!(served[group], [name]);
                assert!(release.has("Deployment", &format!("branchline-{group}")), "{name}");
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

/// A name that goes with its pod is nothing to any domain: another node takes over what it left.
#[test]
fn every_group_is_a_deployment_but_one_with_a_volume() {
    for release in all() {
        for group in release.groups() {
            let kind = if release.name == "single-node" { "StatefulSet" } else { "Deployment" };
            assert_eq!(group.kind(), kind, "{}: {}", release.name, group.name());
            let mut volumes = list(&group.pod()["volumes"]).iter();
            let scratch = volumes.any(|one| one["name"] == "data" && one["emptyDir"].is_object());
            assert_eq!(scratch, kind == "Deployment", "{}", group.name());
        }
        for group in release.of("StatefulSet") {
            assert!(release.has("Service", text(group.at("/spec/serviceName"))), "{}", group.name());
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

/// Machines with an address of their own outside: one group for each, replaced in its place.
#[test]
fn several_groups_may_have_calls_each_with_its_address() {
    if tool("").is_none() {
        return;
    }
    let machine = |address: &str| json!({"serve": ["call"], "stateful": true, "replicas": 1, "hostNetwork": true, "address": address});
    let set = json!({"groups": {"call": null, "east": machine("192.0.2.1"), "west": machine("192.0.2.2")}});
    let release = install("machines", &json!({"set": set})).unwrap();
    let addresses = ["east", "west"].map(|name| {
        let name = format!("branchline-{name}");
        let group = release.of("StatefulSet").find(|group| group.name() == name).unwrap();
        assert_eq!(group.pod()["hostNetwork"], true);
        group.variable("BRANCHLINE_EXTERNAL_IP").unwrap()
    });
    assert_eq!(addresses, ["192.0.2.1", "192.0.2.2"]);
}
