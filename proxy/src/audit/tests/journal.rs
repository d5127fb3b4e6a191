use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::audit::{Journal, Kind, Record};
use crate::config::{Audit, AuditReads};
use crate::error::Code;
use crate::index::Index;
use crate::postgres::testing::{self, TestDatabase};

struct World {
    database: TestDatabase,
    index: Index,
}

impl World {
    async fn new() -> Self {
        let database = testing::database().await.unwrap();
        Self { index: database.index().unwrap(), database }
    }

    async fn count(&self, kind: &str) -> i64 {
        let query = sqlx::query_scalar("SELECT count(*) FROM audit_event WHERE kind = $1").bind(kind.to_owned());
        query.fetch_one(&self.database.pool().unwrap()).await.unwrap()
    }
}

fn config(queue: u32, reads: AuditReads) -> Audit {
    Audit { queue, reads, queue_timeout: Duration::from_millis(200), ..Audit::default() }
}

fn run(journal: &Journal) -> (CancellationToken, tokio::task::JoinHandle<()>) {
    let (stop, journal) = (CancellationToken::new(), journal.clone());
    let stopped = stop.clone();
    (stop, tokio::spawn(async move { journal.run(stopped).await }))
}

#[tokio::test]
async fn what_is_in_the_queue_is_written_before_the_end() {
    let world = World::new().await;
    let journal = Journal::new(world.index.clone(), &config(2000, AuditReads::Queued));
    for _ in 0..1234 {
        journal.record(Record::new(Kind::Denial)).await.unwrap();
    }
    let (stop, running) = run(&journal);
    stop.cancel();
    running.await.unwrap();
    assert_eq!(world.count("denial").await, 1234);
    assert_eq!(journal.lost(), 0);
}

#[tokio::test]
async fn an_intent_is_committed_when_it_returns() {
    let world = World::new().await;
    let journal = Journal::new(world.index.clone(), &config(10, AuditReads::Queued));
    let (stop, running) = run(&journal);
    let intent = Record::new(Kind::Intent);
    journal.intent(intent.clone()).await.unwrap();
    assert_eq!(world.count("intent").await, 1);
    journal.outcome(Record::new(Kind::Outcome).of_intent(intent.id())).await.unwrap();
    stop.cancel();
    running.await.unwrap();
    let open: i64 = sqlx::query_scalar("SELECT count(*) FROM audit_intent")
        .fetch_one(&world.database.pool().unwrap())
        .await
        .unwrap();
    assert_eq!((open, world.count("outcome").await), (0, 1));
}

#[tokio::test]
async fn an_intent_that_is_committed_too_late_has_the_outcome_that_nothing_was_forwarded() {
    let world = World::new().await;
    let journal = Journal::new(world.index.clone(), &config(1, AuditReads::Queued));
    // Nobody writes so far: the first waits in the queue, and the second finds no room there.
    for reference in ["v1", "v2"] {
        let intent = Record::new(Kind::Intent).reference(reference);
        assert_eq!(journal.intent(intent).await.unwrap_err().code(), Code::SlowDown);
    }
    let (stop, running) = run(&journal);
    stop.cancel();
    running.await.unwrap();
    let query = "SELECT record::json->>'reference' || ' ' || (record::json->>'outcome') FROM audit_event
                 WHERE kind = 'outcome'";
    let pool = world.database.pool().unwrap();
    let outcomes: Vec<String> = sqlx::query_scalar(query).fetch_all(&pool).await.unwrap();
    let open: i64 = sqlx::query_scalar("SELECT count(*) FROM audit_intent").fetch_one(&pool).await.unwrap();
    assert_eq!((outcomes, open), (vec!["v1 not_forwarded".to_owned()], 0));
    assert_eq!((world.count("intent").await, world.count("gap").await), (1, 1));
}

#[tokio::test]
async fn an_intent_in_doubt_stays_open_and_is_marked() {
    let world = World::new().await;
    let journal = Journal::new(world.index.clone(), &config(10, AuditReads::Queued));
    let (stop, running) = run(&journal);
    let intents = [Record::new(Kind::Intent), Record::new(Kind::Intent)];
    for intent in &intents {
        journal.intent(intent.clone()).await.unwrap();
    }
    journal.doubt(intents[0].id());
    stop.cancel();
    running.await.unwrap();
    let doubted: Vec<uuid::Uuid> = sqlx::query_scalar("SELECT id FROM audit_intent WHERE doubted")
        .fetch_all(&world.database.pool().unwrap())
        .await
        .unwrap();
    assert_eq!(doubted, [intents[0].id()]);
}

#[tokio::test]
async fn who_is_denied_too_often_is_on_record_once_with_how_often_it_was() {
    let world = World::new().await;
    let journal = Journal::new(world.index.clone(), &config(1, AuditReads::Queued));
    let alice = zas_policy::Principal::root("AKIA");
    for _ in 0..1000 {
        journal.denied_too_often(&alice, Some([192, 0, 2, 1].into()));
    }
    let (stop, running) = run(&journal);
    stop.cancel();
    running.await.unwrap();
    let lost: Vec<i64> = sqlx::query_scalar(
        "SELECT (record::json->>'lost')::bigint FROM audit_event WHERE kind = 'denial' AND principal = 'root/AKIA'",
    )
    .fetch_all(&world.database.pool().unwrap())
    .await
    .unwrap();
    assert_eq!((lost, world.count("gap").await), (vec![1000], 0));
}

