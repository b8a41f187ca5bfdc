//! Credentials: where they are read, and every way to forge one.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use gateway::{Rate, UNSERVED};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use protocol::ports::Clock;
use protocol::{identity, time};
use serde_json::{Value, json};

use crate::domain::{AGENT, CUSTOMER, KEY};
use crate::world::{JWT_KEY, World, sign};

const CALLS: &str = "GET /v1.0/calls";

#[tokio::test]
async fn credentials_are_found_in_every_place() {
    let world = World::new().await;
    let (token, key) = (world.token(&world.ours, world.admin), world.key.clone());
    for path in [format!("/v1.0/calls?token={token}"), format!("/v1.0/calls?accesskey={key}")] {
        world.call_with(&format!("GET {path}"), "", "").await.expect(200);
    }
    for cookie in [format!("a=b; token={token}"), format!("accesskey={key}")] {
        let mut request = world.request(CALLS, "", "");
        request.headers_mut().insert("cookie", cookie.parse().unwrap());
        world.send(request).await.expect(200);
    }
    for credential in [&token, &key] {
        world.call_with(CALLS, credential, "").await.expect(200);
    }
    world.call_with(CALLS, "", "").await.refused(401, "AUTHENTICATION_REQUIRED");
    world.call_with(CALLS, "vb_unknown", "").await.refused(401, "INVALID_CREDENTIALS");
    world
        .call_with(&format!("{CALLS}?token=bad&accesskey={key}"), "", "")
        .await
        .refused(401, "INVALID_CREDENTIALS");
    world.end().await;
}

#[tokio::test]
async fn no_forged_token_passes() {
    let world = World::new().await;
    let claims = world.claims(&world.ours, world.admin);
    let good = sign(&claims, JWT_KEY);
    world.call_with(CALLS, &good, "").await.expect(200);
    let mut forged = altered(&good, &json!({"id": world.operator, "customer_id": world.id}));
    forged.extend(signed_otherwise(&claims));
    forged.extend(with_other_claims(&claims, world.clock.now().timestamp() - 1));
    for token in &forged {
        world.call_with(CALLS, token, "").await.refused(401, "INVALID_CREDENTIALS");
    }
    // a key id chooses nothing: there is one key
    let named = Header { kid: Some("' OR 1=1".into()), ..Header::default() };
    world.call_with(CALLS, &seal(&named, &claims, JWT_KEY), "").await.expect(200);
    world.end().await;
}

fn seal(header: &Header, claims: &Value, key: &[u8]) -> String {
    encode(header, claims, &EncodingKey::from_secret(key)).expect("a token")
}

/// The parts of a good token, changed or missing.
fn altered(good: &str, other: &Value) -> Vec<String> {
    let [head, body, seal] = good.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    let base64 = |value: &Value| BASE64.encode(value.to_string());
    let header = |algorithm: &str| base64(&json!({"alg": algorithm, "typ": "JWT"}));
    let mut claims: Value = serde_json::from_slice(&BASE64.decode(body).unwrap()).unwrap();
    claims["agent"] = other.clone();
    vec![
        format!("{}.{body}.", header("none")),
        format!("{}.{body}.{seal}", header("none")),
        format!("{}.{body}.{seal}", header("NONE")),
        format!("{}.{body}.{seal}", header("RS256")),
        format!("{head}.{}.{seal}", base64(&claims)),
        format!("{head}.{body}"),
        format!("{head}.{body}."),
        good[..good.len() - 2].to_owned(),
        "x".to_owned(),
    ]
}

fn signed_otherwise(claims: &Value) -> Vec<String> {
    let outside = Header { kid: Some("../../dev/null".into()), ..Header::default() };
    vec![
        seal(&Header::default(), claims, b"another key"),
        seal(&Header::default(), claims, b""),
        seal(&outside, claims, b""),
        seal(&Header::new(Algorithm::HS512), claims, JWT_KEY),
        seal(&Header::new(Algorithm::HS384), claims, JWT_KEY),
    ]
}

fn with_other_claims(claims: &Value, past: i64) -> Vec<String> {
    let changes = [
        ("exp", json!(past)),
        ("exp", json!("tomorrow")),
        ("exp", Value::Null),
        ("expire", json!("2000-01-01T00:00:00.000000Z")),
        ("expire", json!("never")),
        ("expire", Value::Null),
        ("type", json!("direct")),
        ("agent", Value::Null),
    ];
    let mut forged = Vec::new();
    for (name, value) in changes {
        let mut claims = claims.clone();
        match value.is_null() {
            true => drop(claims.as_object_mut().unwrap().remove(name)),
            false => claims[name] = value,
        }
        forged.push(sign(&claims, JWT_KEY));
    }
    forged
}

