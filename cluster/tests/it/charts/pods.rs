//! What runs in the pods: as whom, with how much, and how one sees that it is well.

use serde_json::{Value, json};

use super::helm::all;
use super::object::{Object, list, text};

#[test]
fn every_container_has_its_share_and_no_more() {
    for release in all() {
        for workload in release.workloads() {
            for bound in ["requests", "limits"] {
                for resource in ["cpu", "memory"] {
                    let share = &workload.container()["resources"][bound][resource];
                    assert!(share.is_string(), "{} {}: {bound} {resource}", release.name, workload.name());
                }
            }
        }
    }
}

#[test]
fn nobody_is_root_or_may_become_it() {
    for release in all() {
        for workload in release.workloads() {
            let (pod, name) = (workload.pod(), workload.name());
            let container = &workload.container()["securityContext"];
            assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{name}");
            assert!(pod["securityContext"]["runAsUser"].as_u64() > Some(0), "{name}");
            assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault", "{name}");
            assert_eq!(container["readOnlyRootFilesystem"], true, "{name}");
            assert_eq!(container["allowPrivilegeEscalation"], false, "{name}");
            assert_eq!(container["capabilities"], json!({"drop": ["ALL"]}), "{name}");
            assert_eq!(pod["enableServiceLinks"], false, "{name}: a service's variables look like settings");
        }
    }
}

#[test]
fn equal_pods_are_spread_over_machines_and_zones() {
    for release in all() {
        for group in release.groups() {
            let spread = list(&group.pod()["topologySpreadConstraints"]);
            let keys: Vec<_> = spread.iter().map(|one| text(&one["topologyKey"])).collect();
            assert_eq!(keys, ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]);
            for one in spread {
                assert_eq!(one["labelSelector"], *group.at("/spec/selector"), "{}", group.name());
            }
        }
    }
}

fn ports(workload: &Object) -> Vec<(&str, u64)> {
    let ports = list(&workload.container()["ports"]).iter();
    ports.map(|port| (text(&port["name"]), port["containerPort"].as_u64().unwrap())).collect()
}

fn asks_a_port(workload: &Object, probe: &Value) -> bool {
    let ports = ports(workload);
    let named = |name: &Value| ports.iter().any(|(port, _)| name == port);
    match (&probe["httpGet"], &probe["tcpSocket"], &probe["exec"]) {
        (get, Value::Null, Value::Null) => named(&get["port"]),
        (Value::Null, socket, Value::Null) => named(&socket["port"]),
        (Value::Null, Value::Null, exec) => !list(&exec["command"]).is_empty(),
        other => panic!("{}: {other:?}", workload.name()),
    }
}

#[test]
fn probes_ask_ports_that_are_there() {
    for release in all() {
        for workload in release.workloads() {
            for kind in ["startupProbe", "livenessProbe", "readinessProbe"] {
                let probe = &workload.container()[kind];
                assert!(probe.is_object() && asks_a_port(workload, probe), "{}: {kind}", workload.name());
            }
        }
    }
}

#[test]
fn a_node_listens_for_what_it_serves() {
    for release in all() {
        for group in release.groups() {
            let serve: Vec<_> = group.variable("BRANCHLINE_SERVE").unwrap().split(',').collect();
            let is_gateway = serve.contains(&"gateway") || serve == ["*"];
            assert_eq!(group.variable("BRANCHLINE_HTTP").is_some(), is_gateway, "{}", group.name());
            let has_calls = serve.contains(&"call-manager") || serve == ["*"];
            assert_eq!(group.variable("BRANCHLINE_SIP").is_some(), has_calls, "{}", group.name());
            assert_eq!(ports(group).iter().any(|(name, _)| *name == "sip-udp"), has_calls);
        }
    }
}

#[test]
fn a_node_is_called_as_its_pod_and_finds_its_keys() {
    for release in all() {
        for group in release.groups() {
            let container = group.container();
            let name = list(&container["env"]).iter().find(|one| one["name"] == "BRANCHLINE_NODE").unwrap();
            assert_eq!(name["valueFrom"]["fieldRef"]["fieldPath"], "metadata.name");
            // the longest name of a pod, and what a node takes as its name
            assert!(group.name().len() + "-0123456789-01234".len() <= 64, "{}", group.name());
            let mounts = list(&container["volumeMounts"]);
            let mount = |path: &str| mounts.iter().find(|mount| mount["mountPath"] == path);
            assert_eq!(group.variable("BRANCHLINE_DATA"), Some("/data"));
            assert_eq!(mount("/data/node.key").unwrap()["readOnly"], true);
            let is_gateway = group.pod_label("branchline/gateway") == "true";
            assert_eq!(mount("/data/token.key").is_some(), is_gateway, "{}", group.name());
            for volume in list(&group.pod()["volumes"]).iter().filter(|one| one["secret"].is_object()) {
                // what persistence/src/vault.rs takes: nothing for others, nothing for a group but reading
                assert_eq!(volume["secret"]["defaultMode"], 0o440, "{}", group.name());
            }
        }
    }
}
