//! Asking Helm: `charts/check/render.py` with a case, and what it says.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use serde_json::{Value, json};

use super::object::Object;
use super::root;

/// What everything is checked with: the default and every example.
pub(super) const EXAMPLES: [&str; 4] = ["one-per-domain", "machines", "external", "single-node"];

/// What the cluster was given.
pub(super) struct Release {
    /// The values' name, for whoever reads a failure.
    pub(super) name: String,
    pub(super) objects: Vec<Object>,
    pub(super) notes: String,
}

/// A program of `charts/check/install`, or the folder itself; `None` where that has not run.
pub(super) fn tool(name: &str) -> Option<PathBuf> {
    let given = std::env::var_os("BRANCHLINE_CHART_TOOLS").map(PathBuf::from);
    let folder = given.unwrap_or_else(|| root().join("target/chart-tools"));
    if folder.join(".complete").is_file() {
        return Some(folder.join(name));
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "charts/check/install has not run");
    eprintln!("skipped: charts/check/install has not run, nothing is tested here");
    None
}

fn script(arguments: &[&str]) -> Value {
    let program = root().join("charts/check/render.py");
    let output = Command::new("python3").arg(program).args(arguments).output().expect("python3 runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// A file of YAML.
pub(super) fn yaml(path: &str) -> Value {
    script(&["--yaml", root().join(path).to_str().expect("a path")])
}

/// The domains that the chart knows.
pub(super) fn domains() -> Vec<String> {
    let path = root().join("charts/branchline/templates/_groups.tpl");
    let helper = std::fs::read_to_string(path).expect("it is there");
    let (_, list) = helper.split_once("{{- define \"branchline.domains\" -}}\n").expect("they are named");
    list.lines().next().unwrap_or_default().split(' ').map(str::to_owned).collect()
}

/// The release, or why Helm refuses it. The case: `values` (files), `set`, `there`.
pub(super) fn install(name: &str, case: &Value) -> Result<Release, String> {
    let mut said = script(&[&case.to_string()]);
    if let Some(refused) = said["refused"].as_str() {
        return Err(refused.to_owned());
    }
    let objects = said["objects"].as_array_mut().expect("a list").drain(..).map(Object).collect();
    let notes = said["notes"].as_str().unwrap_or_default().to_owned();
    Ok(Release { name: name.to_owned(), objects, notes })
}

/// The default and every example, rendered once.
pub(super) fn all() -> &'static [Release] {
    static ALL: OnceLock<Vec<Release>> = OnceLock::new();
    ALL.get_or_init(|| if tool("").is_some() { render() } else { Vec::new() })
}

fn render() -> Vec<Release> {
    let examples = EXAMPLES.iter().map(|name| (*name, json!({"values": [format!("examples/{name}.yaml")]})));
    std::thread::scope(|scope| {
        let cases: Vec<_> = [("default", json!({}))]
            .into_iter()
            .chain(examples)
            .map(|(name, case)| scope.spawn(move || install(name, &case).expect("it is accepted")))
            .collect();
        cases.into_iter().map(|case| case.join().expect("it renders")).collect()
    })
}

impl Release {
    pub(super) fn of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Object> {
        self.objects.iter().filter(move |object| object.kind() == kind)
    }

    /// Everything that makes pods.
    pub(super) fn workloads(&self) -> impl Iterator<Item = &Object> {
        self.objects.iter().filter(|object| matches!(object.kind(), "Deployment" | "StatefulSet"))
    }

    /// Those of them that run the platform.
    pub(super) fn groups(&self) -> impl Iterator<Item = &Object> {
        self.workloads().filter(|object| object.pod_label("branchline/node") == "true")
    }

    pub(super) fn has(&self, kind: &str, name: &str) -> bool {
        self.of(kind).any(|object| object.name() == name)
    }
}

#[test]
fn helm_takes_the_chart_and_kubernetes_takes_what_it_makes() {
    for release in all() {
        assert!(!release.objects.is_empty() && release.notes.contains("kubectl"), "{}", release.name);
    }
}

/// A test that checks nothing is none: the examples here are the files that there are.
#[test]
fn every_example_is_checked() {
    let folder = root().join("charts/branchline/examples");
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    found.sort();
    let mut expected = EXAMPLES.to_vec();
    expected.sort_unstable();
    assert_eq!(found, expected);
}
