//! House rules that a machine can check.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const CRATES: &[&str] = &["protocol", "actors", "gateway", "persistence", "proto", "cluster", "benches"];
const LONGEST_FILE: usize = 400;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = CRATES.iter().map(|name| root().join(name)).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    found
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

#[test]
fn every_file_has_one_subject_and_says_which() {
    let mut bad = Vec::new();
    for (path, text) in sources() {
        let lines = text.lines().count();
        if lines > LONGEST_FILE {
            bad.push(format!("{} has {lines} lines, more than {LONGEST_FILE}", shown(&path)));
        }
        if !text.starts_with("//!") {
            bad.push(format!("{} does not open with //!", shown(&path)));
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

#[test]
fn nobody_is_called_manager_helper_or_util() {
    let words = ["Manager", "Helper", "Util"];
    let mut bad = Vec::new();
    for (path, text) in sources() {
        for (number, line) in text.lines().enumerate() {
            let declares = ["struct ", "enum ", "trait ", "mod "].iter().any(|word| line.contains(word));
            if declares && words.iter().any(|word| line.contains(word)) && !line.contains('"') {
                bad.push(format!("{}:{}: {}", shown(&path), number + 1, line.trim()));
            }
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

/// Every crate depends on `protocol` only; `cluster` ties them together.
#[test]
fn crates_form_a_star() {
    for (folder, allowed) in [
        ("protocol", &[][..]),
        ("persistence", &["protocol"][..]),
        ("actors", &["protocol"][..]),
        ("gateway", &["protocol"][..]),
        ("cluster/kubernetes", &["protocol"][..]),
        ("cluster/voice", &["protocol"][..]),
        ("proto", &[][..]),
    ] {
        let manifest = fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
        let ours =
            ["protocol", "persistence", "actors", "gateway", "kubernetes", "voice", "proto", "cluster"];
        for name in ours {
            let depends = manifest.lines().any(|line| line.trim() == format!("{name}.workspace = true"));
            assert!(!depends || allowed.contains(&name), "{folder} must not depend on {name}");
        }
    }
}

/// A domain imports from another only its `api`.
#[test]
fn domains_meet_at_their_apis() {
    let domains = root().join("actors/src");
    let names: Vec<String> = fs::read_dir(&domains)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir() && path.join("api.rs").exists())
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    let mut bad = Vec::new();
    for (path, text) in sources() {
        let Ok(inside) = path.strip_prefix(&domains) else { continue };
        let own = inside.iter().next().unwrap().to_string_lossy().into_owned();
        for (number, line) in text.lines().enumerate() {
            for name in names.iter().filter(|name| **name != own && own != "lib.rs") {
                let uses = line.contains(&format!("crate::{name}::"));
                if uses && !line.contains(&format!("crate::{name}::api")) {
                    bad.push(format!("{}:{}: {}", shown(&path), number + 1, line.trim()));
                }
            }
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

/// The wire names of domains are theirs alone.
#[test]
fn no_test_is_ignored_and_nothing_is_left_to_do() {
    let marks = [
        concat!("#[ign", "ore"),
        concat!("todo", "!("),
        concat!("unimpl", "emented!("),
        concat!("dbg", "!("),
    ];
    let mut counts = BTreeMap::new();
    for (path, text) in sources() {
        for mark in marks.iter().filter(|mark| text.contains(**mark)) {
            counts.insert(shown(&path), *mark);
        }
    }
    assert!(counts.is_empty(), "{counts:?}");
}
