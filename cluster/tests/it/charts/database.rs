//! The bundled databases, and the secrets that outlive a release.

use serde_json::{Value, json};

use super::helm::{Release, all, install, tool};
use super::object::text;

fn secret<'a>(release: &'a Release, name: &str) -> &'a Value {
    release.of("Secret").find(|secret| secret.name() == name).expect("it is made").at("/data")
}

#[test]
fn what_was_made_once_is_kept() {
    if tool("").is_none() {
        return;
    }
    let first = install("first", &json!({})).unwrap();
    let there: Vec<_> = first.of("Secret").map(|secret| secret.0.clone()).collect();
    let (again, other) =
        (install("again", &json!({"there": there})).unwrap(), install("other", &json!({})).unwrap());
    for name in ["branchline-keys", "branchline-mysql", "branchline-redis", "branchline-rabbitmq"] {
        assert_eq!(secret(&first, name), secret(&again, name), "{name}");
        assert_ne!(secret(&first, name), secret(&other, name), "{name}");
        let object = first.of("Secret").find(|secret| secret.name() == name).unwrap();
        assert_eq!(object.0["metadata"]["annotations"]["helm.sh/resource-policy"], "keep", "{name}");
    }
}

/// As `persistence/src/vault.rs` and `cluster/src/keys.rs` want them.
#[test]
fn keys_have_their_lengths() {
    use base64::Engine as _;
    for release in all().iter().filter(|release| release.name != "external") {
        let keys = secret(release, "branchline-keys");
        for (key, length) in [("node.key", 32), ("token.key", 32), ("admin-token", 43)] {
            let bytes = base64::engine::general_purpose::STANDARD.decode(text(&keys[key])).unwrap();
            assert_eq!(bytes.len(), length, "{key}");
        }
    }
}

#[test]
fn databases_are_there_when_they_are_asked_for() {
    for release in all() {
        let bundled = !matches!(release.name.as_str(), "external" | "single-node");
        for name in ["mysql", "redis", "rabbitmq"] {
            let full = format!("branchline-{name}");
            assert_eq!(release.has("StatefulSet", &full), bundled, "{}: {name}", release.name);
            assert_eq!(release.has("Service", &full), bundled, "{}: {name}", release.name);
        }
        for group in release.groups() {
            let env = group.container()["env"].as_array().unwrap();
            let backend = |name: &str| env.iter().find(|variable| variable["name"] == name);
            match release.name.as_str() {
                "single-node" => {
                    assert!(backend("BRANCHLINE_STORE").is_none() && backend("BRANCHLINE_BUS").is_none())
                }
                "external" => {
                    let reference = &backend("BRANCHLINE_BUS").unwrap()["valueFrom"]["secretKeyRef"];
                    assert_eq!(*reference, json!({"name": "branchline-urls", "key": "rabbitmq"}));
                }
                _ => {
                    let of = |name: &str| text(&backend(name).unwrap()["value"]);
                    let database = "branchline-mysql:3306/branchline";
                    assert_eq!(
                        of("BRANCHLINE_STORE"),
                        format!("mysql://branchline:$(MYSQL_PASSWORD)@{database}")
                    );
                    assert_eq!(of("BRANCHLINE_CACHE"), "redis://:$(REDIS_PASSWORD)@branchline-redis:6379/0");
                    let bus = "branchline-rabbitmq:5672/%2f";
                    assert_eq!(of("BRANCHLINE_BUS"), format!("amqp://branchline:$(RABBITMQ_PASSWORD)@{bus}"));
                }
            }
        }
    }
}

#[test]
fn what_must_last_is_on_a_volume() {
    for release in all() {
        for workload in release.of("StatefulSet") {
            let lasts = !workload.at("/spec/volumeClaimTemplates").is_null();
            let name = workload.pod_label("app.kubernetes.io/component");
            let serve = workload.variable("BRANCHLINE_SERVE").unwrap_or_default();
            let must = ["*", "mysql", "rabbitmq"].iter().any(|one| serve == *one || name == *one);
            assert_eq!(lasts, must, "{}: {name}", release.name);
        }
    }
}
