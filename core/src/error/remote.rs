use bytes::Bytes;

use crate::Budget;

/// Wire form of an error.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RemoteError {
    /// Name of the error type, for example `DivideError`.
    pub name: String,
    /// Text of the error.
    pub message: String,
    /// Code to match on. Codes that begin with `IW_` are reserved for
    /// [`ErrorKind`](crate::ErrorKind).
    pub code: Option<String>,
    /// Stack trace, if the peer sent one.
    pub stack: Option<String>,
    /// Texts of the causes, the nearest first.
    pub chain: Vec<String>,
    /// Encoded error value. A typed call decodes it.
    pub data: Option<Bytes>,
    budget: Budget,
}

impl RemoteError {
    /// Creates an error with this name and text.
    pub fn new(name: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            message: message.into(),
            code: None,
            stack: None,
            chain: Vec::new(),
            data: None,
            budget: Budget::default(),
        }
    }

    /// Budget of the error value decoded from [`data`](Self::data). See
    /// [`Body::budget`](crate::Body::budget).
    pub fn budget(&self) -> Budget {
        self.budget
    }

    /// Sets the budget of the error value.
    pub fn set_budget(&mut self, budget: Budget) {
        self.budget = budget;
    }
}
