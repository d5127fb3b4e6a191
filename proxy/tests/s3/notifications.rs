//! Whom a bucket tells what happens to its objects, from the document that says so to the webhook that hears of it.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use zas_proxy::config::{EventFormat, EventTarget, PrivateUrl};
use zas_proxy::events::Sender;

use crate::acls::{account, by};
use crate::support::{Answer, World};

const SKIP: (&str, &str) = ("x-amz-skip-destination-validation", "true");

/// A webhook that answers with `status`, and keeps what it gets.
#[derive(Clone)]
struct Receiver {
    status: Arc<Mutex<u16>>,
    got: Arc<Mutex<Vec<Value>>>,
}

impl Receiver {
    async fn start() -> (Self, String) {
        let receiver = Self { status: Arc::new(Mutex::new(200)), got: Arc::default() };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let serving = receiver.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let receiver = serving.clone();
                let service = service_fn(move |request| receiver.clone().take(request));
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        (receiver, url)
    }

    async fn take(self, request: http::Request<Incoming>) -> Result<http::Response<Empty<Bytes>>, Infallible> {
        let body = request.into_body().collect().await.unwrap().to_bytes();
        self.got.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
        let status = *self.status.lock().unwrap();
        Ok(http::Response::builder().status(status).body(Empty::new()).unwrap())
    }

    /// What it has got since it was asked last.
    fn take_all(&self) -> Vec<Value> {
        std::mem::take(&mut *self.got.lock().unwrap())
    }
}

/// A bucket `bucket`, and a target `ci` in the configuration.
async fn world() -> (World, Receiver) {
    let (receiver, url) = Receiver::start().await;
    let world = World::with(|config| {
        config.events.targets = vec![EventTarget {
            name: "ci".to_owned(),
            url: PrivateUrl::new(url),
            format: EventFormat::S3,
            secret: None,
            secret_file: None,
        }];
    })
    .await;
    world.put("/bucket").send().await.expect(200);
    (world, receiver)
}

fn queue(id: &str, target: &str, event: &str, filter: &str) -> String {
    format!(
        "<QueueConfiguration><Id>{id}</Id><Queue>arn:zas:webhook:::{target}</Queue><Event>{event}</Event>\
         <Filter><S3Key>{filter}</S3Key></Filter></QueueConfiguration>"
    )
}

fn rule(name: &str, value: &str) -> String {
    format!("<FilterRule><Name>{name}</Name><Value>{value}</Value></FilterRule>")
}

async fn put(world: &World, configurations: &str, header: Option<(&str, &str)>) -> Answer {
    let document = format!(
        "<NotificationConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{configurations}</NotificationConfiguration>"
    );
    let mut ask = world.put("/bucket?notification").body(document);
    if let Some((name, value)) = header {
        ask = ask.header(name, value);
    }
    ask.send().await
}

