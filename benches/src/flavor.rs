use tokio::runtime::{Builder, Runtime};

/// Tokio's flavor of runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavor {
    CurrentThread,
    /// Two threads.
    MultiThread,
}

impl Flavor {
    pub fn from_name(name: &str) -> Self {
        match name {
            "mt" => Self::MultiThread,
            _ => Self::CurrentThread,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::CurrentThread => "ct",
            Self::MultiThread => "mt",
        }
    }

    pub fn runtime(self) -> Runtime {
        let mut builder = match self {
            Self::CurrentThread => Builder::new_current_thread(),
            Self::MultiThread => Builder::new_multi_thread(),
        };
        builder.worker_threads(2).enable_all().build().expect("a runtime")
    }
}
