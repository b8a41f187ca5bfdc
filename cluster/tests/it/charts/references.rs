//! What objects say of each other: names, labels, ports, secrets.

use std::collections::BTreeSet;

use serde_json::json;

use super::helm::{Release, all, install, tool};
use super::object::{Labels, Object, below, labels, list, text};

#[test]
fn every_object_is_labelled_and_there_once() {
    for release in all() {
        let mut seen = BTreeSet::new();
        for object in &release.objects {
            let name = (object.kind(), object.name());
            assert!(seen.insert(name), "{}: {name:?} is there twice", release.name);
            let labels = object.labels();
            for label in ["name", "instance", "version", "component", "part-of", "managed-by"] {
                let label = format!("app.kubernetes.io/{label}");
                assert!(labels.get(&label).is_some_and(|value| !value.is_empty()), "{name:?}: {label}");
            }
            assert!(labels.contains_key("helm.sh/chart"), "{name:?}");
        }
    }
}

fn covers(selector: &Labels, pod: &Labels) -> bool {
    !selector.is_empty() && selector.iter().all(|(key, value)| pod.get(key) == Some(value))
}

fn selected<'a>(release: &'a Release, selector: &Labels) -> Vec<&'a Object> {
    release.workloads().filter(|workload| covers(selector, &workload.pod_labels())).collect()
}

#[test]
fn selectors_find_the_pods_that_are_meant() {
    for release in all() {
        for workload in release.workloads() {
            let found = selected(release, &labels(workload.at("/spec/selector/matchLabels")));
            let names: Vec<_> = found.iter().map(|found| found.name()).collect();
            assert_eq!(names, [workload.name()], "{}", release.name);
        }
        for budget in release.of("PodDisruptionBudget") {
            let found = selected(release, &labels(budget.at("/spec/selector/matchLabels")));
            assert!(found.len() == 1 && found[0].name() == budget.name(), "{}", budget.name());
        }
        for service in release.of("Service") {
            let found = selected(release, &labels(service.at("/spec/selector")));
            assert!(!found.is_empty(), "{}: {} leads nowhere", release.name, service.name());
            for (workload, port) in found
                .iter()
                .flat_map(|one| list(service.at("/spec/ports")).iter().map(move |port| (one, port)))
            {
                let ports = list(&workload.container()["ports"]);
                let is_there = |there: &serde_json::Value| {
                    there["name"] == port["targetPort"] && there["protocol"] == port["protocol"]
                };
                assert!(ports.iter().any(is_there), "{}: {port}", service.name());
            }
        }
    }
}

#[test]
fn outer_doors_lead_to_services() {
    for release in all() {
        for ingress in release.of("Ingress") {
            for backend in below(&ingress.0).into_iter().filter_map(|value| value.get("service")) {
                let service = release.of("Service").find(|service| service.name() == text(&backend["name"]));
                let ports = list(service.expect("it is there").at("/spec/ports"));
                assert!(ports.iter().any(|port| port["name"] == backend["port"]["name"]));
            }
            let paths: Vec<_> =
                below(&ingress.0).into_iter().filter_map(|value| value["path"].as_str()).collect();
            assert!(!paths.is_empty() && !paths.iter().any(|path| path.contains("metrics") || *path == "/"));
        }
        for monitor in release.of("ServiceMonitor") {
            let selector = labels(monitor.at("/spec/selector/matchLabels"));
            let found: Vec<_> =
                release.of("Service").filter(|one| covers(&selector, &one.labels())).collect();
            assert_eq!(found.iter().map(|one| one.name()).collect::<Vec<_>>(), ["branchline-nodes"]);
            assert_eq!(*monitor.at("/spec/endpoints/0/port"), *found[0].at("/spec/ports/0/name"));
            assert_eq!(*monitor.at("/spec/endpoints/0/path"), "/metrics");
        }
        assert_eq!(release.of("ServiceMonitor").count(), usize::from(release.name == "external"));
    }
}

