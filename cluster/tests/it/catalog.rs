//! What holds for every resource, tested for all of them at once: a new one is covered by existing.

use std::collections::{BTreeMap, BTreeSet};

use protocol::ports::{Unit, Write};
use protocol::{Entry, Ops, Resource, Row, Rule, Verb};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::platform::Platform;

#[tokio::test(flavor = "multi_thread")]
async fn the_store_knows_every_resource_of_the_domains() {
    let platform = Platform::start().await;
    let catalog = platform.node.deps.catalog().unwrap();
    let served: BTreeSet<_> = catalog.resources().map(|resource| resource.name).collect();
    let stored: BTreeSet<_> = actors::resources().iter().map(|resource| resource.name).collect();
    assert_eq!(served, stored);
    let paths: BTreeSet<_> = catalog.resources().map(|resource| resource.path).collect();
    assert_eq!(paths.len(), served.len(), "two resources share a path");
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn domains_wait_for_each_other_in_one_direction_only() {
    let platform = Platform::start().await;
    let domains = actors::domains(&platform.node.deps);
    let asks: BTreeMap<_, _> = domains.iter().map(|domain| (domain.name, domain.asks)).collect();
    for (name, of) in &asks {
        for asked in *of {
            assert!(asks.contains_key(asked), "{name} asks {asked}, which is no domain");
        }
        let (mut reached, mut next) = (BTreeSet::new(), of.to_vec());
        while let Some(domain) = next.pop() {
            if reached.insert(domain) {
                next.extend(asks[domain]);
            }
        }
        assert!(!reached.contains(name), "{name} waits for itself: {reached:?}");
    }
    for domain in &domains {
        for told in domain.tells {
            let (asked, name) = (asks[told], domain.name);
            assert!(
                asked.contains(&name),
                "{told} does not ask {name}, which may as well ask instead of telling"
            );
        }
    }
    platform.stop().await;
}

/// Who follows what, as one number.
const FOLLOWED: &str = "1d4330ea-a566-5bfb-933b-6126e65b1eab";

/// Nodes of two releases side by side: a node leaves to itself what all who follow it in *its* release have there.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_follows_more_than_in_the_release_before_has_another_word_for_what_was_seen() {
    let platform = Platform::start().await;
    let domains = actors::domains(&platform.node.deps);
    let mut all: Vec<_> = domains.iter().filter_map(|domain| domain.subscription()).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    let lines: String = all.iter().map(|of| format!("{}: {:?}\n", of.name, of.patterns)).collect();
    let number = Uuid::new_v5(&Uuid::nil(), lines.as_bytes()).to_string();
    platform.stop().await;
    assert_eq!(number, FOLLOWED, "\n{lines}see `SEEN` in cluster/src/bus/rabbit/way.rs, then change it here");
}

/// A row of this customer with every column filled, straight into the store.
async fn plant(platform: &Platform, resource: &'static Resource, customer: &str) -> String {
    let id = Uuid::now_v7();
    let mut row = Row::new();
    for field in resource.columns().filter(|field| field.unique) {
        row.insert(field.name.to_owned(), json!(id.to_string()));
    }
    row.insert("id".into(), json!(id));
    row.insert("customer_id".into(), json!(customer));
    row.insert("tm_create".into(), json!("2026-01-01T00:00:00.000000Z"));
    row.insert("rev".into(), json!(1));
    resource.fill(&mut row);
    let unit = Unit { writes: vec![Write::Insert { resource, row: row.into() }], ..Unit::default() };
    platform.node.deps.store.commit(unit).await.unwrap();
    id.to_string()
}

