use std::time::Duration;

use crate::answer::JsonItems;
use crate::target::Target;

/// Call to make.
pub(crate) struct Call {
    pub(crate) target: Target,
    /// Arguments, as a JSON object. `None` if there are none.
    pub(crate) arguments: Option<String>,
    pub(crate) metadata: Vec<(String, String)>,
    /// `None` is the default of the library, zero is no limit.
    pub(crate) timeout: Option<Duration>,
    /// `true` if the method answers with a stream.
    pub(crate) is_stream: bool,
    /// Items of the streamed argument.
    pub(crate) items: Option<JsonItems>,
}
