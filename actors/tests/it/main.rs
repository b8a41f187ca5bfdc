//! The kernel through its public face, in paused time.

mod supervisor;
