//! What one operation of each phase is. How many run, and when, is in `worker`.

use anyhow::{Result, ensure};
use clap::ValueEnum;
use http::{Method, StatusCode};

use super::{
    Arguments,
    connection::{Connection, Received, drain},
    content::{Contents, Payload},
    listing, registry,
    signature::{Hash, in_path},
    target::Target,
};

/// A kind of operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Phase {
    /// PutObject.
    Put,
    /// GetObject, the whole body read and checked.
    Get,
    /// HeadObject.
    Head,
    /// ListObjectsV2 through all keys, 1,000 a page; an operation is a page.
    List,
    /// As list, with the delimiter `/`: the keys of a round are under up to 100 prefixes.
    ListDelimiter,
    /// DeleteObject.
    Delete,
    /// A blob pushed as registry clients do it: POST, then PUT.
    Push,
    /// A blob pulled, the whole body read and checked.
    Pull,
}

impl Phase {
    /// Its name on the command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Get => "get",
            Self::Head => "head",
            Self::List => "list",
            Self::ListDelimiter => "list-delimiter",
            Self::Delete => "delete",
            Self::Push => "push",
            Self::Pull => "pull",
        }
    }

    pub(super) fn is_listing(self) -> bool {
        matches!(self, Self::List | Self::ListDelimiter)
    }

    /// Whether operations need the hash of their content, which is computed before the phase is timed.
    fn needs_hash(self, sign_payload: bool) -> bool {
        match self {
            Self::Push | Self::Pull => true,
            Self::Put => sign_payload,
            _ => false,
        }
    }
}

/// One phase of one round on one server: everything that its operations share.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) target: Target,
    pub(super) phase: Phase,
    contents: Contents,
    hashes: Vec<String>,
    bucket: String,
    repository: String,
    /// What the keys of this round begin with.
    pub(super) prefix: String,
}

impl Run {
    pub(super) fn new(target: &Target, phase: Phase, round: u64, arguments: &Arguments) -> Self {
        let contents = Contents::new(arguments.size, round);
        let hashes = match phase.needs_hash(arguments.sign_payload) {
            true => (0..arguments.operations).map(|index| contents.sha256(index)).collect(),
            false => Vec::new(),
        };
        Self {
            target: target.clone(),
            phase,
            contents,
            hashes,
            bucket: arguments.bucket.clone(),
            repository: arguments.repository.clone(),
            prefix: format!("{}r{round}/", arguments.prefix),
        }
    }

    /// Does the operation `index` and gives the number of content bytes that crossed the wire.
    pub(super) async fn operate(&self, connection: &mut Connection, index: u64) -> Result<u64> {
        match self.phase {
            Phase::Put => self.put(connection, index).await,
            Phase::Get => self.get(connection, index).await,
            Phase::Head => self.small(connection, Method::HEAD, index, StatusCode::OK).await,
            Phase::Delete => self.small(connection, Method::DELETE, index, StatusCode::NO_CONTENT).await,
            Phase::Push => registry::push(self, connection, index).await,
            Phase::Pull => registry::pull(self, connection, index).await,
            // Pages depend on one another: see `listing`.
            Phase::List | Phase::ListDelimiter => Ok(0),
        }
    }

    /// One page of the listing of this round, after `token`.
    pub(super) async fn page(&self, connection: &mut Connection, token: Option<&str>) -> Result<listing::Page> {
        let path = listing::path(&self.bucket, &self.prefix, self.phase == Phase::ListDelimiter, token);
        let request = self.target.s3(Method::GET, &path, Payload::empty(), Hash::Unsigned)?;
        let response = connection.send(request, StatusCode::OK).await?;
        listing::Page::parse(&super::connection::read(response).await?)
    }

    /// The repository of the OCI phases.
    pub(super) fn repository(&self) -> &str {
        &self.repository
    }

    /// The body of the operation `index`.
    pub(super) fn body(&self, index: u64) -> Payload {
        self.contents.body(index)
    }

    /// The SHA-256 of that body, or nothing in a phase that has no use for it.
    pub(super) fn hash(&self, index: u64) -> &str {
        usize::try_from(index).ok().and_then(|index| self.hashes.get(index)).map_or("", String::as_str)
    }

    /// Fails unless what came back is the content `index`.
    pub(super) fn check(&self, received: &Received, index: u64) -> Result<u64> {
        let expected = self.contents.size() as u64;
        ensure!(received.length == expected, "{} bytes came back of {expected}", received.length);
        ensure!(received.start == self.contents.mark(index), "other bytes came back than were stored");
        Ok(expected)
    }

    async fn put(&self, connection: &mut Connection, index: u64) -> Result<u64> {
        let hash = match self.hash(index) {
            "" => Hash::Unsigned,
            hash => Hash::Sha256(hash.to_owned()),
        };
        let request = self.target.s3(Method::PUT, &self.key(index), self.body(index), hash)?;
        drain(connection.send(request, StatusCode::OK).await?).await?;
        Ok(self.contents.size() as u64)
    }

    async fn get(&self, connection: &mut Connection, index: u64) -> Result<u64> {
        let request = self.target.s3(Method::GET, &self.key(index), Payload::empty(), Hash::Unsigned)?;
        let received = drain(connection.send(request, StatusCode::OK).await?).await?;
        self.check(&received, index)
    }

    async fn small(
        &self,
        connection: &mut Connection,
        method: Method,
        index: u64,
        expected: StatusCode,
    ) -> Result<u64> {
        let request = self.target.s3(method, &self.key(index), Payload::empty(), Hash::Unsigned)?;
        drain(connection.send(request, expected).await?).await?;
        Ok(0)
    }

    /// The path of the object `index`: neighbours in time are not neighbours in the index, and there are 100 folders.
    fn key(&self, index: u64) -> String {
        format!("/{}/{}{:03}/{index:08}", self.bucket, in_path(&self.prefix), index % 100)
    }
}
