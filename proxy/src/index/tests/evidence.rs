//! What is known of artifacts: pieces, what is due, and what tells that something has changed.

use time::OffsetDateTime;
use time::macros::datetime;

use super::*;
use crate::index::{NewEvidence, NewReferrer, ReferrerRef};
use crate::supply_chain::facts::{Maker, Piece, PieceKind, SbomSummary, Scan, Signed};

const FIRST: OffsetDateTime = datetime!(2026-06-01 12:00 UTC);
const LATER_LOOK: OffsetDateTime = datetime!(2026-06-02 12:00 UTC);

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

fn repository() -> SbomScope {
    SbomScope { kind: ScopeKind::Repository, name: "team/app".into() }
}

fn bucket() -> SbomScope {
    SbomScope { kind: ScopeKind::Bucket, name: "b".into() }
}

fn piece(carrier: &str, kind: PieceKind, signed: Signed) -> Piece {
    Piece {
        carrier: digest(carrier),
        document: digest(&format!("document of {carrier}")),
        kind,
        predicate_type: None,
        signed,
        sbom: None,
        builder: None,
        scan: None,
        trust_revision: 7,
        setup: digest("roots"),
    }
}

fn refused(is_final: bool) -> Signed {
    Signed::Refused { code: "signer_unknown".into(), is_final, retry_at: None }
}

/// One of each that a piece can be.
fn pieces() -> Vec<Piece> {
    let key = Signed::By { maker: Maker::Key(digest("key")), times: vec![FIRST], is_logged: true };
    let maker = Maker::Identity { issuer: "https://issuer.example".into(), subject: "ci@example.com".into() };
    let identity = Signed::By { maker, times: vec![FIRST, LATER_LOOK], is_logged: false };
    let scan = Scan { ended_at: FIRST, critical: 1, high: 2, medium: 3, low: 4, unrated: 5 };
    let retry = Signed::Refused { code: "not_yet_valid".into(), is_final: true, retry_at: Some(LATER_LOOK) };
    vec![
        piece("signature", PieceKind::Signature, key.clone()),
        Piece {
            predicate_type: Some("https://slsa.dev/provenance/v1".into()),
            builder: Some("https://builder.example".into()),
            ..piece("provenance", PieceKind::Attestation, identity)
        },
        Piece { scan: Some(scan), ..piece("scan", PieceKind::Attestation, key) },
        Piece {
            sbom: Some(SbomSummary { valid: false, components: 3, purls: 2 }),
            ..piece("sbom", PieceKind::Sbom, Signed::Nobody)
        },
        piece("refused", PieceKind::Other, retry),
    ]
}

fn look<'a>(scope: &'a SbomScope, subject: &'a Digest, carriers: &'a [Digest], pieces: &'a [Piece]) -> NewEvidence<'a> {
    NewEvidence {
        scope,
        subject,
        listed_at: FIRST,
        is_whole: true,
        is_evidence: false,
        children: &[],
        carriers,
        pieces,
        again: None,
    }
}

fn carriers(pieces: &[Piece]) -> Vec<Digest> {
    pieces.iter().map(|piece| piece.carrier).collect()
}

fn sorted(mut pieces: Vec<Piece>) -> Vec<Piece> {
    pieces.sort_by_key(|piece| piece.carrier);
    pieces
}

#[tokio::test]
async fn what_was_found_is_known_as_it_was_found() {
    let world = World::new().await;
    let (scope, subject, pieces) = (repository(), digest("app"), pieces());
    let none = world.index.known_of(&scope, &subject).await.unwrap();
    assert_eq!((none.own.looked_at, none.own.is_whole, none.own.pieces.len()), (None, false, 0));
    world.index.store_evidence(&look(&scope, &subject, &carriers(&pieces), &pieces)).await.unwrap();
    let known = world.index.known_of(&scope, &subject).await.unwrap();
    assert_eq!((known.own.looked_at, known.own.is_whole, known.own.is_evidence), (Some(FIRST), true, false));
    assert_eq!(sorted(known.own.pieces), sorted(pieces.clone()));
    assert_eq!(sorted(world.index.before_look(&scope, &subject).await.unwrap().pieces), sorted(pieces));
    let elsewhere = world.index.known_of(&bucket(), &subject).await.unwrap();
    assert_eq!(elsewhere.own.looked_at, None, "another scope, another artifact");
}

