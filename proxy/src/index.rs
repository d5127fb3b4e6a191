//! The index: names, versions and places of bytes, in Postgres. Each file here is a set of SQL statements and their rows.
//!
//! Strongly consistent for any number of replicas: nothing here caches an answer about an object.
//! Writes that need several statements are SQL functions of `migrations/`, so that a PUT costs one round trip.
//! What does not live here: bytes (`store`), the life of blobs (`blobs`), S3 texts and limits (`s3`).

mod bucket;
mod database;
mod list;
mod object;
mod pin;
mod session;
mod types;
mod upload;
mod upload_target;

pub use bucket::{Bucket, BucketPage, NewBucket};
pub use database::{Index, migrate};
pub use list::{ListEntry, ListPage, ListRequest};
pub use object::{Committed, CopySource, Deleted, NewObject, Object, ObjectHead, Preconditions, WriteConditions};
pub use pin::{DuePin, PinRequest, PinnedBlob};
pub use session::StoreSession;
pub use types::{BlobRef, ChecksumType, Checksums, Headers, Metadata, Placement, Repository, Segment, Segments, slice};
pub use upload::{CompleteUpload, CompletedPart, NewPart, NewUpload, Part, PartPage, Upload, UploadPage};
pub use upload_target::UploadTarget;
