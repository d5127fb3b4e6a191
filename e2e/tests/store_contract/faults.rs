//! What becomes of the promises when the upstream fails: an error in bounded time, or a success that is one.

use std::time::{Duration, Instant};

use http::Method;
use zas_registry::{Fault, FaultKind, Route};

use super::*;

const BODY: &[u8] = b"0123456789";

/// An embedded registry that holds one blob, and a client that does not wait long.
struct Failing {
    upstream: Embedded,
    store: Store,
    digest: Digest,
}

impl Failing {
    async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    async fn start_with(change: impl FnOnce(&mut config::Store)) -> Self {
        let upstream = Embedded::start().await;
        let store = store_with(&upstream.url, |config| {
            config.response_timeout = Duration::from_millis(500);
            config.stall_timeout = Duration::from_millis(500);
            config.retry.first_delay = Duration::from_millis(1);
            change(config);
        });
        let digest = Digest::of(BODY);
        store.put_blob("s3/b/00", &digest, Bytes::from_static(BODY)).await.unwrap();
        Self { upstream, store, digest }
    }

    fn inject(&self, fault: Fault) -> zas_registry::Injected {
        self.upstream.registry.faults().inject(fault)
    }

    async fn get(&self) -> Result<Vec<u8>> {
        all(self.store.get_blob("s3/b/00", &self.digest, 10, 0..10).await?).await
    }

    async fn put(&self, body: &'static [u8]) -> Result<()> {
        self.store.put_blob("s3/b/00", &Digest::of(body), Bytes::from_static(body)).await
    }
}

#[tokio::test]
async fn a_write_whose_answer_was_cut_off_is_done_once_more_and_acknowledged() {
    let failing = Failing::start().await;
    let fault = failing.inject(Fault::on(Route::UploadStart, FaultKind::CutConnection { after_bytes: 0 }).times(1));
    failing.put(b"cut").await.unwrap();
    assert_eq!(fault.hits(), 1);
    assert_eq!(failing.store.head_blob("s3/b/00", &Digest::of(b"cut")).await.unwrap(), Some(3));
}

#[tokio::test]
async fn a_write_that_was_cut_in_mid_body_is_done_again() {
    let failing = Failing::start().await;
    let fault = failing.inject(Fault::on(Route::UploadStart, FaultKind::CutUpload { after_bytes: 2 }).times(2));
    failing.put(b"cut in the middle").await.unwrap();
    assert_eq!(fault.hits(), 2);
}

#[tokio::test]
async fn an_upstream_that_answers_500_for_a_while_is_not_noticed() {
    let failing = Failing::start().await;
    failing.inject(Fault::everywhere(FaultKind::Status(500)).times(2));
    assert_eq!(failing.get().await.unwrap(), BODY);
    failing.inject(Fault::everywhere(FaultKind::Status(503)).times(2));
    failing.put(b"anyway").await.unwrap();
}

#[tokio::test]
async fn an_upstream_that_answers_500_is_unavailable_and_nothing_is_acknowledged() {
    let failing = Failing::start().await;
    failing.inject(Fault::everywhere(FaultKind::Status(500)));
    assert_eq!(code(failing.put(b"never").await), Code::UpstreamUnavailable);
    assert_eq!(code(failing.get().await), Code::UpstreamUnavailable);
    failing.upstream.registry.faults().clear();
    assert_eq!(failing.store.ping().await.map_err(|error| error.for_log()), Ok(()));
}

