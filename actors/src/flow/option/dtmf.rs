//! Keys of the telephone: `digits_receive` and `digits_send`.

use protocol::Result;
use serde::{Deserialize, Serialize};

use crate::flow::literal::{Keys, Milliseconds};
use crate::flow::reader::Fields;

/// How long a caller has when the flow does not say, as long as VoIPBIN's own default elsewhere.
const PATIENCE: Milliseconds = Milliseconds(180_000);
/// A day; the call's own limit is shorter.
const LONGEST: Milliseconds = Milliseconds(86_400_000);
/// How long a key is pressed, and the pause between two: VoIPBIN's ranges. 250 ms are heard by every
/// receiver (Q.24 asks for 40).
const PRESS: (Milliseconds, Milliseconds) = (Milliseconds(100), Milliseconds(1_000));
const PAUSE: (Milliseconds, Milliseconds) = (Milliseconds(0), Milliseconds(5_000));
const USUAL: Milliseconds = Milliseconds(250);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct DigitsReceive {
    /// The whole time, from the start of the action; never 0.
    pub(crate) duration: Milliseconds,
    /// Ends it when so many were typed; 0: any number.
    pub(crate) length: i64,
    /// Each of these characters ends it, and stays in the variable.
    pub(crate) key: String,
}

impl DigitsReceive {
    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self> {
        let duration = fields.span("duration", (Milliseconds(0), LONGEST), PATIENCE)?;
        Ok(DigitsReceive {
            duration: if duration == Milliseconds(0) { PATIENCE } else { duration },
            length: fields.get("length")?,
            key: fields.get::<String>("key")?.to_ascii_uppercase(),
        })
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct DigitsSend {
    pub(crate) digits: Keys,
    /// Of each key.
    pub(crate) duration: Milliseconds,
    /// Between two keys.
    pub(crate) interval: Milliseconds,
}

impl DigitsSend {
    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self> {
        Ok(DigitsSend {
            digits: fields.need("digits")?,
            duration: fields.span("duration", PRESS, USUAL)?,
            interval: fields.span("interval", PAUSE, USUAL)?,
        })
    }
}
