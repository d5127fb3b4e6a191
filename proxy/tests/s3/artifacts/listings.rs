//! What is listed: tags, and nothing in the catalog.

use super::{Door, put};
use crate::support::World;

async fn tags(door: &Door, path: &str) -> (Vec<String>, Option<String>) {
    let reply = door.get(path).await.expect(200);
    let tags = reply.json()["tags"].as_array().unwrap().iter().map(|tag| tag.as_str().unwrap().to_owned()).collect();
    let next = reply.headers.get("link").map(|link| {
        let link = link.to_str().unwrap();
        link.split_once('>').unwrap().0.trim_start_matches("</v2/").to_owned()
    });
    (tags, next)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tags_of_a_folder_are_the_keys_in_it_that_can_be_tags() {
    let world = World::with_bucket().await;
    let door = Door::open(&world).await;
    for key in [
        "linux/a",
        "linux/b-1.2.tgz",
        "linux/C",
        "linux/amd64/x",
        "linux/arm64/y",
        "linux/with%20space",
        "linux/.dot",
        "top",
        "linux/z",
    ] {
        put(&world, key, "x").await;
    }
    let signature = format!("linux/sha256-{}.sig", "0".repeat(64));
    put(&world, &signature, "x").await;
    assert_eq!(
        tags(&door, "s3/bucket/linux/tags/list").await,
        (["C", "a", "b-1.2.tgz", "z"].map(str::to_owned).to_vec(), None)
    );
    assert_eq!(tags(&door, "s3/bucket/tags/list").await.0, ["top"]);
    assert_eq!(tags(&door, "s3/bucket/linux/amd64/tags/list").await.0, ["x"]);
    door.get("s3/bucket/windows/tags/list").await.expect_error(404, "NAME_UNKNOWN");
    door.get("s3/no-such-bucket/tags/list").await.expect_error(404, "NAME_UNKNOWN");
    world.put("/empty-bucket").send().await.expect(200);
    assert!(tags(&door, "s3/empty-bucket/tags/list").await.0.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_tags_lead_to_each_other_and_end() {
    let world = World::with_bucket().await;
    let door = Door::open(&world).await;
    for i in 0..7 {
        put(&world, &format!("f/tag-{i}"), "x").await;
        put(&world, &format!("f/tag-{i}/below"), "x").await;
    }
    let (mut found, mut next) = (Vec::new(), Some("s3/bucket/f/tags/list?n=3".to_owned()));
    let mut pages = 0;
    while let Some(path) = next {
        let page = tags(&door, &path).await;
        assert!(page.0.len() <= 3);
        found.extend(page.0);
        (next, pages) = (page.1, pages + 1);
        assert!(pages <= 4, "the list has no end");
    }
    assert_eq!(found, (0..7).map(|i| format!("tag-{i}")).collect::<Vec<_>>());
    assert!(tags(&door, "s3/bucket/f/tags/list?n=0").await.0.is_empty());
    assert_eq!(tags(&door, "s3/bucket/f/tags/list?last=tag-5").await.0, ["tag-6"]);
    door.get("s3/bucket/f/tags/list?n=-1").await.expect(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_catalog_lists_no_objects_and_nothing_of_ours() {
    let world = World::with_bucket().await;
    let door = Door::open(&world).await;
    let subject = put(&world, "app", "x").await;
    door.attach("s3/bucket", &super::note(&subject, "note")).await;
    door.push_blob("team/app", b"blob").await;
    let catalog = door.get("_catalog").await.expect(200).json();
    assert_eq!(catalog["repositories"], serde_json::json!(["team/app"]));
}
