use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    Algorithm, Digest, Options,
    testing::{Fixture, Got, sha256},
};

const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// An image whose only content is the empty config; `extra` fields are put over it.
pub(super) fn image(extra: &Value) -> String {
    let mut manifest = json!({
        "schemaVersion": 2, "mediaType": IMAGE, "layers": [],
        "config": { "mediaType": EMPTY, "digest": sha256(b"{}").to_string(), "size": 2 },
    });
    for (key, value) in extra.as_object().unwrap() {
        manifest[key] = value.clone();
    }
    manifest.to_string()
}

async fn put(registry: &Fixture, name: &str, reference: &str, manifest: impl Into<bytes::Bytes>) -> Got {
    registry
        .send_with(Method::PUT, &format!("/v2/{name}/manifests/{reference}"), &[("content-type", IMAGE)], manifest)
        .await
}

/// Puts an image, with the config that it needs, and gives its digest.
pub(super) async fn put_image(registry: &Fixture, name: &str, reference: &str, extra: &str) -> Digest {
    registry.blob(name, b"{}").await;
    let manifest = image(&serde_json::from_str(extra).unwrap());
    let got = put(registry, name, reference, manifest).await;
    assert_eq!(got.status, StatusCode::CREATED, "{got:?}");
    got.header("docker-content-digest").parse().unwrap()
}

#[tokio::test]
async fn a_manifest_comes_back_byte_for_byte() {
    let registry = Fixture::new();
    registry.blob("a", b"{}").await;
    let manifest = format!("\n {} ", image(&json!({ "x": 1 })));
    let got = put(&registry, "a", "v1", manifest.clone()).await;
    assert_eq!(got.header("docker-content-digest"), sha256(manifest.as_bytes()).to_string());
    for path in ["/v2/a/manifests/v1", got.header("location")] {
        let got = registry.get(path).await;
        assert_eq!((got.header("content-type"), &got.body[..]), (IMAGE, manifest.as_bytes()));
        let head = registry.send(Method::HEAD, path, "").await;
        assert_eq!((head.status, head.header("content-length")), (StatusCode::OK, manifest.len().to_string().as_str()));
    }
}

