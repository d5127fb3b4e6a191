//! Bills of materials in the index, and the search over all of them.

use std::fmt::Write as _;
use std::time::Instant;

use super::*;
use crate::supply_chain::sbom::carried::Manner;
use crate::supply_chain::sbom::{Limits, Purl, Reading, VersionRange, read};

fn bucket(name: &str) -> SbomScope {
    SbomScope { kind: ScopeKind::Bucket, name: name.into() }
}

fn repository(name: &str) -> SbomScope {
    SbomScope { kind: ScopeKind::Repository, name: name.into() }
}

/// A CycloneDX document of components, each a package URL and a licence.
fn reading(components: &[(&str, &str)]) -> Reading {
    let mut list = String::new();
    for (index, (purl, licence)) in components.iter().enumerate() {
        let purl: Purl = purl.parse().unwrap();
        let comma = if index == 0 { "" } else { "," };
        write!(
            list,
            r#"{comma}{{"bom-ref":"{index}","type":"library","name":"{}","version":"{}","purl":"{purl}","licenses":[{{"expression":"{licence}"}}]}}"#,
            purl.name,
            purl.version.clone().unwrap_or_default(),
        )
        .unwrap();
    }
    let text = format!(r#"{{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{list}]}}"#);
    let reading = read(text.as_bytes(), None, &Limits::default()).unwrap();
    assert!(reading.report.is_valid(), "{:#?}", reading.report.findings());
    reading
}

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

async fn put(index: &Index, scope: &SbomScope, key: &str, artifact: &str, reading: &Reading) -> IndexedSbom {
    put_of(index, scope, key, &digest(artifact), reading).await
}

fn carrier_of(subject: &Digest) -> Digest {
    digest(&format!("carrier of {subject}"))
}

async fn put_of(index: &Index, scope: &SbomScope, key: &str, subject: &Digest, reading: &Reading) -> IndexedSbom {
    let new = NewSbom {
        scope,
        key,
        subject,
        carrier: &carrier_of(subject),
        digest: &digest(&format!("document of {subject}")),
        size: 1,
        manner: Manner::Referrer,
        reading,
        audit: &[],
    };
    index.index_sbom(new).await.unwrap()
}

/// What a query finds, as `scope/key name version`.
async fn found(index: &Index, query: &ComponentQuery, scopes: Option<&[i64]>) -> Vec<String> {
    let page = index.find_components(query, scopes, ComponentPlace::FIRST, 1000).await.unwrap();
    let shown = page.components.into_iter().map(|found| {
        format!("{}/{} {} {}", found.scope.name, found.key, found.name, found.version.unwrap_or_default())
    });
    shown.collect()
}

fn package(purl: &str) -> ComponentQuery {
    ComponentQuery::package(purl.parse().unwrap())
}

#[tokio::test]
async fn an_artifact_is_found_by_what_it_contains() {
    let world = World::new().await;
    let log4j = "pkg:maven/org.apache.logging.log4j/log4j-core";
    let first = reading(&[(&format!("{log4j}@2.14.1"), "Apache-2.0"), ("pkg:npm/lodash@4.17.21", "MIT")]);
    let second = reading(&[(&format!("{log4j}@2.17.1"), "Apache-2.0 OR MIT"), ("pkg:npm/lodash@4.17.20", "MIT")]);
    put(&world.index, &bucket("b"), "shop.tgz", "shop", &first).await;
    put(&world.index, &repository("team/app"), "", "app", &second).await;
    for (query, expected) in [
        (package(&format!("{log4j}@2.14.1")), vec!["b/shop.tgz log4j-core 2.14.1"]),
        (package(log4j), vec!["b/shop.tgz log4j-core 2.14.1", "team/app/ log4j-core 2.17.1"]),
        (package("pkg:npm/lodash@4.17.22"), vec![]),
        (package("pkg:maven/log4j-core"), vec![]),
        (ComponentQuery::Name("LODASH".into()), vec!["b/shop.tgz lodash 4.17.21", "team/app/ lodash 4.17.20"]),
        (
            ComponentQuery::Licence("apache-2.0".into()),
            vec!["b/shop.tgz log4j-core 2.14.1", "team/app/ log4j-core 2.17.1"],
        ),
        (ComponentQuery::Licence("GPL-3.0-only".into()), vec![]),
    ] {
        assert_eq!(found(&world.index, &query, None).await, expected, "{query:?}");
    }
}

#[tokio::test]
async fn versions_are_looked_for_in_the_order_of_versions() {
    let world = World::new().await;
    let versions = ["1.0.0-rc.1", "1.0.0", "1.2.0", "1.2.10", "1.10.0", "1.20.0", "2.0.0"];
    let purls: Vec<String> = versions.iter().map(|version| format!("pkg:npm/a@{version}")).collect();
    let components: Vec<(&str, &str)> = purls.iter().map(|purl| (purl.as_str(), "MIT")).collect();
    put(&world.index, &bucket("b"), "k", "a", &reading(&components)).await;
    let purl: Purl = "pkg:npm/a".parse().unwrap();
    for (range, expected) in [
        (VersionRange::beginning_with("npm", "1.2"), vec!["1.2.0", "1.2.10"]),
        (VersionRange::between("npm", Some("1.2.0"), Some("1.20.0")), vec!["1.2.0", "1.2.10", "1.10.0"]),
        (VersionRange::between("npm", None, Some("1.0.0")), vec!["1.0.0-rc.1"]),
        (VersionRange::between("npm", Some("1.10.0"), None), vec!["1.10.0", "1.20.0", "2.0.0"]),
    ] {
        let query = ComponentQuery::versions(purl.clone(), range);
        let expected: Vec<String> = expected.into_iter().map(|version| format!("b/k a {version}")).collect();
        assert_eq!(found(&world.index, &query, None).await, expected);
    }
}

#[tokio::test]
async fn qualifiers_that_are_asked_for_must_be_there() {
    let world = World::new().await;
    let purl = "pkg:deb/debian/curl@7.88.1?arch=amd64&distro=debian-12";
    put(&world.index, &bucket("b"), "k", "a", &reading(&[(purl, "curl")])).await;
    for (asked, finds) in [
        ("pkg:deb/debian/curl@7.88.1", true),
        ("pkg:deb/debian/curl?distro=debian-12", true),
        ("pkg:deb/debian/curl@7.88.1?distro=debian-12&arch=amd64", true),
        ("pkg:deb/debian/curl@7.88.1?arch=arm64", false),
        ("pkg:deb/ubuntu/curl@7.88.1", false),
    ] {
        assert_eq!(!found(&world.index, &package(asked), None).await.is_empty(), finds, "{asked}");
    }
}

#[tokio::test]
async fn a_licence_is_found_with_and_without_what_is_granted_besides() {
    let world = World::new().await;
    let expression = "MIT AND GPL-2.0-only WITH Classpath-exception-2.0";
    put(&world.index, &bucket("b"), "k", "a", &reading(&[("pkg:npm/a@1", expression)])).await;
    for licence in ["mit", "GPL-2.0-only", "gpl-2.0-only with classpath-exception-2.0"] {
        assert_eq!(found(&world.index, &ComponentQuery::Licence(licence.into()), None).await.len(), 1, "{licence}");
    }
}

#[tokio::test]
async fn the_same_document_again_changes_nothing() {
    let world = World::new().await;
    let reading = reading(&[("pkg:npm/a@1", "MIT"), ("pkg:npm/b@1", "MIT")]);
    let first = put(&world.index, &bucket("b"), "k", "a", &reading).await;
    let again = put(&world.index, &bucket("b"), "k", "a", &reading).await;
    assert!(first.changed && !again.changed);
    assert_eq!(first.id, again.id);
    assert_eq!(world.count("SELECT count(*) FROM sbom_components").await, 2);
    let stored = world.index.sboms(&bucket("b"), "k", &digest("a"), 0, 10).await.unwrap();
    assert_eq!(stored.len(), 1);
    assert_eq!((stored[0].components, stored[0].errors, stored[0].version.as_str()), (2, 0, "1.6"));
}

#[tokio::test]
async fn what_an_older_program_has_read_is_read_again() {
    let world = World::new().await;
    let first = put(&world.index, &bucket("b"), "k", "a", &reading(&[("pkg:npm/a@1", "MIT")])).await;
    let pool = world.database.pool().unwrap();
    sqlx::query("UPDATE sbom_documents SET revision = 0").execute(&pool).await.unwrap();
    let again = put(&world.index, &bucket("b"), "k", "a", &reading(&[("pkg:npm/b@1", "Zlib")])).await;
    assert_eq!(again, IndexedSbom { id: first.id, changed: true });
    assert!(found(&world.index, &package("pkg:npm/a@1"), None).await.is_empty());
    assert_eq!(found(&world.index, &ComponentQuery::Licence("zlib".into()), None).await.len(), 1);
}

#[tokio::test]
async fn of_many_who_index_one_document_one_does() {
    let world = World::new().await;
    let reading = reading(&[("pkg:npm/a@1", "MIT")]);
    let scope = repository("r");
    let outcomes = futures::future::join_all((0..8).map(|_| put(&world.index, &scope, "", "a", &reading))).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.changed).count(), 1);
    assert_eq!(world.count("SELECT count(*) FROM sbom_components").await, 1);
}

