//! Domains as data, the pool that serves them, the supervisor above both, and what keeps live things alive.

mod child;
mod domain;
mod figures;
mod follow;
mod heir;
mod home;
mod inside;
mod lease;
mod live;
mod nursery;
mod one_voice;
mod outbox;
mod patience;
mod pool;
mod rows;
mod supervisor;
mod task;
pub(crate) mod timeline;
mod timers;
mod tree;

pub use child::{Child, Halt, Restart};
pub use domain::Domain;
pub use follow::{DEAD_EVENT, Follow};
pub use heir::heir;
pub use lease::lease;
pub(crate) use live::{Alarm, Live, Living, Myself, Then};
pub(crate) use nursery::Keeper;
pub use outbox::outbox;
pub(crate) use patience::patiently;
pub use pool::Mailbox;
pub(crate) use rows::{Rows, id_of};
pub use supervisor::{Budget, Outcome, Strategy, Supervisor, Tree as Running};
pub use timeline::TIMELINE_EVENT;
pub use timers::timers;
pub use tree::{Act, Branch, Effect, Kind, Leaf, State, Waiting};
