//! The trial: everybody tries, and what they must not reach is looked at before and after.

use std::collections::BTreeSet;

use http::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use zas_proxy::gateway::Door;

use super::ask::{Answer, Ask};
use super::case::{Attempt, Case, Says, Who};
use super::sidecar::Sidecar;
use super::{FOR_EVERYBODY, NOT_TRIED};

/// Tries every case, and makes sure that there is one for each operation.
pub(crate) async fn try_all(sidecar: &Sidecar, operations: &BTreeSet<String>, cases: Vec<Case>) {
    let tried: BTreeSet<&str> = cases.iter().map(|case| case.operation.as_str()).collect();
    let everybodys = |operation: &str| FOR_EVERYBODY.iter().any(|(name, _)| *name == operation);
    for operation in operations.iter().map(String::as_str).filter(|operation| !everybodys(operation)) {
        assert!(tried.contains(operation) || NOT_TRIED.contains(&operation), "{operation} has no case here");
    }
    for operation in &tried {
        assert!(operations.contains(*operation), "there is no operation {operation}");
    }
    hand_out_rights(sidecar, &cases).await;
    for case in &cases {
        let mut before = State::of(sidecar).await;
        for attempt in &case.refused {
            before = refused(sidecar, case, attempt, before).await;
        }
        let answer = ask(sidecar, case, &case.allowed).await;
        let is_forwarded = sidecar.registry.total_requests() > before.requests || !case.is_forwarded;
        let is_done = answer.status == case.success && (case.is_done)(&answer) && is_forwarded;
        assert!(is_done, "{} by {:?}: {answer:?}", case.operation, case.allowed);
        assert_on_record(sidecar, case, &answer).await;
    }
}

/// What was done left a record of who has done it, committed before they heard of it.
async fn assert_on_record(sidecar: &Sidecar, case: &Case, answer: &Answer) {
    let records = sidecar.records(answer.header("x-request-id")).await;
    // What it needs, each of which somebody lacked before.
    let denied = case.refused.iter().filter_map(|attempt| attempt.denied);
    let needed: Vec<String> = denied.chain(case.recorded).map(|action| action.as_str().to_owned()).collect();
    let tells = |record: &Value| match &case.allowed {
        Who::Person { name, .. } => {
            record["kind"] != "denial"
                && record["decision"] == "allow"
                && record["principal"] == format!("user/{name}")
                && record["action"]
                    .as_str()
                    .is_some_and(|action| needed.is_empty() || needed.iter().any(|one| one == action))
        }
        // An issuer asks, and no principal.
        Who::Nobody | Who::Holder { .. } => record["kind"] == "operation" && record["issuer"].is_string(),
    };
    assert!(records.iter().any(tells), "{} left no record: {records:?}", case.operation);
}

/// Policies for everybody of all cases, read at once.
async fn hand_out_rights(sidecar: &Sidecar, cases: &[Case]) {
    let people = cases.iter().flat_map(|case| case.refused.iter().map(|attempt| &attempt.who).chain([&case.allowed]));
    for who in people {
        if let Who::Person { name, policy: Some(policy) } = who {
            sidecar.attach(name, policy, &Who::group(name)).await;
        }
    }
    sidecar.refresh().await;
}

async fn refused(sidecar: &Sidecar, case: &Case, attempt: &Attempt, before: State) -> State {
    let answer = ask(sidecar, case, &attempt.who).await;
    let place = format!("{} by {:?}: {answer:?}", case.operation, attempt.who);
    match attempt.says {
        Says::Denied => assert!(is_denial(case, &answer), "{place}"),
        Says::WhoAreYou => assert!(is_question(case, &answer), "{place}"),
        Says::This(status, holds) => assert!(answer.status == status && holds(&answer), "{place}"),
    }
    let records = sidecar.records(answer.header("x-request-id")).await;
    let denials: Vec<&Value> = records.iter().filter(|record| record["kind"] == "denial").collect();
    match (attempt.denied, &attempt.who, denials.as_slice()) {
        (None, _, []) => {}
        (Some(action), Who::Person { name, .. }, [denial]) => {
            assert_eq!(denial["action"], action.as_str(), "{place}");
            assert_eq!(denial["principal"], format!("user/{name}"), "{place}");
            assert_eq!((&denial["decision"], &denial["status"]), (&json!("deny"), &json!(403)), "{place}");
        }
        (wanted, _, found) => panic!("wanted a record of {wanted:?}, found {found:?}: {place}"),
    }
    let after = State::of(sidecar).await;
    assert_eq!(after.requests, before.requests + attempt.upstream, "the registry was reached: {place}");
    assert_eq!(after.index, before.index, "the index was changed: {place}");
    after
}

