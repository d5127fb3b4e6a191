use super::*;
use crate::audit::{Kind, Record};
use time::OffsetDateTime;

fn next(public: &[u8]) -> NextSigningKeyRow<'_> {
    NextSigningKeyRow {
        algorithm: "ecdsa-p256",
        sealed: b"sealed",
        ring_key: "one",
        public_key: public,
        valid_from: Some(OffsetDateTime::now_utc()),
        valid_to: None,
        created_by: "user/alice",
    }
}

fn first<'a>(name: &'a str, public: &'a [u8]) -> NewSigningKeyRow<'a> {
    NewSigningKeyRow { name, usage: "release", exportable: false, description: "for tests", key: next(public) }
}

impl World {
    async fn state(&self, name: &str, generation: i32) -> SigningKeyState {
        self.index.signing_key(name, generation).await.unwrap().unwrap().state
    }

    async fn set(&self, generation: i32, change: SigningKeyChange) -> Result<(), Error> {
        self.index.change_signing_key("release", generation, &change, None, &[]).await
    }
}

fn disable() -> SigningKeyChange {
    SigningKeyChange::Disable("why".into())
}

fn enable() -> SigningKeyChange {
    SigningKeyChange::Enable("why".into())
}

fn revoke() -> SigningKeyChange {
    SigningKeyChange::Revoke("why".into())
}

fn in_days(days: i64) -> OffsetDateTime {
    OffsetDateTime::now_utc() + time::Duration::days(days)
}

#[tokio::test]
async fn a_signing_key_is_given_back_as_it_was_made_and_its_name_and_key_are_taken() {
    let world = World::new().await;
    world.index.create_signing_key(first("release", b"a"), &[]).await.unwrap();
    let key = world.index.signing_key("release", 1).await.unwrap().unwrap();
    assert_eq!((key.usage.as_str(), key.state, key.version), ("release", SigningKeyState::Active, 1));
    assert_eq!((key.sealed.as_deref(), key.ring_key.as_deref()), (Some(&b"sealed"[..]), Some("one")));
    assert_code(world.index.create_signing_key(first("release", b"b"), &[]).await, Code::InvalidRequest);
    assert_code(world.index.create_signing_key(first("verdict", b"a"), &[]).await, Code::InvalidRequest);
    assert_code(world.index.rotate_signing_key("release", 2, next(b"a"), None, &[]).await, Code::InvalidRequest);
    assert_eq!(world.state("release", 1).await, SigningKeyState::Active, "a rotation that was refused changes nothing");
}

#[tokio::test]
async fn of_many_who_rotate_one_key_one_does_and_one_generation_signs() {
    let world = World::new().await;
    world.index.create_signing_key(first("release", b"a"), &[]).await.unwrap();
    let publics: Vec<Vec<u8>> = (0..8).map(|at| vec![at; 4]).collect();
    let rotations = publics.iter().map(|public| world.index.rotate_signing_key("release", 2, next(public), None, &[]));
    let outcomes = futures::future::join_all(rotations).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    for outcome in outcomes.into_iter().filter(Result::is_err) {
        assert_code(outcome, Code::PreconditionFailed);
    }
    assert_eq!(world.state("release", 1).await, SigningKeyState::Retiring);
    assert_eq!(world.index.active_signing_key("release").await.unwrap().unwrap().generation, 2);
    assert_code(world.index.rotate_signing_key("none", 2, next(b"x"), None, &[]).await, Code::NoSuchEntity);
}

#[tokio::test]
async fn an_overlap_ends_what_would_have_gone_on_and_lengthens_nothing() {
    let world = World::new().await;
    let end = |generation| {
        let index = world.index.clone();
        async move { index.signing_key("release", generation).await.unwrap().unwrap().valid_to }
    };
    let short = NextSigningKeyRow { valid_to: Some(in_days(1)), ..next(b"b") };
    world.index.create_signing_key(first("release", b"a"), &[]).await.unwrap();
    world.index.rotate_signing_key("release", 2, short, Some(in_days(30)), &[]).await.unwrap();
    assert!(end(1).await.is_some_and(|end| end > in_days(29) && end < in_days(31)));
    world.index.rotate_signing_key("release", 3, next(b"c"), Some(in_days(30)), &[]).await.unwrap();
    assert!(end(2).await.is_some_and(|end| end < in_days(2)));
    world.index.rotate_signing_key("release", 4, next(b"d"), None, &[]).await.unwrap();
    assert_eq!(end(3).await, None);
    let past = NextSigningKeyRow { valid_to: Some(in_days(-1)), ..next(b"e") };
    assert_code(world.index.rotate_signing_key("release", 5, past, None, &[]).await, Code::InvalidArgument);
    world.index.rotate_signing_key("release", 5, next(b"e"), Some(in_days(-1)), &[]).await.unwrap();
    assert!(end(4).await.is_some_and(|end| end <= OffsetDateTime::now_utc()), "the overlap is over at once");
    // Made by a replica whose clock is ahead, and rotated before it begins.
    let ahead = NextSigningKeyRow { valid_from: Some(in_days(1)), ..next(b"f") };
    world.index.rotate_signing_key("release", 6, ahead, None, &[]).await.unwrap();
    world.index.rotate_signing_key("release", 7, next(b"g"), Some(in_days(-1)), &[]).await.unwrap();
    let brought = NextSigningKeyRow { valid_from: None, ..next(b"h") };
    world.index.rotate_signing_key("release", 8, brought, None, &[]).await.unwrap();
    assert_eq!(world.index.signing_key("release", 8).await.unwrap().unwrap().valid_from, None);
}

