use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;

fn request<'a>(prefix: &'a str, delimiter: Option<&'a str>, after: &'a str, limit: u32) -> ListRequest<'a> {
    ListRequest { bucket: "b", prefix, delimiter, after, limit }
}

async fn fill(world: &World, keys: &[String]) {
    sqlx::query(
        "INSERT INTO objects (bucket_id, key, size, etag, segment_count, owner)
         SELECT id, key, 0, 'e', 0, 'root' FROM buckets, unnest($1::text[]) key WHERE name = 'b'",
    )
    .bind(keys)
    .execute(&world.database.pool().unwrap())
    .await
    .unwrap();
}

async fn begin_uploads(world: &World, keys: &[String]) {
    sqlx::query(
        "INSERT INTO uploads (id, bucket_id, key, owner)
         SELECT 'id' || n, id, key, 'root' FROM buckets, unnest($1::text[]) WITH ORDINALITY u (key, n) WHERE name = 'b'",
    )
    .bind(keys)
    .execute(&world.database.pool().unwrap())
    .await
    .unwrap();
}

async fn names(world: &World, request: ListRequest<'_>) -> (Vec<String>, bool) {
    let page = world.index.list_objects(request).await.unwrap();
    (page.entries.iter().map(|entry| entry.name().to_owned()).collect(), page.truncated)
}

/// What a listing must give, by reading every key.
fn model(keys: &BTreeSet<String>, prefix: &str, delimiter: Option<&str>, after: &str) -> Vec<String> {
    let roll_up = |key: &str| {
        let at = key[prefix.len()..].find(delimiter?)?;
        Some(key[..prefix.len() + at + delimiter?.len()].to_owned())
    };
    let under_after = after.starts_with(prefix) && roll_up(after).as_deref() == Some(after);
    let mut names: Vec<String> = keys
        .iter()
        .filter(|key| key.starts_with(prefix) && key.as_str() > after && !(under_after && key.starts_with(after)))
        .map(|key| roll_up(key).unwrap_or_else(|| key.clone()))
        .collect();
    names.dedup();
    names
}

#[tokio::test]
async fn keys_are_listed_in_byte_order() {
    let world = World::new().await;
    fill(&world, &["b", "a", "B", "é", "a/b", "a-b", "\u{10FFFF}", "\u{E000}", "10", "9"].map(str::to_owned)).await;
    let (names, truncated) = names(&world, request("", None, "", 100)).await;
    assert_eq!(names, ["10", "9", "B", "a", "a-b", "a/b", "b", "é", "\u{E000}", "\u{10FFFF}"]);
    assert!(!truncated);
}

#[tokio::test]
async fn an_entry_carries_the_objects_head() {
    let world = World::new().await;
    world.put("dir/k", "bytes").await;
    for delimiter in [None, Some("#")] {
        let page = world.index.list_objects(request("dir/", delimiter, "", 10)).await.unwrap();
        let [ListEntry::Object(head)] = page.entries.as_slice() else { panic!("{page:?}") };
        assert_eq!((head.key.as_str(), head.size, head.etag.as_str()), ("dir/k", 5, "bytes"));
    }
}

#[tokio::test]
async fn a_common_prefix_counts_once_and_ends_a_page() {
    let world = World::new().await;
    fill(&world, &["a", "d/1", "d/2", "d/e/3", "e", "f/1"].map(str::to_owned)).await;
    let page = |after, limit| names(&world, request("", Some("/"), after, limit));
    assert_eq!(page("", 2).await, (vec!["a".into(), "d/".into()], true));
    assert_eq!(page("d/", 2).await, (vec!["e".into(), "f/".into()], false));
    assert_eq!(page("d/1", 1).await, (vec!["d/".into()], true), "start-after inside a prefix shows what is behind it");
    assert_eq!(page("d/zzz", 1).await, (vec!["e".into()], true));
    assert_eq!(names(&world, request("d/", Some("/"), "", 10)).await.0, ["d/1", "d/2", "d/e/"]);
}

#[tokio::test]
async fn a_page_of_nothing_is_not_truncated() {
    let world = World::new().await;
    fill(&world, &["a".to_owned()]).await;
    for delimiter in [None, Some("/")] {
        assert_eq!(names(&world, request("", delimiter, "", 0)).await, (vec![], false));
        assert_eq!(names(&world, request("x", delimiter, "", 10)).await, (vec![], false));
        let missing = ListRequest { bucket: "missing", ..request("", delimiter, "", 10) };
        assert_code(world.index.list_objects(missing).await, Code::NoSuchBucket);
    }
}

#[tokio::test]
async fn a_key_of_1024_bytes_of_the_greatest_character_is_listed() {
    let world = World::new().await;
    let greatest = "\u{10FFFF}".repeat(256);
    fill(&world, std::slice::from_ref(&greatest)).await;
    assert_eq!(names(&world, request("", None, "", 10)).await.0, std::slice::from_ref(&greatest));
    assert_eq!(names(&world, request("", Some("\u{10FFFF}"), "", 10)).await.0, ["\u{10FFFF}"]);
    assert_eq!(names(&world, request("", Some("\u{10FFFF}"), "\u{10FFFF}", 10)).await.0, [""; 0]);
}

/// Text over a small alphabet that has what goes wrong: delimiters, the least and the greatest characters, and the two
/// around the surrogates.
fn text(characters: std::ops::Range<usize>) -> impl Strategy<Value = String> {
    let alphabet =
        prop::sample::select(vec!['a', 'b', '/', '-', '\u{1}', '\u{7F}', 'é', '\u{D7FF}', '\u{E000}', '\u{10FFFF}']);
    prop::collection::vec(alphabet, characters).prop_map(String::from_iter)
}