#[tokio::test]
async fn a_later_look_replaces_an_earlier_one_and_never_the_reverse() {
    let world = World::new().await;
    let (scope, subject, pieces) = (repository(), digest("app"), pieces());
    let remain = &pieces[..1];
    let remaining = carriers(remain);
    let later = NewEvidence { listed_at: LATER_LOOK, ..look(&scope, &subject, &remaining, &[]) };
    world.index.store_evidence(&look(&scope, &subject, &carriers(&pieces), &pieces)).await.unwrap();
    world.index.store_evidence(&later).await.unwrap();
    assert_eq!(
        world.index.known_of(&scope, &subject).await.unwrap().own.pieces,
        remain,
        "others are gone with their carriers"
    );
    world.index.store_evidence(&look(&scope, &subject, &carriers(&pieces), &pieces)).await.unwrap();
    let known = world.index.known_of(&scope, &subject).await.unwrap();
    assert_eq!((known.own.looked_at, known.own.pieces.as_slice()), (Some(LATER_LOOK), remain));
}

#[tokio::test]
async fn manifests_of_an_index_inherit_what_is_said_of_it() {
    let world = World::new().await;
    let (scope, index, child, pieces) = (repository(), digest("index"), digest("amd64"), pieces());
    let children = [child, digest("arm64")];
    let all = carriers(&pieces);
    world
        .index
        .store_evidence(&NewEvidence { children: &children, ..look(&scope, &index, &all, &pieces) })
        .await
        .unwrap();
    let known = world.index.known_of(&scope, &child).await.unwrap();
    assert_eq!((known.own.looked_at, known.parents.len()), (None, 1));
    assert_eq!(sorted(known.parents[0].pieces.clone()), sorted(pieces));
    let other = NewEvidence { listed_at: LATER_LOOK, children: &children[1..], ..look(&scope, &index, &all, &[]) };
    world.index.store_evidence(&other).await.unwrap();
    assert!(world.index.known_of(&scope, &child).await.unwrap().parents.is_empty(), "it is listed no longer");
}

#[tokio::test]
async fn an_index_with_more_than_is_read_leaves_what_an_artifact_has_itself_whole_and_comes_behind_those_that_are_vouched_for()
 {
    let world = World::new().await;
    let (scope, child, own) = (repository(), digest("amd64"), pieces());
    world.index.store_evidence(&look(&scope, &child, &carriers(&own), &own)).await.unwrap();
    let children = [child];
    let many: Vec<Piece> = (0..4200).map(|at| piece(&at.to_string(), PieceKind::Sbom, Signed::Nobody)).collect();
    for (index, pieces) in [("flood", &many), ("signed", &own)] {
        let (index, all) = (digest(index), carriers(pieces));
        let found = NewEvidence { children: &children, ..look(&scope, &index, &all, pieces) };
        world.index.store_evidence(&found).await.unwrap();
    }
    let known = world.index.known_of(&scope, &child).await.unwrap();
    assert_eq!((known.own.is_whole, known.own.pieces.len()), (true, own.len()));
    let parents: Vec<_> = known.parents.iter().map(|parent| (parent.is_vouched_for, parent.is_whole)).collect();
    assert_eq!(parents, [(true, true), (false, false)]);
    assert_eq!(known.parents[0].pieces.len(), own.len());
}

#[tokio::test]
async fn of_more_indexes_than_are_read_those_that_are_vouched_for_remain() {
    let world = World::new().await;
    let (scope, child, own) = (repository(), digest("amd64"), pieces());
    let (children, all, unsigned) = ([child], carriers(&own), [piece("sbom", PieceKind::Sbom, Signed::Nobody)]);
    let signed = NewEvidence { children: &children, ..look(&scope, &child, &all, &own) };
    world.index.store_evidence(&NewEvidence { subject: &digest("signed"), ..signed }).await.unwrap();
    let listed = carriers(&unsigned);
    for at in 0..40 {
        let index = digest(&format!("index {at}"));
        let found = NewEvidence { children: &children, ..look(&scope, &index, &listed, &unsigned) };
        world.index.store_evidence(&found).await.unwrap();
    }
    let known = world.index.known_of(&scope, &child).await.unwrap();
    assert_eq!(known.parents.len(), 32);
    assert_eq!(known.parents.iter().filter(|parent| parent.is_vouched_for).count(), 1);
}

