//! Single rows: values, revisions, scopes, uniqueness.

use std::sync::Arc;

use futures_util::future::join_all;
use protocol::ports::{Bound, Filter, Store, Unit, Write};
use protocol::{Field, Page, Row, Scope, Status};
use serde_json::{Value, json};
use tokio::sync::watch;
use uuid::Uuid;

use crate::sample::{CALL, call, get, id, insert, row, told, unit, update, write};

pub(super) async fn values_come_back(store: Arc<dyn Store>) {
    let one = call(Uuid::now_v7(), 123_456);
    write(&store, insert(&one), "created").await.unwrap();
    assert_eq!(get(&store, id(&one)).await, Some(one.clone()));

    let patch = json!({
        "tm_ring": "2026-01-02T05:04:05.1234567+02:00", "key": "null", "from": "", "muted": null, "tags": [],
    });
    write(&store, update(id(&one), 0, patch), "updated").await.unwrap();
    let back = get(&store, id(&one)).await.unwrap();
    assert_eq!(back["tm_ring"], "2026-01-02T03:04:05.123456Z");
    assert_eq!((&back["key"], &back["from"], &back["muted"]), (&json!("null"), &json!(""), &Value::Null));
    assert_eq!((&back["rev"], &back["tags"]), (&json!(1), &json!([])));

    let far = ["1000-01-01T00:00:00.000001Z", "2038-01-19T03:14:08.000000Z", "9999-12-31T23:59:59.999999Z"];
    for (rev, far) in (1..).zip(far) {
        write(&store, update(id(&one), rev, json!({"tm_ring": far})), "updated").await.unwrap();
        assert_eq!(get(&store, id(&one)).await.unwrap()["tm_ring"], far);
    }

    // a column that is not given has the value of an unset one
    let bare = row(json!({"id": Uuid::now_v7(), "customer_id": Uuid::now_v7(), "rev": 3}));
    write(&store, insert(&bare), "created").await.unwrap();
    let mut filled = bare.clone();
    CALL.fill(&mut filled);
    assert_eq!(get(&store, id(&bare)).await, Some(filled));
}

pub(super) async fn records_are_stored_once(store: Arc<dyn Store>) {
    let one = call(Uuid::now_v7(), 1);
    write(&store, insert(&one), "created").await.unwrap();
    let number = store.outbox(0, 1).await.unwrap()[0].0;
    let mut other = one.clone();
    other.insert("status".into(), json!("other"));
    let mut second = call(Uuid::now_v7(), 2);
    second.insert("key".into(), json!("its own"));
    let value = |row: &Row, field: &'static Field| Bound::of(field.kind, &row[field.name]).expect("its kind");
    let record = |row: &Row| {
        let values = CALL.columns().map(|field| (field.name, value(row, field))).collect();
        Write::Record { resource: &CALL, values }
    };
    for _ in 0..2 {
        let writes = vec![record(&other), record(&second)];
        store.commit(Unit { writes, delivered: vec![number], ..Unit::default() }).await.unwrap();
    }
    assert_eq!((get(&store, id(&one)).await, get(&store, id(&second)).await), (Some(one), Some(second)));
    assert!(told(&store).await.is_empty());
}

pub(super) async fn bad_values_are_refused(store: Arc<dyn Store>) {
    let one = call(Uuid::now_v7(), 1);
    write(&store, insert(&one), "created").await.unwrap();
    for bad in [
        json!({"nope": 1}),
        json!({"status = '' --": 1}),
        json!({"order": "1"}),
        json!({"flow_id": "x"}),
        json!({"tm_ring": "now"}),
        json!({"status": "x".repeat(256)}),
        json!({"tags": {}}),
    ] {
        let error = write(&store, update(id(&one), 0, bad.clone()), "refused").await.unwrap_err();
        assert_eq!(error.status, Status::InvalidArgument, "{bad}");
        let filter = Filter { equal: row(bad.clone()), ..Filter::default() };
        let listed = store.list(&CALL, Scope::Platform, &filter, &Page::of(1, None)).await;
        assert_eq!(listed.unwrap_err().status, Status::InvalidArgument, "{bad}");
    }
    for owned in [json!({"rev": 7}), json!({"id": Uuid::now_v7()})] {
        let error = write(&store, update(id(&one), 0, owned), "refused").await.unwrap_err();
        assert_eq!(error.status, Status::InvalidArgument);
    }
    assert_eq!(get(&store, id(&one)).await, Some(one));
    assert_eq!(told(&store).await, ["created"]);
}

