//! Wall time as a port: whatever is stored, billed or compared with a stored time asks this.

use crate::time::Time;

pub trait Clock: Send + Sync {
    fn now(&self) -> Time;
}

/// The clock of the machine.
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Time {
        chrono::SubsecRound::trunc_subsecs(chrono::Utc::now(), 6)
    }
}