#[tokio::test]
async fn a_token_ends_when_it_says() {
    let world = World::new().await;
    let token = world.token(&world.ours, world.admin);
    world.call_with(CALLS, &token, "").await.expect(200);
    *world.clock.0.lock().unwrap() += chrono::TimeDelta::days(1);
    world.call_with(CALLS, &token, "").await.refused(401, "INVALID_CREDENTIALS");
    world.end().await;
}

/// What a token says about rights is not read, and what the domain says is read anew after a second.
#[tokio::test]
async fn rights_are_read_from_the_domain() {
    let world = World::new().await;
    let mut claims = world.claims(&world.ours, world.agent);
    claims["agent"]["permission"] = json!(65535);
    let token = sign(&claims, JWT_KEY);
    world.call_with(CALLS, &token, "").await.refused(403, "PERMISSION_DENIED");
    world.domain.set(&AGENT, world.agent, "permission", json!(identity::permission::ADMIN));
    crate::edge::eventually(async || world.call_with(CALLS, &token, "").await.code == 200).await;
    world.domain.set(&AGENT, world.agent, "tm_delete", json!("2026-01-01T00:00:00.000000Z"));
    crate::edge::eventually(async || world.call_with(CALLS, &token, "").await.code == 401).await;
    let keys: Vec<_> =
        world.domain.rows.lock().unwrap().keys().filter(|(name, _)| *name == "accesskey").copied().collect();
    for (_, id) in keys {
        world.domain.set(&KEY, id, "tm_delete", json!("2026-01-01T00:00:00.000000Z"));
    }
    crate::edge::eventually(async || world.get("/v1.0/calls").await.code == 401).await;
    world.end().await;
}

#[tokio::test]
async fn a_frozen_account_is_refused_and_says_until_when() {
    let world = World::new().await;
    world.domain.set(&CUSTOMER, world.id, "status", json!("frozen"));
    world.domain.set(&CUSTOMER, world.id, "tm_deletion_scheduled", json!("2026-01-01T00:00:00.500000Z"));
    let refused = world.get("/v1.0/calls").await.refused(403, "ACCOUNT_FROZEN").json();
    let expected = json!([{
        "deletion_scheduled_at": "2026-01-01T00:00:00.5Z",
        "deletion_effective_at": "2026-01-31T00:00:00.5Z",
        "recovery_endpoint": "DELETE /auth/unregister",
    }]);
    assert_eq!(refused["error"]["details"], expected);
    let operator = world.token(&world.ours, world.operator);
    world.call_with(CALLS, &operator, "").await.expect(200);
    world.call_with(CALLS, &world.theirs.key, "").await.expect(200);
    world.end().await;
}

#[tokio::test]
async fn a_login_answers_a_token_that_works() {
    let world = World::new().await;
    let body = r#"{"username":"admin-ours@example.com","password":"correct"}"#;
    let answer = world.call_with("POST /auth/login", "", body).await.expect(200);
    let token = answer.json()["token"].as_str().unwrap().to_owned();
    assert_eq!(answer.json()["username"], "admin-ours@example.com");
    let cookie = format!("token={token}; Max-Age=604800; Path=/; Secure; HttpOnly; SameSite=Strict");
    assert_eq!(answer.header("set-cookie"), cookie);
    world.call_with(CALLS, &token, "").await.expect(200);
    let claims: Value =
        serde_json::from_slice(&BASE64.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap();
    assert!(!claims.to_string().contains("permission"), "{claims}");
    let until = time::parse(claims["expire"].as_str().unwrap()).unwrap();
    assert_eq!(claims["exp"], json!(until.timestamp()));
    for body in [
        r#"{"username":"admin-ours@example.com","password":"wrong"}"#,
        r#"{"username":"nobody@example.com","password":"correct"}"#,
        r#"{"username":"admin-ours@example.com"}"#,
        "",
    ] {
        assert!(world.call_with("POST /auth/login", "", body).await.expect(400).body.is_empty());
    }
    for (method, path) in UNSERVED {
        world.call_with(&format!("{method} {path}"), "", "{}").await.refused(404, "ROUTE_NOT_FOUND");
    }
    world.end().await;
}

#[tokio::test]
async fn passwords_cannot_be_guessed_fast() {
    let world = World::with(|settings| settings.limits.username = Rate::new(0.01, 3)).await;
    let body = |name: &str| format!(r#"{{"username":"{name}","password":"wrong"}}"#);
    for name in ["a@b.c", "A@b.c", "a@B.c"] {
        world.call_with("POST /auth/login", "", &body(name)).await.expect(400);
    }
    let refused = world.call_with("POST /auth/login", "", &body("a@b.c")).await;
    assert_eq!(refused.header("retry-after"), "100");
    refused.refused(429, "RATE_LIMIT_EXCEEDED");
    world.call_with("POST /auth/login", "", &body("other@b.c")).await.expect(400);
    world.end().await;
}
