//! Single calls: what goes out, what is tried again, when the breaker opens.

use std::time::Instant;

use opentelemetry::trace::TracerProvider as _;
use tracing::Instrument as _;
use tracing_subscriber::layer::SubscriberExt as _;

use super::super::testing::{Answer, Registry};
use super::*;

#[tokio::test]
async fn a_blob_is_stored_by_one_post_with_type_and_length() {
    let registry = Registry::start(|_| Answer::status(201)).await;
    let digest = Digest::of(b"hello");
    registry.store().put_blob(REPOSITORY, &digest, Bytes::from_static(b"hello")).await.unwrap();
    let [request] = registry.received().try_into().unwrap();
    assert_eq!(request.line(), format!("POST /v2/{REPOSITORY}/blobs/uploads/?digest={digest}"));
    assert_eq!(request.header("content-type"), "application/octet-stream");
    assert_eq!((request.header("content-length"), request.body.as_slice()), ("5", b"hello".as_slice()));
    assert_eq!(request.header("transfer-encoding"), "");
}

#[tokio::test]
async fn an_empty_blob_says_its_length_too() {
    let registry = Registry::start(|_| Answer::status(201)).await;
    registry.store().put_blob(REPOSITORY, &Digest::of(b""), Bytes::new()).await.unwrap();
    assert_eq!(registry.received()[0].header("content-length"), "0");
}

#[tokio::test]
async fn connections_are_used_again() {
    let registry = Registry::start(|_| Answer::status(201)).await;
    let store = registry.store();
    for byte in 0..5_u8 {
        store.put_blob(REPOSITORY, &Digest::of(&[byte]), Bytes::from(vec![byte])).await.unwrap();
    }
    assert!(registry.received().iter().all(|request| request.connection == 0));
}

#[tokio::test]
async fn a_202_to_a_single_post_is_followed_by_a_put_and_remembered() {
    let registry = Registry::start(|request| match request.method.as_str() {
        "POST" => Answer::status(202).header("location", "/v2/x/blobs/uploads/1?_state=a%2Fb"),
        _ => Answer::status(201),
    })
    .await;
    let (store, digest) = (registry.store(), Digest::of(b"hello"));
    for _ in 0..2 {
        store.put_blob(REPOSITORY, &digest, Bytes::from_static(b"hello")).await.unwrap();
    }
    let put = format!("PUT /v2/x/blobs/uploads/1?_state=a%2Fb&digest={digest}");
    assert_eq!(
        registry.lines(),
        [
            format!("POST /v2/{REPOSITORY}/blobs/uploads/?digest={digest}"),
            put.clone(),
            format!("POST /v2/{REPOSITORY}/blobs/uploads/"),
            put,
        ]
    );
    let received = registry.received();
    assert_eq!((received[1].body.as_slice(), received[1].header("content-length")), (b"hello".as_slice(), "5"));
    assert_eq!(received[2].body, b"");
}

#[tokio::test]
async fn what_a_tag_stands_for_is_asked_for_without_its_bytes_where_the_registry_says_the_digest() {
    const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    let digest = Digest::of(b"{}");
    let registry = Registry::start(move |_| {
        Answer::status(200).header("content-type", INDEX).header("docker-content-digest", digest).length(2)
    })
    .await;
    let head = registry.store().head_manifest(REPOSITORY, "v1").await.unwrap().unwrap();
    assert_eq!((head.media_type.as_str(), head.digest), (INDEX, digest));
    assert_eq!(registry.lines(), [format!("HEAD /v2/{REPOSITORY}/manifests/v1")]);
    let silent = Registry::start(|request| match request.method.as_str() {
        "HEAD" => Answer::status(200).length(2),
        _ => Answer::status(200).body("{}"),
    })
    .await;
    assert_eq!(silent.store().head_manifest(REPOSITORY, "v1").await.unwrap().unwrap().digest, digest);
    let without = Registry::start(|_| Answer::status(404)).await;
    assert_eq!(without.store().head_manifest(REPOSITORY, "v1").await.unwrap(), None);
}

#[tokio::test]
async fn a_location_at_another_host_is_never_followed() {
    let other = Registry::start(|_| Answer::status(201)).await;
    let elsewhere = format!("{}/v2/x/blobs/uploads/1", other.url);
    let registry = Registry::start(move |_| Answer::status(202).header("location", &elsewhere)).await;
    let store = registry.store();
    let text = log(store.put_blob(REPOSITORY, &Digest::of(b"x"), Bytes::from_static(b"x")).await, Code::InternalError);
    assert!(text.contains("elsewhere"), "{text}");
    log(store.start_upload(REPOSITORY).await, Code::InternalError);
    log(store.cancel_upload(&format!("{}/v2/x", other.url)).await, Code::InternalError);
    assert!(other.received().is_empty());
}