#[tokio::test]
async fn what_goes_is_found_no_more() {
    let world = World::new().await;
    let reading = reading(&[("pkg:npm/a@1", "MIT")]);
    for artifact in ["x", "y", "z"] {
        put(&world.index, &repository("r"), "", artifact, &reading).await;
    }
    let forget = async |subject: Option<Digest>, carrier: Option<Digest>| {
        world.index.forget_sboms(&repository("r"), None, subject.as_ref(), carrier.as_ref(), &[]).await.unwrap()
    };
    assert_eq!(forget(Some(digest("x")), None).await, 1);
    assert_eq!(forget(Some(digest("x")), None).await, 0);
    assert_eq!(forget(None, Some(carrier_of(&digest("y")))).await, 1);
    assert_eq!(found(&world.index, &package("pkg:npm/a"), None).await.len(), 1);
    assert_eq!(forget(None, None).await, 1);
    assert_eq!(world.count("SELECT count(*) FROM sbom_components").await, 0);
    assert_eq!(world.count("SELECT count(*) FROM sbom_licences").await, 0);
}

#[tokio::test]
async fn a_bucket_takes_its_documents_along_and_none_comes_behind_it() {
    let world = World::new().await;
    let reading = reading(&[("pkg:npm/a@1", "MIT")]);
    put(&world.index, &bucket("b"), "k", "a", &reading).await;
    world.index.delete_bucket("b", &[]).await.unwrap();
    assert_eq!(world.count("SELECT count(*) FROM sbom_components").await, 0);
    let late = NewSbom {
        scope: &bucket("b"),
        key: "k",
        subject: &digest("a"),
        carrier: &digest("c"),
        digest: &digest("d"),
        size: 1,
        manner: Manner::Attestation,
        reading: &reading,
        audit: &[],
    };
    assert_code(world.index.index_sbom(late).await, Code::NoSuchBucket);
}

