//! The whole terminal for a while: it is given back as it was, however the command ends.

use std::io::{IsTerminal as _, Read as _, Write as _, stdin, stdout};

use crossterm::terminal::{disable_raw_mode, enable_raw_mode, size};
use protocol::{Error, Result};
use tokio::sync::mpsc;

/// Another screen, no cursor; and back.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
/// From the upper left corner; what is left of a line and below the last one goes.
const HOME: &str = "\x1b[H";
const REST_OF_LINE: &str = "\x1b[K";
const REST: &str = "\x1b[J";
/// What a terminal without a size is taken for.
const USUAL: (u16, u16) = (80, 24);

/// Dropping it gives the terminal back.
pub(super) struct Screen(());

impl Screen {
    /// # Errors
    /// Standard output is no terminal.
    pub(super) fn enter() -> Result<Screen> {
        if !stdout().is_terminal() {
            return Err(Error::invalid("top needs a terminal; branchline tree --json is for scripts"));
        }
        enable_raw_mode().map_err(|error| Error::unavailable(format!("the terminal: {error}")))?;
        let screen = Screen(());
        write(ENTER);
        Ok(screen)
    }

    /// Columns and rows.
    pub(super) fn size() -> (usize, usize) {
        let (columns, rows) =
            size().ok().filter(|(columns, rows)| *columns > 0 && *rows > 0).unwrap_or(USUAL);
        (columns.into(), rows.into())
    }

    pub(super) fn show(&self, lines: &[String]) {
        write(&format!("{HOME}{}{REST_OF_LINE}{REST}", lines.join(&format!("{REST_OF_LINE}\r\n"))));
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        write(LEAVE);
        let _ = disable_raw_mode();
    }
}

/// A terminal that has gone takes nothing, and nobody is left to be told.
fn write(text: &str) {
    let mut out = stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// The keys as they are pressed. A thread of its own waits for them, which nobody has to end: it goes with the
/// process.
pub(super) fn keys() -> mpsc::Receiver<u8> {
    let (pressed, keys) = mpsc::channel(16);
    std::thread::spawn(move || {
        let mut key = [0];
        while stdin().read_exact(&mut key).is_ok() && pressed.blocking_send(key[0]).is_ok() {}
    });
    keys
}
