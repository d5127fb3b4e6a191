use bytes::Bytes;
use futures::StreamExt;
use http::Method;
use zas_registry::{Fault, FaultKind, Options, Registry, Route, Server};

use super::*;
use crate::config::Secret;
use crate::index::{NewBucket, Quota};
use crate::postgres::testing;

#[tokio::test]
async fn an_upload_that_is_given_up_at_the_end_is_cancelled_before_the_service_ends() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::open(folder.path(), Options::default()).unwrap();
    let server = Server::start(registry.clone(), "127.0.0.1:0".parse().unwrap()).await.unwrap();
    let database = testing::database().await.unwrap();
    let mut config = Config::default();
    config.listen.address = "127.0.0.1:0".to_owned();
    config.database.url = Secret::new(database.url());
    config.store.url = format!("http://{}", server.local_addr());
    config.drain.grace = Duration::ZERO;
    let service = Service::start(config).await.unwrap();
    let app = Arc::clone(service.app());
    let bucket = NewBucket {
        name: "b",
        region: "r",
        owner: "o",
        store: "default",
        prefix: "s3",
        shards: 4,
        quota: Quota::default(),
        object_lock: false,
        audit: &[],
    };
    app.index.create_bucket(bucket).await.unwrap();

    let endless = futures::stream::iter([Ok(Bytes::from("x"))]).chain(futures::stream::pending());
    let mut put = Box::pin(app.blobs.put_stream("b", Box::pin(endless), || Ok(())));
    while registry.faults().requests_with(Route::Upload, &Method::PATCH) == 0 {
        assert!(tokio::time::timeout(Duration::from_millis(10), &mut put).await.is_err(), "an endless body ends");
    }
    // Long enough that it cannot be over by chance when the service has ended.
    let slow = Fault::on(Route::Upload, FaultKind::Delay(Duration::from_millis(500)));
    registry.faults().inject(slow.method(Method::DELETE));
    drop(put);
    let stop = CancellationToken::new();
    stop.cancel();
    service.run(stop).await;

    let pool = database.pool().unwrap();
    let sessions: i64 = sqlx::query_scalar("SELECT count(*) FROM store_sessions").fetch_one(&pool).await.unwrap();
    assert_eq!(sessions, 0);
    assert_eq!(registry.faults().requests_with(Route::Upload, &Method::DELETE), 1);
}

#[tokio::test]
async fn a_service_that_may_not_migrate_is_ready_only_when_somebody_else_has() {
    let database = testing::empty_database().await.unwrap();
    let mut config = Config::default();
    config.database.url = Secret::new(database.url());
    config.database.migrate = false;
    let app = App::new(config, Vec::new()).unwrap();

    let error = index_is_prepared(&app).await.unwrap_err();
    assert!(error.for_log().contains("zas-proxy migrate"), "{}", error.for_log());
    let stop = CancellationToken::new();
    let waiting = tokio::spawn(prepare_index(app.clone(), stop.clone()));
    assert!(!app.readiness.is_index_prepared());

    index::migrate(&database.index().unwrap()).await.unwrap();
    tokio::time::timeout(Duration::from_secs(60), app.readiness.wait_for_index()).await.unwrap();
    waiting.await.unwrap();
}