#[tokio::test]
async fn an_objects_documents_go_with_its_last_version_and_stay_where_the_same_bytes_are_put_again() {
    let world = World::new().await;
    for key in ["k", "other/k"] {
        let subject = world.put(key, "bytes").await.oci_digest.unwrap();
        put_of(&world.index, &bucket("b"), key, &subject, &reading(&[("pkg:npm/a@1", "MIT")])).await;
    }
    world.put("k", "bytes").await;
    assert_eq!(found(&world.index, &package("pkg:npm/a@1"), None).await.len(), 2, "put again");
    world.index.delete_object("b", "k", NOW, &[]).await.unwrap();
    assert_eq!(found(&world.index, &package("pkg:npm/a@1"), None).await, ["b/other/k a 1"]);
    world.put("other/k", "other bytes").await;
    assert_eq!(found(&world.index, &package("pkg:npm/a@1"), None).await, [""; 0]);
}

#[tokio::test]
async fn a_document_and_its_record_commit_together() {
    let world = World::new().await;
    let record = super::audit::record("k");
    let reading = reading(&[("pkg:npm/a@1", "MIT")]);
    let new = NewSbom {
        scope: &repository("r"),
        key: "",
        subject: &digest("a"),
        carrier: &digest("c"),
        digest: &digest("d"),
        size: 1,
        manner: Manner::Referrer,
        reading: &reading,
        audit: &record,
    };
    world.index.index_sbom(new.clone()).await.unwrap();
    assert_eq!(world.count("SELECT count(*) FROM audit_event").await, 1);
    let late = NewSbom { scope: &bucket("gone"), ..new };
    assert_code(world.index.index_sbom(late).await, Code::NoSuchBucket);
    assert_eq!(world.count("SELECT count(*) FROM audit_event").await, 1, "a refusal is recorded elsewhere");
}

