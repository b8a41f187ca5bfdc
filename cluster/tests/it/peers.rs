//! Somebody else's telephones: sipp, baresip and linphone as extensions, carriers and callers of a whole
//! node.
//!
//! Not everybody has these programs, and a test that needs one says so and does nothing; a pipeline (`CI=true`)
//! must have them.

mod baresip;
mod carriers;
mod desk;
mod extensions;
mod hostile;
pub(crate) mod linphone;
mod network;
mod phones;
mod sipp;
mod sound;

use serde_json::{Value, json};

use crate::platform::{Answer, Platform};

const PASSWORD: &str = "a-long-secret";
/// The customer's number and one that it calls: fictitious (+1 555 01xx).
const OWN: &str = "+15550100";
const CALLED: &str = "+15550123";
/// What a pipeline sets.
const PIPELINE: &str = "CI";

/// Whether every one of the programs is there.
pub(crate) fn installed(programs: &[&str]) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let is_there =
        |program: &&str| std::env::split_paths(&paths).any(|folder| folder.join(program).is_file());
    let missing: Vec<_> = programs.iter().filter(|program| !is_there(program)).collect();
    for program in &missing {
        eprintln!("{program} is not installed: nothing is tested here");
    }
    assert!(missing.is_empty() || !is_pipeline(), "not installed: {missing:?}");
    missing.is_empty()
}

fn is_pipeline() -> bool {
    std::env::var(PIPELINE).as_deref() == Ok("true")
}

fn realm(platform: &Platform) -> String {
    format!("{}.registrar.branchline.local", platform.welcome.customer_id)
}

/// A new extension; its id.
async fn extension(platform: &Platform, number: &str) -> String {
    let body = json!({"extension": number, "password": PASSWORD, "name": number, "detail": ""});
    platform.made("extensions", body).await
}

/// A call from the customer's number; the status and the answer.
async fn call(platform: &Platform, (kind, target): (&str, &str), actions: Value) -> Answer {
    let body = json!({
        "actions": actions, "source": {"type": "tel", "target": OWN},
        "destinations": [{"type": kind, "target": target}],
    });
    platform.post("calls", body).await
}

/// Every call of the customer is over; their rows, newest first.
async fn all_over(platform: &Platform, count: usize) -> Vec<Value> {
    let over = |page: &Value| {
        let calls = page["result"].as_array().expect("a list");
        calls.len() == count && calls.iter().all(|call| call["status"] == "hangup")
    };
    let page = platform.becomes("calls?page_size=100", over).await;
    page["result"].as_array().expect("a list").clone()
}
