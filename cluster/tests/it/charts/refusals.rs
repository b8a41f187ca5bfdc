//! Values that cannot be meant are refused, in words.

use serde_json::{Value, json};

use super::helm::{install, tool};

fn check(set: &Value, expected: &str) {
    let refused = install("refused", &json!({"set": set})).err();
    let refused = refused.unwrap_or_else(|| panic!("{set} is accepted"));
    assert!(refused.contains(expected), "{set}: {refused}");
}

#[test]
fn values_that_leave_a_domain_out_or_invent_one_are_refused() {
    if tool("").is_none() {
        return;
    }
    check(&json!({"groups": {"flow": null}}), "flow-manager is served by no group");
    check(&json!({"groups": {"gateway": null}}), "gateway is served by no group");
    check(
        &json!({"groups": {"flow": {"serve": ["flow", "tts", "sms"]}}}),
        "groups.flow.serve: there is no domain sms",
    );
    check(
        &json!({"groups": {"more": {"serve": ["tag"]}}}),
        "tag-manager is served by groups.more and by groups.platform",
    );
    check(&json!({"groups": {"more": {"serve": ["flow"]}}}), "flow-manager is served by groups.");
    check(
        &json!({"groups": {"call": {"serve": ["call", "call-manager"]}}}),
        "is served by groups.call and by",
    );
    check(&json!({"groups": {"redis": {"serve": ["tag"]}}}), "groups.redis: this name is taken");
}

#[test]
fn values_that_cannot_work_are_refused() {
    if tool("").is_none() {
        return;
    }
    check(
        &json!({"mysql": {"enabled": false}}),
        "36 nodes need a common database and bus: set mysql.enabled",
    );
    check(&json!({"rabbitmq": {"enabled": false}}), "set rabbitmq.enabled");
    check(
        &json!({"groups": {"call": {"autoscaling": {"enabled": true, "min": 11}}}}),
        "min is more than max",
    );
    check(&json!({"groups": {"gateway": {"persistence": {"enabled": true}}}}), "needs stateful: true");
    let alone = json!({"gateway": null, "call": null, "flow": null, "platform": null, "sentinel": null,
        "node": {"serve": ["*"], "replicas": 1}});
    let nothing = json!({"enabled": false});
    check(
        &json!({"groups": alone, "mysql": nothing, "rabbitmq": nothing}),
        "without mysql everything is in the data folder of groups.node",
    );
    check(&json!({"groups": {"A": {"serve": ["tag"]}}}), "'A' does not match pattern");
    check(
        &json!({"settings": {"store": "mysql://user:password@host/name"}}),
        "additional properties 'store' not allowed",
    );
    check(&json!({"keys": {"node.key": "secret"}}), "additional properties 'node.key' not allowed");
    check(&json!({"replicas": 3}), "additional properties 'replicas' not allowed");
}

#[test]
fn the_operators_port_is_where_values_say_and_not_the_worlds() {
    if tool("").is_none() {
        return;
    }
    let certificate = json!([{"name": "BRANCHLINE_GRPC_CERT", "value": "/tls/tls.crt"}]);
    let expected = "groups.call.env: BRANCHLINE_GRPC_CERT: probes and Prometheus would not know of it";
    check(&json!({"groups": {"call": {"env": certificate}}}), expected);
    check(&json!({"settings": {"grpc-cert": "x"}}), "additional properties 'grpc-cert' not allowed");
    let tls = json!({"tls": {"existingSecret": "certificate"}});
    check(
        &json!({"operators": tls, "serviceMonitor": {"enabled": true}}),
        "serviceMonitor.tlsConfig: say how Prometheus knows the certificate",
    );
    check(&json!({"operators": {"tls": {"clientCaSecret": "ca"}}}), "needs operators.tls.existingSecret");
    for (who, world) in [("operators", "0.0.0.0/0"), ("monitoring", "::/0")] {
        let set = json!({"networkPolicy": {who: [{"ipBlock": {"cidr": world}}]}});
        check(&set, &format!("networkPolicy.{who}: {world} would open the operators' port to the world"));
    }
}