#[tokio::test]
async fn an_upstream_that_hangs_is_unavailable_in_bounded_time() {
    let failing = Failing::start_with(|config| config.retry.deadline = Duration::from_secs(1)).await;
    failing.inject(Fault::everywhere(FaultKind::Delay(Duration::from_secs(600))));
    let begun = Instant::now();
    assert_eq!(code(failing.put(b"never").await), Code::UpstreamUnavailable);
    assert_eq!(code(failing.get().await), Code::UpstreamUnavailable);
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn an_upstream_that_is_slow_but_in_time_is_waited_for() {
    let failing = Failing::start_with(|config| config.response_timeout = Duration::from_secs(60)).await;
    failing.inject(Fault::everywhere(FaultKind::Delay(Duration::from_millis(300))));
    assert_eq!(failing.get().await.unwrap(), BODY);
}

#[tokio::test]
async fn the_breaker_opens_and_closes_by_itself() {
    let failing = Failing::start_with(|config| {
        config.retry.max_attempts = 1;
        config.breaker.failure_threshold = 2;
        config.breaker.recovery_time = Duration::from_millis(200);
    })
    .await;
    failing.inject(Fault::everywhere(FaultKind::Status(500)));
    for _ in 0..2 {
        assert_eq!(code(failing.get().await), Code::UpstreamUnavailable);
    }
    let asked = failing.upstream.registry.faults().total_requests();
    assert_eq!(code(failing.get().await), Code::UpstreamUnavailable);
    assert_eq!(failing.upstream.registry.faults().total_requests(), asked);
    failing.upstream.registry.faults().clear();
    let until = Instant::now() + Duration::from_secs(30);
    while failing.get().await.is_err() {
        assert!(Instant::now() < until, "the breaker stays open");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_read_that_is_cut_ends_in_an_error() {
    let failing = Failing::start().await;
    failing.inject(Fault::on(Route::Blob, FaultKind::CutConnection { after_bytes: 4 }).method(Method::GET));
    assert_eq!(code(failing.get().await), Code::UpstreamUnavailable);
}

#[tokio::test]
async fn a_short_body_with_correct_framing_is_an_error() {
    let failing = Failing::start().await;
    failing.inject(Fault::on(Route::Blob, FaultKind::ShortBody { bytes: 4 }).method(Method::GET));
    assert_eq!(code(failing.get().await), Code::InternalError);
}

#[tokio::test]
async fn changed_bytes_are_an_error() {
    let failing = Failing::start().await;
    failing.inject(Fault::on(Route::Blob, FaultKind::CorruptBody).method(Method::GET));
    assert_eq!(code(failing.get().await), Code::InternalError);
}

#[tokio::test]
async fn a_digest_that_was_not_asked_for_is_an_error() {
    let failing = Failing::start().await;
    failing.inject(Fault::everywhere(FaultKind::WrongDigest));
    assert_eq!(code(failing.get().await), Code::InternalError);
    assert_eq!(code(failing.put(b"as another").await), Code::InternalError);
    assert_eq!(code(failing.store.head_blob("s3/b/00", &failing.digest).await), Code::InternalError);
}

#[tokio::test]
async fn a_finish_whose_answer_was_cut_off_is_found_to_be_done() {
    let failing = Failing::start().await;
    let mut session = failing.store.start_upload("s3/b/00").await.unwrap();
    session.append(stream([Ok(Bytes::from_static(b"streamed"))])).await.unwrap();
    let cut = Fault::on(Route::Upload, FaultKind::CutConnection { after_bytes: 0 }).method(Method::PUT).times(1);
    let fault = failing.inject(cut);
    session.finish(&Digest::of(b"streamed"), 8).await.unwrap();
    assert_eq!(fault.hits(), 1);
    assert_eq!(failing.store.head_blob("s3/b/00", &Digest::of(b"streamed")).await.unwrap(), Some(8));
}

#[tokio::test]
async fn a_stream_that_the_upstream_cuts_is_unavailable_and_no_blob() {
    let failing = Failing::start().await;
    let mut session = failing.store.start_upload("s3/b/00").await.unwrap();
    failing.inject(Fault::on(Route::Upload, FaultKind::CutUpload { after_bytes: 100_000 }).method(Method::PATCH));
    let bytes = noise(1 << 20);
    let chunks: Vec<_> = bytes.chunks(10_000).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
    assert_eq!(code(session.append(stream(chunks)).await), Code::UpstreamUnavailable);
    assert_eq!(failing.store.head_blob("s3/b/00", &Digest::of(&bytes)).await.unwrap(), None);
}

#[tokio::test]
async fn an_upstream_that_is_not_there_is_unavailable() {
    let failing = Failing::start().await;
    let Failing { upstream, store, digest } = failing;
    drop(upstream);
    assert_eq!(code(store.head_blob("s3/b/00", &digest).await), Code::UpstreamUnavailable);
    assert_eq!(code(store.ping().await), Code::UpstreamUnavailable);
}
