use isolated_workers::prelude::*;

/// Contract of the plugins.
#[service]
pub(crate) trait Plugin {
    /// Counts the words of a text.
    #[message(blocking)]
    fn count_words(&self, text: String) -> usize;
}
