//! Drives an S3 server with the AWS SDK for Rust as an application would, at the SDK's default settings.
//!
//! Usage: `zas-e2e-rust [objects|versions]`; endpoint, region and access key are those of the environment.
//! Each step has a bucket of its own, and runs whatever happened to the others. Exits with 1 when one failed.
//! A project of its own, outside of the workspace: the SDK is built once, as a tool is, and not with every change.

mod objects;
mod tour;
mod versions;

use std::process::ExitCode;

use tour::Tour;

#[tokio::main]
async fn main() -> ExitCode {
    let mut tour = Tour::new(aws_sdk_s3::Client::new(&aws_config::load_from_env().await));
    match std::env::args().nth(1).as_deref() {
        None | Some("objects") => objects::run(&mut tour).await,
        Some("versions") => versions::run(&mut tour).await,
        Some(other) => {
            eprintln!("there is no tour {other:?}");
            return ExitCode::FAILURE;
        }
    }
    tour.finish()
}
