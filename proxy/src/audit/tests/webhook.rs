use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use time::OffsetDateTime;

use super::world::World;
use crate::audit::Webhook;
use crate::config::{Audit, AuditFormat, AuditWebhook, PrivateUrl, Secret};

/// A receiver that answers 204 once its `answers` are used up, and keeps what it gets.
#[derive(Clone, Default)]
struct Receiver {
    answers: Arc<Mutex<Vec<u16>>>,
    got: Arc<Mutex<Vec<(HeaderMap, String)>>>,
}

impl Receiver {
    async fn start(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let receiver = self.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let receiver = receiver.clone();
                let service = service_fn(move |request| receiver.clone().take(request));
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        format!("http://{address}/")
    }

    async fn take(self, request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        self.got.lock().unwrap().push((parts.headers, String::from_utf8(body.to_vec()).unwrap()));
        let status = self.answers.lock().unwrap().pop().unwrap_or(204);
        let response = Response::builder().status(status).header("location", "http://127.0.0.1:1/");
        Ok(response.body(Empty::new()).unwrap())
    }

    fn lines(&self) -> Vec<String> {
        self.got.lock().unwrap().iter().flat_map(|(_, body)| body.lines().map(str::to_owned)).collect()
    }
}

async fn config(receiver: &Receiver) -> AuditWebhook {
    AuditWebhook {
        name: "siem".to_owned(),
        url: PrivateUrl::new(receiver.start().await),
        format: AuditFormat::Jsonl,
        secret: Some(Secret::new("a secret of the two")),
        secret_file: None,
    }
}

async fn setup(world: &World, receiver: &Receiver) -> Webhook {
    Webhook::new(world.index.clone(), &config(receiver).await).unwrap()
}

/// A webhook that was asked for, three records that it was not told of, and a day's retention that ended yesterday.
async fn with_an_old_day() -> (World, Receiver, Webhook) {
    let receiver = Receiver::default();
    let config = config(&receiver).await;
    let world = World::with_webhooks(vec![config.clone()]).await;
    let webhook = Webhook::new(world.index.clone(), &config).unwrap();
    webhook.round().await.unwrap();
    for i in 0..3 {
        world.record(&format!("old-{i}")).await;
    }
    world.seal().await;
    let retention = i64::try_from(Audit::default().retention.as_secs() / 86_400).unwrap();
    super::retention::age(&world, retention + 2).await;
    (world, receiver, webhook)
}

#[tokio::test]
async fn a_day_goes_when_every_webhook_was_told_of_it() {
    let (world, receiver, webhook) = with_an_old_day().await;
    let now = OffsetDateTime::now_utc();
    assert_eq!(world.keeper.retire(now).await.unwrap(), 0, "it waits");
    webhook.round().await.unwrap();
    assert_eq!(receiver.lines().len(), 3);
    assert_eq!(world.keeper.retire(now).await.unwrap(), 1);
    assert_eq!(world.text("SELECT count(*)::text FROM audit_event WHERE kind = 'gap'").await, "0");
}

#[tokio::test]
async fn what_goes_before_a_webhook_was_told_is_counted_in_a_gap_of_which_it_is_told() {
    let (world, receiver, webhook) = with_an_old_day().await;
    let week = time::Duration::days(7);
    assert_eq!(world.keeper.retire(OffsetDateTime::now_utc() + week).await.unwrap(), 1);
    let gap = "SELECT (record::json->>'lost') || ' ' || (record::json->>'note') FROM audit_event WHERE kind = 'gap'";
    assert_eq!(world.text(gap).await, "3 retired before the webhook siem was told");
    world.record("new").await;
    world.seal().await;
    webhook.round().await.unwrap();
    let lines = receiver.lines();
    assert_eq!(lines.len(), 3, "the tombstone, the gap, and what is new: {lines:?}");
    assert!(lines.iter().any(|line| line.contains(r#""kind":"gap""#)), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("old-")), "{lines:?}");
}

#[tokio::test]
async fn nobody_waits_for_a_webhook_that_never_asked() {
    let receiver = Receiver::default();
    let world = World::with_webhooks(vec![config(&receiver).await]).await;
    world.record("old").await;
    world.seal().await;
    super::retention::age(&world, 500).await;
    assert_eq!(world.keeper.retire(OffsetDateTime::now_utc()).await.unwrap(), 1);
    assert_eq!(world.text("SELECT count(*)::text FROM audit_event WHERE kind = 'gap'").await, "0");
}

#[tokio::test]
async fn every_record_from_then_on_is_told_once_it_is_taken() {
    let world = World::with_records().await;
    let receiver = Receiver::default();
    let webhook = setup(&world, &receiver).await;
    webhook.round().await.unwrap();
    assert!(receiver.lines().is_empty(), "what was before is not told");
    let mut wanted = Vec::new();
    for i in 0..5 {
        wanted.push(world.record(&i.to_string()).await.canonical(world.index.writer()));
    }
    world.seal().await;
    webhook.round().await.unwrap();
    webhook.round().await.unwrap();
    assert_eq!(receiver.lines(), wanted);
}

#[tokio::test]
async fn what_is_not_taken_is_told_again_and_a_redirect_is_not_followed() {
    let world = World::new().await;
    let receiver = Receiver::default();
    let webhook = setup(&world, &receiver).await;
    webhook.round().await.unwrap();
    let record = world.record("k").await.canonical(world.index.writer());
    world.seal().await;
    receiver.answers.lock().unwrap().extend([307, 500]);
    webhook.round().await.unwrap_err();
    webhook.round().await.unwrap_err();
    webhook.round().await.unwrap();
    assert_eq!(receiver.lines(), [record.clone(), record.clone(), record]);
}

#[tokio::test]
async fn each_body_is_signed() {
    let world = World::new().await;
    let receiver = Receiver::default();
    let webhook = setup(&world, &receiver).await;
    webhook.round().await.unwrap();
    world.record("k").await;
    world.seal().await;
    webhook.round().await.unwrap();
    let got = receiver.got.lock().unwrap();
    let (headers, body) = got.first().unwrap();
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, b"a secret of the two");
    let tag = hex::encode(aws_lc_rs::hmac::sign(&key, body.as_bytes()).as_ref());
    assert_eq!(headers["x-zas-signature"], format!("sha256={tag}"));
}

#[tokio::test]
async fn one_process_at_a_time_tells() {
    let world = World::new().await;
    let receiver = Receiver::default();
    let webhook = setup(&world, &receiver).await;
    webhook.round().await.unwrap();
    world.record("k").await;
    world.seal().await;
    let config = AuditWebhook {
        name: "siem".to_owned(),
        url: PrivateUrl::new(receiver.start().await),
        format: AuditFormat::Ocsf,
        secret: None,
        secret_file: None,
    };
    let other = Webhook::new(world.database.index().unwrap(), &config).unwrap();
    other.round().await.unwrap();
    assert!(receiver.lines().is_empty(), "the first one holds the lease");
    webhook.round().await.unwrap();
    assert_eq!(receiver.lines().len(), 1);
}