#[tokio::test]
async fn what_was_found_before_something_happened_counts_for_nothing() {
    let world = World::new().await;
    let (scope, index, child, pieces) = (repository(), digest("index"), digest("amd64"), pieces());
    let (children, all) = ([child], carriers(&pieces));
    let found = NewEvidence { is_evidence: true, children: &children, ..look(&scope, &index, &all, &pieces) };
    world.index.store_evidence(&found).await.unwrap();
    world.index.store_evidence(&look(&scope, &child, &[], &[])).await.unwrap();
    assert!(world.index.known_of(&scope, &child).await.unwrap().stale.is_empty());
    world.index.expect_evidence(&scope, &index).await.unwrap();
    let known = world.index.known_of(&scope, &index).await.unwrap();
    assert_eq!((known.own.looked_at, known.own.pieces.len(), known.stale), (None, 0, vec![index]));
    assert!(known.own.is_evidence, "that is in its manifest");
    let inherits = world.index.known_of(&scope, &child).await.unwrap();
    assert_eq!((inherits.own.looked_at, inherits.stale), (Some(FIRST), vec![index]));
    assert_eq!((inherits.parents.len(), inherits.parents[0].pieces.len()), (1, 0));
    let seen = world.index.before_look(&scope, &index).await.unwrap().now;
    world.index.store_evidence(&NewEvidence { listed_at: seen, ..found }).await.unwrap();
    let known = world.index.known_of(&scope, &child).await.unwrap();
    assert_eq!((known.stale.len(), known.parents[0].pieces.len()), (0, pieces.len()));
}

#[tokio::test]
async fn what_is_due_is_taken_by_one_and_comes_again_later_each_time() {
    let world = World::new().await;
    let (scope, subject) = (repository(), digest("app"));
    world.index.expect_evidence(&scope, &subject).await.unwrap();
    assert_eq!(world.index.claim_evidence(LATER).await.unwrap(), Some((scope.clone(), subject)));
    assert_eq!(world.index.claim_evidence(LATER).await.unwrap(), None, "somebody is at it");
    world.sql("UPDATE evidence_subjects SET due_at = now()").await;
    world.index.claim_evidence(Duration::from_secs(60)).await.unwrap().unwrap();
    let waits = "SELECT extract(epoch FROM due_at - now())::bigint FROM evidence_subjects";
    assert!((100..=120).contains(&world.count(waits).await), "the second attempt waits twice as long");
    world.index.store_evidence(&look(&scope, &subject, &[], &[])).await.unwrap();
    world.index.claim_evidence(NOW).await.unwrap().expect("what was told after the look is looked at again");
    let seen = world.index.before_look(&scope, &subject).await.unwrap().now;
    world.index.store_evidence(&NewEvidence { listed_at: seen, ..look(&scope, &subject, &[], &[]) }).await.unwrap();
    assert_eq!(world.index.claim_evidence(NOW).await.unwrap(), None);
}

#[tokio::test]
async fn what_is_gone_rests_unless_something_has_happened_since() {
    let world = World::new().await;
    let (scope, subject) = (repository(), digest("app"));
    let before = world.index.before_look(&scope, &subject).await.unwrap().now;
    world.index.expect_evidence(&scope, &subject).await.unwrap();
    world.index.rest_evidence(&scope, &subject, before).await.unwrap();
    assert!(world.index.claim_evidence(NOW).await.unwrap().is_some());
    let now = world.index.before_look(&scope, &subject).await.unwrap().now;
    world.index.rest_evidence(&scope, &subject, now).await.unwrap();
    assert_eq!(world.index.claim_evidence(NOW).await.unwrap(), None);
}

