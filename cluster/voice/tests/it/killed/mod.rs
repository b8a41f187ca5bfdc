//! The process dies inside a transaction, at a point that the journal or the peer chooses, and its calls go on with
//! the next one: at the same address, or at another, where the peer still sends to the old one.
//!
//! Nothing that the dead process would have said comes later: it is killed before a test looks at what came.

mod answers;
mod byes;
mod incoming;
mod offers;
mod outgoing;
mod streams;
mod theirs;
