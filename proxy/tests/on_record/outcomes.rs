//! What became of a forwarded change is what the registry says, whatever its client has heard.

use http::Method;
use zas_registry::{Fault, FaultKind};

use super::*;

const TAGGED: &str = "/v2/team/app/manifests/v1";

/// A sidecar that soon asks what became of a change, and a repository with the blob `{}`.
async fn world() -> World {
    let world = World::with(|config| config.audit.reconcile_after = Duration::from_secs(1)).await;
    assert_eq!(world.ask("POST", &format!("/v2/team/app/blobs/uploads/?digest={DIGEST}"), "{}").await.0, 201);
    world
}

impl World {
    /// The next push of a manifest goes wrong at the registry.
    fn spoil_push(&self, kind: FaultKind) {
        self.faults.inject(Fault::on(Route::Manifest, kind).method(Method::PUT).times(1));
    }

    /// The one outcome of a push under a reference, and its intent.
    async fn outcome_of(&self, reference: &str) -> (Value, Value) {
        let is = |record: &Value, kind: &str| record["kind"] == kind && record["reference"] == reference;
        let outcome = self.expect("team/app", |record| is(record, "outcome")).await;
        let records = self.records("team/app").await;
        assert_eq!(records.iter().filter(|record| is(record, "outcome")).count(), 1, "{records:#?}");
        let intent = records.into_iter().find(|record| is(record, "intent")).unwrap();
        assert_eq!(outcome["intent"], intent["id"]);
        (outcome, intent)
    }
}

#[tokio::test]
async fn what_the_registry_has_done_is_on_record_as_done_also_where_its_answer_is_not_passed_on() {
    let world = world().await;
    let pushed = manifest("one");
    let digest = Digest::of(pushed.as_bytes()).to_string();
    world.spoil_push(FaultKind::WrongDigest);
    let (status, answer) = world.ask("PUT", &format!("/v2/team/app/manifests/{digest}"), &pushed).await;
    assert_eq!(status, 503, "{answer}");
    let (outcome, intent) = world.outcome_of(&digest).await;
    assert_eq!((&outcome["status"], &outcome["outcome"]), (&201.into(), &Value::Null));
    assert_eq!(intent["upstream"], "team/app");
}

#[tokio::test]
async fn of_a_push_that_was_done_and_not_answered_the_registry_is_asked() {
    let world = world().await;
    let pushed = manifest("one");
    world.spoil_push(FaultKind::CutConnection { after_bytes: 0 });
    assert_eq!(world.ask("PUT", TAGGED, &pushed).await.0, 503);
    let (outcome, _) = world.outcome_of("v1").await;
    assert_eq!((&outcome["status"], &outcome["outcome"]), (&Value::Null, &"found".into()));
    assert_eq!(outcome["digest"], Digest::of(pushed.as_bytes()).to_string());
}

#[tokio::test]
async fn of_a_push_that_the_registry_failed_at_the_registry_is_asked() {
    let world = world().await;
    world.spoil_push(FaultKind::Status(500));
    assert_eq!(world.ask("PUT", TAGGED, &manifest("one")).await.0, 503);
    let (outcome, _) = world.outcome_of("v1").await;
    assert_eq!((&outcome["status"], &outcome["outcome"]), (&Value::Null, &"absent".into()));
}

#[tokio::test]
async fn a_push_that_the_registry_refuses_is_on_record_as_refused() {
    let world = world().await;
    world.spoil_push(FaultKind::Status(413));
    assert_eq!(world.ask("PUT", TAGGED, &manifest("one")).await.0, 413);
    assert_eq!(world.outcome_of("v1").await.0["status"], 413);
}

#[tokio::test]
async fn of_a_push_whose_client_has_hung_up_is_on_record_what_the_registry_has() {
    let world = world().await;
    world.spoil_push(FaultKind::Delay(Duration::from_millis(200)));
    let (body, credentials) = (manifest("one"), STANDARD.encode(format!("AKIA:{SECRET}")));
    let request = format!(
        "PUT {TAGGED} HTTP/1.1\r\nhost: sidecar.example\r\nauthorization: Basic {credentials}\r\n\
         content-type: {MANIFEST}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut socket = TcpStream::connect(world.address).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let arrived = async {
        while world.faults.requests_with(Route::Manifest, &Method::PUT) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, arrived).await.unwrap();
    drop(socket);
    let (outcome, _) = world.outcome_of("v1").await;
    let is_there = world.ask("GET", TAGGED, "").await.0 == 200;
    let is_done = outcome["status"] == 201 || outcome["outcome"] == "found";
    assert_eq!(is_done, is_there, "{outcome}");
    assert_ne!(outcome["status"], 0);
}

#[tokio::test]
async fn the_digest_of_a_mount_is_on_record_where_the_mount_goes_through() {
    let world = world().await;
    let mount = |from: &str| format!("/v2/team/other/blobs/uploads/?mount={DIGEST}&from={from}");
    assert_eq!(world.ask("POST", &mount("team/app"), "").await.0, 201);
    let mounted = world.expect("team/other", |record| record["kind"] == "intent").await;
    assert_eq!(mounted["digest"], DIGEST);
    assert_eq!(world.ask("POST", &mount("zas/reserved"), "").await.0, 202);
    let begun = world.expect("team/other", |record| record["kind"] == "intent" && record["id"] != mounted["id"]).await;
    assert!(begun["digest"].is_null(), "{begun}");
}

#[tokio::test]
async fn a_pull_whose_record_finds_no_room_is_refused_and_not_forwarded() {
    let world = World::with(|config| {
        config.audit.queue = 1;
        config.audit.queue_timeout = Duration::from_millis(300);
    })
    .await;
    assert_eq!(world.ask("POST", &format!("/v2/team/app/blobs/uploads/?digest={DIGEST}"), "{}").await.0, 201);
    world
        .sql(
            "CREATE FUNCTION away() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN RAISE EXCEPTION 'disk full' USING ERRCODE = '53100'; END $$;
             CREATE TRIGGER away BEFORE INSERT ON audit_event FOR EACH ROW EXECUTE FUNCTION away()",
        )
        .await;
    let pull = format!("/v2/team/app/blobs/{DIGEST}");
    let mut served = 0;
    loop {
        match world.ask("GET", &pull, "").await.0 {
            200 => served += 1,
            status => {
                assert_eq!(status, 503);
                break;
            }
        }
        assert!(served < 600, "nobody is ever refused");
    }
    assert_eq!(world.faults.requests_with(Route::Blob, &Method::GET), served);
    world.sql("DROP TRIGGER away ON audit_event").await;
    world.expect("team/app", |record| record["kind"] == "operation").await;
}
