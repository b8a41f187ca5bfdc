//! What is running: name, kind, state, age, depth, restarts and last error of every actor (OTP's observer).
//!
//! Supervisors write it, operators and tests read it. Nothing decides by it.

mod act;
mod hinder;

use std::sync::{Arc, Mutex};

use ractor::ActorCell;
use tokio::time::{Duration, Instant};

use super::child::{Halt, Started};
use super::fault::{Faults, Report};
pub use act::{Act, Effect, Waiting};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Supervisor,
    Pool,
    Live,
    Task,
    Actor,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Starting,
    Running,
    Stopping,
    Stopped,
    /// Past its budget; tried again later.
    Down,
}

/// What one place of the tree looked like when it was read.
#[derive(Clone, Debug)]
pub struct Leaf {
    pub name: String,
    pub kind: Kind,
    pub state: State,
    /// Since its last start.
    pub age: Duration,
    /// Messages accepted and not yet done.
    pub depth: usize,
    pub restarts: u64,
    pub last_error: String,
    /// What an operator has put before its mailbox.
    pub fault: Option<Report>,
    pub children: Vec<Leaf>,
}

type Probe<T> = Arc<dyn Fn() -> T + Send + Sync>;
type Crowd = Arc<dyn Fn(usize) -> Vec<Leaf> + Send + Sync>;
type Seek = Arc<dyn Fn(&str) -> Option<ActorCell> + Send + Sync>;

/// One place of the tree. It outlives the actors that fill it.
pub struct Branch {
    name: Arc<str>,
    kind: Kind,
    inner: Mutex<Inner>,
}

struct Inner {
    state: State,
    since: Instant,
    restarts: u64,
    last_error: String,
    cell: Option<ActorCell>,
    halt: Option<Halt>,
    children: Vec<Arc<Branch>>,
    depth: Option<Probe<usize>>,
    waiting: Option<Probe<Waiting>>,
    crowd: Option<(Crowd, Seek)>,
    faults: Option<Arc<Faults>>,
}

/// How many live things one reading lists below one place. The count is in `depth`.
const CROWD: usize = 1000;

impl Branch {
    pub fn new(name: impl Into<Arc<str>>, kind: Kind) -> Arc<Self> {
        let inner = Inner {
            state: State::Starting,
            since: Instant::now(),
            restarts: 0,
            last_error: String::new(),
            cell: None,
            halt: None,
            children: Vec::new(),
            depth: None,
            waiting: None,
            crowd: None,
            faults: None,
        };
        Arc::new(Branch { name: name.into(), kind, inner: Mutex::new(inner) })
    }

    /// The child of this name, made when it is new.
    pub fn child(&self, name: &Arc<str>, kind: Kind) -> Arc<Branch> {
        let mut inner = self.lock();
        if let Some(found) = inner.children.iter().find(|child| child.name == *name) {
            return found.clone();
        }
        let child = Branch::new(name.clone(), kind);
        inner.children.push(child.clone());
        child
    }

    pub(super) fn started(&self, started: &Started, again: bool) {
        let mut inner = self.lock();
        inner.state = State::Running;
        inner.since = Instant::now();
        inner.cell = Some(started.cell.clone());
        inner.halt = Some(started.halt.clone());
        inner.restarts += u64::from(again);
    }

    pub(super) fn set(&self, state: State) {
        self.lock().state = state;
    }

    pub(super) fn failed(&self, error: impl Into<String>) {
        self.lock().last_error = error.into();
    }

    /// How the depth of the mailbox at this place is read.
    pub fn depth(&self, probe: impl Fn() -> usize + Send + Sync + 'static) {
        self.lock().depth = Some(Arc::new(probe));
    }

    /// How it is read what waits in the mailbox at this place.
    pub(super) fn waiting(&self, probe: impl Fn() -> Waiting + Send + Sync + 'static) {
        self.lock().waiting = Some(Arc::new(probe));
    }

    /// Where many live things come and go: listed by `list` (at most so many), found by `seek`.
    pub(super) fn crowd(
        &self,
        list: impl Fn(usize) -> Vec<Leaf> + Send + Sync + 'static,
        seek: impl Fn(&str) -> Option<ActorCell> + Send + Sync + 'static,
    ) {
        self.lock().crowd = Some((Arc::new(list), Arc::new(seek)));
    }

    /// Where faults are put before the mailbox at this place.
    pub(super) fn faults(&self, faults: &Arc<Faults>) {
        self.lock().faults = Some(faults.clone());
    }

    pub fn state(&self) -> State {
        self.lock().state
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn read(&self) -> Leaf {
        let (mut leaf, children, depth, crowd) = {
            let inner = self.lock();
            let leaf = Leaf {
                name: self.name.to_string(),
                kind: self.kind,
                state: inner.state,
                age: inner.since.elapsed(),
                depth: 0,
                restarts: inner.restarts,
                last_error: inner.last_error.clone(),
                fault: inner
                    .faults
                    .as_ref()
                    .and_then(|faults| faults.report())
                    .filter(|report| !report.has_ended),
                children: Vec::new(),
            };
            (leaf, inner.children.clone(), inner.depth.clone(), inner.crowd.clone())
        };
        leaf.depth = depth.map_or(0, |probe| probe());
        leaf.children = children.iter().map(|child| child.read()).collect();
        leaf.children.extend(crowd.map(|(list, _)| list(CROWD)).unwrap_or_default());
        leaf
    }

    /// The actor at a path such as `call-manager/calls/<id>`, below this place.
    pub fn find(&self, path: &str) -> Option<ActorCell> {
        let (head, rest) = path.split_once('/').unwrap_or((path, ""));
        let (child, seek) = {
            let inner = self.lock();
            let child = inner.children.iter().find(|child| &*child.name == head).cloned();
            (child, inner.crowd.as_ref().map(|(_, seek)| seek.clone()))
        };
        match child {
            Some(child) if rest.is_empty() => child.lock().cell.clone(),
            Some(child) => child.find(rest),
            None => seek.and_then(|seek| seek(path)),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().expect("nothing panics while it holds a branch")
    }
}
