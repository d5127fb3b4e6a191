use super::*;
use time::OffsetDateTime;

fn key(digit: &str) -> TrustedSigner {
    TrustedSigner::Key(digit.repeat(64))
}

fn identity(subject: &str) -> TrustedSigner {
    TrustedSigner::Identity("https://issuer.example".into(), subject.into())
}

fn new<'a>(name: &'a str, signer: &'a TrustedSigner) -> NewTrustedSigner<'a> {
    NewTrustedSigner {
        name,
        signer,
        public_key: match signer {
            TrustedSigner::Key(fingerprint) => fingerprint.as_bytes(),
            TrustedSigner::Identity(..) => b"",
        },
        description: "for tests",
        valid_from: None,
        valid_to: None,
        created_by: "user/alice",
    }
}

fn in_days(days: i64) -> Option<OffsetDateTime> {
    Some(OffsetDateTime::now_utc() + time::Duration::days(days))
}

#[tokio::test]
async fn a_name_has_several_keys_and_identities_and_a_key_has_one_name() {
    let world = World::new().await;
    for signer in [key("a"), key("b"), identity("*@example.com"), identity("*@example.org")] {
        world.index.add_trusted_signer(new("vendor", &signer), &[]).await.unwrap();
    }
    let known: Vec<_> = world.index.trusted_signers_of("vendor").await.unwrap();
    let known: Vec<_> = known.into_iter().map(|signer| signer.signer).collect();
    assert_eq!(known, [identity("*@example.com"), identity("*@example.org"), key("a"), key("b")]);
    assert_code(world.index.add_trusted_signer(new("other", &key("a")), &[]).await, Code::InvalidRequest);
    assert_code(
        world.index.add_trusted_signer(new("vendor", &identity("*@example.com")), &[]).await,
        Code::InvalidRequest,
    );
    world.index.add_trusted_signer(new("other", &identity("*@example.com")), &[]).await.unwrap();
}

#[tokio::test]
async fn signers_of_both_kinds_are_changed_revoked_and_deleted() {
    let world = World::new().await;
    for signer in [key("a"), identity("*")] {
        world.index.add_trusted_signer(new("vendor", &signer), &[]).await.unwrap();
        let set = |change: TrustedSignerChange, version: Option<i64>| {
            let (index, signer) = (world.index.clone(), signer.clone());
            async move { index.change_trusted_signer("vendor", &signer, &change, version, &[]).await }
        };
        let validity = TrustedSignerChange::Validity(in_days(-1), in_days(1));
        set(validity.clone(), Some(1)).await.unwrap();
        assert_code(set(validity, Some(1)).await, Code::PreconditionFailed);
        assert_code(set(TrustedSignerChange::Validity(in_days(1), in_days(-1)), None).await, Code::InvalidArgument);
        set(TrustedSignerChange::Revoke("leaked".into()), Some(2)).await.unwrap();
        let known = world.index.trusted_signers_of("vendor").await.unwrap().remove(0);
        assert_eq!((known.reason.as_str(), known.revoked_at.is_some(), known.version), ("leaked", true, 3));
        assert!(known.valid_from < known.valid_to);
        set(TrustedSignerChange::Delete, None).await.unwrap();
        assert_code(set(TrustedSignerChange::Delete, None).await, Code::NoSuchEntity);
        let wrong = NewTrustedSigner { valid_from: in_days(2), valid_to: in_days(1), ..new("vendor", &signer) };
        assert_code(world.index.add_trusted_signer(wrong, &[]).await, Code::InvalidArgument);
    }
}

