//! What objects hold, and the `ETag`s that S3 gives it: with them a body that is read proves itself.

use bytes::Bytes;
use md5::{Digest as _, Md5};

use crate::clients::pattern;

/// The size of every part of an upload but its last.
pub(super) const PART_BYTES: usize = 5 * 1024 * 1024;

/// Bytes that no other seed gives.
pub(super) fn content(seed: u64, size: usize) -> Bytes {
    // The seed is in the first word.
    Bytes::from(pattern(size.max(8), seed))
}

/// The `ETag` of bytes that came in one request.
pub(super) fn etag(bytes: &[u8]) -> String {
    hex::encode(Md5::digest(bytes))
}

/// The `ETag` of bytes that came in parts of [`PART_BYTES`].
pub(super) fn multipart_etag(bytes: &[u8]) -> String {
    let mut of_parts = Md5::new();
    let parts = bytes.chunks(PART_BYTES);
    let count = parts.len();
    parts.for_each(|part| of_parts.update(Md5::digest(part)));
    format!("{}-{count}", hex::encode(of_parts.finalize()))
}

/// Whether bytes have this `ETag`.
pub(super) fn is_right(bytes: &[u8], wanted: &str) -> bool {
    if wanted.contains('-') { multipart_etag(bytes) == wanted } else { etag(bytes) == wanted }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_prove_themselves_by_the_etag_of_either_kind_of_upload() {
        let bytes = content(7, 100);
        assert!(is_right(&bytes, &etag(&bytes)) && is_right(&bytes, &multipart_etag(&bytes)));
        assert!(!is_right(&content(8, 100), &etag(&bytes)) && !is_right(&content(8, 100), &multipart_etag(&bytes)));
        assert!(!is_right(bytes.get(1..).unwrap(), &etag(&bytes)));
    }

    #[test]
    fn etags_are_those_of_the_s3_documentation() {
        assert_eq!(etag(b""), "d41d8cd98f00b204e9800998ecf8427e");
        let long = vec![0; PART_BYTES + 1];
        assert!(multipart_etag(&long).ends_with("-2"));
    }
}
