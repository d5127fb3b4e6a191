//! What is at the registry and should not be, and what refers to artifacts and is not there.

use super::*;
use crate::artifacts::Referrers;
use crate::index::NewReferrer;
use crate::store::Manifest;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const EMPTY_INDEX: &[u8] =
    br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;

impl World {
    async fn home(&self) -> String {
        self.index.referrer_repository("a").await.unwrap()
    }

    /// Puts a manifest about `subject` with one layer into the repository of what refers to the objects of bucket `a`.
    async fn put_manifest(&self, subject: &Digest, layer: &str, tag: Option<&str>) -> Manifest {
        let home = self.home().await;
        for bytes in ["{}", layer] {
            let bytes = Bytes::from(bytes.to_owned());
            self.store.put_blob(&home, &Digest::of(&bytes), bytes).await.unwrap();
        }
        let descriptor = |kind: &str, digest: &Digest, size: usize| serde_json::json!({"mediaType": kind, "digest": digest.to_string(), "size": size});
        let manifest = serde_json::json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "application/x",
            "config": descriptor("application/vnd.oci.empty.v1+json", &Digest::of(b"{}"), 2),
            "layers": [descriptor("application/octet-stream", &Digest::of(layer.as_bytes()), layer.len())],
            "subject": descriptor(MANIFEST, subject, 100),
        });
        let bytes = Bytes::from(manifest.to_string());
        let digest = Digest::of(&bytes);
        let reference = tag.map_or_else(|| digest.to_string(), str::to_owned);
        self.store.put_manifest(&home, &reference, MANIFEST, bytes.clone()).await.unwrap();
        Manifest { media_type: MANIFEST.to_owned(), digest, bytes }
    }

    /// As [`put_manifest`](Self::put_manifest), known to the index as it should be.
    async fn refer(&self, subject: &Digest, layer: &str) -> Manifest {
        let manifest = self.put_manifest(subject, layer, None).await;
        let blobs = [(Digest::of(b"{}"), 2), (Digest::of(layer.as_bytes()), layer.len() as u64)];
        let new = NewReferrer {
            bucket: "a",
            digest: manifest.digest,
            subject: *subject,
            root: *subject,
            is_listed: true,
            kinds: &["other"],
            media_type: MANIFEST,
            artifact_type: None,
            size: manifest.bytes.len() as u64,
            annotations: &self.none,
            blobs: &blobs,
            owner: "o",
            most: 100,
        };
        let id = self.index.begin_referrer(&new).await.unwrap();
        self.index.store_referrer(id, None, &[], None).await.unwrap();
        manifest
    }

    fn lose_at_home(&self, home: &str, digest: &Digest) {
        std::fs::remove_file(file(self.folder.path(), home, digest)).unwrap();
    }
}

#[tokio::test]
async fn a_signature_is_told_of_whose_manifest_or_blob_the_registry_has_lost() {
    let world = World::new().await;
    let (home, subject) = (world.home().await, Digest::of(b"subject"));
    let sound = world.refer(&subject, "sound").await;
    let lost = world.refer(&subject, "a layer").await;
    assert_eq!(world.found(reading()).await, []);
    world.lose_at_home(&home, &Digest::of(b"a layer"));
    assert!(world.store.delete_manifest(&home, &lost.digest.to_string()).await.unwrap());
    let (findings, _) = world.fsck(Options::default()).await;
    assert_eq!(named(&findings), expected([(Kind::MissingManifest, ""), (Kind::MissingBlob, "")]));
    let told: Vec<_> = findings.iter().filter_map(|finding| finding.digest.clone()).collect();
    assert!(told.contains(&lost.digest.to_string()) && told.contains(&Digest::of(b"a layer").to_string()), "{told:?}");
    assert!(!told.contains(&sound.digest.to_string()));
    assert!(findings.iter().all(|finding| finding.bucket.as_deref() == Some("a")));
    assert_eq!(world.count("referrers").await, 2, "nothing is forgotten because it is lost");
}

#[tokio::test]
async fn a_manifest_that_no_row_names_is_found_by_its_subject_or_tag_and_goes_as_one_that_was_condemned() {
    let world = World::new().await;
    let (home, subject) = (world.home().await, Digest::of(b"subject"));
    let known = world.refer(&subject, "known").await;
    let listed = world.put_manifest(&subject, "listed", None).await;
    let tagged = world.put_manifest(&Digest::of(b"of nothing known"), "tagged", Some("sha256-x.sig")).await;
    let (findings, _) = world.fsck(Options::default()).await;
    let mut found: Vec<_> = findings.iter().map(|f| (f.kind, f.digest.clone().unwrap_or_default())).collect();
    found.sort();
    let mut both = [listed.digest, tagged.digest].map(|digest| (Kind::OrphanManifest, digest.to_string()));
    both.sort();
    assert_eq!(found, both);

    let (findings, report) = world.fsck(mending(Repair::Orphans)).await;
    assert_eq!((findings.len(), report.left(), world.records("CondemnManifest").await), (2, 0, 2));
    let is_there = async |manifest: &Manifest| {
        world.store.get_manifest(&home, &manifest.digest.to_string()).await.unwrap().is_some()
    };
    assert!(is_there(&listed).await, "fsck itself deletes nothing");
    assert_eq!(world.found(Options::default()).await, []);
    let sweeping =
        Referrers::new(world.index.clone().with_reclaim_after(Duration::ZERO), world.store.clone(), &world.config);
    assert_eq!(sweeping.round(Duration::from_secs(3600)).await.unwrap().deleted, 2);
    assert!(!is_there(&listed).await && !is_there(&tagged).await && is_there(&known).await);
    assert_eq!(world.found(Options::default()).await, []);
}