#[derive(Debug, Clone)]
struct Case {
    keys: BTreeSet<String>,
    prefix: String,
    delimiter: Option<String>,
    after: String,
    limit: u32,
}

fn case() -> impl Strategy<Value = Case> {
    (
        prop::collection::btree_set(text(1..7), 0..40),
        text(0..3),
        prop::option::of(prop_oneof![3 => Just("/".to_owned()), 2 => text(1..3)]),
        prop_oneof![1 => Just(String::new()), 2 => text(0..5)],
        1..6_u32,
    )
        .prop_map(|(keys, prefix, delimiter, after, limit)| Case { keys, prefix, delimiter, after, limit })
}

/// Runs `check` on many cases, each in an empty bucket, and shrinks one that fails.
fn for_each_case(check: impl AsyncFn(&World, Case)) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let world = runtime.block_on(World::new());
    let config = Config { cases: 250, failure_persistence: None, ..Config::default() };
    let run = TestRunner::new(config).run(&case(), |case| {
        runtime.block_on(async {
            sqlx::raw_sql("DELETE FROM objects; DELETE FROM uploads")
                .execute(&world.database.pool().unwrap())
                .await
                .unwrap();
            check(&world, case).await;
        });
        Ok(())
    });
    run.unwrap();
}

#[test]
fn pages_put_together_are_what_a_reader_of_every_key_gives() {
    for_each_case(async |world, case| {
        fill(world, &case.keys.iter().cloned().collect::<Vec<_>>()).await;
        let delimiter = case.delimiter.as_deref();
        let expected = model(&case.keys, &case.prefix, delimiter, &case.after);
        let (mut seen, mut after) = (Vec::new(), case.after.clone());
        loop {
            let (page, truncated) = names(world, request(&case.prefix, delimiter, &after, case.limit)).await;
            assert!(page.len() <= case.limit as usize, "{case:?}");
            assert!(!truncated || page.len() == case.limit as usize, "a page that is cut is full: {case:?}");
            seen.extend(page);
            assert!(seen.len() <= expected.len(), "{seen:?} {expected:?} {case:?}");
            if !truncated {
                break;
            }
            after = seen.last().unwrap().clone();
        }
        assert_eq!(seen, expected, "{case:?}");
    });
}

#[test]
fn pages_of_uploads_put_together_are_what_a_reader_of_every_upload_gives() {
    for_each_case(async |world, case| {
        // Every other key has two uploads.
        let keys: Vec<String> =
            case.keys.iter().enumerate().flat_map(|(i, key)| vec![key.clone(); 1 + i % 2]).collect();
        begin_uploads(world, &keys).await;
        let delimiter = case.delimiter.as_deref();
        let expected: Vec<String> = model(&case.keys, &case.prefix, delimiter, &case.after)
            .into_iter()
            .flat_map(|name| vec![name.clone(); keys.iter().filter(|key| **key == name).count().max(1)])
            .collect();
        let expected = dedup_prefixes(expected, &case);
        let (mut seen, mut after, mut after_id) = (Vec::new(), case.after.clone(), String::new());
        loop {
            let request = request(&case.prefix, delimiter, &after, case.limit);
            let page = world.index.list_uploads(request, &after_id).await.unwrap();
            let mut names: Vec<String> = page.uploads.iter().map(|upload| upload.key.clone()).collect();
            names.extend(page.prefixes.iter().cloned());
            names.sort();
            assert!(names.len() <= case.limit as usize, "{case:?}");
            seen.extend(names);
            assert!(seen.len() <= expected.len(), "{seen:?} {expected:?} {case:?}");
            if !page.truncated {
                break;
            }
            (after, after_id) = (page.next_key, page.next_id);
        }
        assert_eq!(seen, expected, "{case:?}");
    });
}

/// A key that is itself a common prefix stands for itself and all under it: once, however many uploads it has.
fn dedup_prefixes(names: Vec<String>, case: &Case) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for name in names {
        let rolled = case.delimiter.as_deref().is_some_and(|d| name[case.prefix.len()..].contains(d));
        if !(rolled && out.last() == Some(&name)) {
            out.push(name);
        }
    }
    out
}

/// How many rows the statement's scans of a table have read.
async fn rows_read(world: &World, sql: &str, binds: &[&str], limit: i64, delimiter: Option<&str>) -> f64 {
    let explain = sqlx::AssertSqlSafe(format!("EXPLAIN (ANALYZE, FORMAT JSON) {sql}"));
    let mut query = sqlx::query_scalar::<_, serde_json::Value>(explain);
    for bind in binds {
        query = query.bind(*bind);
    }
    query = query.bind(limit);
    if let Some(delimiter) = delimiter {
        query = query.bind(0_i32).bind(delimiter).bind(list::behind_every_key());
    }
    let plan = query.fetch_one(&world.database.pool().unwrap()).await.unwrap();
    rows_of_plan(&plan, "objects")
}

#[tokio::test]
async fn a_page_reads_its_own_keys_and_no_others_at_any_depth() {
    let world = World::new().await;
    let keys: Vec<String> = (0..20_000).map(|i| format!("p{:02}/{i:06}", i % 20)).collect();
    fill(&world, &keys).await;
    let end = list::behind_every_key();
    for lower in ["", "p10/", "p19/019"] {
        let read = rows_read(&world, list::FLAT, &["b", lower, &end], 51, None).await;
        assert!(read <= 51.0, "{read} rows from {lower:?}");
    }
    let read = rows_read(&world, list::ROLLED_UP, &["b", "", &end], 101, Some("/")).await;
    // One step a common prefix, and one that finds nothing behind the last; the plan rounds rows a step up.
    assert!(read <= 21.0, "{read} rows for 20 common prefixes");
}
