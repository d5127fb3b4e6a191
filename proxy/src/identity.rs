//! Who is asking.
//!
//! Today: access keys of the configuration, for S3 signatures and for Basic authentication at the OCI door.
//! What does not live here: what they may do (`authz`).

mod access_keys;
mod basic;

pub use access_keys::AccessKeys;
pub use basic::basic_principal;
