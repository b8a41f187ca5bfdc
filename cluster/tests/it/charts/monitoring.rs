//! What watches the nodes: probes, Prometheus, and the dashboards and rules that the chart ships.

use serde_json::json;

use super::helm::{Release, all, install, tool, yaml};
use super::object::{Labels, Object, labels, list, text};
use super::root;

#[test]
fn dashboards_and_rules_are_shipped_as_they_are_and_only_when_asked_for() {
    if tool("").is_none() {
        return;
    }
    for release in all() {
        let shipped: Vec<_> =
            release.of("ConfigMap").filter(|map| map.labels().contains_key("grafana_dashboard")).collect();
        let rules: Vec<_> = release.of("PrometheusRule").collect();
        if release.name != "external" {
            assert!(shipped.is_empty() && rules.is_empty(), "{}", release.name);
            continue;
        }
        let folder = root().join("charts/branchline/dashboards");
        assert_eq!(shipped.len(), std::fs::read_dir(&folder).unwrap().count());
        for (name, content) in shipped.iter().flat_map(|map| map.at("/data").as_object().unwrap()) {
            let file = folder.join(name.trim_start_matches("branchline-"));
            assert_eq!(text(content).trim(), std::fs::read_to_string(file).unwrap().trim(), "{name}");
        }
        assert_eq!(rules.len(), 1);
        assert_eq!(rules[0].at("/spec"), &yaml("charts/branchline/alerts.yaml"));
    }
}

/// Who has no gateway, too: the operators' port is the one that all nodes have.
#[test]
fn every_group_is_probed_by_http_and_read_by_prometheus() {
    if tool("").is_none() {
        return;
    }
    let set = json!({"serviceMonitor": {"enabled": true}});
    let values = ["examples/one-per-domain.yaml"];
    let monitored = install("monitored", &json!({"values": values, "set": set})).unwrap();
    for release in all().iter().chain([&monitored]) {
        for group in release.groups() {
            let container = group.container();
            for (kind, path) in [
                ("startupProbe", "/health/live"),
                ("livenessProbe", "/health/live"),
                ("readinessProbe", "/health/ready"),
            ] {
                let expected = json!({"path": path, "port": "grpc", "scheme": "HTTP"});
                assert_eq!(container[kind]["httpGet"], expected, "{}: {kind}", group.name());
                assert!(container[kind]["grpc"].is_null(), "{}: {kind}", group.name());
            }
        }
    }
    for release in all().iter().filter(|release| release.name == "external").chain([&monitored]) {
        let read = read(release);
        let groups: Vec<_> = release.groups().map(Object::name).collect();
        assert!(read == groups && groups.len() >= 5, "{}: {read:?}", release.name);
    }
}

/// The workloads behind the Service that Prometheus is told of.
fn read(release: &Release) -> Vec<&str> {
    let monitor = release.of("ServiceMonitor").next().expect("Prometheus is told");
    let wanted = labels(monitor.at("/spec/selector/matchLabels"));
    let has =
        |there: &Labels, wanted: &Labels| wanted.iter().all(|(key, value)| there.get(key) == Some(value));
    let service = release.of("Service").find(|one| has(&one.labels(), &wanted)).expect("it is there");
    assert_eq!(
        (text(service.at("/spec/clusterIP")), service.at("/spec/publishNotReadyAddresses")),
        ("None", &json!(true))
    );
    let [endpoint] = list(monitor.at("/spec/endpoints")) else { panic!("one is read") };
    assert_eq!((text(&endpoint["port"]), text(&endpoint["path"])), ("grpc", "/metrics"));
    let chosen = labels(service.at("/spec/selector"));
    release.workloads().filter(|one| has(&one.pod_labels(), &chosen)).map(Object::name).collect()
}
