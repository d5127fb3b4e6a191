//! Listings of a bucket of very many keys: which plans they have, and how many pages of the database they read.
//!
//! ```sh
//! ZAS_SCALE_KEYS=10000000 cargo test --release -p zas-proxy --lib index::tests::scale -- --ignored --nocapture
//! ```

use serde_json::Value;

use super::*;

/// Most pages of 8 KiB that one statement may read for 1,000 entries: each may cost a walk down an index or two and a row of the table.
const MOST_BUFFERS: f64 = 16_000.0;

/// Keys of a batch.
const BATCH: i64 = 500_000;

/// Of 100 keys one is hidden by a delete marker and keeps an older version; a tenth of all keys stands below one prefix.
const FILL: &str = "
    INSERT INTO objects (bucket_id, key, version_id, is_latest, is_delete_marker, size, etag, segment_count, owner)
    SELECT b.id,
           CASE WHEN i % 10 = 0 THEN 'flat/' || lpad(i::text, 10, '0')
                ELSE 'data/team-' || i % 50 || '/project-' || i / 50 % 100 || '/part-' || lpad(i::text, 10, '0') END,
           'v' || n, n = 1, n = 1 AND i % 100 = 1, 0, CASE WHEN n = 1 AND i % 100 = 1 THEN '' ELSE 'e' END, 0, 'root'
    FROM buckets AS b
    CROSS JOIN generate_series($1::bigint, $2::bigint - 1) AS i
    CROSS JOIN LATERAL generate_series(CASE WHEN i % 100 = 1 THEN 0 ELSE 1 END, 1) AS n
    WHERE b.name = 'b'";

/// One parameter of a statement.
enum Bind {
    Text(String),
    Number(i64),
    Length(i32),
}

fn text(text: &str) -> Bind {
    Bind::Text(text.to_owned())
}

async fn fill(world: &World, keys: i64) {
    let mut connection = world.database.pool().unwrap().acquire().await.unwrap();
    // No triggers: they are not what is measured.
    sqlx::raw_sql("SET session_replication_role = replica").execute(&mut *connection).await.unwrap();
    let mut from = 0;
    while from < keys {
        let to = keys.min(from + BATCH);
        sqlx::query(FILL).bind(from).bind(to).execute(&mut *connection).await.unwrap();
        from = to;
    }
    sqlx::raw_sql("VACUUM ANALYZE objects").execute(&mut *connection).await.unwrap();
}

/// Prints the plan of a statement, and holds it to its bounds.
async fn explain(world: &World, what: &str, sql: &str, binds: Vec<Bind>) {
    let explain = sqlx::AssertSqlSafe(format!("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}"));
    let mut query = sqlx::query_scalar::<_, Value>(explain);
    for bind in binds {
        query = match bind {
            Bind::Text(text) => query.bind(text),
            Bind::Number(number) => query.bind(number),
            Bind::Length(length) => query.bind(length),
        };
    }
    let plan = query.fetch_one(&world.database.pool().unwrap()).await.unwrap();
    let root = &plan[0]["Plan"];
    let buffers: f64 = ["Shared Hit Blocks", "Shared Read Blocks"].iter().filter_map(|name| root[name].as_f64()).sum();
    println!("{what}: {} ms, {buffers} buffers\n{plan:#}", plan[0]["Execution Time"]);
    assert!(buffers <= MOST_BUFFERS, "{what}: {buffers} buffers");
    let mut nodes = vec![root];
    while let Some(node) = nodes.pop() {
        let is_table = node["Relation Name"] == "objects" || node["Relation Name"] == "uploads";
        assert!(!(is_table && node["Node Type"] == "Seq Scan"), "{what}: {plan:#}");
        nodes.extend(node["Plans"].as_array().into_iter().flatten());
    }
}

#[tokio::test]
#[ignore = "a measurement: cargo test --release -p zas-proxy --lib index::tests::scale -- --ignored --nocapture"]
async fn a_page_of_a_bucket_of_ten_million_keys_reads_what_it_shows() {
    let keys = std::env::var("ZAS_SCALE_KEYS").map_or(10_000_000, |keys| keys.parse().unwrap());
    let world = World::new().await;
    fill(&world, keys).await;
    let end = list::behind_every_key();
    let upper = |prefix: &str| Bind::Text(prefix.to_owned() + &end);
    let page = || Bind::Number(1_001);
    for (prefix, lower) in
        [("", ""), ("", "data/team-25/project-50/"), ("data/team-7/", "data/team-7/"), ("", "flat/9")]
    {
        let flat = vec![text("b"), text(lower), upper(prefix), page()];
        explain(&world, &format!("objects from {lower:?}"), list::FLAT, flat).await;
        let versions = vec![text("b"), text(lower), upper(prefix), page(), text(""), Bind::Number(i64::MAX)];
        explain(&world, &format!("versions from {lower:?}"), list_versions::FLAT, versions).await;
    }
    for prefix in ["", "data/", "flat/"] {
        let walk = || {
            let length = Bind::Length(prefix.len().try_into().unwrap());
            vec![text("b"), text(prefix), upper(prefix), page(), length, text("/"), text(&end)]
        };
        explain(&world, &format!("objects below {prefix:?}"), list::ROLLED_UP, walk()).await;
        let versions = walk().into_iter().chain([text(""), Bind::Number(i64::MAX)]).collect();
        explain(&world, &format!("versions below {prefix:?}"), list_versions::ROLLED_UP, versions).await;
        let uploads = walk().into_iter().chain([text("")]).collect();
        explain(&world, &format!("uploads below {prefix:?}"), list_uploads::WALK, uploads).await;
    }
}
