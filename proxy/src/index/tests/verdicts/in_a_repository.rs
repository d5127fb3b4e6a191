//! Verdicts on manifests of the registry: told by what was found of these.

use super::*;
use crate::index::NewEvidence;
use crate::supply_chain::facts::{Maker, Piece, PieceKind, Signed};
use crate::supply_chain::statement::{COSIGN_SIGN_V1, SLSA_VSA_V1};

impl World {
    /// Somebody has looked at the manifest in a repository, and this is all.
    async fn looked(&self, scope: &SbomScope, listed_at: OffsetDateTime, pieces: &[Piece]) {
        let carriers: Vec<Digest> = pieces.iter().map(|piece| piece.carrier).collect();
        let found = NewEvidence {
            scope,
            subject: &subject(),
            listed_at,
            is_whole: true,
            is_evidence: false,
            children: &[],
            carriers: &carriers,
            pieces,
            again: None,
        };
        self.index.store_evidence(&found).await.unwrap();
    }
}

fn repository() -> SbomScope {
    SbomScope { kind: ScopeKind::Repository, name: "team/app".to_owned() }
}

/// What a manifest holds that a key has signed.
fn signed(carrier: &[u8], predicate_type: &str, key: &[u8]) -> Piece {
    Piece {
        carrier: Digest::of(carrier),
        document: Digest::of(carrier),
        kind: PieceKind::Attestation,
        predicate_type: Some(predicate_type.to_owned()),
        signed: Signed::By { maker: Maker::Key(Digest::of(key)), times: Vec::new(), is_logged: false },
        sbom: None,
        builder: None,
        scan: None,
        trust_revision: 1,
        setup: Digest::of(b"roots"),
    }
}

/// A world with the policy `release`, which the manifest in a repository passes.
async fn passing_in_a_repository() -> (World, Made) {
    let world = World::new().await;
    world.verification_policy("release", POLICY).await;
    let made = Made { scope: repository(), key: "", ..Made::new(&world).await };
    world.index.store_verdict(made.verdict()).await.unwrap();
    (world, made)
}

#[tokio::test]
async fn what_is_found_of_a_manifest_of_the_registry_tells_its_verdicts_unless_it_is_one_of_ours() {
    let (world, made) = passing_in_a_repository().await;
    world
        .execute(
            "INSERT INTO signing_keys (name, generation, usage, algorithm, state, private_key, ring_key, public_key,
                 exportable, description, created_by)
             VALUES ('verdicts', 1, 'verdict', 'ed25519', 'active', sha256('private'), 'ring', convert_to('ours', 'UTF8'),
                 false, '', 'test')",
        )
        .await;
    let last = async || world.index.verdict(&repository(), "", &subject(), "release", now()).await.unwrap().unwrap();
    let ours = signed(b"verdict", SLSA_VSA_V1, b"ours");
    let theirs = signed(b"another verdict", SLSA_VSA_V1, b"theirs");
    let signature = signed(b"carrier", COSIGN_SIGN_V1, b"theirs");
    world.looked(&repository(), made.now, std::slice::from_ref(&ours)).await;
    assert_eq!(last().await.told_at, None, "a verdict of ours is no evidence");
    let all = [signature, ours, theirs];
    world.looked(&repository(), made.now + Span::SECOND, &all[..2]).await;
    let told = last().await;
    assert!(told.counts && told.told_at.is_some(), "a signature is, and takes nothing away");
    world.index.confirm_verdict(told.id, told.told_at.unwrap()).await.unwrap();
    world.looked(&repository(), made.now + Span::SECOND * 2, &all[..2]).await;
    assert_eq!(last().await.told_at, None, "it was known");
    world.looked(&repository(), made.now + Span::SECOND * 3, &all[..1]).await;
    assert_eq!(last().await.told_at, None, "the verdict of ours was replaced");
    world.looked(&repository(), made.now + Span::SECOND * 4, &all).await;
    let told = last().await;
    assert!(told.counts && told.told_at.is_some(), "a verdict of others is evidence");
    world.looked(&repository(), made.now + Span::SECOND * 5, &all[1..]).await;
    assert!(!last().await.counts, "what it rests on was removed");
}

