use isolated_workers::prelude::*;

/// Contract of the plugins.
#[service]
pub trait Plugin {
    /// Counts the words of a text.
    #[message(blocking)]
    fn count_words(&self, text: String) -> usize;
}
