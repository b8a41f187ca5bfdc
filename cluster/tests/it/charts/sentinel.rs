//! Who speaks with Kubernetes, and what it may ask there: one group, pods of its namespace, and only to read.

use serde_json::{Value, json};

use super::helm::{Release, all, install, tool};
use super::object::{Object, labels, list, text};

fn watches(group: &Object) -> bool {
    group.variable("BRANCHLINE_PODS").is_some()
}

/// What a policy opens on the way out, by the name of its label.
fn way_out<'a>(release: &'a Release, label: &str) -> Option<&'a Value> {
    let about = |policy: &&Object| labels(policy.at("/spec/podSelector/matchLabels")).contains_key(label);
    release.of("NetworkPolicy").find(about).map(|policy| policy.at("/spec/egress"))
}

#[test]
fn only_the_group_that_watches_has_a_token() {
    for release in all() {
        for workload in release.workloads() {
            let watching = workload.pod_label("branchline/node") == "true" && watches(workload);
            let token = &workload.pod()["automountServiceAccountToken"];
            assert_eq!(*token, watching, "{}: {}", release.name, workload.name());
        }
        // an account gives nobody a token who does not ask for it
        assert!(release.of("ServiceAccount").all(|one| *one.at("/automountServiceAccountToken") == false));
        let watching: Vec<_> = release.groups().filter(|group| watches(group)).map(Object::name).collect();
        match release.name.as_str() {
            "single-node" => assert!(watching.is_empty()),
            _ => assert_eq!(watching, ["branchline-sentinel"], "{}", release.name),
        }
    }
}

#[test]
fn it_may_read_pods_of_its_namespace_and_nothing_else() {
    for release in all() {
        assert!(release.of("ClusterRole").chain(release.of("ClusterRoleBinding")).next().is_none());
        let roles: Vec<_> = release.of("Role").chain(release.of("RoleBinding")).collect();
        if release.name == "single-node" {
            assert!(roles.is_empty());
            continue;
        }
        let [role, binding] = roles[..] else { panic!("{}: {} roles", release.name, roles.len()) };
        let rules = json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}]);
        assert_eq!(*role.at("/rules"), rules);
        assert_eq!(
            (text(binding.at("/roleRef/kind")), text(binding.at("/roleRef/name"))),
            ("Role", role.name())
        );
        let [subject] = list(binding.at("/subjects")) else { panic!("one is bound") };
        let account = "branchline-sentinel";
        let bound = json!({"kind": "ServiceAccount", "name": account, "namespace": "telephony"});
        assert_eq!(*subject, bound);
        let users = release.workloads().filter(|one| one.pod()["serviceAccountName"] == account);
        assert!(users.map(Object::name).eq([account]), "{}: the account is another's too", release.name);
    }
}

#[test]
fn it_watches_the_nodes_of_its_release() {
    for release in all().iter().filter(|release| release.name != "single-node") {
        let group = release.groups().find(|group| watches(group)).unwrap();
        let selector = group.variable("BRANCHLINE_PODS").unwrap();
        let chosen = |workload: &Object| {
            let pod = workload.pod_labels();
            let mut pairs = selector.split(',').filter_map(|pair| pair.split_once('='));
            pairs.all(|(key, value)| pod.get(key).is_some_and(|label| label == value))
        };
        for workload in release.workloads() {
            let is_node = workload.pod_label("branchline/node") == "true";
            assert_eq!(chosen(workload), is_node, "{}: {}", release.name, workload.name());
        }
    }
}

#[test]
fn only_it_reaches_the_api_server() {
    for release in all().iter().filter(|release| release.name != "single-node") {
        let open = way_out(release, "branchline/watch").expect("there is a way");
        let ports = json!([{"port": 443, "protocol": "TCP"}, {"port": 6443, "protocol": "TCP"}]);
        assert_eq!(*open, json!([{ "ports": ports }]));
        for group in release.groups() {
            assert_eq!(group.pod_label("branchline/watch") == "true", watches(group), "{}", group.name());
        }
    }
}

#[test]
fn whoever_wants_no_watch_has_none() {
    if tool("").is_none() {
        return;
    }
    let release = install("unwatched", &json!({"set": {"sentinel": {"watch": false}}})).unwrap();
    assert!(release.groups().all(|group| !watches(group)));
    assert!(release.workloads().all(|one| one.pod()["automountServiceAccountToken"] == false));
    assert!(release.of("Role").chain(release.of("RoleBinding")).next().is_none());
    assert!(way_out(&release, "branchline/watch").is_none());
    let set = json!({"sentinel": {"selector": "app=asterisk-call"},
        "networkPolicy": {"kubernetes": [{"ipBlock": {"cidr": "192.0.2.1/32"}}], "kubernetesPorts": [6443]}});
    let release = install("elsewhere", &json!({"set": set})).unwrap();
    let group = release.groups().find(|group| watches(group)).unwrap();
    assert_eq!(group.variable("BRANCHLINE_PODS"), Some("app=asterisk-call"));
    let open = json!([{"to": [{"ipBlock": {"cidr": "192.0.2.1/32"}}], "ports": [{"port": 6443, "protocol": "TCP"}]}]);
    assert_eq!(way_out(&release, "branchline/watch"), Some(&open));
}
