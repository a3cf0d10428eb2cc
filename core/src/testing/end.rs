use std::fmt;

/// One of the two ends of a connection. They follow the same rules, and either may call the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// The end of the process that started the other.
    Host,
    /// The end of the process that was started.
    Worker,
}

impl End {
    /// Both ends, the host first.
    pub const BOTH: [Self; 2] = [Self::Host, Self::Worker];

    /// The end across from this one.
    pub const fn other(self) -> Self {
        match self {
            Self::Host => Self::Worker,
            Self::Worker => Self::Host,
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Host => "host",
            Self::Worker => "worker",
        })
    }
}