#[tokio::test]
async fn what_may_count_by_a_new_revision_is_due_and_what_is_final_is_not() {
    let world = World::new().await;
    let (scope, open, closed) = (repository(), digest("open"), digest("closed"));
    for (subject, is_final) in [(&open, false), (&closed, true)] {
        let pieces = [piece("signature", PieceKind::Signature, refused(is_final))];
        world.index.store_evidence(&look(&scope, subject, &carriers(&pieces), &pieces)).await.unwrap();
    }
    assert_eq!(world.index.reopen_evidence(7, 10).await.unwrap(), 0, "it was verified by this one");
    assert_eq!(world.index.reopen_evidence(8, 10).await.unwrap(), 1);
    assert_eq!(world.index.claim_evidence(LATER).await.unwrap(), Some((scope, open)));
}

#[tokio::test]
async fn what_is_gone_or_fails_keeps_nothing_else_from_being_looked_at_by_a_new_revision() {
    let world = World::new().await;
    let scope = repository();
    let pieces = [piece("signature", PieceKind::Signature, refused(false))];
    let all = carriers(&pieces);
    for (name, listed_at) in [("gone", FIRST), ("failing", FIRST), ("younger", LATER_LOOK), ("older", FIRST)] {
        let subject = digest(name);
        world.index.store_evidence(&NewEvidence { listed_at, ..look(&scope, &subject, &all, &pieces) }).await.unwrap();
    }
    world.index.rest_evidence(&scope, &digest("gone"), LATER_LOOK).await.unwrap();
    world.index.expect_evidence(&scope, &digest("failing")).await.unwrap();
    let failing = world.index.claim_evidence(LATER).await.unwrap();
    assert_eq!(failing, Some((scope.clone(), digest("failing"))));
    for next in ["older", "younger"] {
        assert_eq!(world.index.reopen_evidence(8, 1).await.unwrap(), 1);
        let claimed = world.index.claim_evidence(LATER).await.unwrap();
        assert_eq!(claimed, Some((scope.clone(), digest(next))));
    }
    assert_eq!(world.index.reopen_evidence(8, 1).await.unwrap(), 0, "what is taken or fails comes by itself");
}

#[tokio::test]
async fn artifacts_that_were_not_looked_at_for_long_are_due() {
    let world = World::new().await;
    let (scope, subject) = (repository(), digest("app"));
    world.put("k", "hello").await;
    for scope in [&scope, &bucket()] {
        world.index.store_evidence(&look(scope, &subject, &[], &[])).await.unwrap();
    }
    let century = Duration::from_secs(100 * 365 * 24 * 3600);
    assert_eq!(world.index.revisit_evidence(century, 10).await.unwrap(), 0);
    assert_eq!(world.index.revisit_evidence(Duration::from_secs(60), 10).await.unwrap(), 2);
    let claim = async || world.index.claim_evidence(LATER).await.unwrap().map(|(scope, _)| scope.name);
    let mut due: Vec<String> = [claim().await, claim().await].into_iter().flatten().collect();
    due.sort();
    assert_eq!((due, claim().await), (vec!["b".to_owned(), "team/app".to_owned()], None));
    let now = world.index.before_look(&bucket(), &subject).await.unwrap().now;
    world.index.rest_evidence(&bucket(), &subject, now).await.unwrap();
    assert_eq!(world.index.revisit_evidence(Duration::from_secs(60), 10).await.unwrap(), 0, "what is gone rests");
}

#[tokio::test]
async fn a_push_is_asked_about_when_it_is_over_and_after_a_while_where_nobody_says_so() {
    let world = World::new().await;
    let v1 = ["v1".to_owned()];
    world.index.expect_push("team/app", &v1, LATER).await.unwrap();
    assert_eq!(world.index.claim_push(LATER).await.unwrap(), None, "it is still under way");
    world.index.pushed("team/app", &v1).await.unwrap();
    let push = world.index.claim_push(LATER).await.unwrap().unwrap();
    assert_eq!((push.repository.as_str(), push.reference.as_str(), push.attempts), ("team/app", "v1", 1));
    world.index.expect_push("team/app", &v1, NOW).await.unwrap();
    world.index.forget_push(&push).await.unwrap();
    assert!(world.index.claim_push(LATER).await.unwrap().is_some(), "it was pushed again meanwhile");
}

