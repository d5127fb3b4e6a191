//! What the end-to-end tests and the load generator stand on: real programs, found or installed ([`tools`]), started and
//! stopped as child processes ([`harness`], [`process`]), command line clients in a clean room ([`clients`]), images
//! for them ([`image`]), the OCI conformance suite with its results as data
//! ([`conformance`]), small clients for single answers ([`s3`], [`basic`]), the examples of
//! the documentation ([`examples`]), a measuring client ([`load`]), and clients that meet on few keys while parts are killed
//! ([`stress`]), with a checker of what they were answered ([`linearizability`]).
//!
//! Nothing here links the product: it is driven from outside, as its users drive it. The tests are in `tests/`, one file a client.

pub mod basic;
pub mod clients;
pub mod conformance;
pub mod examples;
pub mod harness;
pub mod image;
pub mod linearizability;
pub mod load;
pub mod process;
pub mod s3;
pub mod stress;
pub mod tools;