/// Peers of calls are told apart by their addresses, over both transports.
#[test]
fn new_calls_come_from_outside_with_the_address_of_their_peer() {
    if tool("").is_none() {
        return;
    }
    let set = json!({"voice": {"service": {"type": "LoadBalancer"}}});
    let release = install("outside", &json!({"set": set})).unwrap();
    let service = release.of("Service").find(|service| service.name() == "branchline-sip").unwrap();
    assert_eq!(*service.at("/spec/externalTrafficPolicy"), "Local");
    assert_eq!(*service.at("/spec/sessionAffinity"), "ClientIP");
    let ports = list(service.at("/spec/ports")).iter();
    let ports: Vec<_> = ports.map(|port| (text(&port["protocol"]), port["port"].as_u64())).collect();
    assert_eq!(ports, [("UDP", Some(5060)), ("TCP", Some(5060))]);
}

/// Secrets by name, with the keys that are read.
fn secrets(workload: &Object) -> Vec<(String, Option<String>)> {
    let mut named = Vec::new();
    for value in below(workload.pod()) {
        if let Some(reference) = value.get("secretKeyRef") {
            named.push((text(&reference["name"]).to_owned(), Some(text(&reference["key"]).to_owned())));
        }
        if let Some(secret) = value.get("secret").filter(|secret| secret.is_object()) {
            let name = text(&secret["secretName"]).to_owned();
            let keys = list(&secret["items"]).iter().map(|item| Some(text(&item["key"]).to_owned()));
            named.extend(keys.chain([None]).map(|key| (name.clone(), key)));
        }
    }
    named
}

#[test]
fn what_a_pod_names_exists_or_is_the_operators() {
    let own = ["branchline-keys", "branchline-urls", "branchline-tls"];
    for release in all() {
        for workload in release.workloads() {
            let account = text(&workload.pod()["serviceAccountName"]);
            assert!(release.has("ServiceAccount", account), "{}: {account}", workload.name());
            for (name, key) in secrets(workload) {
                if release.name == "external" {
                    assert!(own.contains(&name.as_str()), "{}: {name}", workload.name());
                    continue;
                }
                let secret = release.of("Secret").find(|secret| secret.name() == name);
                let data = secret.unwrap_or_else(|| panic!("{}: no secret {name}", release.name)).at("/data");
                assert!(key.is_none_or(|key| data[&key].is_string()), "{}: {name}", workload.name());
            }
            assert!(below(workload.pod()).iter().all(|one| one.get("configMapKeyRef").is_none()));
        }
    }
}

#[test]
fn volumes_that_are_mounted_are_there() {
    for release in all() {
        for workload in release.workloads() {
            let claims = list(workload.at("/spec/volumeClaimTemplates")).iter();
            let claims = claims.map(|claim| text(&claim["metadata"]["name"]));
            let volumes = list(&workload.pod()["volumes"]).iter().map(|volume| text(&volume["name"]));
            let there: Vec<_> = claims.chain(volumes).collect();
            let unique: BTreeSet<_> = there.iter().collect();
            assert_eq!(unique.len(), there.len(), "{}: {there:?}", workload.name());
            for mount in list(&workload.container()["volumeMounts"]) {
                assert!(there.contains(&text(&mount["name"])), "{}: {mount}", workload.name());
            }
        }
    }
}

#[test]
fn no_secret_stands_outside_of_secrets() {
    for release in all() {
        let data = release.of("Secret").flat_map(|secret| secret.at("/data").as_object().unwrap().values());
        let values: Vec<&str> = data.map(text).collect();
        assert!(values.iter().all(|value| value.len() >= 32), "{}", release.name);
        let plain: Vec<String> = values.iter().filter_map(|value| plain(value)).collect();
        let public = release.objects.iter().filter(|object| object.kind() != "Secret");
        let public: String = public.map(|object| object.0.to_string()).collect();
        for secret in values.iter().copied().chain(plain.iter().map(String::as_str)) {
            assert!(!public.contains(secret) && !release.notes.contains(secret), "{}", release.name);
        }
        // what has a password in it has it from a variable
        for word in public.split(['"', ' ']).filter(|word| word.contains("://") && word.contains('@')) {
            assert!(word.contains(":$("), "{word}");
        }
        assert_eq!(release.of("Secret").count() == 0, release.name == "external");
    }
}

fn plain(base64: &str) -> Option<String> {
    use base64::Engine as _;
    String::from_utf8(base64::engine::general_purpose::STANDARD.decode(base64).ok()?).ok()
}
