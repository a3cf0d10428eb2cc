//! Terminal of the standard input.

use std::io;

/// Columns of a terminal that does not say it.
const DEFAULT_WIDTH: usize = 80;

/// Number of columns.
pub(crate) fn width() -> usize {
    #[cfg(unix)]
    {
        let size = rustix::termios::tcgetwinsize(io::stderr());
        // A terminal without a size says zero.
        size.ok().map(|size| size.ws_col.into()).filter(|columns| *columns > 0).unwrap_or(DEFAULT_WIDTH)
    }
    #[cfg(not(unix))]
    DEFAULT_WIDTH
}

/// State in which each key arrives at once and is not echoed. Dropping it restores the former one.
pub(crate) struct RawMode {
    #[cfg(unix)]
    former: rustix::termios::Termios,
}

impl RawMode {
    #[cfg(unix)]
    pub(crate) fn enter() -> io::Result<Self> {
        use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
        let former = tcgetattr(io::stdin())?;
        let mut raw = former.clone();
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Drain, &raw)?;
        Ok(Self { former })
    }

    #[cfg(not(unix))]
    pub(crate) fn enter() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(unix)]
impl Drop for RawMode {
    fn drop(&mut self) {
        let _ =
            rustix::termios::tcsetattr(io::stdin(), rustix::termios::OptionalActions::Drain, &self.former);
    }
}
