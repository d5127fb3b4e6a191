//! Who is asking.
//!
//! Access keys of the configuration and of the index, for S3 signatures and for Basic authentication at the other doors; tokens of
//! the issuers ([`Issuers`]); and the key ring that seals secrets at rest. [`Authenticator`] puts them together.
//! What issuers say besides tokens, by themselves and when they are asked: `issuers::Logout`, [`Directory`].
//! What does not live here: what they may do (`authz`).

mod access_keys;
mod authenticator;
mod authorization;
mod directory;
mod guarded;
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
pub use directory::{Directory, Round};
pub(crate) use guarded::{PublicNames, may_connect};
pub use issuers::{Bearer, Issuers, Logout};
pub use key_ring::{KeyRing, Purpose, generate_ring_key};
pub use registry_tokens::{Access, Holder, OpenToken, RegistryTokens};
pub use revocations::Revocations;
pub(crate) use revocations::longest_credential;
pub use sessions::{LONGEST_SESSION, NewSession, OpenSession, SessionCredentials, Sessions};
pub(crate) use stored_keys::principal_of;
pub use stored_keys::{Issued, Key, NewKey, Seal, Sealed, ServiceAccount, StoredKeys};
