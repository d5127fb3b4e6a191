//! Multipart uploads: fresh parts, copied ranges, replaced parts; completed, aborted or forgotten.

use bytes::Bytes;
use rand::Rng;
use zas_proxy::error::{Code, Error};
use zas_proxy::index::{
    Checksums, CompleteUpload, CompletedPart, Headers, Metadata, NewLock, NewPart, NewUpload, PinnedBlob, Segment,
    Tags, Upload, WriteConditions, slice,
};

use crate::client::Client;
use crate::ledger::Name;
use crate::reading;
use crate::world::{GRACE, tag};

/// A part that the index has taken.
struct Done {
    number: i32,
    value: Bytes,
}

/// What becomes of one upload.
pub(crate) async fn run(client: &mut Client) {
    let name = client.name();
    let (headers, metadata, tags) = (Headers::new(), Metadata::new(), Tags::new());
    let new = NewUpload {
        bucket: name.0,
        key: name.1,
        checksum_algorithm: None,
        checksum_type: None,
        headers: &headers,
        metadata: &metadata,
        tags: &tags,
        storage_class: "STANDARD",
        lock: NewLock::default(),
        owner: "model",
        audit: &[],
    };
    let upload = match client.parts.index.create_upload(new).await {
        Ok(upload) => upload,
        Err(error) => return client.expect(&error, &[]),
    };
    let mut parts: Vec<Done> = Vec::new();
    for number in 1..=client.rng.random_range(1..4) {
        // Now and then a part is sent twice.
        for _ in 0..if client.rng.random_bool(0.2) { 2 } else { 1 } {
            let Some(value) = part(client, name, &upload, number).await else { continue };
            parts.retain(|part| part.number != number);
            parts.push(Done { number, value });
        }
    }
    match client.rng.random_range(0..10) {
        0..7 if !parts.is_empty() => complete(client, name, &upload, &parts).await,
        7..9 => {
            let aborted = client.parts.index.abort_upload(name.0, name.1, &upload.id, GRACE, &[]).await;
            if let Err(error) = aborted {
                client.expect(&error, &[Code::NoSuchUpload]);
            }
        }
        _ => client.world.ledger.count("forgotten uploads"),
    }
}

/// Uploads or copies one part; its bytes, where the index has surely taken them.
async fn part(client: &mut Client, name: Name, upload: &Upload, number: i32) -> Option<Bytes> {
    if client.rng.random_bool(0.4) {
        let (value, segments) = range_of_an_object(client).await?;
        client.world.ledger.count("copied parts");
        return put_part(client, name, upload, number, value, &segments, None).await;
    }
    let content = client.content();
    let pinned = client.store(name.0, &content).await?;
    let segment =
        Segment { blob: pinned.blob, blob_size: pinned.size, blob_offset: 0, size: pinned.size, part_number: number };
    put_part(client, name, upload, number, content, &[segment], Some(&pinned)).await
}

async fn put_part(
    client: &Client,
    (bucket, key): Name,
    upload: &Upload,
    part_number: i32,
    value: Bytes,
    segments: &[Segment],
    pin: Option<&PinnedBlob>,
) -> Option<Bytes> {
    let (etag, checksums) = (tag(&value), Checksums::new());
    let part = NewPart {
        bucket,
        key,
        upload_id: &upload.id,
        part_number,
        size: value.len() as u64,
        etag: &etag,
        checksums: &checksums,
        segments,
        pin,
        grace: GRACE,
        audit: &[],
    };
    match client.parts.index.put_part(part).await {
        Ok(_) => Some(value),
        Err(error) => {
            client.expect(&error, &[Code::NoSuchUpload, Code::NoSuchKey, Code::OperationAborted]);
            None
        }
    }
}

/// A range of an object that is there, and where its bytes are.
async fn range_of_an_object(client: &mut Client) -> Option<(Bytes, Vec<Segment>)> {
    let source = client.name();
    let object = client.parts.index.object(source.0, source.1).await.ok()?;
    let value = client.world.ledger.value(&object.head.etag)?;
    let segments = reading::segments(client, &object).await?;
    let from = client.rng.random_range(0..value.len());
    let to = client.rng.random_range(from + 1..=value.len());
    Some((value.slice(from..to), slice(&segments, &(from as u64..to as u64))))
}

async fn complete(client: &mut Client, name: Name, upload: &Upload, parts: &[Done]) {
    let value: Vec<u8> = parts.iter().flat_map(|part| part.value.iter().copied()).collect();
    let etag = client.world.ledger.learn(Bytes::from(value));
    let listed: Vec<_> =
        parts.iter().map(|part| CompletedPart { part_number: part.number, etag: tag(&part.value) }).collect();
    let checksums = Checksums::new();
    let request = CompleteUpload {
        bucket: name.0,
        key: name.1,
        upload_id: &upload.id,
        parts: &listed,
        etag: &etag,
        checksums: &checksums,
        checksum_type: None,
        conditions: WriteConditions::default(),
        grace: GRACE,
        audit: &[],
    };
    client.world.ledger.count("completions");
    let write = client.world.ledger.begin(name, Some(etag.clone()));
    let index = client.parts.index.clone();
    let completing = async { index.complete_upload(request).await.map(drop) };
    let mut outcome: Result<(), Error> = if client.rng.random_bool(0.2) {
        // A part is replaced just now: either the completion takes the old one, or it is refused.
        let (number, content) = (parts[0].number, client.content());
        let replacing = async {
            let pinned = client.store(name.0, &content).await?;
            let segment = Segment {
                blob: pinned.blob,
                blob_size: pinned.size,
                blob_offset: 0,
                size: pinned.size,
                part_number: number,
            };
            put_part(client, name, upload, number, content.clone(), &[segment], Some(&pinned)).await
        };
        tokio::join!(completing, replacing).0
    } else {
        completing.await
    };
    if matches!(&outcome, Err(error) if error.code() == Code::IndexUnavailable) && client.rng.random_bool(0.5) {
        // As clients do who did not hear the answer.
        outcome =
            index.completed_upload(name.0, name.1, &upload.id).await.map(drop).map_err(|error| match error.code() {
                // It may still be on its way.
                Code::NoSuchUpload => Error::from(Code::IndexUnavailable),
                _ => error,
            });
    }
    client.settle(write, outcome, &[Code::InvalidPart, Code::NoSuchUpload]);
}
