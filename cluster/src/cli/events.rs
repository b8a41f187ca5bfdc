//! `branchline events`: what happened on the platform, and with `--follow` what happens.

use proto::admin::v1::{ListEventsRequest, PlatformEvent, WatchEventsRequest};
use protocol::Result;
use serde_json::{Value, json};

use super::client::{Client, Operator, connect, refused};
use super::table::{plain, print};
use crate::config::Events;

/// Prints the newest events, and with `follow` goes on until the node stops.
///
/// # Errors
/// The node cannot be reached, refuses, or stops while it is watched: then the error says how to go on.
pub async fn events(operator: &Operator, asked: Events) -> Result<()> {
    let mut client = connect(operator).await?;
    let mut token = asked.resume.clone().unwrap_or_default();
    if token.is_empty() {
        let list = ListEventsRequest {
            event_type: asked.pattern.clone().unwrap_or_default(),
            customer_id: asked.customer.clone().unwrap_or_default(),
            page_size: asked.last,
        };
        let list = client.list_events(list).await.map_err(refused)?.into_inner();
        let text: String = list.events.iter().map(|event| line(event, asked.json)).collect();
        if !print(&text)? || !asked.follow {
            return Ok(());
        }
        token = list.resume_token;
        return follow(&mut client, &asked, (token, list.events)).await;
    }
    follow(&mut client, &asked, (token, Vec::new())).await
}

/// What was `listed` comes once more, because a watch goes back a minute.
async fn follow(
    client: &mut Client,
    asked: &Events,
    (mut token, listed): (String, Vec<PlatformEvent>),
) -> Result<()> {
    let since = listed.first().map(|event| event.time.clone()).unwrap_or_default();
    let is_told = |event: &PlatformEvent| event.time < since || listed.iter().any(|told| told.id == event.id);
    let watch = WatchEventsRequest {
        event_type: asked.pattern.clone().unwrap_or_default(),
        customer_id: asked.customer.clone().unwrap_or_default(),
        resume_token: token.clone(),
    };
    let mut words = client.watch_events(watch).await.map_err(refused)?.into_inner();
    loop {
        let word = words.message().await.map_err(|status| {
            let mut error = refused(status);
            error.message = format!("{}; go on with --resume {token}", error.message);
            error
        })?;
        let Some(word) = word else { return Ok(()) };
        token = word.resume_token;
        if let Some(event) = word.event.filter(|event| !is_told(event))
            && !print(&line(&event, asked.json))?
        {
            return Ok(());
        }
    }
}

fn line(event: &PlatformEvent, is_json: bool) -> String {
    let PlatformEvent { id, r#type, time, publisher, customer_id, resource_type, resource_id, data } = event;
    if !is_json {
        let text = format!("{time:<27}  {type:<32}  {publisher:<20}  {resource_type} {resource_id}");
        return format!("{}\n", plain(&text));
    }
    let data: Value = serde_json::from_str(data).unwrap_or_default();
    let json = json!({
        "id": id, "type": r#type, "time": time, "publisher": publisher, "customer_id": customer_id,
        "resource_type": resource_type, "resource_id": resource_id, "data": data,
    });
    format!("{json}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_whatever_is_in_it() {
        let event = PlatformEvent {
            r#type: "tag_\ncreated".into(),
            time: "2026-01-02T03:04:05.000006Z".into(),
            data: "{\"name\":\"a\\nb\"}".into(),
            ..PlatformEvent::default()
        };
        for is_json in [false, true] {
            assert_eq!(line(&event, is_json).matches('\n').count(), 1, "{is_json}");
        }
    }
}
