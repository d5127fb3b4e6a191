//! What a stock Zot does otherwise than the other registries, or than one would think; `docs/zot.md` says why it matters.
//! Every test is left out where `ZOT_BIN` names no Zot.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use http::Method;
use reqwest::{Body, Client, RequestBuilder, Response};
use zas_e2e::harness::no_zot;
use zas_proxy::store::zot_config;

use super::*;

/// A stock Zot, asked past the store client.
struct Raw {
    zot: &'static Zot,
    client: Client,
    repository: String,
}

/// The Zot for a test, or the test's end where there is none.
fn raw(test: &str) -> Option<Raw> {
    let Some(zot) = ZOT.as_ref() else {
        no_zot(test);
        return None;
    };
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    Some(Raw { zot, client: Client::builder().no_proxy().build().unwrap(), repository: repository(test) })
}

impl Raw {
    fn store(&self) -> Store {
        store(&self.zot.endpoint().url)
    }

    /// A request for a path below the repository's, or for an absolute one.
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let base = &self.zot.endpoint().url;
        let url = if path.starts_with('/') {
            format!("{base}{path}")
        } else {
            format!("{base}/v2/{}/{path}", self.repository)
        };
        self.client.request(method, url)
    }

    /// A request that carries blob bytes.
    fn send(&self, method: Method, path: &str, body: impl Into<Body>) -> RequestBuilder {
        self.request(method, path).header("content-type", "application/octet-stream").body(body)
    }

    async fn status(request: RequestBuilder) -> u16 {
        request.send().await.unwrap().status().as_u16()
    }

    async fn open_session(&self) -> String {
        let response = self.request(Method::POST, "blobs/uploads/").send().await.unwrap();
        assert_eq!(response.status(), 202);
        header(&response, "location")
    }

    /// The folder of one of its stores: `oci` or `s3`.
    fn folder(&self, store: &str) -> PathBuf {
        self.zot.config_file().parent().unwrap().join(store)
    }

    /// How many unfinished uploads lie in the repository's folder.
    fn leftovers(&self) -> usize {
        std::fs::read_dir(self.folder("s3").join(&self.repository).join(".uploads")).map_or(0, Iterator::count)
    }
}

fn header(response: &Response, name: &str) -> String {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap()).to_owned()
}

/// A body of unknown length.
fn chunked(bytes: &'static [u8]) -> Body {
    Body::wrap_stream(futures::stream::iter([Ok::<_, std::io::Error>(bytes)]))
}

fn single_post(digest: &Digest) -> String {
    format!("blobs/uploads/?digest={digest}")
}

fn in_layout(root: &Path, repository: &str, digest: &Digest) -> PathBuf {
    root.join(repository).join("blobs/sha256").join(digest.hex())
}

#[tokio::test]
async fn zot_takes_a_single_post_of_one_content_type_only() {
    let Some(raw) = raw("zot_takes_a_single_post_of_one_content_type_only") else { return };
    let post = raw.request(Method::POST, &single_post(&Digest::of(b"x"))).body("x");
    assert_eq!(Raw::status(post.header("content-type", "application/json")).await, 415);
    assert_eq!(Raw::status(raw.send(Method::POST, &single_post(&Digest::of(b"x")), "x")).await, 201);
}

#[tokio::test]
async fn zot_refuses_a_single_post_without_a_length() {
    let Some(raw) = raw("zot_refuses_a_single_post_without_a_length") else { return };
    assert_eq!(Raw::status(raw.send(Method::POST, &single_post(&Digest::of(b"x")), chunked(b"x"))).await, 400);
}

#[tokio::test]
async fn zot_knows_the_upload_path_with_its_slash_only() {
    let Some(raw) = raw("zot_knows_the_upload_path_with_its_slash_only") else { return };
    let path = format!("blobs/uploads?digest={}", Digest::of(b"x"));
    assert_eq!(Raw::status(raw.send(Method::POST, &path, "x")).await, 405);
}

#[tokio::test]
async fn zot_ignores_a_last_body_without_a_length() {
    let Some(raw) = raw("zot_ignores_a_last_body_without_a_length") else { return };
    let put = async |body: Body| {
        let target = format!("{}?digest={}", raw.open_session().await, Digest::of(b"x"));
        Raw::status(raw.send(Method::PUT, &target, body)).await
    };
    assert_eq!(put(chunked(b"x")).await, 400);
    assert_eq!(put(Body::from("x")).await, 201);
}