#[tokio::test]
async fn only_the_scopes_that_are_asked_for_are_searched_and_pages_follow_one_another() {
    let world = World::new().await;
    let reading = reading(&[("pkg:npm/a@1", "MIT"), ("pkg:npm/a@2", "MIT"), ("pkg:npm/b@1", "Zlib")]);
    for scope in ["one", "two", "three"] {
        for artifact in ["x", "y"] {
            put(&world.index, &repository(scope), "", artifact, &reading).await;
        }
    }
    for query in [package("pkg:npm/a"), ComponentQuery::Name("a".into()), ComponentQuery::Licence("mit".into())] {
        let scopes = world.index.component_scopes(&query, 0, 10).await.unwrap();
        let names: Vec<&str> = scopes.iter().map(|(_, scope)| scope.name.as_str()).collect();
        assert_eq!(names, ["one", "two", "three"], "{query:?}");
        let behind = world.index.component_scopes(&query, scopes[0].0, 1).await.unwrap();
        assert_eq!(behind, [scopes[1].clone()]);
        let asked = [scopes[0].0, scopes[2].0];
        let whole = world.index.find_components(&query, Some(&asked), ComponentPlace::FIRST, 100).await.unwrap();
        assert_eq!((whole.components.len(), whole.truncated), (8, false));
        assert!(whole.components.iter().all(|found| found.scope.name != "two"));
        let (mut pages, mut after) = (Vec::new(), ComponentPlace::FIRST);
        loop {
            let page = world.index.find_components(&query, Some(&asked), after, 3).await.unwrap();
            after = page.components.last().unwrap().place;
            pages.extend(page.components);
            if !page.truncated {
                break;
            }
        }
        assert_eq!(pages, whole.components);
        assert!(
            world
                .index
                .find_components(&query, Some(&[]), ComponentPlace::FIRST, 3)
                .await
                .unwrap()
                .components
                .is_empty()
        );
    }
    assert!(world.index.component_scopes(&package("pkg:npm/c"), 0, 10).await.unwrap().is_empty());
}

/// A million components: 2,000 documents in 50 repositories. Run it in a release build.
#[tokio::test]
#[ignore = "a benchmark: cargo test --release -p zas-proxy --lib a_million_components -- --ignored --nocapture"]
async fn a_million_components_are_searched_in_under_a_tenth_of_a_second() {
    let world = World::new().await;
    let pool = world.database.pool().unwrap();
    let fill = "
        INSERT INTO sbom_scopes (kind, name) SELECT 'repository', 'team/app-' || i FROM generate_series(1, 50) AS i;
        INSERT INTO sbom_documents (scope_id, key, subject, carrier, digest, manner, format, version, encoding, tools, size, errors,
            remarks, components, edges, dangling, revision)
        SELECT 1 + i % 50, '', sha256(i::text::bytea), sha256(i::text::bytea), sha256(i::text::bytea), 'referrer', 'cyclonedx', '1.6',
            'json', '{}', 1, 0, 0, 500, 0, 0, 1
        FROM generate_series(1, 2000) AS i;
        INSERT INTO sbom_components (document_id, ordinal, scope_id, is_root, name, version, purl, licence, name_key, purl_type,
            purl_namespace, purl_name, purl_version, purl_qualifiers, version_key)
        SELECT d.id, o, d.scope_id, false, p.name, v.version, 'pkg:npm/' || p.name || '@' || v.version, 'MIT', p.name, 'npm', '', p.name,
            v.version, '', '\\x50'::bytea || int2send((d.id % 40)::int2)
        FROM sbom_documents AS d, generate_series(0, 499) AS o,
            -- The first ten are in every document, the others in every hundredth.
            LATERAL (SELECT CASE WHEN o < 10 THEN 'common-' || o ELSE 'package-' || (o * 100 + d.id % 100) END AS name) AS p,
            LATERAL (SELECT '1.' || d.id % 40 AS version) AS v;
        INSERT INTO sbom_licences SELECT CASE WHEN ordinal % 100 = 0 THEN 'gpl-3.0-only' ELSE 'mit' END, scope_id, document_id, ordinal
        FROM sbom_components;
        ANALYZE sbom_components; ANALYZE sbom_licences; ANALYZE sbom_documents; ANALYZE sbom_scopes;";
    sqlx::raw_sql(fill).execute(&pool).await.unwrap();
    assert_eq!(world.count("SELECT count(*) FROM sbom_components").await, 1_000_000);
    let common: Purl = "pkg:npm/common-3".parse().unwrap();
    let range = VersionRange { from: vec![0x50, 0, 10], before: vec![0x50, 0, 20] };
    let one = ComponentQuery::Package {
        purl: common.clone(),
        versions: VersionRange { from: vec![0x50, 0, 7], before: Vec::new() },
        version: Some("1.7".into()),
    };
    let scopes: Vec<i64> = (40..=50).collect();
    for (what, query, scopes, expected) in [
        ("a version of a package that every document has", one, None, 50),
        ("a package that every document has", ComponentQuery::package(common.clone()), None, 100),
        ("the same in 11 of 50 scopes", ComponentQuery::package(common.clone()), Some(scopes.as_slice()), 100),
        ("a range of its versions", ComponentQuery::versions(common.clone(), range), None, 100),
        ("a package that few documents have", package("pkg:npm/package-40050"), None, 20),
        ("a name that every document has", ComponentQuery::Name("common-3".into()), None, 100),
        ("a licence of ten thousand components", ComponentQuery::Licence("gpl-3.0-only".into()), None, 100),
        ("a package that nobody has", package("pkg:npm/nothing"), None, 0),
    ] {
        let mut slowest = Duration::ZERO;
        let mut after = ComponentPlace::FIRST;
        for page in 0..10 {
            let begun = Instant::now();
            let found = world.index.find_components(&query, scopes, after, 100).await.unwrap();
            slowest = slowest.max(begun.elapsed());
            if page == 0 {
                assert_eq!(found.components.len(), expected, "{what}");
            }
            let Some(last) = found.components.last().filter(|_| found.truncated) else { break };
            after = last.place;
        }
        let begun = Instant::now();
        let in_scopes = world.index.component_scopes(&query, 0, 1000).await.unwrap().len();
        println!("{what}: slowest of the first ten pages {slowest:?}; its {in_scopes} scopes {:?}", begun.elapsed());
        assert!(slowest < Duration::from_millis(100), "{what}: {slowest:?}");
    }
    let query = ComponentQuery::package(common);
    println!("{:#}", plan(&world, &query, None, ComponentPlace::FIRST, 100).await);
}

