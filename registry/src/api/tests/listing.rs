use http::StatusCode;
use serde_json::json;

use super::manifests::put_image;
use crate::testing::Fixture;

#[tokio::test]
async fn tags_are_listed_page_by_page() {
    let registry = Fixture::new();
    for tag in ["c", "a", "B", "d"] {
        put_image(&registry, "x", tag, "{}").await;
    }
    let list = async |query: &str| registry.get(&format!("/v2/x/tags/list{query}")).await;
    assert_eq!(list("").await.json(), json!({ "name": "x", "tags": ["B", "a", "c", "d"] }));
    let page = list("?n=2").await;
    assert_eq!(
        (page.json()["tags"].clone(), page.header("link")),
        (json!(["B", "a"]), "</v2/x/tags/list?n=2&last=a>; rel=\"next\"")
    );
    let page = list("?n=2&last=a").await;
    assert_eq!((page.json()["tags"].clone(), page.header("link")), (json!(["c", "d"]), ""));
    assert_eq!(list("?last=bb").await.json()["tags"], json!(["c", "d"]));
    assert_eq!(list("?n=0").await.json()["tags"], json!([]));
    assert_eq!(list("?n=0").await.header("link"), "");
    for n in ["", "-1", "x", "+1"] {
        assert_eq!(list(&format!("?n={n}")).await.status, StatusCode::BAD_REQUEST, "{n}");
    }
    assert_eq!(list("?n=99999999999999999999").await.json()["tags"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn a_repository_of_blobs_alone_has_an_empty_list_of_tags() {
    let registry = Fixture::new();
    registry.blob("s3/bucket/00", b"x").await;
    let got = registry.get("/v2/s3/bucket/00/tags/list").await;
    assert_eq!((got.status, got.json()["tags"].clone()), (StatusCode::OK, json!([])));
    assert_eq!(registry.get("/v2/s3/bucket/tags/list").await.code(), "NAME_UNKNOWN");
    assert_eq!(registry.get("/v2/s3/bucket/00/manifests/v1").await.code(), "MANIFEST_UNKNOWN");
}

#[tokio::test]
async fn repositories_are_listed_page_by_page() {
    let registry = Fixture::new();
    for name in ["b/c", "a", "b", "b-c"] {
        registry.blob(name, b"x").await;
    }
    registry.session("only-a-session").await;
    assert_eq!(registry.get("/v2/_catalog").await.json(), json!({ "repositories": ["a", "b", "b-c", "b/c"] }));
    let page = registry.get("/v2/_catalog?n=1&last=b-c").await;
    assert_eq!((page.json()["repositories"].clone(), page.header("link")), (json!(["b/c"]), ""));
    let page = registry.get("/v2/_catalog?n=3").await;
    assert_eq!(page.header("link"), "</v2/_catalog?n=3&last=b-c>; rel=\"next\"");
}