#[tokio::test]
async fn zot_reports_the_length_of_the_last_patch_as_the_whole() {
    let Some(raw) = raw("zot_reports_the_length_of_the_last_patch_as_the_whole") else { return };
    let mut location = raw.open_session().await;
    for _ in 0..2 {
        let response = raw.send(Method::PATCH, &location, chunked(b"hello")).send().await.unwrap();
        assert_eq!((response.status().as_u16(), header(&response, "range").as_str()), (202, "0-4"));
        location = header(&response, "location");
    }
}

#[tokio::test]
async fn zot_names_a_session_by_a_path() {
    let Some(raw) = raw("zot_names_a_session_by_a_path") else { return };
    assert!(raw.open_session().await.starts_with("/v2/"));
}

#[tokio::test]
async fn zot_leaves_the_file_of_a_refused_single_post_behind() {
    let Some(raw) = raw("zot_leaves_the_file_of_a_refused_single_post_behind") else { return };
    let stored = raw.store().put_blob(&raw.repository, &Digest::of(b"other"), Bytes::from_static(b"bytes")).await;
    assert_eq!(code(stored), Code::InternalError);
    assert_eq!(raw.leftovers(), 1);
}

#[tokio::test]
async fn zot_keeps_a_session_that_was_finished_with_a_wrong_digest() {
    let Some(raw) = raw("zot_keeps_a_session_that_was_finished_with_a_wrong_digest") else { return };
    let mut session = raw.store().start_upload(&raw.repository).await.unwrap();
    session.append(stream([Ok(Bytes::from_static(b"bytes"))])).await.unwrap();
    let location = session.location().to_owned();
    assert_eq!(code(session.finish(&Digest::of(b"other"), 5).await), Code::InternalError);
    assert_eq!(Raw::status(raw.request(Method::GET, &location)).await, 204);
    raw.store().cancel_upload(&location).await.unwrap();
    assert_eq!((Raw::status(raw.request(Method::GET, &location)).await, raw.leftovers()), (404, 0));
}

