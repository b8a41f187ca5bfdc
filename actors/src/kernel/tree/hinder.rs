//! Faults at a place of the tree: put there, looked at and lifted by its path.

use std::sync::Arc;

use protocol::{Error, Result};
use uuid::Uuid;

use super::super::fault::{Faults, Order, Report};
use super::Branch;

impl Branch {
    /// Puts a fault before the mailbox of the pool, of the live things, or of the one live thing at `path`.
    ///
    /// # Errors
    /// No actor runs there, it has no mailbox of that kind, a fault stands there already, or the order has no bound.
    pub fn hinder(&self, path: &str, order: Order) -> Result<Report> {
        self.running(path).ok_or_else(|| no_actor(path))?;
        let (faults, only) = self.faults_at(path)?;
        faults.put(order, only)
    }

    /// What the fault that stands at `path`, or stood there last, has done. At a live place also one that is about a
    /// single thing.
    ///
    /// # Errors
    /// There was none.
    pub fn hindered(&self, path: &str) -> Result<Report> {
        self.told(path, Faults::report)
    }

    /// Ends the fault that stands at `path`, and says what it has done.
    ///
    /// # Errors
    /// There was none.
    pub fn lift(&self, path: &str) -> Result<Report> {
        self.told(path, Faults::lift)
    }

    fn told(&self, path: &str, tell: fn(&Faults) -> Option<Report>) -> Result<Report> {
        let (faults, only) = self.faults_at(path)?;
        let report = faults.report().filter(|report| only.is_none() || report.only == only);
        report.and_then(|_| tell(&faults)).ok_or_else(|| nothing(format!("no fault was put at {path}")))
    }

    fn faults_at(&self, path: &str) -> Result<(Arc<Faults>, Option<Uuid>)> {
        if let Some(branch) = self.place(path) {
            let faults = branch.lock().faults.clone();
            return faults.map(|faults| (faults, None)).ok_or_else(|| no_mailbox(path));
        }
        let live = path.rsplit_once('/').and_then(|(of, id)| {
            let faults = self.place(of)?.lock().faults.clone()?;
            Some((faults, Some(id.parse().ok()?)))
        });
        live.ok_or_else(|| no_actor(path))
    }
}

fn no_actor(path: &str) -> Error {
    nothing(format!("no actor runs at {path}; the tree shows the paths"))
}

fn no_mailbox(path: &str) -> Error {
    let what =
        "takes no messages that can be delayed or dropped; name a pool, a live place, or one live thing";
    Error::invalid(format!("{path} {what}"))
}

fn nothing(message: String) -> Error {
    Error { message, ..Error::not_found() }
}
