use bytes::Bytes;

use crate::Budget;

/// An error as the other side told it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RemoteError {
    /// The name of the error's type there: `DivideError`.
    pub name: String,
    /// Its text.
    pub message: String,
    /// A code to decide by, where the other side gave one. Codes that begin with `IW_` are those of
    /// [`ErrorKind`](crate::ErrorKind).
    pub code: Option<String>,
    /// Where it happened, where the other side tells.
    pub stack: Option<String>,
    /// The texts of its causes, nearest first.
    pub chain: Vec<String>,
    /// The error value itself, encoded: what a typed call decodes.
    pub data: Option<Bytes>,
    budget: Budget,
}

impl RemoteError {
    /// An error with this name and text.
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

    /// What the error value may take that is decoded from [`data`](Self::data); as [`Body::budget`](crate::Body::budget).
    pub fn budget(&self) -> Budget {
        self.budget
    }

    /// Sets what the error value may take.
    pub fn set_budget(&mut self, budget: Budget) {
        self.budget = budget;
    }
}
