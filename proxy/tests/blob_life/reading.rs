//! Reads, held against the ledger.

use futures::TryStreamExt;
use rand::Rng;
use zas_proxy::error::{Code, Error};
use zas_proxy::index::{Object, Segment, slice};

use crate::client::Client;

/// Reads an object, whole or in part.
pub(crate) async fn read(client: &mut Client) {
    let name = client.name();
    let began = client.world.ledger.now();
    let object = match client.parts.index.object(name.0, name.1).await {
        Ok(object) => object,
        Err(error) if error.code() == Code::NoSuchKey => return client.world.ledger.check(name, None, began),
        Err(error) => return client.expect(&error, &[]),
    };
    client.world.ledger.count("reads");
    client.world.ledger.check(name, Some(&object.head.etag), began);
    let Some(value) = client.world.ledger.value(&object.head.etag) else {
        return client.world.ledger.violation(format!("{name:?} has a value that nobody wrote"));
    };
    let Some(segments) = segments(client, &object).await else { return };
    let (mut from, mut to) = (0, value.len());
    if client.rng.random_bool(0.3) {
        from = client.rng.random_range(0..to);
        to = client.rng.random_range(from..=to);
    }
    match bytes(client, &slice(&segments, &(from as u64..to as u64))).await {
        Ok(bytes) if bytes == value[from..to] => {}
        Ok(bytes) => {
            let text = format!("{name:?}: {} bytes read of {from}..{to} are not those written", bytes.len());
            client.world.ledger.violation(text);
        }
        Err(error) if error.code() == Code::BlobUnknown => still_there(client, name, &object, &error).await,
        Err(error) => client.expect(&error, &[]),
    }
}

/// A blob was missing: that may be only where its version has gone, and its grace has passed.
async fn still_there(client: &Client, name: (&str, &str), object: &Object, error: &Error) {
    match client.parts.index.object(name.0, name.1).await {
        Ok(now) if now.head.id == object.head.id => {
            let course = client.world.registry.course(error.details().next().map_or("sha256", |(_, digest)| digest));
            client.world.ledger.violation(format!("{name:?}: a blob of the current version is gone{course}"));
        }
        _ => client.world.ledger.count("reads overtaken"),
    }
}

/// The segments of an object; `None` where the version has gone meanwhile.
pub(crate) async fn segments(client: &Client, object: &Object) -> Option<Vec<Segment>> {
    match object.segment_count {
        0 => Some(Vec::new()),
        1 => Some(object.segment.clone().into_iter().collect()),
        _ => match client.parts.index.segments(object.head.id, 0..object.head.size).await {
            Ok(segments) => Some(segments),
            Err(error) => {
                client.expect(&error, &[Code::NoSuchKey]);
                None
            }
        },
    }
}

/// The bytes of segments.
pub(crate) async fn bytes(client: &Client, segments: &[Segment]) -> Result<Vec<u8>, Error> {
    client.parts.blobs.read(segments.to_vec()).map_ok(|bytes| bytes.to_vec()).try_concat().await
}