#[tokio::test]
async fn an_overlap_ends_for_a_generation_too_that_was_disabled_when_the_next_one_came() {
    let world = World::new().await;
    world.index.create_signing_key(first("release", b"a"), &[]).await.unwrap();
    world.set(1, disable()).await.unwrap();
    world.index.rotate_signing_key("release", 2, next(b"b"), Some(in_days(-1)), &[]).await.unwrap();
    assert_eq!(world.state("release", 1).await, SigningKeyState::Disabled);
    world.set(1, enable()).await.unwrap();
    let enabled = world.index.signing_key("release", 1).await.unwrap().unwrap();
    assert_eq!(enabled.state, SigningKeyState::Retiring);
    assert!(enabled.valid_to.is_some_and(|end| end <= OffsetDateTime::now_utc()), "{:?}", enabled.valid_to);
}

/// A verdict is as good as the revision that it was made by.
#[tokio::test]
async fn what_is_refused_is_no_change_of_whom_we_believe() {
    let world = World::new().await;
    let revision = async || world.index.trust_revision().await.unwrap();
    let before = revision().await;
    world.index.create_signing_key(first("release", b"a"), &[]).await.unwrap();
    assert_eq!(revision().await, before + 1);
    assert_code(world.index.create_signing_key(first("release", b"b"), &[]).await, Code::InvalidRequest);
    assert_code(world.index.rotate_signing_key("release", 3, next(b"b"), None, &[]).await, Code::PreconditionFailed);
    assert_code(world.index.rotate_signing_key("release", 2, next(b"a"), None, &[]).await, Code::InvalidRequest);
    assert_code(world.index.change_signing_key("release", 1, &revoke(), Some(7), &[]).await, Code::PreconditionFailed);
    assert_code(world.set(2, revoke()).await, Code::NoSuchEntity);
    assert_eq!(revision().await, before + 1);
    world.index.rotate_signing_key("release", 2, next(b"b"), None, &[]).await.unwrap();
    world.set(1, revoke()).await.unwrap();
    assert_eq!(revision().await, before + 3);
}

#[tokio::test]
async fn a_key_goes_through_its_states_and_a_revoked_one_is_gone() {
    let world = World::new().await;
    world.index.create_signing_key(first("release", b"a"), &[]).await.unwrap();
    world.set(1, disable()).await.unwrap();
    assert_eq!(world.state("release", 1).await, SigningKeyState::Disabled);
    world.set(1, enable()).await.unwrap();
    assert_eq!(world.state("release", 1).await, SigningKeyState::Active);
    world.set(1, disable()).await.unwrap();
    world.index.rotate_signing_key("release", 2, next(b"b"), None, &[]).await.unwrap();
    world.set(1, enable()).await.unwrap();
    assert_eq!(world.state("release", 1).await, SigningKeyState::Retiring, "another generation signs now");
    world.set(2, revoke()).await.unwrap();
    let revoked = world.index.signing_key("release", 2).await.unwrap().unwrap();
    assert_eq!((revoked.state, revoked.sealed, revoked.ring_key), (SigningKeyState::Revoked, None, None));
    assert!(world.index.active_signing_key("release").await.unwrap().is_none());
    for change in [enable(), disable(), revoke(), SigningKeyChange::Expire(None)] {
        assert_code(world.set(2, change).await, Code::InvalidRequest);
    }
    assert_code(world.set(3, revoke()).await, Code::NoSuchEntity);
    assert_code(world.set(1, SigningKeyChange::Expire(Some(in_days(-1)))).await, Code::InvalidArgument);
}

