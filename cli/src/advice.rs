//! What to try after an error, in terms of the command line.

use isolated_workers::{Error, ErrorKind};

/// Advice for an error of the library, whose own remedy is in terms of its API.
pub(crate) fn of_error(error: &Error) -> Option<&'static str> {
    Some(match error.kind() {
        ErrorKind::Spawn => {
            "a name without a slash is looked up in PATH: write `./name` for a file of this folder"
        }
        ErrorKind::Startup => {
            "run the program by itself to see what it prints; `--startup-timeout 30s` waits longer for a slow one, \
             and `--startup JSON` passes startup data"
        }
        ErrorKind::Handshake if is_other_codec(error) => "pass the codec of the worker: `--codec postcard`",
        ErrorKind::Handshake => {
            "check that the program is a worker, built with the same version of isolated-workers"
        }
        ErrorKind::UnknownMessage => {
            "check the name of the method; `Service.method` names one of several services"
        }
        ErrorKind::Timeout => "wait longer with `--timeout 1m`",
        ErrorKind::Encode | ErrorKind::Decode if is_untaken_stream(error) => {
            "the method answers with a stream: `--stream` of `call` and `each` takes it"
        }
        ErrorKind::Decode => "check the names and types of the arguments",
        _ => return None,
    })
}

/// Returns `true` if the handler has answered with items. Each language has its own text.
fn is_untaken_stream(error: &Error) -> bool {
    let text = error.to_string();
    text.contains("items") && text.contains("its caller") && text.contains("take")
}

fn is_other_codec(error: &Error) -> bool {
    error.to_string().contains("the codec of this host")
}
