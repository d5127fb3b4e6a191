//! Events of objects, told to webhooks: at least once, and of each key in the order in which it happened (docs/events.md).
//!
//! What has happened is written down by the statement that does it (`migrations/0030_events.sql`). The [`Sender`]s of all replicas share what is
//! to be told; [`Targets`] are those who hear it.
//! What does not live here: which bucket tells whom (`bucket_configuration/notification.rs`), the SQL (`index/event_outbox.rs`), how a body is
//! posted (`webhook`).

mod record;
mod sender;
mod targets;
#[cfg(test)]
mod tests;
mod upkeep;

pub use sender::Sender;
pub use targets::{Target, Targets};
