//! Whether what clients have seen of a key could have been seen if all operations had happened one after the other, each at one
//! moment between its begin and its answer (linearizability: Herlihy and Wing, "Linearizability: a correctness condition for
//! concurrent objects", 1990).
//!
//! A key is a register with conditions: it holds one content or none, is written, deleted, and read; a write or a delete may ask
//! what it holds first (`history.rs`). Histories of several keys are linearizable where each key's is, so each is searched by
//! itself (`search.rs`), in the manner of Wing and Gong as Lowe has made it fast ("Testing for linearizability", 2017): operations
//! take effect in the search only when an answer demands it, and what was reached already is not looked at again.
//!
//! What does not live here: who makes histories ([`crate::stress`]).

mod configurations;
mod history;
mod register;
mod search;
#[cfg(test)]
mod tests;

pub use self::{
    history::{Action, Condition, History, Observation, Operation},
    search::{Report, Violation, check},
};