#[tokio::test]
async fn a_manifest_with_a_wrong_digest_is_refused() {
    let registry = Fixture::new();
    registry.blob("a", b"{}").await;
    let wrong = sha256(b"wrong");
    assert_eq!(put(&registry, "a", &wrong.to_string(), image(&json!({}))).await.code(), "DIGEST_INVALID");
    assert_eq!(registry.get(&format!("/v2/a/manifests/{wrong}")).await.code(), "MANIFEST_UNKNOWN");
    assert_eq!(put(&registry, "a", "sha256:baddigeststring", image(&json!({}))).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn content_that_is_not_here_is_named() {
    let registry = Fixture::new();
    let got = put(&registry, "a", "v1", image(&json!({}))).await;
    assert_eq!((got.status, got.code().as_str()), (StatusCode::BAD_REQUEST, "MANIFEST_BLOB_UNKNOWN"));
    assert_eq!(got.json()["errors"][0]["detail"]["digest"], sha256(b"{}").to_string());
    let lenient = Fixture::with(Options { require_referenced_blobs: false, ..Options::default() });
    assert_eq!(put(&lenient, "a", "v1", image(&json!({}))).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_manifest_over_the_limit_is_refused() {
    let registry = Fixture::new();
    for headers in [vec![], vec![("content-length", "4194305")]] {
        let got = registry.send_with(Method::PUT, "/v2/a/manifests/v1", &headers, vec![b' '; (4 << 20) + 1]).await;
        assert_eq!(got.status, StatusCode::PAYLOAD_TOO_LARGE);
    }
    let full = format!("{}{}", image(&json!({})), " ".repeat((4 << 20) - image(&json!({})).len()));
    registry.blob("a", b"{}").await;
    assert_eq!(put(&registry, "a", "v1", full).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_digest_takes_tags_along() {
    let registry = Fixture::new();
    registry.blob("a", b"{}").await;
    let manifest = image(&json!({}));
    let digest = Digest::of(Algorithm::Sha512, manifest.as_bytes());
    let got = put(&registry, "a", &format!("{digest}?tag=v1&tag=latest"), manifest.clone()).await;
    let tags: Vec<_> = got.headers.get_all("oci-tag").iter().map(|tag| tag.to_str().unwrap()).collect();
    assert_eq!((got.status, tags), (StatusCode::CREATED, vec!["v1", "latest"]));
    assert_eq!(registry.get("/v2/a/manifests/latest").await.header("docker-content-digest"), digest.to_string());
    assert_eq!(
        put(&registry, "a", &format!("{digest}?tag=.."), manifest.clone()).await.status,
        StatusCode::BAD_REQUEST
    );
    let many = "&tag=x".repeat(101);
    assert_eq!(put(&registry, "a", &format!("{digest}?{many}"), manifest).await.status, StatusCode::URI_TOO_LONG);
}

#[tokio::test]
async fn a_deleted_tag_leaves_the_manifest_and_a_deleted_manifest_leaves_nothing() {
    let registry = Fixture::new();
    let digest = put_image(&registry, "a", "v1", "{}").await;
    put_image(&registry, "a", "v2", "{}").await;
    let delete =
        async |reference: &str| registry.send(Method::DELETE, &format!("/v2/a/manifests/{reference}"), "").await.status;
    let by_digest = digest.to_string();
    assert_eq!(delete("v1").await, StatusCode::ACCEPTED);
    assert_eq!(delete("v1").await, StatusCode::NOT_FOUND);
    assert_eq!(registry.get(&format!("/v2/a/manifests/{digest}")).await.status, StatusCode::OK);
    assert_eq!(delete(&by_digest).await, StatusCode::ACCEPTED);
    for path in ["manifests/v2", &format!("manifests/{digest}"), &format!("blobs/{digest}")] {
        assert_eq!(registry.get(&format!("/v2/a/{path}")).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn a_manifest_is_not_deleted_as_a_blob() {
    let registry = Fixture::new();
    let digest = put_image(&registry, "a", "v1", "{}").await;
    let got = registry.send(Method::DELETE, &format!("/v2/a/blobs/{digest}"), "").await;
    assert_eq!(got.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(registry.get("/v2/a/manifests/v1").await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_folder_is_an_image_layout() {
    let registry = Fixture::new();
    let digest = put_image(&registry, "a/b", "v1", "{}").await;
    let read = |name: &str| -> Value {
        serde_json::from_slice(&std::fs::read(registry.root.path().join("a/b").join(name)).unwrap()).unwrap()
    };
    assert_eq!(read("oci-layout")["imageLayoutVersion"], "1.0.0");
    let index = read("index.json");
    assert_eq!(index["manifests"][0]["digest"], digest.to_string());
    assert_eq!(index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"], "v1");
    assert_eq!(read(&format!("blobs/sha256/{}", digest.hex()))["schemaVersion"], 2);
}

#[tokio::test]
async fn concurrent_puts_all_count() {
    let registry = Fixture::new();
    registry.blob("a", b"{}").await;
    let tags: Vec<String> = (0..20).map(|i| format!("v{i:02}")).collect();
    let puts = tags.iter().map(|tag| put(&registry, "a", tag, image(&json!({ "annotations": { "tag": tag } }))));
    assert!(futures::future::join_all(puts).await.iter().all(|got| got.status == StatusCode::CREATED));
    let registry = registry.reopened();
    assert_eq!(registry.get("/v2/a/tags/list").await.json()["tags"], json!(tags));
}

fn referrer(subject: &Digest, kind: &str) -> String {
    json!({ "subject": { "mediaType": IMAGE, "digest": subject.to_string(), "size": 1 }, "artifactType": kind,
        "annotations": { "kind": kind } })
    .to_string()
}

async fn kinds(registry: &Fixture, path: &str) -> (Got, Vec<String>) {
    let got = registry.get(path).await;
    assert_eq!((got.status, got.header("content-type")), (StatusCode::OK, "application/vnd.oci.image.index.v1+json"));
    let mut kinds: Vec<String> = got.json()["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["annotations"]["kind"].as_str().unwrap().to_owned())
        .collect();
    kinds.sort();
    (got, kinds)
}

#[tokio::test]
async fn referrers_are_listed_filtered_and_forgotten() {
    let registry = Fixture::new();
    let subject = sha256(b"a subject that is not here");
    let path = format!("/v2/a/referrers/{subject}");
    assert!(kinds(&registry, &path).await.1.is_empty());
    put_image(&registry, "a", "one", &referrer(&subject, "x/sbom+json")).await;
    // From here on the list of subjects is in memory, so the second one must be added to it.
    assert_eq!(kinds(&registry, &path).await.1, ["x/sbom+json"]);
    let signature = put_image(&registry, "a", "two", &referrer(&subject, "x/signature")).await;
    put_image(&registry, "a", "other", &referrer(&sha256(b"other"), "x/other")).await;
    assert_eq!(kinds(&registry, &path).await.1, ["x/sbom+json", "x/signature"]);
    let (got, filtered) = kinds(&registry, &format!("{path}?artifactType=x/sbom%2Bjson")).await;
    assert_eq!((got.header("oci-filters-applied"), filtered), ("artifactType", vec!["x/sbom+json".to_owned()]));
    registry.send(Method::DELETE, &format!("/v2/a/manifests/{signature}"), "").await;
    assert_eq!(kinds(&registry, &path).await.1, ["x/sbom+json"]);
    assert_eq!(kinds(&registry.reopened(), &path).await.1, ["x/sbom+json"]);
}

#[tokio::test]
async fn a_subject_is_acknowledged() {
    let registry = Fixture::new();
    registry.blob("a", b"{}").await;
    let subject = sha256(b"s");
    let manifest = image(&serde_json::from_str(&referrer(&subject, "x/y")).unwrap());
    assert_eq!(put(&registry, "a", "v1", manifest).await.header("oci-subject"), subject.to_string());
    assert_eq!(registry.get("/v2/a/referrers/sha256:x").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn many_referrers_come_in_pages() {
    let registry = Fixture::new();
    let subject = sha256(b"s");
    for i in 0..3 {
        let extra = json!({ "subject": { "mediaType": IMAGE, "digest": subject.to_string(), "size": 1 },
            "annotations": { "kind": format!("{i}"), "long": "x".repeat(2 << 20) } });
        put_image(&registry, "a", &format!("v{i}"), &extra.to_string()).await;
    }
    let mut path = format!("/v2/a/referrers/{subject}?artifactType={}", EMPTY.replace('+', "%2B"));
    let mut all = Vec::new();
    loop {
        let (got, mut page) = kinds(&registry, &path).await;
        assert_eq!(page.len(), 1);
        all.append(&mut page);
        let Some(link) = got.header("link").strip_prefix('<').and_then(|l| l.strip_suffix(">; rel=\"next\"")) else {
            break;
        };
        path = link.to_owned();
    }
    all.sort();
    assert_eq!(all, ["0", "1", "2"]);
}
