//! Pages of events, newest first: how they are asked for and how they look outside.

use protocol::ports::{Deps, Filter};
use protocol::{Cursor, Error, Page, Result, Row, Scope, time};
use serde_json::{Value, json};

use crate::kernel::TIMELINE_EVENT;

const USUAL: u32 = 100;
const MOST: u32 = 1000;

/// The page that `page_size` and `page_token` ask for.
pub(super) fn page(size: Option<i64>, token: Option<&str>) -> Result<Page> {
    let size = match size.unwrap_or_default() {
        1.. => size.and_then(|size| u32::try_from(size).ok()).unwrap_or(MOST).min(MOST),
        _ => USUAL,
    };
    let after = token.filter(|token| !token.is_empty()).map(Cursor::parse).transpose()?;
    Ok(Page { size, after })
}

/// The document of a page. A story without any event does not exist.
pub(super) async fn tell(deps: &Deps, scope: Scope, filter: Filter, page: Page) -> Result<Value> {
    let one_more = Page { size: page.size + 1, after: page.after };
    let rows = deps.store.list(&TIMELINE_EVENT, scope, &filter, &one_more).await?;
    if rows.is_empty() {
        let any = Page { size: 1, after: None };
        if one_more.after.is_none()
            || deps.store.list(&TIMELINE_EVENT, scope, &filter, &any).await?.is_empty()
        {
            return Err(Error::not_found());
        }
    }
    Ok(document(rows, page.size as usize))
}

/// The token is there only when more events are: one row more than fits was read to know.
fn document(mut rows: Vec<Row>, size: usize) -> Value {
    let more = rows.len() > size;
    rows.truncate(size);
    let next = rows.last().filter(|_| more).and_then(Cursor::of).map(|cursor| cursor.token());
    let mut document = Row::from_iter([("result".to_owned(), rows.iter().map(outward).collect())]);
    if let Some(next) = next {
        document.insert("next_page_token".to_owned(), json!(next));
    }
    Value::Object(document)
}

fn outward(row: &Row) -> Value {
    let text = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default();
    json!({
        "timestamp": milliseconds(text("tm_create")),
        "event_type": text("event_type"),
        "data": row.get("data").filter(|data| data.is_object()).cloned().unwrap_or_else(|| json!({})),
    })
}

/// Exactly three digits of a second, as VoIPBIN's timelines have them.
fn milliseconds(text: &str) -> String {
    match time::parse(text) {
        Some(time) => time.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(second: u32) -> Row {
        Row::from_iter([
            ("id".to_owned(), json!(uuid::Uuid::from_u128(u128::from(second)))),
            ("tm_create".to_owned(), json!(format!("2026-01-01T00:00:{second:02}.123456Z"))),
            ("event_type".to_owned(), json!("call_created")),
            ("publisher".to_owned(), json!("call-manager")),
            ("data".to_owned(), Value::Null),
        ])
    }

    #[test]
    fn a_timestamp_has_three_digits() {
        for (inner, outer) in [
            ("2026-01-02T03:04:05.000000Z", "2026-01-02T03:04:05.000Z"),
            ("2026-01-02T03:04:05.123999Z", "2026-01-02T03:04:05.123Z"),
            ("2026-01-02T03:04:05.5Z", "2026-01-02T03:04:05.500Z"),
        ] {
            assert_eq!(milliseconds(inner), outer);
        }
    }

    #[test]
    fn sizes_and_tokens_are_read() {
        for (asked, given) in [(None, 100), (Some(0), 100), (Some(-5), 100), (Some(7), 7), (Some(1000), 1000)]
        {
            assert_eq!(page(asked, None).expect("a page").size, given);
        }
        assert_eq!(page(Some(1001), None).expect("a page").size, 1000);
        assert_eq!(page(Some(i64::MAX), Some("")).expect("a page"), Page { size: 1000, after: None });
        assert!(page(None, Some("yesterday")).is_err());
    }

    #[test]
    fn the_last_page_has_no_token() {
        let full = document(vec![row(3), row(2), row(1)], 2);
        assert_eq!(full["result"].as_array().map(Vec::len), Some(2));
        let next = full["next_page_token"].as_str().expect("a token");
        assert_eq!(page(None, Some(next)).expect("a page").after, Cursor::of(&row(2)));
        let last = document(vec![row(1)], 2);
        assert_eq!(
            last,
            json!({"result": [
                {"timestamp": "2026-01-01T00:00:01.123Z", "event_type": "call_created", "data": {}},
            ]})
        );
    }
}