#[tokio::test]
async fn signers_are_listed_by_name_a_page_at_a_time() {
    let world = World::new().await;
    let all = [("b", key("b")), ("a", key("a")), ("a", identity("x")), ("c", identity("y"))];
    for (name, signer) in &all {
        world.index.add_trusted_signer(new(name, signer), &[]).await.unwrap();
    }
    let (mut seen, mut after): (Vec<(String, TrustedSigner)>, _) = (Vec::new(), None);
    loop {
        let last = after.as_ref().map(|(name, signer): &(String, TrustedSigner)| (name.as_str(), signer));
        let page = world.index.trusted_signers(last, 3).await.unwrap();
        seen.extend(page.signers.into_iter().map(|signer| (signer.name, signer.signer)));
        if !page.truncated {
            break;
        }
        after = seen.last().cloned();
    }
    let expected = [("a", identity("x")), ("a", key("a")), ("b", key("b")), ("c", identity("y"))];
    assert_eq!(seen, expected.map(|(name, signer)| (name.to_owned(), signer)));
}

#[tokio::test]
async fn there_is_a_last_signer_of_a_kind() {
    let world = World::new().await;
    let fill = "INSERT INTO trusted_keys (name, fingerprint, public_key, description, created_by)
                SELECT 'full', lpad(to_hex(at), 64, '0'), '', '', '' FROM generate_series(1, 500) AS at";
    sqlx::query(fill).execute(&world.database.pool().unwrap()).await.unwrap();
    assert_code(world.index.add_trusted_signer(new("one", &key("a")), &[]).await, Code::LimitExceeded);
    world.index.add_trusted_signer(new("one", &identity("x")), &[]).await.unwrap();
}

#[tokio::test]
async fn all_that_is_believed_is_read_at_once_with_the_number_of_changes() {
    let world = World::new().await;
    let before = world.index.trust_data().await.unwrap();
    assert!(before.entries.is_empty());
    let signing = NewSigningKeyRow {
        name: "release",
        usage: "release",
        exportable: false,
        description: "",
        key: NextSigningKeyRow {
            algorithm: "ed25519",
            sealed: b"s",
            ring_key: "one",
            public_key: b"ours",
            valid_from: None,
            valid_to: None,
            created_by: "user/alice",
        },
    };
    world.index.create_signing_key(signing, &[]).await.unwrap();
    world.index.add_trusted_signer(new("vendor", &key("a")), &[]).await.unwrap();
    world.index.add_trusted_signer(new("ci", &identity("x")), &[]).await.unwrap();
    let revoke = TrustedSignerChange::Revoke("leaked".into());
    world.index.change_trusted_signer("ci", &identity("x"), &revoke, None, &[]).await.unwrap();
    let after = world.index.trust_data().await.unwrap();
    assert_eq!(after.revision, before.revision + 4);
    let mut entries: Vec<_> =
        after.entries.into_iter().map(|entry| (entry.name, entry.who, entry.is_disabled, entry.is_revoked)).collect();
    entries.sort_by(|one, other| one.0.cmp(&other.0));
    let expected = [
        ("ci".to_owned(), Trusted::Identity("https://issuer.example".into(), "x".into()), false, true),
        ("release".to_owned(), Trusted::SigningKey(1, b"ours".to_vec()), false, false),
        ("vendor".to_owned(), Trusted::Key("a".repeat(64).into_bytes()), false, false),
    ];
    assert_eq!(entries, expected);
}

#[tokio::test]
async fn a_key_of_ours_is_not_trusted_as_somebody_elses_nor_the_other_way_round() {
    let world = World::new().await;
    let public = "a".repeat(64);
    let ours = NewSigningKeyRow {
        name: "release",
        usage: "release",
        exportable: false,
        description: "",
        key: NextSigningKeyRow {
            algorithm: "ed25519",
            sealed: b"s",
            ring_key: "one",
            public_key: public.as_bytes(),
            valid_from: None,
            valid_to: None,
            created_by: "user/alice",
        },
    };
    world.index.create_signing_key(ours, &[]).await.unwrap();
    assert_code(world.index.add_trusted_signer(new("vendor", &key("a")), &[]).await, Code::InvalidRequest);
    world.index.add_trusted_signer(new("vendor", &key("b")), &[]).await.unwrap();
    let theirs = "b".repeat(64);
    let next = NextSigningKeyRow { public_key: theirs.as_bytes(), ..ours.key };
    assert_code(world.index.rotate_signing_key("release", 2, next, None, &[]).await, Code::InvalidRequest);
}