#[tokio::test]
async fn a_push_is_asked_about_by_its_digest_and_by_each_tag_that_it_sets() {
    let world = World::new().await;
    let all = [digest("app").to_string(), "v1".to_owned(), "v1".to_owned()];
    world.index.expect_push("team/app", &all, LATER).await.unwrap();
    world.index.pushed("team/app", &all).await.unwrap();
    let mut asked = Vec::new();
    while let Some(push) = world.index.claim_push(LATER).await.unwrap() {
        asked.push(push.reference);
    }
    asked.sort();
    assert_eq!(asked, all[..2]);
}

#[tokio::test]
async fn what_is_being_deleted_has_said_nothing_from_the_moment_that_it_is_let_through() {
    let world = World::new().await;
    let (scope, index, child, pieces) = (repository(), digest("index"), digest("amd64"), pieces());
    let (children, all) = ([child], carriers(&pieces));
    let found = NewEvidence { children: &children, ..look(&scope, &index, &all, &pieces) };
    let seen = world.index.before_look(&scope, &index).await.unwrap().now;
    world.index.store_evidence(&NewEvidence { listed_at: seen, ..found }).await.unwrap();
    let known = async |digest: &Digest| world.index.known_of(&scope, digest).await.unwrap();
    let carrier = [digest("signature").to_string()];
    world.index.expect_push("team/app", &carrier, LATER).await.unwrap();
    assert_eq!(known(&index).await.own.looked_at, Some(seen), "it is put again");
    let concerned = world.index.expect_deletion("team/app", &carrier, LATER).await.unwrap();
    assert!(concerned.contains(&index) && concerned.contains(&digest("signature")), "{concerned:?}");
    assert_eq!((known(&index).await.own.looked_at, known(&index).await.own.pieces.len()), (None, 0));
    assert_eq!(known(&child).await.stale, [index], "and of what it lists");
    // Somebody looks before the registry has deleted it.
    let seen = world.index.before_look(&scope, &index).await.unwrap().now;
    world.index.store_evidence(&NewEvidence { listed_at: seen, ..found }).await.unwrap();
    assert_eq!(known(&index).await.own.looked_at, None, "it may be gone any moment");
    world.index.pushed("team/app", &carrier).await.unwrap();
    let seen = world.index.before_look(&scope, &index).await.unwrap().now;
    world
        .index
        .store_evidence(&NewEvidence { listed_at: seen, carriers: &all[1..], pieces: &[], ..found })
        .await
        .unwrap();
    assert_eq!(known(&index).await.own.pieces.len(), pieces.len() - 1);
    world.index.expect_deletion("team/app", &[index.to_string()], LATER).await.unwrap();
    assert_eq!(known(&child).await.stale, [index], "the index itself");
}

#[tokio::test]
async fn a_manifest_that_is_gone_takes_along_what_it_has_said() {
    let world = World::new().await;
    let (scope, subject, pieces) = (repository(), digest("app"), pieces());
    world.index.store_evidence(&look(&scope, &subject, &carriers(&pieces), &pieces)).await.unwrap();
    world.index.forget_manifest("team/app", &digest("signature")).await.unwrap();
    assert_eq!(world.count("SELECT count(*) FROM evidence").await, pieces.len() as i64 - 1);
    world.index.forget_manifest("team/app", &subject).await.unwrap();
    assert_eq!(world.index.known_of(&scope, &subject).await.unwrap().own.looked_at, None);
    assert_eq!(world.count("SELECT count(*) FROM evidence").await, 0);
}

fn referrer<'a>(none: &'a BTreeMap<String, String>, subject: Digest) -> NewReferrer<'a> {
    NewReferrer {
        bucket: "b",
        digest: digest("signature"),
        subject,
        root: subject,
        is_listed: true,
        kinds: &["signature"],
        media_type: "a/b",
        artifact_type: None,
        size: 1,
        annotations: none,
        blobs: &[],
        owner: "root",
        most: 1000,
    }
}