#[tokio::test]
async fn in_strict_mode_a_read_waits_for_its_record() {
    let world = World::new().await;
    let journal = Journal::new(world.index.clone(), &config(10, AuditReads::Strict));
    // Nobody writes: the read must be refused.
    let refused = journal.record(Record::new(Kind::Operation)).await.unwrap_err();
    assert_eq!(refused.code(), Code::SlowDown);
    let (stop, running) = run(&journal);
    journal.record(Record::new(Kind::Login)).await.unwrap();
    assert_eq!(world.count("login").await, 1);
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn a_full_queue_refuses_and_the_loss_is_on_record() {
    let world = World::new().await;
    let journal = Journal::new(world.index.clone(), &config(3, AuditReads::Queued));
    for _ in 0..3 {
        journal.record(Record::new(Kind::Denial)).await.unwrap();
    }
    assert_eq!(journal.record(Record::new(Kind::Denial)).await.unwrap_err().code(), Code::SlowDown);
    assert!(!journal.offer(Record::new(Kind::Denial)));
    let given_up = tokio::time::timeout(Duration::from_millis(1), journal.record(Record::new(Kind::Denial))).await;
    assert!(given_up.is_err(), "its request went away while it waited");
    assert_eq!(journal.lost(), 3);
    let (stop, running) = run(&journal);
    stop.cancel();
    running.await.unwrap();
    let lost: i64 = sqlx::query_scalar("SELECT (record::json->>'lost')::bigint FROM audit_event WHERE kind = 'gap'")
        .fetch_one(&world.database.pool().unwrap())
        .await
        .unwrap();
    assert_eq!((lost, journal.lost(), world.count("denial").await), (3, 0, 3));
}

#[tokio::test]
async fn while_postgres_is_away_records_wait_and_none_is_lost() {
    let world = World::new().await;
    let pool = world.database.pool().unwrap();
    let failing = "CREATE FUNCTION away() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'disk full' USING ERRCODE = '53100'; END $$";
    sqlx::query(failing).execute(&pool).await.unwrap();
    sqlx::query("CREATE TRIGGER away BEFORE INSERT ON audit_event FOR EACH ROW EXECUTE FUNCTION away()")
        .execute(&pool)
        .await
        .unwrap();
    let journal = Journal::new(world.index.clone(), &config(2, AuditReads::Queued));
    let (stop, running) = run(&journal);
    let mut accepted = 0;
    // One batch is with the writer, and the queue is short: then callers are refused.
    while journal.record(Record::new(Kind::Denial)).await.is_ok() {
        accepted += 1;
        assert!(accepted < 5000, "nobody is ever refused");
    }
    sqlx::query("DROP TRIGGER away ON audit_event").execute(&pool).await.unwrap();
    stop.cancel();
    running.await.unwrap();
    assert_eq!(world.count("denial").await, accepted);
    assert_eq!(world.count("gap").await, 1);
}

#[tokio::test]
async fn a_journal_that_is_told_to_end_while_postgres_is_away_ends_when_it_is_back() {
    let world = World::new().await;
    let pool = world.database.pool().unwrap();
    let failing = "CREATE FUNCTION away() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'disk full' USING ERRCODE = '53100'; END $$";
    sqlx::query(failing).execute(&pool).await.unwrap();
    let trigger = "CREATE TRIGGER away BEFORE INSERT ON audit_event FOR EACH ROW EXECUTE FUNCTION away()";
    sqlx::query(trigger).execute(&pool).await.unwrap();
    let journal = Journal::new(world.index.clone(), &config(10, AuditReads::Queued));
    let (stop, running) = run(&journal);
    journal.record(Record::new(Kind::Denial)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    stop.cancel();
    // Long enough for another attempt, which sees that it is to end.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    sqlx::query("DROP TRIGGER away ON audit_event").execute(&pool).await.unwrap();
    tokio::time::timeout(Duration::from_secs(60), running).await.expect("it ends").unwrap();
    assert_eq!((world.count("denial").await, journal.lost()), (1, 0));
}

#[tokio::test]
async fn one_record_that_postgres_refuses_does_not_keep_the_others_out() {
    let world = World::new().await;
    let pool = world.database.pool().unwrap();
    let check = "ALTER TABLE audit_event ADD CONSTRAINT picky CHECK (action IS DISTINCT FROM 'poison')";
    sqlx::query(check).execute(&pool).await.unwrap();
    let journal = Journal::new(world.index.clone(), &config(10, AuditReads::Queued));
    for action in ["a", "poison", "b"] {
        journal.record(Record::new(Kind::Operation).action(action)).await.unwrap();
    }
    let (stop, running) = run(&journal);
    stop.cancel();
    running.await.unwrap();
    assert_eq!((world.count("operation").await, world.count("gap").await), (2, 1));
}

#[tokio::test]
async fn behind_a_record_that_postgres_refuses_the_others_wait_while_it_is_away() {
    let world = World::new().await;
    let pool = world.database.pool().unwrap();
    // A sequence goes on where a transaction is undone: of those that are tried one by one the first two find no room.
    let failing = "
        CREATE SEQUENCE attempts;
        CREATE FUNCTION away() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.action = 'poison' THEN
                RAISE EXCEPTION 'no' USING ERRCODE = '23514';
            ELSIF nextval('attempts') <= 2 THEN
                RAISE EXCEPTION 'disk full' USING ERRCODE = '53100';
            END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER away BEFORE INSERT ON audit_event FOR EACH ROW EXECUTE FUNCTION away()";
    sqlx::raw_sql(failing).execute(&pool).await.unwrap();
    let journal = Journal::new(world.index.clone(), &config(10, AuditReads::Queued));
    for action in ["poison", "a", "b"] {
        journal.record(Record::new(Kind::Operation).action(action)).await.unwrap();
    }
    let (stop, running) = run(&journal);
    stop.cancel();
    running.await.unwrap();
    let lost: i64 = sqlx::query_scalar("SELECT (record::json->>'lost')::bigint FROM audit_event WHERE kind = 'gap'")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!((world.count("operation").await, lost), (2, 1));
}
