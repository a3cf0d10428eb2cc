use std::fmt;

/// Endpoint of a connection. Both endpoints follow the same rules, and either may call the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// Endpoint of the process that started the other process.
    Host,
    /// Endpoint of the process that was started.
    Worker,
}

impl Endpoint {
    /// Both endpoints, the host first.
    pub const BOTH: [Self; 2] = [Self::Host, Self::Worker];

    /// Returns the opposite endpoint.
    pub const fn other(self) -> Self {
        match self {
            Self::Host => Self::Worker,
            Self::Worker => Self::Host,
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Host => "host",
            Self::Worker => "worker",
        })
    }
}