/// Tells all that waits.
async fn tell(world: &World) {
    let (app, target) = (&world.app, world.app.event_targets.find("ci").await.unwrap().unwrap());
    let sender = Sender::new(app.index.clone(), app.event_targets.clone(), app.config.events.clone());
    let target = Arc::new(target);
    while sender.deliver_one(&target).await.unwrap() {}
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_is_shown_as_it_was_put_and_its_target_is_told_of_it_first() {
    let (world, receiver) = world().await;
    let filter = rule("prefix", "in/") + &rule("suffix", ".txt");
    put(&world, &queue("new", "ci", "s3:ObjectCreated:*", &filter), None).await.expect(200);
    let test = receiver.take_all();
    assert_eq!((test.len(), &test[0]["Event"], &test[0]["Bucket"]), (1, &"s3:TestEvent".into(), &"bucket".into()));
    let shown = world.get("/bucket?notification").send().await.expect(200);
    assert_eq!(shown.elements("Id"), ["new"]);
    assert_eq!(shown.elements("Queue"), ["arn:zas:webhook:::ci"]);
    assert_eq!(shown.elements("Event"), ["s3:ObjectCreated:*"]);
    assert_eq!(
        (shown.elements("Name"), shown.elements("Value")),
        (vec!["prefix".into(), "suffix".into()], vec!["in/".to_owned(), ".txt".into()])
    );

    put(&world, "", None).await.expect(200);
    assert!(!world.get("/bucket?notification").send().await.expect(200).text().contains("<Queue"));
    assert_eq!(world.count("event_rules").await, 0);
    world.get("/nowhere?notification").send().await.expect_error(404, "NoSuchBucket");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_not_there_or_takes_nothing_is_refused_and_nothing_is_changed() {
    let (world, receiver) = world().await;
    put(&world, &queue("first", "ci", "s3:ObjectCreated:*", ""), None).await.expect(200);
    *receiver.status.lock().unwrap() = 500;
    let all = |target: &str| queue("second", target, "s3:ObjectRemoved:*", "");
    let text = "Unable to validate the following destination configurations";
    for (target, header) in [("ci", None), ("none", None), ("none", Some(SKIP)), ("a:b", Some(SKIP))] {
        let refused = put(&world, &all(target), header).await.expect_error(400, "InvalidArgument");
        assert_eq!(refused.element("Message"), text, "{target} {header:?}");
        assert_eq!(world.get("/bucket?notification").send().await.expect(200).elements("Id"), ["first"]);
    }
    receiver.take_all();
    put(&world, &all("ci"), Some(SKIP)).await.expect(200);
    assert!(receiver.take_all().is_empty(), "nobody was asked");
    assert_eq!(world.get("/bucket?notification").send().await.expect(200).elements("Id"), ["second"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn configurations_that_aws_refuses_are_refused_in_its_words() {
    let (world, _) = world().await;
    let created = |id: &str, filter: &str| queue(id, "ci", "s3:ObjectCreated:*", filter);
    for (configurations, says) in [
        (created("a", "") + &created("b", ""), "Configurations overlap"),
        (created("a", &rule("prefix", "in/")) + &created("b", &rule("prefix", "in/x")), "ambiguously defined"),
        (created("a", "") + &created("a", ""), "Same ID used"),
        (queue("a", "ci", "s3:ObjectRenamed:*", ""), "not supported for notifications"),
        (created("a", &rule("infix", "x")), "must be either prefix or suffix"),
    ] {
        let refused = put(&world, &configurations, None).await.expect_error(400, "InvalidArgument");
        assert!(refused.element("Message").contains(says), "{}", refused.text());
    }
    put(&world, "<QueueConfiguration><Event>s3:ObjectCreated:*</Event></QueueConfiguration>", None)
        .await
        .expect_error(400, "MalformedXML");
    let apart = created("a", &rule("prefix", "in/")) + &created("b", &rule("prefix", "out/"));
    put(&world, &apart, None).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_to_objects_is_told() {
    let (world, receiver) = world().await;
    let events = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:ObjectTagging:*"];
    let all: String = events.iter().map(|event| queue(event, "ci", event, &rule("prefix", "in/"))).collect();
    put(&world, &all, Some(SKIP)).await.expect(200);

    let etag = world.put("/bucket/in/a%20b").body("abc").send().await.expect(200).etag();
    world.put("/bucket/out/a").body("abc").send().await.expect(200);
    let tags = "<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tagging>";
    world.put("/bucket/in/a%20b?tagging").body(tags).send().await.expect(200);
    world.delete("/bucket/in/a%20b?tagging").send().await.expect(204);
    world.delete("/bucket/in/a%20b").send().await.expect(204);
    tell(&world).await;
    let told = receiver.take_all();
    let records: Vec<&Value> = told.iter().map(|body| &body["Records"][0]).collect();
    let names: Vec<&str> = records.iter().map(|record| record["eventName"].as_str().unwrap()).collect();
    let in_order = ["ObjectCreated:Put", "ObjectTagging:Put", "ObjectTagging:Delete", "ObjectRemoved:Delete"];
    assert_eq!(names, in_order, "in the order in which it was done to the key");
    let object = &records[0]["s3"]["object"];
    assert_eq!((&object["key"], &object["size"], &object["eTag"]), (&"in/a+b".into(), &3.into(), &etag.into()));
    assert_eq!(records[0]["s3"]["configurationId"], "s3:ObjectCreated:*");
    let sequencers: Vec<&str> = records.iter().map(|one| one["s3"]["object"]["sequencer"].as_str().unwrap()).collect();
    assert!(sequencers.is_sorted(), "{sequencers:?}");
    assert_eq!(records[1]["userIdentity"]["principalId"], "root/AKIATEST");

    world.put("/bucket/in/copy").header("x-amz-copy-source", "/bucket/out/a").send().await.expect(200);
    tell(&world).await;
    let id = world.post("/bucket/in/parts?uploads").send().await.expect(200).element("UploadId");
    let part =
        world.put(&format!("/bucket/in/parts?partNumber=1&uploadId={id}")).body("x").send().await.expect(200).etag();
    let document = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>\"{part}\"</ETag></Part></CompleteMultipartUpload>"
    );
    world.post(&format!("/bucket/in/parts?uploadId={id}")).body(document).send().await.expect(200);
    tell(&world).await;
    let told = receiver.take_all();
    let names: Vec<&Value> = told.iter().map(|body| &body["Records"][0]["eventName"]).collect();
    assert_eq!(names, ["ObjectCreated:Copy", "ObjectCreated:CompleteMultipartUpload"]);
}

/// Key, version and principal of what was told of deletes, in the order in which it was written down.
fn deletes(told: &[Value]) -> Vec<(String, Option<String>, String)> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let mut records: Vec<&Value> = told.iter().map(|body| &body["Records"][0]).collect();
    records.retain(|record| record["eventName"] == "ObjectRemoved:Delete");
    records.sort_by_key(|record| text(&record["s3"]["object"]["sequencer"]));
    let said = |record: &Value| {
        let (object, who) = (&record["s3"]["object"], &record["userIdentity"]["principalId"]);
        (text(&object["key"]).unwrap(), text(&object["versionId"]), text(who).unwrap())
    };
    records.into_iter().map(said).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_empties_a_bucket_by_force_tells_of_each_version_in_key_order() {
    let (world, receiver) = world().await;
    put(&world, &queue("gone", "ci", "s3:ObjectRemoved:*", ""), Some(SKIP)).await.expect(200);
    let versions = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    world.put("/bucket?versioning").body(versions).send().await.expect(200);
    let mut wanted = Vec::new();
    for key in ["b", "a", "a"] {
        let stored = world.put(&format!("/bucket/{key}")).body("1").send().await.expect(200);
        let version = stored.header("x-amz-version-id").to_owned();
        wanted.push((key.to_owned(), Some(version), "root/AKIATEST".to_owned()));
    }
    // The older version of a, then what both keys hold.
    wanted.rotate_left(1);
    world.delete("/bucket").header("x-zas-force-delete", "true").send().await.expect(204);
    tell(&world).await;
    assert_eq!(deletes(&receiver.take_all()), wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deleted_at_once_is_told_in_key_order() {
    let (world, receiver) = world().await;
    put(&world, &queue("gone", "ci", "s3:ObjectRemoved:*", ""), Some(SKIP)).await.expect(200);
    let keys = ["d", "b", "c", "a"];
    for key in keys {
        world.put(&format!("/bucket/{key}")).body("1").send().await.expect(200);
    }
    let listed = keys.map(|key| format!("<Object><Key>{key}</Key></Object>")).concat();
    world.post("/bucket?delete").body(format!("<Delete>{listed}</Delete>")).send().await.expect(200);
    tell(&world).await;
    let told: Vec<String> = deletes(&receiver.take_all()).into_iter().map(|(key, ..)| key).collect();
    assert_eq!(told, ["a", "b", "c", "d"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rename_is_told_as_a_delete_by_whoever_renames() {
    let (world, receiver) = world().await;
    put(&world, &queue("gone", "ci", "s3:ObjectRemoved:*", ""), Some(SKIP)).await.expect(200);
    world.put("/bucket/old").body("1").send().await.expect(200);
    let others = "UPDATE objects SET owner = 'user/alice'";
    sqlx::raw_sql(others).execute(&world.database.pool().unwrap()).await.unwrap();
    world.put("/bucket/new?renameObject").header("x-amz-rename-source", "old").send().await.expect(200);
    tell(&world).await;
    assert_eq!(deletes(&receiver.take_all()), [("old".to_owned(), None, "root/AKIATEST".to_owned())]);
    assert_eq!(world.count("objects WHERE key = 'new' AND owner = 'user/alice'").await, 1, "its owner is who it was");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_told_to_nobody() {
    let (world, receiver) = world().await;
    put(&world, &queue("all", "ci", "s3:ObjectCreated:*", ""), Some(SKIP)).await.expect(200);
    world.put("/bucket/a").body("1").send().await.expect(200);
    world.put("/bucket/a").header("if-none-match", "*").body("2").send().await.expect_error(412, "PreconditionFailed");
    world.put("/bucket/none?tagging").body("<Tagging><TagSet/></Tagging>").send().await.expect_error(404, "NoSuchKey");
    tell(&world).await;
    assert_eq!(receiver.take_all().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_name_is_told_as_done_by_who_has_renamed_the_object() {
    let (world, receiver) = world().await;
    put(&world, &queue("all", "ci", "s3:ObjectRemoved:*", ""), Some(SKIP)).await.expect(200);
    let policy = r#"{"Statement": {"Effect": "Allow", "Principal": {"AWS": "user/service/mover"},
        "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], "Resource": "bucket/*"}}"#;
    world.put("/bucket?policy").body(policy).send().await.expect(204);
    world.put("/bucket/old").body("x").send().await.expect(200);
    let mover = account(&world, "service/mover").await;
    let rename = world.put("/bucket/new?renameObject").header("x-amz-rename-source", "old");
    by(rename, &mover).send().await.expect(200);
    tell(&world).await;
    let told = receiver.take_all();
    assert_eq!(told.len(), 1);
    let record = &told[0]["Records"][0];
    assert_eq!((&record["eventName"], &record["s3"]["object"]["key"]), (&"ObjectRemoved:Delete".into(), &"old".into()));
    assert_eq!(record["userIdentity"]["principalId"], "user/service/mover");
}
