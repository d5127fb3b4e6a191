//! Who is asking.
//!
//! Today: access keys of the configuration and of the index, for S3 signatures and for Basic authentication at the other doors
//! ([`Authenticator`]); and the key ring that seals secrets at rest.
//! What does not live here: what they may do (`authz`).

mod access_keys;
mod authenticator;
mod basic;
mod key_ring;
mod stored_keys;

pub use access_keys::AccessKeys;
pub use authenticator::Authenticator;
pub use key_ring::{KeyRing, Purpose, generate_ring_key};
pub use stored_keys::{Issued, Key, NewKey, Seal, Sealed, ServiceAccount, StoredKeys};
