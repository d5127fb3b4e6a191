//! Who is asking.
//!
//! Access keys of the configuration and of the index, for S3 signatures and for Basic authentication at the other doors; tokens of
//! the issuers ([`Issuers`]); and the key ring that seals secrets at rest. [`Authenticator`] puts them together.
//! What does not live here: what they may do (`authz`).

mod access_keys;
mod authenticator;
mod authorization;
mod issuers;
mod key_ring;
mod registry_tokens;
mod revocations;
mod sessions;
mod stored_keys;
pub mod testing;

pub use access_keys::AccessKeys;
pub use authenticator::{Authenticator, Shown, Signer};
pub(crate) use authorization::{Authorization, authorization};
pub use issuers::{Bearer, Issuers};
pub use key_ring::{KeyRing, Purpose, generate_ring_key};
pub use registry_tokens::{Access, Holder, OpenToken, RegistryTokens};
pub use revocations::Revocations;
pub use sessions::{LONGEST_SESSION, NewSession, OpenSession, SessionCredentials, Sessions};
pub use stored_keys::{Issued, Key, NewKey, Seal, Sealed, ServiceAccount, StoredKeys};
