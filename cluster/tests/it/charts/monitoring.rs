//! Dashboards and rules as the chart ships them.

use super::helm::{all, tool, yaml};
use super::object::text;
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