#[tokio::test]
async fn what_refers_to_an_object_is_due_with_the_transaction_that_makes_it_seen_and_gone_with_the_one_that_takes_it_away()
 {
    let world = World::new().await;
    let subject = world.put("k", "hello").await.oci_digest.unwrap();
    let new = referrer(&world.none, subject);
    let id = world.index.begin_referrer(&new).await.unwrap();
    assert_eq!(world.index.claim_evidence(LATER).await.unwrap(), None, "nobody sees it yet");
    world.index.store_referrer(id, None, &[], None).await.unwrap();
    assert_eq!(world.index.claim_evidence(LATER).await.unwrap(), Some((bucket(), subject)));
    let pieces = [piece("signature", PieceKind::Signature, Signed::Nobody)];
    world.index.store_evidence(&look(&bucket(), &subject, &carriers(&pieces), &pieces)).await.unwrap();
    let home = world.index.referrer_repository("b").await.unwrap();
    world.index.condemn_referrer(&home, ReferrerRef::Digest(&new.digest), &[]).await.unwrap();
    assert!(world.index.known_of(&bucket(), &subject).await.unwrap().own.pieces.is_empty());
}

#[tokio::test]
async fn what_is_taken_away_while_somebody_looks_is_not_known_for_long() {
    let world = World::new().await;
    let subject = world.put("k", "hello").await.oci_digest.unwrap();
    let new = referrer(&world.none, subject);
    let id = world.index.begin_referrer(&new).await.unwrap();
    world.index.store_referrer(id, None, &[], None).await.unwrap();
    let seen = world.index.before_look(&bucket(), &subject).await.unwrap().now;
    let home = world.index.referrer_repository("b").await.unwrap();
    world.index.condemn_referrer(&home, ReferrerRef::Digest(&new.digest), &[]).await.unwrap();
    let pieces = [piece("signature", PieceKind::Signature, Signed::Nobody)];
    let listed = carriers(&pieces);
    let scope = bucket();
    let late = NewEvidence { listed_at: seen, ..look(&scope, &subject, &listed, &pieces) };
    world.index.store_evidence(&late).await.unwrap();
    assert_eq!(world.index.claim_evidence(LATER).await.unwrap(), Some((bucket(), subject)));
}

#[tokio::test]
async fn the_same_bytes_under_another_key_are_read_again() {
    let world = World::new().await;
    let subject = world.put("k", "hello").await.oci_digest.unwrap();
    world.index.store_evidence(&look(&bucket(), &subject, &[], &[])).await.unwrap();
    assert_eq!(world.index.claim_evidence(NOW).await.unwrap(), None);
    world.put("folder/k", "hello").await;
    assert_eq!(world.index.claim_evidence(LATER).await.unwrap(), Some((bucket(), subject)));
    assert!(world.index.before_look(&bucket(), &subject).await.unwrap().rereads);
}

#[tokio::test]
async fn a_bucket_takes_along_what_is_known_and_nothing_comes_behind_it() {
    let world = World::new().await;
    let (subject, pieces) = (digest("k"), pieces());
    let all = carriers(&pieces);
    world.index.store_evidence(&look(&bucket(), &subject, &all, &pieces)).await.unwrap();
    world.index.delete_bucket("b", &[]).await.unwrap();
    assert_eq!(world.count("SELECT count(*) FROM evidence_subjects").await, 0);
    assert_code(world.index.store_evidence(&look(&bucket(), &subject, &all, &pieces)).await, Code::NoSuchBucket);
}

#[tokio::test]
async fn the_walk_through_the_registry_goes_on_where_it_has_stopped_and_one_at_a_time() {
    let world = World::new().await;
    assert_eq!(world.index.claim_crawl(LATER).await.unwrap().as_deref(), Some(""));
    assert_eq!(world.index.claim_crawl(LATER).await.unwrap(), None);
    world.index.crawled("team/app", NOW).await.unwrap();
    assert_eq!(world.index.claim_crawl(LATER).await.unwrap().as_deref(), Some("team/app"));
}
