use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

use super::world::World;
use crate::audit::Webhook;
use crate::config::{AuditFormat, AuditWebhook, PrivateUrl, Secret};

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

async fn setup(world: &World, receiver: &Receiver) -> Webhook {
    let config = AuditWebhook {
        name: "siem".to_owned(),
        url: PrivateUrl::new(receiver.start().await),
        format: AuditFormat::Jsonl,
        secret: Some(Secret::new("a secret of the two")),
        secret_file: None,
    };
    Webhook::new(world.index.clone(), &config).unwrap()
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