pub(super) async fn lists_are_found_by_what_they_hold(store: Arc<dyn Store>) {
    let customer = Uuid::now_v7();
    for (n, tags) in (1..).zip([json!(["a"]), json!(["b", "say \"c\""]), json!([])]) {
        let mut one = call(customer, n);
        one.insert("tags".into(), tags);
        write(&store, insert(&one), "created").await.unwrap();
    }
    for (wanted, expected) in [
        (json!(["a"]), 1),
        (json!(["a", "b"]), 2),
        (json!(["say \"c\""]), 1),
        (json!(["c"]), 0),
        (json!([]), 0),
    ] {
        let filter = Filter::by("tags", wanted.clone());
        let found = store.count(&CALL, Scope::Customer(customer), &filter).await.unwrap();
        assert_eq!(found, expected, "{wanted}");
    }
    let refused = store.count(&CALL, Scope::Platform, &Filter::by("tags", json!([1]))).await;
    assert_eq!(refused.unwrap_err().status, Status::InvalidArgument);
}

pub(super) async fn taken_is_refused(store: Arc<dyn Store>) {
    let one = call(Uuid::now_v7(), 1);
    write(&store, insert(&one), "created").await.unwrap();
    let error = write(&store, insert(&one), "refused").await.unwrap_err();
    assert_eq!(error.status, Status::AlreadyExists);
    assert_eq!(told(&store).await, ["created"]);
}

pub(super) async fn unique_among_live(store: Arc<dyn Store>) {
    let seat = Uuid::now_v7();
    let named = |alias: &str, seat: Uuid| {
        let mut call = call(Uuid::now_v7(), 1);
        call.extend(row(json!({"alias": alias, "seat_id": seat})));
        call
    };
    let (first, second) = (named("desk", Uuid::nil()), named("", seat));
    write(&store, insert(&first), "a").await.unwrap();
    write(&store, insert(&second), "b").await.unwrap();
    for taken in [named("desk", Uuid::nil()), named("", seat)] {
        let error = write(&store, insert(&taken), "refused").await.unwrap_err();
        assert_eq!(error.status, Status::AlreadyExists);
    }
    let error = write(&store, update(id(&second), 0, json!({"alias": "desk"})), "refused").await.unwrap_err();
    assert_eq!(error.status, Status::AlreadyExists);

    // the empty value, another letter case and the values of deleted rows are free
    write(&store, insert(&named("", Uuid::nil())), "c").await.unwrap();
    write(&store, insert(&named("Desk", Uuid::nil())), "d").await.unwrap();
    let gone = json!({"tm_delete": "2026-02-01T00:00:00Z"});
    for row in [&first, &second] {
        write(&store, update(id(row), 0, gone.clone()), "e").await.unwrap();
    }
    write(&store, insert(&named("desk", seat)), "f").await.unwrap();
    assert_eq!(told(&store).await, ["a", "b", "c", "d", "e", "e", "f"]);
}

pub(super) async fn stale_is_a_conflict(store: Arc<dyn Store>) {
    let one = call(Uuid::now_v7(), 1);
    write(&store, insert(&one), "created").await.unwrap();
    write(&store, update(id(&one), 0, json!({"status": "up"})), "updated").await.unwrap();
    let stale = write(&store, update(id(&one), 0, json!({"status": "up"})), "refused").await.unwrap_err();
    assert!(stale.is_conflict(), "{stale}");
    let missing = write(&store, update(Uuid::now_v7(), 0, json!({"status": "up"})), "refused").await;
    assert_eq!(missing.unwrap_err().status, Status::NotFound);
    // the values that the row has already are a change like any other
    write(&store, update(id(&one), 1, json!({"status": "up"})), "again").await.unwrap();
    assert_eq!(get(&store, id(&one)).await.unwrap()["rev"], 2);
    assert_eq!(told(&store).await, ["created", "updated", "again"]);
}

pub(super) async fn one_racer_wins(store: Arc<dyn Store>) {
    let target = call(Uuid::now_v7(), 1);
    write(&store, insert(&target), "start").await.unwrap();
    let race = (0..64).map(|n| {
        let (store, change) = (store.clone(), update(id(&target), 0, json!({"from": format!("racer {n}")})));
        tokio::spawn(async move { write(&store, change, n).await })
    });
    let outcomes: Vec<_> = join_all(race.collect::<Vec<_>>()).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert_eq!(outcomes.iter().flat_map(Result::as_ref).count(), 1);
    assert!(outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).all(protocol::Error::is_conflict));
    assert_eq!(told(&store).await.len(), 2);
}

pub(super) async fn changes_are_read(store: Arc<dyn Store>) {
    let one = call(Uuid::now_v7(), 1);
    write(&store, insert(&one), "created").await.unwrap();
    let (stop, stopped) = watch::channel(());
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let (store, id, stopped) = (store.clone(), id(&one), stopped.clone());
            tokio::spawn(async move {
                while !stopped.has_changed().unwrap_or(true) {
                    get(&store, id).await;
                }
            })
        })
        .collect();
    for rev in 0..50 {
        write(&store, update(id(&one), rev, json!({"order": rev})), "updated").await.unwrap();
        assert_eq!(get(&store, id(&one)).await.unwrap()["order"], rev);
    }
    drop(stop);
    for reader in readers {
        reader.await.unwrap();
    }
}

