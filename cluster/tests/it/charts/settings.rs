//! The chart's settings are the program's.

use std::collections::BTreeSet;

use clap::CommandFactory as _;
use cluster::config::{Cli, parse};
use serde_json::{Value, json};

use super::helm::{all, install, tool};
use super::object::{list, text};

fn flags() -> BTreeSet<String> {
    let command = Cli::command();
    command.get_arguments().filter_map(|argument| argument.get_long()).map(str::to_owned).collect()
}

#[test]
fn every_setting_of_the_values_is_a_flag_of_the_program() {
    let path = super::root().join("charts/branchline/values.schema.json");
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let settings: BTreeSet<_> =
        schema["properties"]["settings"]["properties"].as_object().unwrap().keys().cloned().collect();
    let flags = flags();
    assert!(settings.is_subset(&flags), "{:?}", settings.difference(&flags));
    // the others are the chart's own business, or secrets
    let rest: Vec<_> = flags.difference(&settings).map(String::as_str).collect();
    let own = [
        "admin-token",
        "bus",
        "cache",
        "config",
        "data",
        "external-ip",
        "grpc",
        // probes and Prometheus read the operators' port plainly
        "grpc-cert",
        "grpc-client-ca",
        "grpc-key",
        "http",
        "node",
        "pods",
        "rtp",
        "serve",
        "sip",
        "speech-key",
        "stop-seconds",
        "store",
        "tls-cert",
        "tls-key",
    ];
    let unknown: Vec<_> =
        rest.iter().filter(|flag| !own.contains(flag) && **flag != "help" && **flag != "version").collect();
    assert!(unknown.is_empty(), "the chart does not know {unknown:?}");
}

/// The environment of a container as the program would read it, secrets made up.
fn environment(container: &Value) -> Vec<(String, String)> {
    let value = |variable: &Value| match (text(&variable["name"]), variable["value"].as_str()) {
        (_, Some(value)) => value.to_owned(),
        ("BRANCHLINE_STORE", None) => "mysql://a:b@c/d".to_owned(),
        ("BRANCHLINE_CACHE", None) => "redis://a".to_owned(),
        ("BRANCHLINE_BUS", None) => "amqp://a".to_owned(),
        ("BRANCHLINE_EXTERNAL_IP", None) => "192.0.2.1".to_owned(),
        (_, None) => "a-name-or-a-token-of-a-pod".to_owned(),
    };
    list(&container["env"]).iter().map(|one| (text(&one["name"]).to_owned(), value(one))).collect()
}

#[test]
fn the_program_understands_what_the_chart_tells_it() {
    let every = json!({"settings": {
        "domain": "sip.example.com", "destinations": "1,44", "call-seconds": 604_800, "retention-days": 7,
        "allow-private": "10.0.0.0/8", "customer-rate": "0", "address-rate": "10/20", "log-format": "text",
    }, "voice": {"address": "host"}, "listen": "[::]"});
    let more = tool("").map(|_| install("settings", &json!({"set": every})).expect("it is accepted"));
    for release in all().iter().chain(&more) {
        for group in release.groups() {
            let environment = environment(group.container());
            let ours: Vec<_> =
                environment.iter().filter(|(name, _)| name.starts_with("BRANCHLINE_")).collect();
            for (name, _) in &ours {
                let flag = name.trim_start_matches("BRANCHLINE_").to_ascii_lowercase().replace('_', "-");
                assert!(flags().contains(&flag), "{name}");
            }
            let read = |name: &str| ours.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
            let config = parse(["branchline"], read).expect("it is understood").config;
            assert_eq!(config.serve.join(","), group.variable("BRANCHLINE_SERVE").unwrap());
            if release.name == "settings" {
                assert_eq!((config.call_seconds, config.retention_days), (604_800, 7));
            }
        }
    }
}
