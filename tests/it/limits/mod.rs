//! Limits of accounts, circuits, and of what a run may refuse.

mod account;
mod breaker;
mod processes;
mod rejects;
mod runs;
