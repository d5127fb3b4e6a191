//! What the store client promises of an upstream, as sentences that run against each: the embedded registry, the reference
//! registry, and the stock Zot that `ZOT_BIN` names.
//!
//! `sentences.rs` holds the promises, `faults.rs` what becomes of them when the upstream fails, `zot.rs` what Zot does
//! otherwise than the others; `docs/zot.md` names the tests of that file.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the helpers of a test are tests too: they fail by panicking"
)]

mod faults;
mod sentences;
mod zot;

use std::sync::LazyLock;

use bytes::Bytes;
use futures::TryStreamExt as _;
use zas_e2e::harness::{ReferenceRegistry, Zot};
use zas_proxy::config;
use zas_proxy::digest::Digest;
use zas_proxy::error::{Code, Error, Result};
use zas_proxy::store::{ByteStream, Store};
use zas_registry::{Options, Registry, Server};

/// Shared by all tests of this process. Their guardians end them with it.
static REFERENCE: LazyLock<Option<ReferenceRegistry>> =
    LazyLock::new(|| ReferenceRegistry::start("store_contract on the reference registry").unwrap());
static ZOT: LazyLock<Option<Zot>> = LazyLock::new(|| Zot::from_env().unwrap());

/// An upstream, and a place in it that no other test uses.
struct Case {
    store: Store,
    repository: String,
    /// Whether the upstream refuses to delete a blob that a manifest lists.
    keeps_listed_blobs: bool,
}

impl Case {
    fn new(url: &str, sentence: &str, keeps_listed_blobs: bool) -> Self {
        Self { store: store(url), repository: repository(sentence), keeps_listed_blobs }
    }

    /// Another repository of this test.
    fn other(&self, name: &str) -> String {
        format!("{}/{name}", self.repository)
    }

    async fn put(&self, body: impl Into<Bytes>) -> Result<Digest> {
        let body = body.into();
        let digest = Digest::of(&body);
        self.store.put_blob(&self.repository, &digest, body).await?;
        Ok(digest)
    }

    async fn get(&self, digest: &Digest, size: u64) -> Result<Vec<u8>> {
        self.get_range(digest, size, 0..size).await
    }

    async fn get_range(&self, digest: &Digest, size: u64, range: std::ops::Range<u64>) -> Result<Vec<u8>> {
        all(self.store.get_blob(&self.repository, digest, size, range).await?).await
    }
}

/// An embedded registry in this process; it goes when dropped.
struct Embedded {
    registry: Registry,
    url: String,
    _server: Server,
    _folder: tempfile::TempDir,
}

impl Embedded {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::open(folder.path(), Options::default()).unwrap();
        let server = Server::start(registry.clone(), ([127, 0, 0, 1], 0).into()).await.unwrap();
        let url = format!("http://{}", server.local_addr());
        Self { registry, url, _server: server, _folder: folder }
    }
}

fn store(url: &str) -> Store {
    store_with(url, |_| {})
}

fn store_with(url: &str, change: impl FnOnce(&mut config::Store)) -> Store {
    let mut config = config::Store { url: url.to_owned(), ..config::Store::default() };
    change(&mut config);
    Store::new(&config).unwrap()
}

/// A repository below Zot's sub-path, named after the test.
fn repository(sentence: &str) -> String {
    format!("s3/{}/00", sentence.replace('_', "-"))
}

async fn all(stream: ByteStream) -> Result<Vec<u8>> {
    let collect = async |mut all: Vec<u8>, chunk: Bytes| {
        all.extend_from_slice(&chunk);
        Ok(all)
    };
    stream.try_fold(Vec::new(), collect).await
}

fn stream(chunks: impl IntoIterator<Item = Result<Bytes>, IntoIter: Send + 'static>) -> ByteStream {
    Box::pin(futures::stream::iter(chunks))
}

fn code<T: std::fmt::Debug>(result: Result<T>) -> Code {
    result.unwrap_err().code()
}

/// Bytes that do not repeat soon.
fn noise(size: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}

/// Makes each promise a test for each upstream.
macro_rules! contract {
    ($($sentence:ident)+) => {
        mod on_the_embedded_registry {
            $(
                #[tokio::test]
                async fn $sentence() {
                    let upstream = super::Embedded::start().await;
                    super::sentences::$sentence(super::Case::new(&upstream.url, stringify!($sentence), false)).await;
                }
            )+
        }

        mod on_the_reference_registry {
            $(
                #[tokio::test]
                async fn $sentence() {
                    let Some(upstream) = super::REFERENCE.as_ref() else { return };
                    let case = super::Case::new(&upstream.endpoint().url, stringify!($sentence), false);
                    super::sentences::$sentence(case).await;
                }
            )+
        }

        mod on_a_stock_zot {
            $(
                #[tokio::test]
                async fn $sentence() {
                    let Some(upstream) = super::ZOT.as_ref() else { return };
                    let case = super::Case::new(&upstream.endpoint().url, stringify!($sentence), true);
                    super::sentences::$sentence(case).await;
                }
            )+
        }
    };
}

contract! {
    the_registry_answers_a_ping
    a_blob_is_read_back_as_it_was_stored
    an_empty_blob_is_kept
    a_blob_may_be_stored_again_and_again
    many_blobs_are_stored_at_once
    every_range_of_a_blob_is_read_as_it_is
    a_blob_that_is_not_there_is_said_not_to_be
    a_blob_of_another_digest_is_refused_and_not_kept
    a_deleted_blob_is_gone_and_may_come_back
    a_blob_is_deleted_in_one_repository_only
    a_stream_becomes_a_blob
    a_stream_in_pieces_becomes_one_blob
    an_empty_stream_becomes_the_empty_blob
    a_stream_of_another_digest_is_refused_and_not_kept
    a_stream_that_fails_leaves_no_blob
    a_cancelled_upload_is_gone
    a_manifest_is_read_back_by_tag_and_by_digest
    a_manifest_that_is_not_there_is_said_not_to_be
    a_deleted_manifest_is_gone
    a_blob_that_a_manifest_lists
    a_referrer_is_found_by_its_subject_and_type
    the_catalog_names_every_repository_page_by_page
}
