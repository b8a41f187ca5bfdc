//! A database that stands still, or is gone for a while.

use serde_json::{Value, json};
use tokio::time::{Duration, Instant, sleep};

use super::{REFUSED_WITHIN, late};
use crate::api::{Api, LOOK, PATIENCE};
use crate::mariadb::MariaDb;
use crate::survival::program::Program;
use crate::survival::{TONES, Talk, over};

/// Long enough that whatever waits for it has given up.
const STALLED: Duration = Duration::from_secs(6);
/// Longer than a lease, and than any single wait for it.
const GONE: Duration = Duration::from_secs(30);
/// Between two looks at what is refused.
const TURN: Duration = Duration::from_millis(250);

fn signal(database: &MariaDb, name: &str) {
    let pid = database.child.id().to_string();
    assert!(std::process::Command::new("kill").args([name, &pid]).status().unwrap().success());
}

/// Reads and writes are refused, soon and rightly.
async fn refuses(api: &Api, tag: &str) {
    for (method, path, body) in [
        ("GET", format!("v1.0/tags/{tag}"), Value::Null),
        ("POST", "v1.0/tags".to_owned(), json!({"name": "no"})),
    ] {
        let asked = Instant::now();
        let (status, answer) = api.ask(method, &path, body).await.expect("it answers");
        assert_eq!(status, 503, "{method} {path}: {answer}");
        println!("{method} was refused after {:?}", asked.elapsed());
        assert!(!late(asked), "{method} was refused after {:?}", asked.elapsed());
    }
}

/// What had been acknowledged is there, and a new write is acknowledged.
async fn is_right_again(api: &Api, tags: &[String]) {
    let back = Instant::now();
    while api.ask("POST", "v1.0/tags", json!({"name": "again"})).await.is_none_or(|(status, _)| status != 200)
    {
        assert!(back.elapsed() < PATIENCE, "no write is taken again");
        sleep(LOOK).await;
    }
    println!("a write was acknowledged {:?} after its return", back.elapsed());
    for tag in tags {
        let row = api.becomes(&format!("tags/{tag}"), |row| row["id"] == json!(tag)).await;
        assert_eq!(row["name"], "kept");
    }
}

async fn outage(lasts: Duration, begin: impl AsyncFn(&mut MariaDb), end: impl AsyncFn(&mut MariaDb)) {
    let Some(mut database) = MariaDb::start().await else { return };
    let program = Program::with(&[("store", &database.database().await)]).await;
    let talk = Talk::begin(&program).await;
    talk.answer().await;
    let mut tags = Vec::new();
    for _ in 0..20 {
        tags.push(program.api.made("tags", json!({"name": "kept"})).await);
    }
    talk.speak(TONES[0]).await;
    talk.is_heard(TONES[0]).await;
    begin(&mut database).await;
    let began = Instant::now();
    refuses(&program.api, &tags[0]).await;
    talk.speak(TONES[1]).await;
    talk.is_heard(TONES[1]).await;
    while began.elapsed() < lasts {
        refuses(&program.api, &tags[0]).await;
        sleep(TURN).await;
    }
    end(&mut database).await;
    is_right_again(&program.api, &tags).await;
    talk.speak(TONES[2]).await;
    talk.is_heard(TONES[2]).await;
    talk.bob.hangup(talk.far, protocol::ports::voice::CAUSE_NORMAL).await.unwrap();
    crate::calls::ended(&talk.alice, talk.near).await;
    over(&program, 2).await;
    program.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_stands_still_delays_nobody_and_calls_go_on() {
    assert!(REFUSED_WITHIN < STALLED);
    outage(STALLED, async |database| signal(database, "-STOP"), async |database| signal(database, "-CONT"))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_gone_delays_nobody_and_calls_go_on() {
    outage(GONE, async |database| database.kill(), async |database| database.restart().await).await;
}
