//! The search over what bills of materials list.

use serde_json::{Value, json};

use super::ask::Ask;
use super::world::{API, MAKER, SBOM, World, get, object, plain_sbom};

async fn found(world: &World, group: &str, query: &str) -> Vec<String> {
    let answer = world.ask(group, get(format!("{API}/components?{query}"))).await.expect(200).json();
    assert_eq!(answer["next"], Value::Null, "{answer:#}");
    let each = answer["components"].as_array().unwrap().iter();
    each.map(|one| format!("{} {}", one["artifact"].as_str().unwrap(), one["name"].as_str().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn artifacts_are_found_by_what_they_contain_and_those_that_one_may_not_read_are_not_named() {
    let world = World::new().await;
    for bucket in ["open", "closed"] {
        world.ask(MAKER, Ask::post(format!("{API}/buckets")).json(&json!({"name": bucket}))).await.expect(201);
        for key in ["a", "b"] {
            world.ask(MAKER, Ask::put(format!("/{bucket}/{key}")).body(format!("{bucket}{key}"))).await.expect(200);
            let post = Ask::post(format!("{API}/artifacts/sbom?artifact=s3://{bucket}/{key}")).body(SBOM);
            world.ask(MAKER, post.header("content-type", "application/vnd.cyclonedx+json")).await.expect(201);
        }
    }
    let image = world.push("v1", "layer").await;
    let post = Ask::post(format!("{API}/artifacts/sbom?artifact=oci://prod/app:v1")).body(SBOM);
    world.ask(MAKER, post.header("content-type", "application/vnd.cyclonedx+json")).await.expect(201);
    let reads = json!({"Statement": [
        {"Effect": "Allow", "Action": "supply:Search", "Resource": "*"},
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "open/a"}]});
    world.sidecar.attach("searchers", &reads, "/searchers").await;
    world.sidecar.refresh().await;

    let log4j = "purl=pkg:maven/org.apache.logging.log4j/log4j-core";
    let of_image = format!("oci://prod/app@{} log4j-core", image.digest);
    let mut all = found(&world, MAKER, log4j).await;
    all.sort();
    let objects =
        ["s3://closed/a", "s3://closed/b", "s3://open/a", "s3://open/b"].map(|name| format!("{name} log4j-core"));
    let mut expected = vec![of_image.clone()];
    expected.extend(objects);
    expected.sort();
    assert_eq!(all, expected);
    assert_eq!(found(&world, "/searchers", log4j).await, ["s3://open/a log4j-core"]);
    for (query, finds) in [
        (format!("{log4j}@2.14.1"), true),
        (format!("{log4j}@2.17.1"), false),
        (format!("{log4j}&version_range=%3E%3D2.0%2C%3C2.15"), true),
        (format!("{log4j}&version_range=2.15*"), false),
        ("name=LOG4J-CORE".to_owned(), true),
        ("licence=mit".to_owned(), true),
        ("licence=GPL-3.0-only".to_owned(), false),
    ] {
        assert_eq!(!found(&world, "/searchers", &query).await.is_empty(), finds, "{query}");
    }
    assert_eq!(world.ask("/nobody", get(format!("{API}/components?name=lodash"))).await.status, 403);
    let wrong = world.ask(MAKER, get(format!("{API}/components?purl=nonsense"))).await.expect(400).json();
    assert_eq!(wrong["details"]["field"], "purl");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_a_search_follow_one_another_past_what_may_not_be_read() {
    let world = World::new().await;
    let mut expected = Vec::new();
    for at in 0..12 {
        let digest = world
            .put(&format!("{}/{at:02}", if at % 3 == 0 { "shown" } else { "hidden" }), &format!("bytes {at}"))
            .await;
        world.attach("s3/prod", &plain_sbom(&object(&digest))).await;
        if at % 3 == 0 {
            expected.push(format!("s3://prod/shown/{at:02}"));
        }
    }
    let reads = json!({"Statement": [
        {"Effect": "Allow", "Action": "supply:Search", "Resource": "*"},
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "prod/shown/*"}]});
    world.sidecar.attach("searchers", &reads, "/searchers").await;
    world.sidecar.refresh().await;
    world
        .until("every document is indexed", async || found(&world, MAKER, "name=lodash&limit=100").await.len() == 12)
        .await;
    let (mut pages, mut after) = (Vec::new(), String::new());
    loop {
        let target = format!("{API}/components?name=lodash&limit=1{after}");
        let page = world.ask("/searchers", get(target)).await.expect(200).json();
        let shown = page["components"].as_array().unwrap();
        assert!(shown.len() <= 1);
        pages.extend(shown.iter().map(|one| one["artifact"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    pages.sort();
    assert_eq!(pages, expected);
}