#[tokio::test]
async fn an_absolute_location_at_the_registry_itself_is_followed() {
    let registry = Registry::start(|request| match request.method.as_str() {
        "POST" => {
            Answer::status(202).header("location", format!("http://{}/v2/x/blobs/uploads/1", request.header("host")))
        }
        _ => Answer::status(201),
    })
    .await;
    registry.store().put_blob(REPOSITORY, &Digest::of(b"x"), Bytes::from_static(b"x")).await.unwrap();
}

#[tokio::test]
async fn a_registry_that_names_another_digest_is_not_believed() {
    let other = Digest::of(b"other");
    let registry = Registry::start(move |_| Answer::status(201).header("docker-content-digest", other)).await;
    let stored = registry.store().put_blob(REPOSITORY, &Digest::of(b"x"), Bytes::from_static(b"x")).await;
    log(stored, Code::InternalError);
}

#[tokio::test]
async fn a_refusal_is_said_once_with_the_registrys_text_for_the_log() {
    let registry = Registry::start(|_| Answer::status(400).body("{\"code\":\"DIGEST_INVALID\"}")).await;
    let stored = registry.store().put_blob(REPOSITORY, &Digest::of(b"x"), Bytes::from_static(b"x")).await;
    let text = log(stored, Code::InternalError);
    assert!(text.contains("DIGEST_INVALID"), "{text}");
    assert_eq!(registry.received().len(), 1);
}

#[tokio::test]
async fn what_the_registry_cannot_do_now_is_tried_again() {
    for first in [Answer::status(500), Answer::status(503), Answer::status(429), Answer::cut()] {
        let registry = Registry::start(move |request| match request.before {
            0 => first.clone(),
            _ => Answer::status(201),
        })
        .await;
        let body = Bytes::from(vec![7; 100_000]);
        registry.store().put_blob(REPOSITORY, &Digest::of(&body), body.clone()).await.unwrap();
        assert!(registry.received().iter().all(|request| request.body == body));
        assert_eq!(registry.received().len(), 2);
    }
}

#[tokio::test]
async fn an_upload_session_is_opened_again_only_where_none_was_opened() {
    for (first, requests) in [(Answer::status(503), 2), (Answer::status(500), 1), (Answer::cut(), 1)] {
        let registry = Registry::start(move |request| match request.before {
            0 => first.clone(),
            _ => Answer::status(202).header("location", "/v2/x/blobs/uploads/1"),
        })
        .await;
        assert_eq!(registry.store().start_upload(REPOSITORY).await.is_ok(), requests == 2);
        assert_eq!(registry.received().len(), requests);
    }
}

#[tokio::test]
async fn a_registry_that_fails_on_is_given_up_with_a_time_to_come_back() {
    let registry = Registry::start(|_| Answer::status(503).header("retry-after", "7").body("no")).await;
    let error = registry.store().head_blob(REPOSITORY, &Digest::of(b"")).await.unwrap_err();
    // Seven seconds are more than the longest pause, so that nothing is gained by waiting here.
    assert_eq!((error.code(), error.retry_after_seconds()), (Code::UpstreamUnavailable, Some(7)));
    assert_eq!(registry.received().len(), 1);
    let registry = Registry::start(|_| Answer::status(500)).await;
    let text = log(registry.store().head_blob(REPOSITORY, &Digest::of(b"")).await, Code::UpstreamUnavailable);
    assert!(text.contains("attempt 4"), "{text}");
}

#[tokio::test]
async fn a_connection_that_the_registry_has_closed_is_replaced_without_an_error() {
    // The second request by a connection finds it closed, as when the registry's idle time ends just then.
    let registry = Registry::start(|request| match request.connection {
        0 if request.before == 1 => Answer::cut(),
        _ => Answer::status(200).length(5),
    })
    .await;
    let store = registry.store_with(|config| {
        config.retry.max_attempts = 1;
        config.breaker.failure_threshold = 1;
    });
    for _ in 0..3 {
        assert_eq!(store.head_blob(REPOSITORY, &Digest::of(b"hello")).await.unwrap(), Some(5));
    }
    assert_eq!(registry.received().last().unwrap().connection, 1);
}

