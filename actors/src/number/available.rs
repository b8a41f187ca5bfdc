//! Numbers that can be had right now. Nothing is set aside: whoever asks for one first has it.

use std::collections::BTreeSet;
use std::sync::Arc;

use protocol::ports::Filter;
use protocol::{Command, Context, Page, Reply, Result, Row, Scope, Verb, read};
use rand::Rng;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{NUMBER, Numbers, digits};

/// How many are offered without a wish.
const USUAL: i64 = 10;
/// Candidates for each one offered: few of them are taken, as there are a thousand million.
const SPARE: usize = 3;

#[derive(Serialize, Deserialize)]
pub(super) struct ListAvailable {
    #[serde(default)]
    page_size: i64,
    #[serde(default)]
    r#type: String,
}

impl Command for ListAvailable {
    const VERB: Verb = Verb::get("available").reply(Reply::Document);
    type Reply = Value;
}

#[derive(Deserialize)]
struct Taken {
    number: String,
}

/// Carriers' numbers are not for sale here, so there are none of them.
pub(super) async fn available(numbers: Arc<Numbers>, _: Context, command: ListAvailable) -> Result<Value> {
    let most = match command.page_size {
        0 => USUAL,
        size => i64::from(Page::of(size, None).size),
    };
    let free = match command.r#type.as_str() {
        "virtual" => free(&numbers, usize::try_from(most).unwrap_or_default()).await?,
        _ => Vec::new(),
    };
    let offer = |number: String| json!({"number": number, "country": "", "region": "", "postal_code": "", "features": ["voice"]});
    Ok(json!({"result": free.into_iter().map(offer).collect::<Vec<_>>()}))
}

async fn free(numbers: &Numbers, most: usize) -> Result<Vec<String>> {
    let mut candidates = candidates(most * SPARE);
    let filter = Filter::default().any("number", candidates.iter().map(|number| json!(number)).collect());
    let size = u32::try_from(candidates.len()).unwrap_or(u32::MAX);
    let page = Page { size, after: None };
    let taken: Vec<Row> = numbers.deps.store.list(&NUMBER, Scope::Platform, &filter, &page).await?;
    for row in &taken {
        candidates.remove(&read::<Taken>(row)?.number);
    }
    Ok(candidates.into_iter().take(most).collect())
}

fn candidates(count: usize) -> BTreeSet<String> {
    let mut random = rand::rng();
    let one = |_| digits::virtual_number(random.random_range(1..1000), random.random_range(0..1_000_000));
    (0..count).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_are_numbers_that_can_be_made() {
        let found = candidates(300);
        assert!(found.len() > 290, "few repeat");
        assert!(found.iter().all(|number| digits::free_virtual(number).is_ok()));
    }
}
