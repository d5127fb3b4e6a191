//! What a tour is made of: steps that all run, small checks, and the calls that many steps make.

use std::{fmt::Debug, future::Future, process::ExitCode, time::SystemTime};

use aws_sdk_s3::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    operation::put_object::PutObjectOutput,
    primitives::ByteStream,
};

/// The outcome of a step: what went wrong, in words.
pub type Outcome = Result<(), Box<dyn std::error::Error>>;

/// The steps that ran, and the client that they share.
pub struct Tour {
    pub client: Client,
    held: usize,
    failed: usize,
}

impl Tour {
    pub fn new(client: Client) -> Self {
        Self { client, held: 0, failed: 0 }
    }

    /// Runs one step, whose name is a sentence, and prints a line about it.
    pub async fn step<F: Future<Output = Outcome>>(&mut self, sentence: &str, step: impl FnOnce(Calls) -> F) {
        match step(Calls(self.client.clone())).await {
            Ok(()) => {
                self.held += 1;
                println!("ok   {sentence}");
            }
            Err(error) => {
                self.failed += 1;
                println!("FAIL {sentence}: {error} {error:?}");
            }
        }
    }

    pub fn finish(self) -> ExitCode {
        println!("{} steps hold, {} do not", self.held, self.failed);
        if self.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// The client, and the calls that many steps make.
#[derive(Clone)]
pub struct Calls(pub Client);

impl Calls {
    pub async fn new_bucket(&self) -> Result<String, Box<dyn std::error::Error>> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        let name = format!("rust-{}-{}", std::process::id(), now.as_nanos());
        self.0.create_bucket().bucket(&name).send().await?;
        Ok(name)
    }

    pub async fn put(
        &self,
        bucket: &str,
        key: &str,
        body: &[u8],
    ) -> Result<PutObjectOutput, Box<dyn std::error::Error>> {
        Ok(self.0.put_object().bucket(bucket).key(key).body(ByteStream::from(body.to_vec())).send().await?)
    }

    pub async fn get(&self, bucket: &str, key: &str) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
        Ok(self.0.get_object().bucket(bucket).key(key).send().await?.body.collect().await?.to_vec())
    }

    pub async fn range(&self, bucket: &str, key: &str, range: &str) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
        Ok(self.0.get_object().bucket(bucket).key(key).range(range).send().await?.body.collect().await?.to_vec())
    }

    pub async fn keys(&self, bucket: &str) -> Result<Vec<String>, Box<dyn std::error::Error>> {
        let page = self.0.list_objects_v2().bucket(bucket).send().await?;
        Ok(page.contents().iter().filter_map(|object| object.key().map(str::to_owned)).collect())
    }
}

pub fn check(holds: bool, told: &str) -> Outcome {
    if holds { Ok(()) } else { Err(told.into()) }
}

pub fn same<T: PartialEq<U> + Debug, U: Debug>(found: T, expected: U) -> Outcome {
    let holds = found == expected;
    check(holds, &if holds { String::new() } else { format!("found {found:?}, expected {expected:?}") })
}

/// As [`same`], without printing megabytes.
pub fn same_bytes(found: &[u8], expected: &[u8]) -> Outcome {
    let place = found.iter().zip(expected).position(|(a, b)| a != b);
    check(
        found == expected,
        &format!("{} bytes, not {}; the first difference at {place:?}", found.len(), expected.len()),
    )
}

/// The call must have failed with this HTTP status and, unless HEAD left no body to carry one, with this S3 error code.
pub fn refused<T, E>(code: Option<&str>, status: u16, answer: Result<T, SdkError<E>>) -> Outcome
where
    SdkError<E>: ProvideErrorMetadata,
{
    let Err(error) = answer else { return Err(format!("accepted, expected {status} {code:?}").into()) };
    same(error.raw_response().map(|raw| raw.status().as_u16()), Some(status))?;
    match code {
        Some(code) => same(error.code(), Some(code)),
        None => Ok(()),
    }
}

/// Bytes that differ from place to place, so that a piece in the wrong place is seen.
pub fn pattern(size: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..size)
        .map(|_| {
            // xorshift64.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        })
        .collect()
}