#[tokio::test]
async fn a_change_based_on_another_version_is_refused() {
    let world = World::new().await;
    world.index.create_signing_key(first("release", b"a"), &[]).await.unwrap();
    let expire = SigningKeyChange::Expire(Some(in_days(1)));
    world.index.change_signing_key("release", 1, &expire, Some(1), &[]).await.unwrap();
    assert_code(world.index.change_signing_key("release", 1, &expire, Some(1), &[]).await, Code::PreconditionFailed);
    world.index.change_signing_key("release", 1, &expire, Some(2), &[]).await.unwrap();
}

#[tokio::test]
async fn a_key_is_handed_out_only_if_it_was_made_so_and_never_without_a_record() {
    let world = World::new().await;
    let record = Record::new(Kind::Operation);
    let events = "SELECT count(*) FROM audit_event";
    world.index.create_signing_key(first("release", b"a"), std::slice::from_ref(&record)).await.unwrap();
    let before = world.count(events).await;
    let refused = world.index.note_signing_key_export("release", 1, &[Record::new(Kind::Operation)]).await;
    assert_code(refused, Code::AccessDenied);
    assert_eq!(world.count(events).await, before, "what was refused is recorded elsewhere");
    let open = NewSigningKeyRow { exportable: true, ..first("open", b"b") };
    world.index.create_signing_key(open, &[]).await.unwrap();
    world.index.note_signing_key_export("open", 1, &[Record::new(Kind::Operation)]).await.unwrap();
    assert_eq!(world.count(events).await, before + 1);
    assert!(world.index.signing_key("open", 1).await.unwrap().unwrap().exported_at.is_some());
    world.index.change_signing_key("open", 1, &revoke(), None, &[]).await.unwrap();
    assert_code(world.index.note_signing_key_export("open", 1, &[]).await, Code::InvalidRequest);
    assert_code(world.index.note_signing_key_export("none", 1, &[]).await, Code::NoSuchEntity);
}

#[tokio::test]
async fn generations_are_listed_in_order_and_there_is_a_last_one() {
    let world = World::new().await;
    for (name, public) in [("b", b"1"), ("a", b"2"), ("c", b"3")] {
        world.index.create_signing_key(first(name, public), &[]).await.unwrap();
    }
    world.index.rotate_signing_key("a", 2, next(b"4"), None, &[]).await.unwrap();
    let names = |page: &SigningKeyPage| {
        page.keys.iter().map(|key| format!("{}{}", key.name, key.generation)).collect::<Vec<_>>()
    };
    let page = world.index.signing_keys(("", 0), 2).await.unwrap();
    assert_eq!((names(&page), page.truncated), (vec!["a1".to_owned(), "a2".to_owned()], true));
    let page = world.index.signing_keys(("a", 2), 2).await.unwrap();
    assert_eq!((names(&page), page.truncated), (vec!["b1".to_owned(), "c1".to_owned()], false));
    let fill = "INSERT INTO signing_keys (name, generation, usage, algorithm, state, private_key, ring_key, public_key,
                                          exportable, description, valid_from, created_by)
                SELECT 'full', at, 'release', 'ed25519', 'retiring', '', '', convert_to(at::text || 'x', 'UTF8'), false, '', now(), ''
                FROM generate_series(1, 496) AS at";
    sqlx::query(fill).execute(&world.database.pool().unwrap()).await.unwrap();
    assert_code(world.index.create_signing_key(first("d", b"5"), &[]).await, Code::LimitExceeded);
    assert_code(world.index.rotate_signing_key("a", 3, next(b"5"), None, &[]).await, Code::LimitExceeded);
    let pool = world.database.pool().unwrap();
    let expire = "UPDATE signing_keys SET valid_to = clock_timestamp() WHERE name = 'full' AND generation = 1";
    sqlx::query(expire).execute(&pool).await.unwrap();
    world.index.create_signing_key(first("d", b"5"), &[]).await.unwrap();
    assert_code(world.index.rotate_signing_key("a", 3, next(b"6"), None, &[]).await, Code::LimitExceeded);
    world.index.change_signing_key("full", 2, &revoke(), None, &[]).await.unwrap();
    world.index.rotate_signing_key("a", 3, next(b"6"), None, &[]).await.unwrap();
}

#[tokio::test]
async fn names_that_are_none_do_not_get_into_the_index() {
    let world = World::new().await;
    for name in ["", "A", "-a", "a-", "a/b", "a b", &"a".repeat(129)] {
        assert_code(world.index.create_signing_key(first(name, b"a"), &[]).await, Code::InternalError);
    }
    world.index.create_signing_key(first(&"a".repeat(128), b"a"), &[]).await.unwrap();
}
