//! The media half of the voice engine: RTP ports, their 20 ms clock, and what is sent and heard on them.
//!
//! One OS thread owns every stream. It runs a current-thread tokio runtime with a reading task per port and one
//! loop for clock and orders: epoll tells of arrivals, so a relayed packet leaves at once, nothing is polled and
//! nothing is locked. 400 legs that send and hear take a quarter of a core without optimization, most of it in
//! system calls, so one thread carries more calls than the node's signalling would.
//!
//! What a reader would get wrong: orders come in through a bounded channel that refuses when it is full, but
//! [`Media::close`] needs no room in it. Events go out through a bounded channel that loses nothing: while
//! nobody takes them the thread accepts no more orders, and its clock and relays go on.

mod anchor;
mod clock;
mod codec;
mod command;
mod dialing;
mod engine;
mod event;
mod handle;
mod heard;
mod keypad;
mod latch;
mod music;
mod outgoing;
mod player;
mod ports;
mod rtp;
pub(crate) mod sdp;
mod stream;
#[cfg(test)]
mod tests;
mod tone;
mod wav;
mod world;

pub(crate) use anchor::Anchor;
pub(crate) use codec::Codec;
pub(crate) use command::{MediaCommand, Remote};
pub(crate) use event::{EventKind, MediaEvent};
pub(crate) use handle::{Config, Media};