/// Everything that HTTP offers on one item.
fn item_operations(entry: &Entry) -> Vec<(&'static str, String)> {
    let resource = entry.resource;
    let plain = [
        (Ops::GET, "GET", resource.access.get),
        (Ops::UPDATE, "PUT", resource.access.update),
        (Ops::DELETE, "DELETE", resource.access.delete),
    ];
    let plain = plain.into_iter().filter(|(op, _, rule)| resource.ops.has(*op) && *rule != Rule::Internal);
    let mut all: Vec<_> = plain.map(|(_, method, _)| (method, String::new())).collect();
    let open = |verb: &&&'static Verb| verb.rule != Rule::Internal;
    all.extend(entry.verbs.iter().filter(open).map(|verb| (verb.method.name(), format!("/{}", verb.name))));
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_row_is_a_row_that_never_was() {
    let platform = Platform::start().await;
    let (_, stranger) = platform.another_customer("stranger@example.com").await;
    let own = platform.welcome.customer_id.to_string();
    let catalog = platform.node.deps.catalog().unwrap();
    for entry in catalog.entries.iter().filter(|entry| !entry.resource.shared) {
        let resource = entry.resource;
        let planted = plant(&platform, resource, &own).await;
        for (method, suffix) in item_operations(entry) {
            let path = |id: &str| format!("v1.0/{}/{id}{suffix}", resource.path);
            let foreign = platform.send_as(&stranger, method, &path(&planted), json!({})).await;
            let random =
                platform.send_as(&stranger, method, &path(&Uuid::new_v4().to_string()), json!({})).await;
            assert_eq!(foreign.0, 404, "{method} {} {}", path(&planted), foreign.1);
            assert_eq!(foreign, random, "{method} {}", path(&planted));
            let bad = platform.send_as(&stranger, method, &path("not-a-uuid"), json!({})).await;
            assert_eq!((bad.0, &bad.1["error"]["reason"]), (400, &json!("INVALID_ID")), "{method} {suffix}");
            let nobody = platform.send_as("", method, &path(&planted), json!({})).await;
            assert_eq!(nobody.0, 401, "{method} {} {}", path(&planted), nobody.1);
        }
        let row =
            platform.node.deps.store.get(resource, protocol::Scope::Platform, planted.parse().unwrap()).await;
        let row = row.unwrap().unwrap_or_else(|| panic!("{} was deleted by a stranger", resource.name));
        assert_eq!(row["rev"], 1, "{} was changed by a stranger", resource.name);
        if resource.ops.has(Ops::LIST) && resource.access.list != Rule::Internal {
            let (status, page) =
                platform.send_as(&stranger, "GET", &format!("v1.0/{}", resource.path), Value::Null).await;
            assert!(
                status == 403 || !page.to_string().contains(&planted),
                "{} leaks in its list",
                resource.name
            );
        }
    }
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_and_nothing_internal_leaves() {
    let platform = Platform::start().await;
    let operator = platform.operator().await;
    let own = platform.welcome.customer_id.to_string();
    for entry in &platform.node.deps.catalog().unwrap().entries {
        let resource = entry.resource;
        if !resource.ops.has(Ops::GET) || resource.access.get == Rule::Internal || resource.name == "customer"
        {
            continue;
        }
        let planted = plant(&platform, resource, &own).await;
        let path = format!("v1.0/{}/{planted}", resource.path);
        let (status, row) = platform.send_as(&operator, "GET", &path, Value::Null).await;
        assert_eq!(status, 200, "{path} {row}");
        for field in resource.columns().filter(|field| field.internal || field.secret) {
            assert!(row.get(field.name).is_none(), "{} of {} leaves", field.name, resource.name);
        }
    }
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_describes_every_open_operation() {
    let platform = Platform::start().await;
    let (status, document) = platform.send_as("", "GET", "openapi.json", Value::Null).await;
    assert_eq!(status, 200);
    for entry in &platform.node.deps.catalog().unwrap().entries {
        for (method, suffix) in item_operations(entry) {
            let path = format!("/v1.0/{}/{{id}}{suffix}", entry.resource.path);
            let operation = &document["paths"][&path][method.to_lowercase()];
            assert!(operation.is_object(), "{method} {path} is not in /openapi.json");
        }
    }
    platform.stop().await;
}
