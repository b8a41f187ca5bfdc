//! Who may speak with whom: nothing that is not said.

use serde_json::{Value, json};

use super::helm::{all, install, tool};
use super::object::{Object, labels, list};

fn applies(policy: &Object, workload: &Object) -> bool {
    let pod = workload.pod_labels();
    labels(policy.at("/spec/podSelector/matchLabels")).iter().all(|(key, value)| pod.get(key) == Some(value))
}

#[test]
fn every_pod_is_closed_before_it_is_opened() {
    for release in all().iter().filter(|release| release.name != "single-node") {
        let closed: Vec<_> = release
            .of("NetworkPolicy")
            .filter(|policy| policy.at("/spec/ingress").is_null() && policy.at("/spec/egress").is_null())
            .filter(|policy| list(policy.at("/spec/policyTypes")).len() == 2)
            .collect();
        for workload in release.workloads() {
            assert!(closed.iter().any(|policy| applies(policy, workload)), "{}", workload.name());
        }
        for policy in release.of("NetworkPolicy") {
            let used = release.workloads().any(|workload| applies(policy, workload));
            assert!(used, "{}: {} is about nobody", release.name, policy.name());
        }
    }
    for release in all().iter().filter(|release| release.name == "single-node") {
        assert!(release.of("NetworkPolicy").next().is_none());
    }
}

/// The ports of all rules of one direction that apply to a workload.
fn ports(release: &super::helm::Release, workload: &Object, direction: &str) -> Vec<(u64, u64, String)> {
    let policies = release.of("NetworkPolicy").filter(|policy| applies(policy, workload));
    let mut ports = Vec::new();
    for policy in policies {
        for rule in list(policy.at(direction)) {
            assert!(!list(&rule["ports"]).is_empty(), "{}: every port", policy.name());
            ports.extend(list(&rule["ports"]).iter().map(range));
        }
    }
    ports.sort();
    ports.dedup();
    ports
}

fn range(port: &Value) -> (u64, u64, String) {
    let first = port["port"].as_u64().unwrap();
    let protocol = port["protocol"].as_str().unwrap().to_owned();
    (first, port["endPort"].as_u64().unwrap_or(first), protocol)
}

fn tcp(ports: &[u64]) -> Vec<(u64, u64, String)> {
    ports.iter().map(|port| (*port, *port, "TCP".to_owned())).collect()
}

#[test]
fn each_listens_to_what_it_serves_and_to_nothing_else() {
    for release in all().iter().filter(|release| release.name != "single-node") {
        for workload in release.workloads() {
            let open = ports(release, workload, "/spec/ingress");
            let udp = |first, last| (first, last, "UDP".to_owned());
            let mut expected = match workload.pod_label("app.kubernetes.io/component").as_str() {
                "gateway" => tcp(&[8080]),
                "call" => vec![tcp(&[5060]).remove(0), udp(5060, 5060), udp(20000, 20999)],
                "mysql" => tcp(&[3306]),
                "redis" => tcp(&[6379]),
                "rabbitmq" => tcp(&[5672]),
                _ => Vec::new(),
            };
            if release.name == "external" {
                expected.extend(tcp(&[8081]));
                expected.sort();
            }
            assert_eq!(open, expected, "{}: {}", release.name, workload.name());
        }
    }
}

/// Health and figures are there without a token.
#[test]
fn the_operators_port_is_open_to_whom_values_name_and_to_nobody_else() {
    if tool("").is_none() {
        return;
    }
    let namespace =
        |name: &str| json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}});
    let (operators, monitoring) = (namespace("office"), namespace("monitoring"));
    let set = json!({"networkPolicy": {"operators": [operators], "monitoring": [monitoring]}});
    let release = install("named", &json!({"set": set})).unwrap();
    for group in release.groups() {
        let policies = release.of("NetworkPolicy").filter(|policy| applies(policy, group));
        let rules: Vec<_> = policies.flat_map(|policy| list(policy.at("/spec/ingress"))).collect();
        let opens = |rule: &&&Value| list(&rule["ports"]).iter().any(|port| port["port"] == 8081);
        let open: Vec<_> = rules.iter().filter(opens).map(|rule| &rule["from"]).collect();
        assert_eq!(open, [&json!([operators, monitoring])], "{}", group.name());
    }
}

#[test]
fn nodes_reach_names_and_databases_and_some_of_them_customers() {
    for release in all().iter().filter(|release| release.name != "single-node") {
        for workload in release.workloads() {
            let open = ports(release, workload, "/spec/egress");
            if workload.pod_label("branchline/node") != "true" {
                assert!(open.is_empty(), "{} goes out", workload.name());
                continue;
            }
            let needed = [(53, 53, "UDP".to_owned())].into_iter().chain(tcp(&[53, 3306, 5672, 6379]));
            for port in needed {
                assert!(open.contains(&port), "{}: {port:?}", workload.name());
            }
            let serve = workload.variable("BRANCHLINE_SERVE").unwrap();
            let goes =
                ["call-manager", "flow-manager", "webhook-manager"].iter().any(|name| serve.contains(name));
            let anywhere = (1, 65535, "TCP".to_owned());
            assert_eq!(open.contains(&anywhere), goes, "{}: {}", release.name, workload.name());
        }
    }
}