/// How a page is read.
async fn plan(
    world: &World,
    query: &ComponentQuery,
    scopes: Option<&[i64]>,
    after: ComponentPlace,
    limit: u32,
) -> serde_json::Value {
    let pool = world.database.pool().unwrap();
    let mut connection = pool.acquire().await.unwrap();
    // As the pool of the index has it.
    sqlx::raw_sql("SET enable_seqscan = off; SET enable_bitmapscan = off").execute(&mut *connection).await.unwrap();
    let explain = sqlx::AssertSqlSafe(format!("EXPLAIN (ANALYZE, FORMAT JSON) {}", component::statement(query)));
    let statement = component::bind(sqlx::query_as::<_, (serde_json::Value,)>(explain), query, scopes, after, limit);
    statement.fetch_one(&mut *connection).await.unwrap().0
}

#[tokio::test]
async fn a_page_reads_its_own_components_and_no_others() {
    let world = World::new().await;
    let purls: Vec<String> =
        (0..400).map(|i| format!("pkg:npm/{}@1.{}", if i % 4 == 0 { "a" } else { "b" }, i % 7)).collect();
    let components: Vec<(&str, &str)> =
        purls.iter().enumerate().map(|(i, purl)| (purl.as_str(), if i % 4 == 0 { "Zlib" } else { "MIT" })).collect();
    let reading = reading(&components);
    for artifact in 0..5 {
        put(&world.index, &repository("r"), "", &artifact.to_string(), &reading).await;
    }
    let middle = ComponentPlace { scope: 1, document: 3, ordinal: 200 };
    for query in [
        package("pkg:npm/a"),
        ComponentQuery::Name("a".into()),
        ComponentQuery::Licence("zlib".into()),
        package("pkg:npm/a@1.3"),
    ] {
        for after in [ComponentPlace::FIRST, middle] {
            let plan = plan(&world, &query, None, after, 20).await;
            let mut nodes = vec![&plan[0]["Plan"]];
            let mut read = 0.0;
            while let Some(node) = nodes.pop() {
                if node["Relation Name"] == "sbom_components" {
                    assert_ne!(node["Node Type"], "Seq Scan", "{plan:#}");
                    let filtered = node["Rows Removed by Filter"].as_f64().unwrap_or(0.0);
                    read += (node["Actual Rows"].as_f64().unwrap() + filtered) * node["Actual Loops"].as_f64().unwrap();
                }
                if node["Node Type"] == "Sort" {
                    assert!(node["Actual Rows"].as_f64().unwrap() <= 21.0, "sorts more than the page: {plan:#}");
                }
                nodes.extend(node["Plans"].as_array().into_iter().flatten());
            }
            assert!((1.0..=21.0).contains(&read), "{read} rows for {query:?} behind {after:?}: {plan:#}");
        }
    }
}
