//! Signatures with the tools that people have: what this service signs, stock cosign verifies, each kind of artifact, in each form, with each
//! kind of key, wherever it lies ([`service`]); and who signs, who verifies and what, as one table ([`matrix`]).

mod clients;
mod matrix;
mod service;