#[tokio::test]
async fn a_manifest_among_bytes_and_a_repository_that_was_never_made_are_told() {
    let world = World::new().await;
    let ours = world.put("a", "k", "bytes").await.repository.name;
    for (repository, reference) in [(ours.as_str(), "a-tag"), ("s3/999999/00", "t"), ("s3/odd", "t"), ("team/app", "t")]
    {
        world.store.put_manifest(repository, reference, INDEX, Bytes::from_static(EMPTY_INDEX)).await.unwrap();
    }
    let (findings, _) = world.fsck(Options::default()).await;
    let mut found: Vec<_> = findings.iter().map(|f| (f.kind, f.repository.as_deref().unwrap_or_default())).collect();
    found.sort_unstable();
    let told = [
        (Kind::UnexpectedManifest, ours.as_str()),
        (Kind::UnknownRepository, "s3/999999/00"),
        (Kind::UnknownRepository, "s3/odd"),
    ];
    assert_eq!(found, told);
}

#[tokio::test]
async fn the_repository_of_a_bucket_that_was_deleted_is_counted_and_no_finding() {
    let world = World::new().await;
    let gone = world.put("b", "k", "bytes").await.repository.name;
    world.store.put_manifest(&gone, "t", INDEX, Bytes::from_static(EMPTY_INDEX)).await.unwrap();
    world.delete("b", "k").await;
    world.index.delete_bucket("b", &[]).await.unwrap();
    world.blobs.sweep_once().await;
    world.blobs.sweep_once().await;
    assert_eq!(world.count("placements").await, 1);
    let (findings, report) = world.fsck(Options::default()).await;
    assert_eq!(findings, []);
    assert!(report.not_looked_at.iter().any(|line| line.contains("buckets that were deleted")), "{report:?}");
}

#[tokio::test]
async fn blobs_that_the_index_does_not_know_are_found_in_the_folder_and_left_to_the_sweep() {
    let world = World::new().await;
    let repository = world.put("a", "k", "known").await.repository;
    let orphan = BlobRef { repository_id: repository.id, digest: Digest::of(b"unknown") };
    world.store.put_blob(&repository.name, &orphan.digest, Bytes::from_static(b"unknown")).await.unwrap();
    std::fs::write(file(world.folder.path(), &repository.name, &orphan.digest).with_file_name("no-blob"), "x").unwrap();
    assert_eq!(world.found(Options::default()).await, [], "no API lists blobs");

    let looking = Options { registry_root: Some(world.folder.path().to_owned()), ..Options::default() };
    let (findings, report) = world.fsck(looking.clone()).await;
    assert_eq!((named(&findings), report.left()), (expected([(Kind::OrphanBlob, "")]), 1));
    assert_eq!(findings[0].digest, Some(orphan.digest.to_string()));
    assert!(!report.not_looked_at.iter().any(|line| line.contains("--registry-root")));

    let (_, report) = world.fsck(Options { repairs: [Repair::Orphans].into(), ..looking.clone() }).await;
    assert_eq!((report.left(), world.records("AdoptOrphan").await), (0, 1));
    assert_eq!(world.found(looking).await, [], "it is known, and has a pin");
    world.sql("UPDATE blob_pins SET due_at = now()").await;
    assert_eq!(world.blobs.sweep_once().await.deleted, 1);
    assert_eq!(world.store.head_blob(&repository.name, &orphan.digest).await.unwrap(), None);
}

#[tokio::test]
async fn a_folder_that_is_not_the_registrys_is_an_error_and_not_one_without_orphans() {
    let world = World::new().await;
    world.put("a", "k", "known").await;
    let other = tempfile::tempdir().unwrap();
    let options = Options { registry_root: Some(other.path().to_owned()), ..Options::default() };
    let fsck = Fsck::begin(&world.config, options, World::effort(), world.listener()).await.unwrap();
    let report = Box::pin(fsck.run(CancellationToken::new())).await;
    assert!(report.unfinished.is_some_and(|error| error.for_operator().contains("--registry-root")));
}