#[tokio::test]
async fn a_registry_that_does_not_answer_is_given_up_in_time() {
    let registry = Registry::start(|_| Answer::hang()).await;
    let store = registry.store_with(|config| {
        config.response_timeout = Duration::from_millis(100);
        config.retry.max_attempts = 2;
    });
    let begun = Instant::now();
    log(store.head_blob(REPOSITORY, &Digest::of(b"")).await, Code::UpstreamUnavailable);
    assert_eq!(registry.received().len(), 2);
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_registry_that_is_not_there_is_said_to_be_unavailable() {
    let registry = Registry::start(|_| Answer::hang()).await;
    let store = registry.store();
    drop(registry);
    log(store.ping().await, Code::UpstreamUnavailable);
}

#[tokio::test]
async fn a_registry_that_reads_no_more_of_an_upload_is_given_up_in_time() {
    let registry = Registry::start_impatient(|_| Answer::hang()).await;
    let store = registry.store_with(|config| {
        config.stall_timeout = Duration::from_millis(100);
        config.retry.max_attempts = 1;
    });
    let body = Bytes::from(vec![0; 32 << 20]);
    let stored = store.put_blob(REPOSITORY, &Digest::of(b"any"), body).await;
    log(stored, Code::UpstreamUnavailable);
}

#[tokio::test]
async fn an_early_answer_is_read_though_the_body_cannot_be_sent() {
    let registry = Registry::start_impatient(|_| Answer::status(413).body("too large")).await;
    let body = Bytes::from(vec![0; 32 << 20]);
    let stored = registry.store().put_blob(REPOSITORY, &Digest::of(b"any"), body).await;
    let text = log(stored, Code::InternalError);
    assert!(text.contains("413"), "{text}");
}

#[tokio::test]
async fn an_open_breaker_answers_at_once_and_closes_by_itself() {
    let registry = Registry::start(|request| match request.before {
        0..3 => Answer::status(500),
        _ => Answer::status(404),
    })
    .await;
    let store = registry.store_with(|config| {
        config.retry.max_attempts = 1;
        config.breaker.failure_threshold = 3;
        config.breaker.recovery_time = Duration::from_millis(300);
        config.breaker.half_open_probes = 1;
    });
    let ask = async || store.head_blob(REPOSITORY, &Digest::of(b"")).await;
    for _ in 0..3 {
        log(ask().await, Code::UpstreamUnavailable);
    }
    let text = log(ask().await, Code::UpstreamUnavailable);
    assert!(text.contains("breaker is open"), "{text}");
    assert_eq!(registry.received().len(), 3);
    while ask().await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(ask().await.is_ok());
}

#[tokio::test]
async fn refusals_never_open_the_breaker() {
    let registry = Registry::start(|_| Answer::status(403)).await;
    let store = registry.store_with(|config| config.breaker.failure_threshold = 1);
    for _ in 0..5 {
        let text = log(store.delete_blob(REPOSITORY, &Digest::of(b"")).await, Code::InternalError);
        assert!(text.contains("403"), "{text}");
    }
}

#[tokio::test]
async fn a_deletion_says_whether_there_was_something() {
    for (status, was_there) in [(202, true), (200, true), (204, true), (404, false)] {
        let registry = Registry::start(move |_| Answer::status(status)).await;
        assert_eq!(registry.store().delete_blob(REPOSITORY, &Digest::of(b"")).await.unwrap(), was_there, "{status}");
    }
    let registry = Registry::start(|_| Answer::status(405).body("DENIED")).await;
    log(registry.store().delete_blob(REPOSITORY, &Digest::of(b"")).await, Code::InternalError);
}

/// A second request that is answered would hide that the first may still be carried out, after new bytes were stored.
#[tokio::test]
async fn a_blob_deletion_whose_answer_was_lost_is_unclear_and_not_repeated() {
    let registry = Registry::start(|_| Answer::cut()).await;
    log(registry.store().delete_blob(REPOSITORY, &Digest::of(b"")).await, Code::UpstreamUnavailable);
    assert_eq!(registry.received().len(), 1);
}

#[tokio::test]
async fn a_manifest_deletion_whose_answer_was_lost_counts_as_done() {
    let registry = Registry::start(|request| match request.before {
        0 => Answer::cut(),
        _ => Answer::status(404),
    })
    .await;
    assert!(registry.store().delete_manifest(REPOSITORY, "latest").await.unwrap());
}

#[tokio::test]
async fn credentials_are_sent_and_never_shown() {
    let registry = Registry::start(|_| Answer::status(200)).await;
    let store = registry.store_with(|config| {
        config.username = Some("zas".to_owned());
        config.password = Some(config::Secret::new("open sesame"));
    });
    store.ping().await.unwrap();
    assert_eq!(registry.received()[0].header("authorization"), "Basic emFzOm9wZW4gc2VzYW1l");
    assert!(!format!("{store:?}").contains("sesame"));
}

#[tokio::test]
async fn a_ping_asks_past_retry_and_breaker() {
    let registry = Registry::start(|request| Answer::status(if request.before == 0 { 500 } else { 200 })).await;
    let store = registry.store_with(|config| config.breaker.failure_threshold = 1);
    log(store.ping().await, Code::UpstreamUnavailable);
    store.ping().await.unwrap();
    assert_eq!(registry.lines(), ["GET /v2/", "GET /v2/"]);
}

#[tokio::test]
async fn the_trace_goes_on_at_the_registry() {
    let provider = opentelemetry_sdk::trace::SdkTracerProvider::builder().build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    let subscriber = tracing_subscriber::registry().with(layer);
    let registry = Registry::start(|_| Answer::status(200).length(0)).await;
    let store = registry.store();
    let guard = tracing::subscriber::set_default(subscriber);
    async { store.head_blob(REPOSITORY, &Digest::of(b"")).await }
        .instrument(tracing::info_span!("request"))
        .await
        .unwrap();
    drop(guard);
    let received = registry.received();
    let fields: Vec<&str> = received[0].header("traceparent").split('-').collect();
    assert_eq!(fields.iter().map(|field| field.len()).collect::<Vec<_>>(), [2, 32, 16, 2]);
}

#[tokio::test]
async fn a_manifest_is_checked_against_its_digest() {
    let registry = Registry::start(|_| Answer::status(200).header("content-type", "text/x").body("{}")).await;
    let store = registry.store();
    let manifest = store.get_manifest("a/b", "latest").await.unwrap().unwrap();
    assert_eq!((manifest.media_type.as_str(), manifest.digest), ("text/x", Digest::of(b"{}")));
    log(store.get_manifest("a/b", &Digest::of(b"other").to_string()).await, Code::InternalError);
}

#[tokio::test]
async fn referrers_are_read_page_by_page_filtered_and_without_doubles() {
    let page = |digest: char, kind: &str| {
        format!(
            "{{\"schemaVersion\":2,\"manifests\":[{{\"mediaType\":\"m\",\"digest\":\"{digest}\",\"size\":1,\"artifactType\":\"{kind}\"}}]}}"
        )
    };
    let registry = Registry::start(move |request| {
        let next = |n: u8| format!("</v2/a/referrers/x?page={n}>; rel=\"next\"");
        match request.target.rsplit('=').next().unwrap() {
            "1" => Answer::status(200).header("link", next(2)).body(page('b', "other")),
            "2" => Answer::status(200).body(page('a', "wanted")),
            _ => Answer::status(200).header("link", next(1)).body(page('a', "wanted")),
        }
    })
    .await;
    let (store, subject) = (registry.store(), Digest::of(b"subject"));
    let digests = |found: Vec<Descriptor>| found.into_iter().map(|d| d.digest).collect::<Vec<_>>();
    assert_eq!(digests(store.referrers("a", &subject, Some("wanted")).await.unwrap()), ["a"]);
    assert_eq!(digests(store.referrers("a", &subject, None).await.unwrap()), ["a", "b"]);
}

#[tokio::test]
async fn endless_pages_of_referrers_are_not_followed_for_ever() {
    let registry = Registry::start(|_| {
        Answer::status(200).header("link", "</v2/a/referrers/x?n=1>; rel=\"next\"").body("{\"manifests\":[]}")
    })
    .await;
    log(registry.store().referrers("a", &Digest::of(b""), None).await, Code::InternalError);
}

#[tokio::test]
async fn a_catalog_says_whether_there_is_more() {
    let registry = Registry::start(|request| {
        let answer = Answer::status(200).body("{\"repositories\":[\"a\",\"b\"]}");
        if request.target.contains("last") {
            answer
        } else {
            answer.header("link", "</v2/_catalog?last=b>; rel=\"next\"")
        }
    })
    .await;
    let store = registry.store();
    assert_eq!(store.catalog("", 2).await.unwrap(), (vec!["a".to_owned(), "b".to_owned()], true));
    assert!(!store.catalog("x/y", 2).await.unwrap().1);
    assert_eq!(registry.lines(), ["GET /v2/_catalog?n=2", "GET /v2/_catalog?n=2&last=x%2Fy"]);
}

#[tokio::test]
async fn an_endless_document_is_not_read_for_ever() {
    let registry = Registry::start(|_| Answer::status(200).body(vec![b' '; (16 << 20) + 1])).await;
    log(registry.store().get_manifest("a", "b").await, Code::InternalError);
}