/// What must stay as it is.
struct State {
    requests: u64,
    index: String,
}

impl State {
    async fn of(sidecar: &Sidecar) -> Self {
        Self { requests: sidecar.registry.total_requests(), index: index(&sidecar.pool).await }
    }
}

/// A digest of every table but those of the audit log, which grows with each refusal, and what the worker of lifecycle rules writes by
/// itself.
async fn index(pool: &PgPool) -> String {
    let tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE 'audit%' \
                  AND tablename <> 'lifecycle_passes' ORDER BY 1";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(pool).await.unwrap();
    let one = |table: &String| {
        format!(
            "SELECT '{table} ' || coalesce(md5(string_agg(row::text, ',' ORDER BY row::text)), '') AS one FROM \"{table}\" AS row"
        )
    };
    let all = tables.iter().map(one).collect::<Vec<_>>().join(" UNION ALL ");
    let digests = format!("SELECT string_agg(one, '; ') FROM ({all}) AS tables");
    sqlx::query_scalar(sqlx::AssertSqlSafe(digests)).fetch_one(pool).await.unwrap()
}

/// The request of somebody: the token stands in the form, where the form has a place for it, or in the header.
async fn ask(sidecar: &Sidecar, case: &Case, who: &Who) -> Answer {
    const PLACE: &str = "%7Btoken%7D";
    let token = match who {
        Who::Nobody => None,
        Who::Person { name, .. } => Some(sidecar.token(name, &[&Who::group(name)])),
        Who::Holder { token } => Some(token.clone()),
    };
    if case.ask.body.contains(PLACE) {
        let body = case.ask.body.replace(PLACE, &token.unwrap_or_default());
        return sidecar.send(&Ask { body, ..case.ask.clone() }, None).await;
    }
    sidecar.send(&case.ask, token.map(|token| format!("Bearer {token}")).as_deref()).await
}

/// Whether an answer is the refusal of somebody who may not.
fn is_denial(case: &Case, answer: &Answer) -> bool {
    answer.status == 403 && (case.ask.method == Method::HEAD || code(case.door, answer) == denial_code(case.door))
}

const fn denial_code(door: Door) -> &'static str {
    match door {
        Door::S3 | Door::Sts => "AccessDenied",
        Door::Oci | Door::Token => "DENIED",
        Door::Rest | Door::Logout => "access_denied",
    }
}

/// Whether an answer asks who that is. S3 and STS know no such question.
fn is_question(case: &Case, answer: &Answer) -> bool {
    let is_head = case.ask.method == Method::HEAD;
    let is =
        |status: u16, code_wanted: &str| answer.status == status && (is_head || code(case.door, answer) == code_wanted);
    match case.door {
        Door::S3 => is(403, "AccessDenied"),
        Door::Sts => is(403, "MissingAuthenticationToken"),
        Door::Rest | Door::Logout => is(401, "unauthenticated"),
        Door::Oci | Door::Token => is(401, "UNAUTHORIZED") && answer.headers.contains_key("www-authenticate"),
    }
}

fn code(door: Door, answer: &Answer) -> String {
    match door {
        Door::S3 | Door::Sts => answer.element("Code"),
        Door::Oci | Door::Token => answer.json()["errors"][0]["code"].as_str().unwrap_or_default().to_owned(),
        Door::Rest | Door::Logout => answer.json()["code"].as_str().unwrap_or_default().to_owned(),
    }
}
