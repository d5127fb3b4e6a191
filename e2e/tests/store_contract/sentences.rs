//! The promises.

use super::*;

pub(super) async fn the_registry_answers_a_ping(case: Case) {
    case.store.ping().await.unwrap();
}

pub(super) async fn a_blob_is_read_back_as_it_was_stored(case: Case) {
    for size in [1, 4096, 65_536, 1 << 20, (5 << 20) + 1] {
        let bytes = noise(size);
        let digest = case.put(bytes.clone()).await.unwrap();
        assert_eq!(case.store.head_blob(&case.repository, &digest).await.unwrap(), Some(size as u64));
        assert!(case.get(&digest, size as u64).await.unwrap() == bytes, "{size} bytes");
    }
}

pub(super) async fn an_empty_blob_is_kept(case: Case) {
    let digest = case.put("").await.unwrap();
    assert_eq!(case.store.head_blob(&case.repository, &digest).await.unwrap(), Some(0));
    assert_eq!(case.get(&digest, 0).await.unwrap(), b"");
}

pub(super) async fn a_blob_may_be_stored_again_and_again(case: Case) {
    for _ in 0..3 {
        let digest = case.put("again").await.unwrap();
        assert_eq!(case.get(&digest, 5).await.unwrap(), b"again");
    }
}

pub(super) async fn many_blobs_are_stored_at_once(case: Case) {
    let bodies: Vec<String> = (0..64).map(|i| format!("blob {i}")).collect();
    let stored = futures::future::join_all(bodies.iter().map(|body| case.put(body.clone()))).await;
    for (body, digest) in bodies.iter().zip(stored) {
        assert_eq!(case.get(&digest.unwrap(), body.len() as u64).await.unwrap(), body.as_bytes());
    }
}

pub(super) async fn every_range_of_a_blob_is_read_as_it_is(case: Case) {
    let bytes = noise(100_000);
    let digest = case.put(bytes.clone()).await.unwrap();
    for (from, to) in [(0, 1), (99_999, 100_000), (0, 99_999), (1, 100_000), (40_000, 60_000), (7, 8), (0, 100_000)] {
        let read = case.get_range(&digest, 100_000, from..to).await.unwrap();
        assert!(read == bytes[usize::try_from(from).unwrap()..usize::try_from(to).unwrap()], "{from}..{to}");
    }
}

pub(super) async fn a_blob_that_is_not_there_is_said_not_to_be(case: Case) {
    case.put("something else").await.unwrap();
    let unknown = Digest::of(b"unknown");
    for repository in [case.repository.clone(), case.other("nobody")] {
        assert_eq!(case.store.head_blob(&repository, &unknown).await.unwrap(), None);
        assert!(!case.store.delete_blob(&repository, &unknown).await.unwrap());
        for range in [0..7, 2..3] {
            let read = case.store.get_blob(&repository, &unknown, 7, range).await.map(drop);
            assert_eq!(code(read), Code::BlobUnknown);
        }
    }
}

pub(super) async fn a_blob_of_another_digest_is_refused_and_not_kept(case: Case) {
    let other = Digest::of(b"other");
    let stored = case.store.put_blob(&case.repository, &other, Bytes::from_static(b"bytes")).await;
    assert_eq!(code(stored), Code::InternalError);
    for digest in [other, Digest::of(b"bytes")] {
        assert_eq!(case.store.head_blob(&case.repository, &digest).await.unwrap(), None);
    }
}

pub(super) async fn a_deleted_blob_is_gone_and_may_come_back(case: Case) {
    for _ in 0..2 {
        let digest = case.put("come and gone").await.unwrap();
        assert!(case.store.delete_blob(&case.repository, &digest).await.unwrap());
        assert!(!case.store.delete_blob(&case.repository, &digest).await.unwrap());
        assert_eq!(case.store.head_blob(&case.repository, &digest).await.unwrap(), None);
        assert_eq!(code(case.get(&digest, 13).await), Code::BlobUnknown);
    }
}

pub(super) async fn a_blob_is_deleted_in_one_repository_only(case: Case) {
    let digest = case.put("in two").await.unwrap();
    let other = case.other("other");
    case.store.put_blob(&other, &digest, Bytes::from_static(b"in two")).await.unwrap();
    assert!(case.store.delete_blob(&other, &digest).await.unwrap());
    assert_eq!(case.store.head_blob(&other, &digest).await.unwrap(), None);
    assert_eq!(case.get(&digest, 6).await.unwrap(), b"in two");
}