#[tokio::test]
async fn a_manifest_that_is_gone_withdraws_the_verdicts_that_rest_on_it_though_nobody_has_looked_at_it() {
    let (world, made) = passing_in_a_repository().await;
    let passed = async || world.index.passed_policies(&repository(), "", &subject(), now()).await.unwrap().current;
    world.index.forget_manifest("team/app", &Digest::of(b"something else")).await.unwrap();
    assert_eq!(passed().await, ["release"]);
    world.index.forget_manifest("team/app", &made.carrier).await.unwrap();
    assert!(passed().await.is_empty());
}

#[tokio::test]
async fn the_manifests_of_an_index_pass_what_the_index_passes_and_no_other_does() {
    let (world, _) = passing_in_a_repository().await;
    let passed =
        async |digest: &Digest| world.index.passed_policies(&repository(), "", digest, now()).await.unwrap().current;
    let (child, other) = (Digest::of(b"child"), Digest::of(b"other"));
    assert!(passed(&child).await.is_empty(), "nobody has looked at the index");
    let listed_at = OffsetDateTime::now_utc();
    let found = NewEvidence {
        scope: &repository(),
        subject: &subject(),
        listed_at,
        is_whole: true,
        is_evidence: false,
        children: &[child],
        carriers: &[],
        pieces: &[],
        again: None,
    };
    world.index.store_evidence(&found).await.unwrap();
    assert_eq!(passed(&child).await, ["release"]);
    assert!(passed(&other).await.is_empty());
    world.index.forget_manifest("team/app", &subject()).await.unwrap();
    assert!(passed(&child).await.is_empty(), "the index is gone");
}

#[tokio::test]
async fn a_verdict_that_rests_on_what_is_being_deleted_counts_no_moment_longer() {
    let (world, made) = passing_in_a_repository().await;
    let passed = async || world.index.passed_policies(&repository(), "", &subject(), now()).await.unwrap().current;
    let other = [Digest::of(b"something else").to_string()];
    world.index.expect_deletion("team/app", &other, LATER).await.unwrap();
    world.index.expect_deletion("team/other", &[made.carrier.to_string()], LATER).await.unwrap();
    assert_eq!(passed().await, ["release"], "another manifest, and another repository");
    let carrier = [made.carrier.to_string()];
    world.index.expect_push("team/app", &carrier, LATER).await.unwrap();
    assert_eq!(passed().await, ["release"], "it is pushed again, and that takes nothing away");
    world.index.expect_deletion("team/app", &carrier, LATER).await.unwrap();
    assert!(passed().await.is_empty(), "before anything is sent");
    let again = Made { now: OffsetDateTime::now_utc(), ..made };
    world.index.store_verdict(again.verdict()).await.unwrap();
    assert!(passed().await.is_empty(), "it may be gone any moment");
    world.index.pushed("team/app", &carrier).await.unwrap();
    assert!(passed().await.is_empty(), "it may be gone");
    let again = Made { now: OffsetDateTime::now_utc() + Span::SECOND, ..again };
    world.index.store_verdict(again.verdict()).await.unwrap();
    assert_eq!(passed().await, ["release"], "somebody has looked since");
}

#[tokio::test]
async fn an_index_that_is_being_deleted_passes_nothing_on() {
    let (world, made) = passing_in_a_repository().await;
    let child = Digest::of(b"child");
    let found = NewEvidence {
        scope: &repository(),
        subject: &subject(),
        listed_at: made.now,
        is_whole: true,
        is_evidence: false,
        children: &[child],
        carriers: &[],
        pieces: &[],
        again: None,
    };
    world.index.store_evidence(&found).await.unwrap();
    let passed = async || world.index.passed_policies(&repository(), "", &child, now()).await.unwrap().current;
    assert_eq!(passed().await, ["release"]);
    world.index.expect_deletion("team/app", &[subject().to_string()], LATER).await.unwrap();
    assert!(passed().await.is_empty());
}
