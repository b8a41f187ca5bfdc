//! The lists of actions that an activeflow is in, innermost last.
//!
//! Every frame knows what runs next in it, and that is decided when its previous action begins. So a push
//! needs no return address, and the order is plain: whatever was pushed last runs first, and when a frame is
//! through, the one below goes on where it was.

use std::collections::BTreeMap;

use protocol::{Error, Result};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::action::{Action, FINISH};

/// VoIPBIN's id of the first frame.
const MAIN: Uuid = Uuid::from_u128(1);
/// How many frames may lie on one another: as far as VoIPBIN climbs.
const FRAMES: usize = 100;
/// The most actions in one frame: a service may insert while it runs.
const ACTIONS: usize = 2_000;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Stack {
    frames: Vec<Frame>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Frame {
    /// Under this id a service stops what it pushed; nil: nobody does.
    id: Uuid,
    actions: Vec<Action>,
    /// What runs when control is here again; `None`: the frame is through.
    next: Option<Uuid>,
    /// How often each `goto` of this frame has jumped.
    jumps: BTreeMap<Uuid, i64>,
}

impl Stack {
    pub(super) fn new(actions: Vec<Action>) -> Self {
        Stack { frames: vec![Frame::new(MAIN, actions)] }
    }

    /// Puts a list on top, under the id of the service that will stop it or nil.
    pub(super) fn push(&mut self, id: Uuid, actions: Vec<Action>) -> Result<()> {
        if self.frames.len() >= FRAMES {
            return Err(Error::state(format!("an activeflow must not be more than {FRAMES} frames deep")));
        }
        self.frames.push(Frame::new(id, actions));
        Ok(())
    }

    /// Forgets the frames on top that are through and that no service will stop. Called before the push of
    /// the action that just ended, so a flow that always ends by fetching the next does not grow.
    pub(super) fn trim(&mut self) {
        while self.frames.last().is_some_and(|top| top.next.is_none() && top.id.is_nil()) {
            self.frames.pop();
        }
    }

    /// The next action and the frame that it is in, or `None` at the end. Frames that are through fall away.
    pub(super) fn take(&mut self) -> Option<(usize, Action)> {
        while self.frames.len() > 1 && self.frames.last().is_some_and(|top| top.next.is_none()) {
            self.frames.pop();
        }
        let (frame, action) = self.find(self.frames.last()?.next?)?;
        self.frames.truncate(frame + 1);
        let top = self.frames.get_mut(frame)?;
        top.next = top.successor(action);
        Some((frame, top.actions.get(action)?.clone()))
    }

    /// Makes an action the next one, and leaves the frames above it. False: no frame has it.
    pub(super) fn aim(&mut self, id: Uuid) -> bool {
        let frame = match self.find(id) {
            Some((frame, _)) => frame,
            None if id == FINISH => 0,
            None => return false,
        };
        self.frames.truncate(frame + 1);
        if let Some(top) = self.frames.last_mut() {
            top.next = Some(id);
        }
        true
    }

    /// Removes the frame of a service and all above it, wherever it lies. Its index, or `None` if it is not
    /// there.
    pub(super) fn cut(&mut self, id: Uuid) -> Option<usize> {
        let frame = self.frames.iter().rposition(|frame| frame.id == id).filter(|frame| *frame > 0)?;
        self.frames.truncate(frame);
        Some(frame)
    }

    /// Inserts behind an action that a service pushed; they run next in its frame.
    ///
    /// # Errors
    /// On the main frame, which is the customer's own list.
    pub(super) fn insert(&mut self, frame: usize, after: Uuid, actions: Vec<Action>) -> Result<()> {
        let refused = || Error::state("actions can only be added to the actions that a service pushed");
        let frame = self.frames.get_mut(frame).filter(|found| found.id != MAIN).ok_or_else(refused)?;
        let at = frame.actions.iter().position(|action| action.id == after).ok_or_else(refused)?;
        let Some(first) = actions.first().map(|action| action.id) else { return Ok(()) };
        if frame.actions.len() + actions.len() > ACTIONS {
            return Err(Error::state(format!("a frame must not have more than {ACTIONS} actions")));
        }
        frame.actions.splice(at + 1..at + 1, actions);
        frame.next = Some(first);
        Ok(())
    }

    /// Counts a jump of a `goto` on top. False: it has jumped `most` times.
    pub(super) fn jump(&mut self, id: Uuid, most: i64) -> bool {
        let Some(top) = self.frames.last_mut() else { return false };
        let jumps = top.jumps.entry(id).or_default();
        let may = *jumps < most;
        *jumps += i64::from(may);
        may
    }

    /// Whether a list that the ending action brings may jump to this one: not into what [`Stack::trim`] will
    /// forget.
    pub(super) fn reaches(&self, id: Uuid) -> bool {
        let stays = |frame: &Frame| frame.next.is_some() || !frame.id.is_nil();
        let kept = self.frames.iter().rposition(stays).map_or(0, |last| last + 1);
        self.frames.iter().take(kept).any(|frame| frame.actions.iter().any(|action| action.id == id))
    }

    pub(super) fn depth(&self) -> usize {
        self.frames.len()
    }

    fn find(&self, id: Uuid) -> Option<(usize, usize)> {
        let within = |frame: &Frame| frame.actions.iter().position(|action| action.id == id);
        self.frames.iter().enumerate().rev().find_map(|(at, frame)| Some((at, within(frame)?)))
    }
}

impl Frame {
    fn new(id: Uuid, actions: Vec<Action>) -> Self {
        let next = actions.first().map(|action| action.id);
        Frame { id, actions, next, jumps: BTreeMap::new() }
    }

    fn successor(&self, at: usize) -> Option<Uuid> {
        match self.actions.get(at)?.next_id {
            nil if nil.is_nil() => self.actions.get(at + 1).map(|action| action.id),
            explicit => Some(explicit),
        }
    }
}