pub(super) async fn a_stream_becomes_a_blob(case: Case) {
    let bytes = noise(3_000_000);
    let chunks: Vec<_> = bytes.chunks(50_000).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
    let mut session = case.store.start_upload(&case.repository).await.unwrap();
    assert_eq!(session.append(stream(chunks)).await.unwrap(), 3_000_000);
    let digest = Digest::of(&bytes);
    session.finish(&digest, 3_000_000).await.unwrap();
    assert!(case.get(&digest, 3_000_000).await.unwrap() == bytes);
}

pub(super) async fn a_stream_in_pieces_becomes_one_blob(case: Case) {
    let mut session = case.store.start_upload(&case.repository).await.unwrap();
    for piece in ["one ", "two ", "three"] {
        let sent = session.append(stream([Ok(Bytes::from_static(piece.as_bytes()))])).await.unwrap();
        assert_eq!(sent, piece.len() as u64);
    }
    let digest = Digest::of(b"one two three");
    session.finish(&digest, 13).await.unwrap();
    assert_eq!(case.get(&digest, 13).await.unwrap(), b"one two three");
}

pub(super) async fn an_empty_stream_becomes_the_empty_blob(case: Case) {
    let mut session = case.store.start_upload(&case.repository).await.unwrap();
    assert_eq!(session.append(stream([])).await.unwrap(), 0);
    let digest = Digest::of(b"");
    session.finish(&digest, 0).await.unwrap();
    assert_eq!(case.store.head_blob(&case.repository, &digest).await.unwrap(), Some(0));
}

pub(super) async fn a_stream_of_another_digest_is_refused_and_not_kept(case: Case) {
    let mut session = case.store.start_upload(&case.repository).await.unwrap();
    session.append(stream([Ok(Bytes::from_static(b"bytes"))])).await.unwrap();
    let other = Digest::of(b"other");
    assert_eq!(code(session.finish(&other, 5).await), Code::InternalError);
    for digest in [other, Digest::of(b"bytes")] {
        assert_eq!(case.store.head_blob(&case.repository, &digest).await.unwrap(), None);
    }
}

pub(super) async fn a_stream_that_fails_leaves_no_blob(case: Case) {
    let mut session = case.store.start_upload(&case.repository).await.unwrap();
    let failing = stream([Ok(Bytes::from(noise(100_000))), Err(Error::from(Code::IncompleteBody))]);
    assert_eq!(code(session.append(failing).await), Code::IncompleteBody);
    // Whether the registry has dropped the session by itself or not: it can be cancelled.
    case.store.cancel_upload(session.location()).await.unwrap();
    assert_eq!(case.store.head_blob(&case.repository, &Digest::of(&noise(100_000))).await.unwrap(), None);
}

