//! The people of a customer: how they get in, what they may do from one second to the next, and how they are
//! reached.

use protocol::ports::voice::CAUSE_NORMAL;
use protocol::ports::{Unit, Write};
use protocol::{Row, Scope};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant, sleep};

use crate::api::{Api, LOOK};
use crate::calls::{ended, phone, rings};
use crate::platform::Platform;

const PASSWORD: &str = "a-long-secret";
/// What a node may remember of a credential is at most a second old; the rest is for a loaded machine.
const SOON: Duration = Duration::from_millis(2_500);

const MEMBER: u8 = 16;
const ADMIN: u8 = 32;

async fn agent(platform: &Platform, username: &str, permission: u8) -> String {
    let body =
        json!({"username": username, "password": PASSWORD, "name": username, "permission": permission});
    platform.made("agents", body).await
}

async fn login(platform: &Platform, username: &str) -> Api {
    platform.api().try_login(username, PASSWORD).await.expect("the password is right")
}

/// The path is soon answered so.
async fn soon(api: &Api, path: &str, status: u16) {
    let since = Instant::now();
    while api.get(path).await.0 != status {
        assert!(since.elapsed() < SOON, "{path} is not answered {status}");
        sleep(LOOK).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_and_an_unknown_user_get_the_same_answer() {
    let platform = Platform::start().await;
    agent(&platform, "ann@example.com", MEMBER).await;
    let try_in = |username: &'static str, password: &'static str| {
        let body = json!({"username": username, "password": password});
        platform.send_as("", "POST", "auth/login", body)
    };
    let (status, answer) = try_in("Ann@Example.com", PASSWORD).await;
    assert_eq!((status, &answer["username"]), (200, &json!("Ann@Example.com")));
    let wrong = try_in("ann@example.com", "another-secret").await;
    assert_eq!(wrong, (400, Value::Null));
    for (username, password) in
        [("bob@example.com", PASSWORD), ("ann@example.com", ""), ("", ""), ("ann@example.com' OR 1=1", "x")]
    {
        assert_eq!(try_in(username, password).await, wrong, "{username}");
    }
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_may_be_guessed_ten_times_and_then_seldom() {
    let platform = Platform::start().await;
    agent(&platform, "ann@example.com", MEMBER).await;
    agent(&platform, "bob@example.com", MEMBER).await;
    let guess = |username: &'static str, password: &'static str| {
        let body = json!({"username": username, "password": password});
        platform.send_as("", "POST", "auth/login", body)
    };
    for _ in 0..10 {
        assert_eq!(guess("ann@example.com", "a wrong one").await.0, 400);
    }
    // spelled otherwise it is the same user, and the right password is no way around
    for username in ["ann@example.com", "ANN@example.com"] {
        let (status, answer) = guess(username, PASSWORD).await;
        assert_eq!((status, &answer["error"]["reason"]), (429, &json!("RATE_LIMIT_EXCEEDED")));
    }
    assert_eq!(guess("bob@example.com", PASSWORD).await.0, 200);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_sees_itself_and_little_else() {
    let platform = Platform::start().await;
    let (ann, bob) = (
        agent(&platform, "ann@example.com", MEMBER).await,
        agent(&platform, "bob@example.com", MEMBER).await,
    );
    let member = login(&platform, "ann@example.com").await;
    assert_eq!(member.get("me").await.1["id"], json!(ann));
    assert_eq!(member.get(&format!("agents/{ann}")).await.0, 200);
    assert_eq!(member.put(&format!("agents/{ann}"), json!({"name": "Ann"})).await.0, 200);
    assert_eq!(member.put(&format!("agents/{ann}/status"), json!({"status": "away"})).await.0, 200);
    let call = json!({"actions": [], "destinations": [{"type": "agent", "target": bob}]});
    for (method, path, body) in [
        ("GET", format!("agents/{bob}"), Value::Null),
        ("PUT", format!("agents/{bob}"), json!({"name": "x"})),
        ("PUT", format!("agents/{bob}/password"), json!({"password": PASSWORD})),
        ("PUT", format!("agents/{ann}/permission"), json!({"permission": ADMIN})),
        ("DELETE", format!("agents/{ann}"), Value::Null),
        ("GET", "agents".into(), Value::Null),
        ("GET", "accesskeys".into(), Value::Null),
        ("POST", "accesskeys".into(), json!({"name": "mine"})),
        ("GET", "billing_account".into(), Value::Null),
        ("GET", "billings".into(), Value::Null),
        ("PUT", "customer".into(), json!({"name": "mine"})),
        ("GET", "customers".into(), Value::Null),
        ("POST", "providers".into(), json!({"hostname": "example.com"})),
        ("POST", "calls".into(), call),
    ] {
        let (status, answer) = member.send(method, &format!("v1.0/{path}"), body).await;
        assert_eq!(status, 403, "{method} {path}: {answer}");
    }
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_permission_and_a_deletion_hold_within_a_second() {
    let platform = Platform::start().await;
    let ann = agent(&platform, "ann@example.com", MEMBER).await;
    let token = login(&platform, "ann@example.com").await;
    assert_eq!(token.get("agents").await.0, 403);
    for (permission, status) in [(ADMIN, 200), (MEMBER, 403)] {
        let body = json!({"permission": permission});
        assert_eq!(platform.put(&format!("agents/{ann}/permission"), body).await.0, 200);
        soon(&token, "agents", status).await;
    }
    assert_eq!(platform.delete(&format!("agents/{ann}")).await.0, 200);
    soon(&token, "me", 401).await;
    assert!(platform.api().try_login("ann@example.com", PASSWORD).await.is_none());
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_becomes_an_operator_and_a_customer_cannot_remove_one() {
    let platform = Platform::start().await;
    let ann = agent(&platform, "ann@example.com", ADMIN).await;
    let operator = platform.api().with_key(&platform.operator().await);
    let admin = login(&platform, "ann@example.com").await;
    for api in [platform.api(), &admin, &operator] {
        for permission in [1, 17, 33, 65_535] {
            let body = json!({"username": "eve@example.com", "password": PASSWORD, "permission": permission});
            let made = api.post("agents", body).await;
            let changed =
                api.put(&format!("agents/{ann}/permission"), json!({"permission": permission})).await;
            for (status, answer) in [made, changed] {
                assert!(matches!(status, 400 | 403), "{permission}: {status} {answer}");
            }
        }
    }
    let first = operator.get("me").await.1["id"].as_str().unwrap().to_owned();
    for api in [platform.api(), &admin] {
        assert_eq!(api.delete(&format!("agents/{first}")).await.0, 403);
    }
    assert_eq!(platform.get(&format!("agents/{ann}")).await.1["permission"], ADMIN);
    assert_eq!(platform.api().list("agents").await.len(), 2);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_admin_of_a_customer_stays() {
    let platform = Platform::start().await;
    let (_, key) = platform.another_customer("small@example.com").await;
    let small = platform.api().with_key(&key);
    let admin = |username: &str| json!({"username": username, "password": PASSWORD, "permission": ADMIN});
    let ann = format!("agents/{}", small.made("agents", admin("ann@example.com")).await);
    let demotion = json!({"permission": MEMBER});
    for (status, answer) in
        [small.delete(&ann).await, small.put(&format!("{ann}/permission"), demotion).await]
    {
        assert_eq!((status, &answer["error"]["status"]), (409, &json!("FAILED_PRECONDITION")), "{answer}");
    }
    let bob = format!("agents/{}", small.made("agents", admin("bob@example.com")).await);
    // of two who go at the same time, one stays
    let (first, second) = tokio::join!(small.delete(&ann), small.delete(&bob));
    let mut statuses = [first.0, second.0];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
    platform.stop().await;
}

/// Sets the end of a key to the past, as time does.
async fn run_out(platform: &Platform, id: &str) {
    let deps = &platform.node.deps;
    let resource = deps.catalog().unwrap().named("accesskey").unwrap().resource;
    let (scope, id) = (Scope::Customer(platform.welcome.customer_id), id.parse().unwrap());
    let row = deps.store.get(resource, scope, id).await.unwrap().unwrap();
    let patch = Row::from_iter([("tm_expire".to_owned(), json!("2020-01-01T00:00:00.000000Z"))]);
    let rev = row["rev"].as_i64().unwrap();
    let write = Write::Update { resource, id, scope, patch, rev, after: None };
    deps.store.commit(Unit { writes: vec![write], ..Unit::default() }).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_key_is_shown_once_and_works_until_it_is_deleted_or_runs_out() {
    let platform = Platform::start().await;
    let mut ids = Vec::new();
    for name in ["deleted", "run out"] {
        let row = platform.api().row("accesskeys", json!({"name": name, "expire": 86_400})).await;
        let (id, token) = (row["id"].as_str().unwrap().to_owned(), row["token"].as_str().unwrap().to_owned());
        assert!(token.starts_with("vb_") && row.get("token_hash").is_none(), "{row}");
        let (_, shown) = platform.get(&format!("accesskeys/{id}")).await;
        assert!(!shown.to_string().contains(&token), "{shown}");
        let api = platform.api().with_key(&token);
        assert_eq!(api.get("customer").await.0, 200);
        ids.push((id, api));
    }
    let [(deleted, first), (old, second)] = ids.as_slice() else { unreachable!("two keys") };
    assert_eq!(platform.delete(&format!("accesskeys/{deleted}")).await.0, 200);
    soon(first, "customer", 401).await;
    run_out(&platform, old).await;
    soon(second, "customer", 401).await;
    assert_eq!(platform.api().with_key("vb_never-made").get("customer").await, first.get("customer").await);
    assert_eq!(platform.post("accesskeys", json!({"name": "x", "expire": 5})).await.0, 400);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_is_called_at_its_phone_and_is_busy_for_as_long() {
    let platform = Platform::start().await;
    let (desk, extension) = phone(&platform, "100").await;
    let ann = agent(&platform, "ann@example.com", MEMBER).await;
    let at = format!("agents/{ann}");
    let addresses = json!({"addresses": [{"type": "extension", "target": extension}]});
    assert_eq!(platform.put(&format!("{at}/addresses"), addresses).await.0, 200);
    assert_eq!(platform.put(&format!("{at}/status"), json!({"status": "available"})).await.0, 200);
    let wait = json!([{"type": "sleep", "option": {"duration": 600_000}}]);
    let call = json!({"actions": wait, "source": {"type": "tel", "target": "+15550100"},
                      "destinations": [{"type": "agent", "target": ann}]});
    let placed = platform.api().row("calls", call).await;
    assert_eq!(placed["groupcalls"][0]["owner_id"], json!(ann));
    let leg = rings(&desk).await;
    desk.ring(leg).await.unwrap();
    platform.becomes(&at, |row| row["status"] == "ringing").await;
    desk.answer(leg).await.unwrap();
    platform.becomes(&at, |row| row["status"] == "busy").await;
    assert_eq!(platform.api().list("calls").await[0]["owner_id"], json!(ann));
    desk.hangup(leg, CAUSE_NORMAL).await.unwrap();
    ended(&desk, leg).await;
    platform.becomes(&at, |row| row["status"] == "available").await;
    platform.stop().await;
}