#[tokio::test]
async fn zot_drops_a_session_whose_stream_was_cut() {
    let Some(raw) = raw("zot_drops_a_session_whose_stream_was_cut") else { return };
    let mut session = raw.store().start_upload(&raw.repository).await.unwrap();
    let failing = stream([Ok(Bytes::from(noise(1 << 20))), Err(Error::from(Code::IncompleteBody))]);
    assert_eq!(code(session.append(failing).await), Code::IncompleteBody);
    let until = Instant::now() + Duration::from_secs(30);
    while Raw::status(raw.request(Method::GET, session.location())).await != 404 {
        assert!(Instant::now() < until, "the session is still there");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(raw.leftovers(), 0);
}

#[tokio::test]
async fn zot_keeps_a_repository_of_one_name_out_of_the_store_of_s3_bytes() {
    let Some(raw) = raw("zot_keeps_a_repository_of_one_name_out_of_the_store_of_s3_bytes") else { return };
    let digest = Digest::of(b"misplaced");
    raw.store().put_blob("s3", &digest, Bytes::from_static(b"misplaced")).await.unwrap();
    assert!(in_layout(&raw.folder("oci"), "s3", &digest).exists());
    assert!(!in_layout(&raw.folder("s3"), "s3", &digest).exists());
}

#[tokio::test]
async fn zot_keeps_blobs_where_the_image_layout_says() {
    let Some(raw) = raw("zot_keeps_blobs_where_the_image_layout_says") else { return };
    let digest = Digest::of(b"in place");
    raw.store().put_blob(&raw.repository, &digest, Bytes::from_static(b"in place")).await.unwrap();
    let file = in_layout(&raw.folder("s3"), &raw.repository, &digest);
    assert_eq!(std::fs::read(file).unwrap(), b"in place");
}

#[tokio::test]
async fn zot_mounts_nothing_from_another_repository_without_dedupe() {
    let Some(raw) = raw("zot_mounts_nothing_from_another_repository_without_dedupe") else { return };
    let digest = Digest::of(b"here");
    raw.store().put_blob(&raw.repository, &digest, Bytes::from_static(b"here")).await.unwrap();
    let mount = format!("/v2/{}/other/blobs/uploads/?mount={digest}&from={}", raw.repository, raw.repository);
    assert_eq!(Raw::status(raw.request(Method::POST, &mount)).await, 202);
}

#[tokio::test]
async fn zot_shows_repositories_that_hold_no_manifest() {
    let Some(raw) = raw("zot_shows_repositories_that_hold_no_manifest") else { return };
    raw.store().put_blob(&raw.repository, &Digest::of(b"x"), Bytes::from_static(b"x")).await.unwrap();
    let (names, _) = raw.store().catalog("", 10_000).await.unwrap();
    assert!(names.contains(&raw.repository), "{names:?}");
}

#[tokio::test]
async fn zot_does_not_start_with_a_key_that_it_does_not_know() {
    let Some(raw) = raw("zot_does_not_start_with_a_key_that_it_does_not_know") else { return };
    let text = std::fs::read_to_string(raw.zot.config_file()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (name, text, good) in
        [("right", text.clone(), true), ("wrong", text.replacen('{', r#"{"unknown":1,"#, 1), false)]
    {
        let file = folder.path().join(format!("{name}.json"));
        std::fs::write(&file, text).unwrap();
        let verified = Command::new(Zot::binary().unwrap()).arg("verify").arg(&file).output().unwrap();
        assert_eq!(verified.status.success(), good, "{name}: {}", String::from_utf8_lossy(&verified.stderr));
    }
}

#[test]
fn the_zot_of_these_tests_is_configured_rightly() {
    let Some(zot) = ZOT.as_ref() else { return no_zot("the_zot_of_these_tests_is_configured_rightly") };
    let findings = zot_config::check(&std::fs::read_to_string(zot.config_file()).unwrap(), "s3");
    assert_eq!(findings, zot_config::Findings::default());
}

const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";

/// Attaches something to a subject that the registry does not have, under the tag that the sidecar gives it.
async fn attach_to_nobody(store: &Store, repository: &str, text: &'static str, has_subject: bool) -> Digest {
    for bytes in [&b"{}"[..], text.as_bytes()] {
        store.put_blob(repository, &Digest::of(bytes), Bytes::from_static(bytes)).await.unwrap();
    }
    let mut manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": IMAGE, "artifactType": "application/vnd.example",
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": Digest::of(b"{}").to_string(), "size": 2},
        "layers": [{"mediaType": "text/plain", "digest": Digest::of(text.as_bytes()).to_string(), "size": text.len()}],
    });
    if has_subject {
        manifest["subject"] =
            serde_json::json!({"mediaType": IMAGE, "digest": Digest::of(b"nobody").to_string(), "size": 6});
    }
    let bytes = Bytes::from(manifest.to_string());
    let tag = format!("referrer-{}", Digest::of(&bytes).hex());
    store.put_manifest(repository, &tag, IMAGE, bytes).await.unwrap()
}

/// Collects all the time, by these rules; gives the repository when a blob that nothing names is gone from it.
async fn collected(rules: serde_json::Value) -> Option<(Zot, Digest, Digest)> {
    let zot = Zot::start_with(&Zot::binary()?, |config| {
        config["storage"]["gc"] = true.into();
        config["storage"]["gcDelay"] = "1s".into();
        config["storage"]["gcInterval"] = "2s".into();
        config["storage"]["retention"] = serde_json::json!({"delay": "1s", "policies": rules});
    })
    .unwrap();
    let (store, home) = (store(&zot.endpoint().url), "zas/referrers/s3/7");
    let listed = attach_to_nobody(&store, home, "listed", true).await;
    let tagged = attach_to_nobody(&store, home, "found by a tag", false).await;
    let garbage = Digest::of(b"garbage");
    store.put_blob(home, &garbage, Bytes::from_static(b"garbage")).await.unwrap();
    let begun = Instant::now();
    while store.head_blob(home, &garbage).await.unwrap().is_some() {
        assert!(begun.elapsed() < Duration::from_secs(120), "Zot collects nothing");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Some((zot, listed, tagged))
}

#[tokio::test]
async fn zot_keeps_what_refers_to_a_subject_that_it_does_not_have() {
    let Some((zot, listed, tagged)) = collected(serde_json::json!([])).await else {
        return no_zot("zot_keeps_what_refers_to_a_subject_that_it_does_not_have");
    };
    let store = store(&zot.endpoint().url);
    for digest in [listed, tagged] {
        let kept = store.get_manifest("zas/referrers/s3/7", &digest.to_string()).await.unwrap();
        assert!(kept.is_some(), "{digest}");
    }
}

#[tokio::test]
async fn zot_deletes_what_refers_to_such_a_subject_where_it_is_told_to_delete_orphans() {
    let rules = serde_json::json!([{"repositories": ["**"], "deleteReferrers": true}]);
    let Some((zot, listed, _)) = collected(rules).await else {
        return no_zot("zot_deletes_what_refers_to_such_a_subject_where_it_is_told_to_delete_orphans");
    };
    let store = store(&zot.endpoint().url);
    assert!(store.get_manifest("zas/referrers/s3/7", &listed.to_string()).await.unwrap().is_none());
}