pub(super) async fn deleted_is_gone(store: Arc<dyn Store>) {
    let customer = Uuid::now_v7();
    let one = call(customer, 1);
    write(&store, insert(&one), "created").await.unwrap();
    let at = "2026-02-01T00:00:00.000001Z";
    write(&store, update(id(&one), 0, json!({"tm_update": at, "tm_delete": at})), "deleted").await.unwrap();
    assert!(get(&store, id(&one)).await.is_none());
    let again = write(&store, update(id(&one), 1, json!({"status": "up"})), "refused").await.unwrap_err();
    assert_eq!(again.status, Status::NotFound);

    let scope = Scope::Customer(customer);
    let with_deleted = Filter { deleted: true, ..Filter::default() };
    for (filter, expected) in [(Filter::default(), 0), (with_deleted, 1)] {
        assert_eq!(store.count(&CALL, scope, &filter).await.unwrap(), expected);
        let page = store.list(&CALL, scope, &filter, &Page::of(9, None)).await.unwrap();
        assert_eq!(page.len() as u64, expected);
    }
}

pub(super) async fn scopes_are_apart(store: Arc<dyn Store>) {
    let (mine, other) = (Uuid::now_v7(), Uuid::now_v7());
    let one = call(mine, 1);
    write(&store, insert(&one), "created").await.unwrap();
    let change = |scope| Write::Update {
        resource: &CALL,
        id: id(&one),
        scope,
        patch: row(json!({"status": "up"})),
        rev: 0,
        after: None,
    };
    let foreign = Scope::Customer(other);
    assert!(store.get(&CALL, foreign, id(&one)).await.unwrap().is_none());
    assert_eq!(store.count(&CALL, foreign, &Filter::default()).await.unwrap(), 0);
    let claimed = Filter::by("customer_id", mine.to_string());
    assert!(store.list(&CALL, foreign, &claimed, &Page::of(9, None)).await.unwrap().is_empty());
    let refused = store.commit(unit(vec![change(foreign)], "refused")).await.unwrap_err();
    assert_eq!(refused.status, Status::NotFound);
    assert_eq!(get(&store, id(&one)).await, Some(one.clone()));

    store.commit(unit(vec![change(Scope::Customer(mine))], "updated")).await.unwrap();
    let seen = store.get(&CALL, Scope::Customer(mine), id(&one)).await.unwrap().unwrap();
    assert_eq!(seen["status"], "up");
    assert_eq!(told(&store).await, ["created", "updated"]);
}

pub(super) async fn parts_of_rows(store: Arc<dyn Store>) {
    let mine = Uuid::now_v7();
    let one = call(mine, 1);
    write(&store, insert(&one), "created").await.unwrap();
    let part =
        async |scope, id| store.part(&CALL, scope, id, &["status", "customer_id", "tags"]).await.unwrap();
    let expected: Row = ["customer_id", "status", "tags"]
        .map(|name| (name.to_owned(), one[name].clone()))
        .into_iter()
        .collect();
    assert_eq!(part(Scope::Customer(mine), id(&one)).await, Some(expected));
    assert_eq!(part(Scope::Customer(Uuid::now_v7()), id(&one)).await, None);
    assert_eq!(part(Scope::Platform, Uuid::now_v7()).await, None);
    let unknown = store.part(&CALL, Scope::Platform, id(&one), &["status", "nope"]).await.unwrap_err();
    assert_eq!((unknown.status, &*unknown.message), (Status::InvalidArgument, "unknown field nope"));
}

pub(super) async fn what_a_change_made_of_a_row_is_what_is_read(store: Arc<dyn Store>) {
    let one = call(Uuid::now_v7(), 1);
    write(&store, insert(&one), "created").await.unwrap();
    for (patch, rev) in
        [(json!({"status": "up", "tm_ring": "2026-01-02T03:04:05.000006Z"}), 0), (json!({"tags": []}), 1)]
    {
        let mut after = get(&store, id(&one)).await.unwrap();
        after.extend(row(patch.clone()));
        after.insert("rev".into(), json!(rev + 1));
        let (patch, after) = (row(patch), Arc::new(after));
        let change = Write::Update {
            resource: &CALL,
            id: id(&one),
            scope: Scope::Platform,
            patch,
            rev,
            after: Some(after.clone()),
        };
        write(&store, change, "updated").await.unwrap();
        assert_eq!(get(&store, id(&one)).await.as_ref(), Some(&*after));
        let page = store.list(&CALL, Scope::Platform, &Filter::default(), &Page::of(9, None)).await.unwrap();
        assert_eq!(page, [Row::clone(&after)], "what is kept is what is stored");
    }
}
