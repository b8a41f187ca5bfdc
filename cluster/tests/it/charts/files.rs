//! The image and the file for one machine.

use std::process::Command;

use serde_json::Value;

use super::helm::{domains, tool, yaml};
use super::object::{labels, list, text};
use super::root;

#[test]
fn the_image_is_built_as_its_linter_wants() {
    let Some(hadolint) = tool("bin/hadolint") else { return };
    let output = Command::new(hadolint).arg(root().join("charts/Dockerfile")).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// The last stage has the program and nothing that built it, and is nobody's root.
#[test]
fn the_image_has_the_program_alone() {
    let text = std::fs::read_to_string(root().join("charts/Dockerfile")).unwrap();
    let stages: Vec<_> = text.split("\nFROM ").collect();
    let last = stages.last().unwrap();
    assert!(stages.len() >= 2 && last.starts_with("debian:bookworm-slim"));
    let copied: Vec<_> = last.lines().filter(|line| line.starts_with("COPY")).collect();
    assert_eq!(copied, ["COPY --from=build /branchline /usr/local/bin/branchline"]);
    assert!(last.contains("\nUSER 10001:10001\n"));
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let members = manifest.lines().find(|line| line.starts_with("members")).unwrap();
    for member in members.split('"').skip(1).step_by(2) {
        let folder = member.split('/').next().unwrap();
        assert!(text.contains(&format!("COPY {folder} {folder}\n")), "{folder} is not built");
    }
}

#[test]
fn the_version_of_the_program_is_that_of_the_image() {
    let version = env!("CARGO_PKG_VERSION");
    for (file, line) in [
        ("branchline/Chart.yaml", format!("appVersion: \"{version}\"")),
        ("compose.yaml", format!("image: ${{IMAGE:-branchline:{version}}}")),
    ] {
        let text = std::fs::read_to_string(root().join("charts").join(file)).unwrap();
        assert!(text.lines().any(|found| found.trim() == line), "{file}: no {line}");
    }
}

fn compose() -> Option<Value> {
    tool("").map(|_| yaml("charts/compose.yaml"))
}

#[test]
fn three_nodes_on_one_machine_serve_every_domain_once() {
    let Some(compose) = compose() else { return };
    let mut expected: Vec<_> = domains().into_iter().chain(["gateway".to_owned()]).collect();
    expected.sort_unstable();
    let mut served: Vec<String> = Vec::new();
    let mut names = Vec::new();
    for name in ["gateway", "call", "platform"] {
        let environment = labels(&compose["services"][name]["environment"]);
        served.extend(environment["BRANCHLINE_SERVE"].split(',').map(str::to_owned));
        names.push(environment["BRANCHLINE_NODE"].clone());
    }
    served.sort_unstable();
    assert_eq!(served, expected);
    assert_eq!(names, ["gateway", "call", "platform"]);
}

#[test]
fn services_of_the_machine_wait_for_healthy_ones() {
    let Some(compose) = compose() else { return };
    let services = compose["services"].as_object().unwrap();
    for (name, service) in services {
        assert!(!list(&service["healthcheck"]["test"]).is_empty(), "{name}");
        assert!(service["mem_limit"].is_string() && service["cpus"].is_number(), "{name}");
        assert_eq!(service["restart"], "unless-stopped", "{name}");
        assert_eq!(service["security_opt"], serde_json::json!(["no-new-privileges:true"]), "{name}");
        for (needed, condition) in service["depends_on"].as_object().into_iter().flatten() {
            assert!(services.contains_key(needed), "{name} waits for {needed}");
            assert_eq!(condition["condition"], "service_healthy", "{name}");
        }
        for volume in list(&service["volumes"]) {
            let named = text(volume).split(':').next().unwrap();
            assert!(compose["volumes"].as_object().unwrap().contains_key(named), "{name}: {named}");
        }
        let environment = service["environment"].as_object().into_iter().flatten();
        for (variable, value) in environment.filter(|(name, _)| {
            name.contains("TOKEN") || name.ends_with("PASSWORD") || name.ends_with("PASS")
        }) {
            assert!(text(value).starts_with("${"), "{name}: {variable} is written down");
        }
    }
}
