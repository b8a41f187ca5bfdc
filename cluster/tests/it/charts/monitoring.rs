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
            // in an outage of the store somebody must be there to say 503
            let is_door = ["gateway", "voice"]
                .iter()
                .any(|what| group.pod_label(&format!("branchline/{what}")) == "true");
            let ready = if is_door { "/health/open" } else { "/health/ready" };
            for (kind, path) in [
                ("startupProbe", "/health/live"),
                ("livenessProbe", "/health/live"),
                ("readinessProbe", ready),
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

/// Nobody probes or reads in the clear what is HTTPS, and no probe needs a certificate of its own.
#[test]
fn probes_and_prometheus_speak_tls_where_the_operators_port_does() {
    if tool("").is_none() {
        return;
    }
    let known = json!({"ca": {"secret": {"name": "certificate", "key": "ca.crt"}}, "serverName": "nodes"});
    let set = json!({
        "operators": {"tls": {"existingSecret": "certificate", "clientCaSecret": "operators-ca"}},
        "serviceMonitor": {"enabled": true, "tlsConfig": known},
    });
    let release = install("encrypted", &json!({"set": set})).unwrap();
    for group in release.groups() {
        let (container, name) = (group.container(), group.name());
        for kind in ["startupProbe", "livenessProbe", "readinessProbe"] {
            assert_eq!(container[kind]["httpGet"]["scheme"], "HTTPS", "{name}: {kind}");
        }
        for (variable, file) in [
            ("BRANCHLINE_GRPC_CERT", "/operators/tls/tls.crt"),
            ("BRANCHLINE_GRPC_KEY", "/operators/tls/tls.key"),
            ("BRANCHLINE_GRPC_CLIENT_CA", "/operators/ca/ca.crt"),
        ] {
            assert_eq!(group.variable(variable), Some(file), "{name}");
            let folder = file.rsplit_once('/').unwrap().0;
            let mounts = list(&container["volumeMounts"]);
            let mount = mounts.iter().find(|mount| mount["mountPath"] == folder).expect(folder);
            let volumes = list(&group.pod()["volumes"]);
            let volume = volumes.iter().find(|volume| volume["name"] == mount["name"]).expect(folder);
            assert_eq!((&mount["readOnly"], &volume["secret"]["defaultMode"]), (&json!(true), &json!(0o440)));
        }
    }
    let monitor = release.of("ServiceMonitor").next().expect("Prometheus is told");
    let endpoint = &list(monitor.at("/spec/endpoints"))[0];
    assert_eq!((&endpoint["scheme"], &endpoint["tlsConfig"]), (&json!("https"), &known));
    assert!(release.notes.contains("https://127.0.0.1:8081/console/"), "{}", release.notes);
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
