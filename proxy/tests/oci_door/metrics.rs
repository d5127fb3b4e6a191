//! Pulls and pushes in the metrics.

use super::*;

/// The lines of the process's metrics that name a repository; every test has its own.
fn counted(repository: &str) -> Vec<String> {
    let index = zas_proxy::index::Index::open(&zas_proxy::config::Database {
        url: Secret::new("postgres://nobody@127.0.0.1:1/none"),
        ..zas_proxy::config::Database::default()
    });
    let text = zas_proxy::telemetry::metrics().render(&index.unwrap());
    let label = format!("repository=\"{repository}\"");
    text.lines().filter(|line| line.contains(&label)).map(str::to_owned).collect()
}

/// Waits until a line is there: a request is counted after its client has its answer.
async fn expect_counted(repository: &str, line: &str) {
    let waiting = async {
        while !counted(repository).iter().any(|counted| counted == line) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let found = tokio::time::timeout(PATIENCE, waiting).await;
    assert!(found.is_ok(), "{line} is not in {:#?}", counted(repository));
}

#[tokio::test]
async fn pulls_are_counted_with_what_was_sent_and_a_cut_one_as_cut() {
    counted("");
    let media_type = "application/vnd.oci.image.index.v1+json";
    let whole = format!("HTTP/1.1 200 OK\r\ncontent-type: {media_type}\r\ncontent-length: 2\r\n\r\nok");
    let upstream = Upstream::start(&whole).await;
    let sidecar = Sidecar::start(&upstream).await;
    sidecar.ask("GET", "/v2/count/pull/manifests/latest", "", "").await;
    sidecar.ask("GET", &format!("/v2/count/pull/blobs/{DIGEST}"), "", "").await;
    sidecar.ask("HEAD", &format!("/v2/count/pull/blobs/{DIGEST}"), "", "").await;
    for kind in [media_type, "blob"] {
        let labels = format!("{{repository=\"count/pull\",type=\"{kind}\"");
        expect_counted("count/pull", &format!("zas_downloads_total{labels},outcome=\"complete\"}} 1")).await;
        expect_counted("count/pull", &format!("zas_download_bytes_total{labels}}} 2")).await;
    }
    let upstream = Upstream::start("HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\nhalf").await;
    let sidecar = Sidecar::start(&upstream).await;
    sidecar.ask("GET", &format!("/v2/count/cut/blobs/{DIGEST}"), "", "").await;
    expect_counted("count/cut", r#"zas_downloads_total{repository="count/cut",type="blob",outcome="cut"} 1"#).await;
    assert!(!counted("count/cut").iter().any(|line| line.contains("zas_download_size_bytes")));
}

#[tokio::test]
async fn pushes_are_counted_when_the_registry_has_them_and_a_blob_in_chunks_as_one() {
    counted("");
    let created = Upstream::start("HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n").await;
    let accepted = Upstream::start("HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n").await;
    let refusing = Upstream::start("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
    let (created, accepted) = (Sidecar::with_index(&created, |_| ()).await, Sidecar::start(&accepted).await);
    let refusing = Sidecar::with_index(&refusing, |_| ()).await;
    let upload = "/v2/count/push/blobs/uploads/session-of-count-push";
    let finish = format!("{upload}?digest={DIGEST}");
    let manifest = "/v2/count/push/manifests/latest";
    let typed = "content-type: application/vnd.oci.image.manifest.v1+json\r\ncontent-length: 5\r\n";
    accepted.ask("PATCH", upload, "content-length: 5\r\n", "hello").await;
    accepted.ask("PATCH", upload, "content-length: 3\r\n", "you").await;
    expect_counted("count/push", r#"zas_upload_bytes_total{repository="count/push",type="blob"} 8"#).await;
    created.ask("PUT", &finish, "content-length: 0\r\n", "").await;
    expect_counted("count/push", r#"zas_uploads_total{repository="count/push",type="blob"} 1"#).await;
    expect_counted("count/push", r#"zas_upload_size_bytes_sum{repository="count/push"} 8"#).await;
    refusing.ask("PUT", manifest, typed, "hello").await;
    created.ask("PUT", manifest, typed, "hello").await;
    let labels = r#"{repository="count/push",type="application/vnd.oci.image.manifest.v1+json"}"#;
    expect_counted("count/push", &format!("zas_uploads_total{labels} 1")).await;
    expect_counted("count/push", &format!("zas_upload_bytes_total{labels} 5")).await;
}