pub(super) async fn a_cancelled_upload_is_gone(case: Case) {
    let mut session = case.store.start_upload(&case.repository).await.unwrap();
    session.append(stream([Ok(Bytes::from_static(b"in vain"))])).await.unwrap();
    for _ in 0..2 {
        case.store.cancel_upload(session.location()).await.unwrap();
    }
    assert_eq!(code(session.finish(&Digest::of(b"in vain"), 7).await), Code::InternalError);
    assert_eq!(case.store.head_blob(&case.repository, &Digest::of(b"in vain")).await.unwrap(), None);
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// Stores an artifact of one layer; its manifest and that one's digest.
async fn artifact(
    case: &Case,
    kind: &str,
    layer: &'static str,
    subject: Option<(Digest, usize)>,
    reference: Option<&str>,
) -> (Bytes, Digest) {
    let descriptor = |media_type: &str, bytes: &str| {
        format!(r#"{{"mediaType":"{media_type}","digest":"{}","size":{}}}"#, Digest::of(bytes.as_bytes()), bytes.len())
    };
    for blob in ["{}", layer] {
        case.put(blob).await.unwrap();
    }
    let subject = subject.map_or(String::new(), |(digest, size)| {
        format!(r#","subject":{{"mediaType":"{MANIFEST}","digest":"{digest}","size":{size}}}"#)
    });
    let manifest = Bytes::from(format!(
        r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","artifactType":"{kind}","config":{},"layers":[{}]{subject}}}"#,
        descriptor(EMPTY, "{}"),
        descriptor("application/octet-stream", layer),
    ));
    let digest = Digest::of(&manifest);
    let reference = reference.map_or_else(|| digest.to_string(), str::to_owned);
    let stored = case.store.put_manifest(&case.repository, &reference, MANIFEST, manifest.clone()).await.unwrap();
    assert_eq!(stored, digest);
    (manifest, digest)
}

pub(super) async fn a_manifest_is_read_back_by_tag_and_by_digest(case: Case) {
    let (bytes, digest) = artifact(&case, "application/x", "a layer", None, Some("v1.0")).await;
    for reference in ["v1.0", &digest.to_string()] {
        let manifest = case.store.get_manifest(&case.repository, reference).await.unwrap().unwrap();
        assert_eq!((manifest.bytes, manifest.digest, manifest.media_type.as_str()), (bytes.clone(), digest, MANIFEST));
    }
}

pub(super) async fn a_manifest_that_is_not_there_is_said_not_to_be(case: Case) {
    case.put("a blob").await.unwrap();
    for repository in [case.repository.clone(), case.other("nobody")] {
        for reference in ["v1.0", &Digest::of(b"unknown").to_string()] {
            assert!(case.store.get_manifest(&repository, reference).await.unwrap().is_none());
        }
        assert!(!case.store.delete_manifest(&repository, &Digest::of(b"unknown").to_string()).await.unwrap());
    }
}

pub(super) async fn a_deleted_manifest_is_gone(case: Case) {
    let (_, digest) = artifact(&case, "application/x", "a layer", None, None).await;
    assert!(case.store.delete_manifest(&case.repository, &digest.to_string()).await.unwrap());
    assert!(!case.store.delete_manifest(&case.repository, &digest.to_string()).await.unwrap());
    assert!(case.store.get_manifest(&case.repository, &digest.to_string()).await.unwrap().is_none());
}

pub(super) async fn a_blob_that_a_manifest_lists(case: Case) {
    artifact(&case, "application/x", "a listed layer", None, Some("latest")).await;
    let layer = Digest::of(b"a listed layer");
    let deleted = case.store.delete_blob(&case.repository, &layer).await;
    if case.keeps_listed_blobs {
        assert_eq!(code(deleted), Code::InternalError);
    } else {
        assert!(deleted.unwrap());
    }
    assert_eq!(case.store.head_blob(&case.repository, &layer).await.unwrap().is_some(), case.keeps_listed_blobs);
}

pub(super) async fn a_referrer_is_found_by_its_subject_and_type(case: Case) {
    let (bytes, subject) = artifact(&case, "application/x", "a layer", None, Some("latest")).await;
    let about = Some((subject, bytes.len()));
    let (_, signature) = artifact(&case, "application/signature", "a signature", about, None).await;
    let (_, sbom) = artifact(&case, "application/sbom", "an sbom", about, None).await;
    let found = async |kind: Option<&str>| {
        let found = case.store.referrers(&case.repository, &subject, kind).await.unwrap();
        let mut found: Vec<String> = found.into_iter().map(|referrer| referrer.digest).collect();
        found.sort();
        found
    };
    let mut both = [signature.to_string(), sbom.to_string()];
    both.sort();
    assert_eq!(found(None).await, both);
    assert_eq!(found(Some("application/signature")).await, [signature.to_string()]);
    assert!(found(Some("application/other")).await.is_empty());
    assert!(case.store.referrers(&case.repository, &sbom, None).await.unwrap().is_empty());
    assert!(case.store.referrers(&case.other("nobody"), &sbom, None).await.unwrap().is_empty());
}

pub(super) async fn the_catalog_names_every_repository_page_by_page(case: Case) {
    let expected: Vec<String> = (0..5).map(|i| case.other(&format!("r{i}"))).collect();
    for repository in &expected {
        case.store.put_blob(repository, &Digest::of(b"x"), Bytes::from_static(b"x")).await.unwrap();
        // A registry may list a repository only once it has a manifest.
        let (manifest, digest) = (Bytes::from_static(INDEX), Digest::of(INDEX));
        case.store.put_manifest(repository, &digest.to_string(), INDEX_TYPE, manifest).await.unwrap();
    }
    let (mut found, mut last) = (Vec::new(), String::new());
    loop {
        let (page, more) = case.store.catalog(&last, 2).await.unwrap();
        assert!(page.len() <= 2);
        last = page.last().cloned().unwrap_or_default();
        found.extend(page);
        if !more {
            break;
        }
    }
    found.retain(|name| name.starts_with(&case.repository));
    assert_eq!(found, expected);
}

const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
const INDEX: &[u8] = br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
