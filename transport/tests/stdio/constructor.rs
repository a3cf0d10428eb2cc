//! Prints before `main`, as a library of a worker may.

use isolated_workers_transport::CHANNEL_VARIABLE;

/// What the system calls before `main`, on the only thread there is. Printing needs nothing that `main` prepares.
pub(super) extern "C" fn print() {
    if std::env::var_os(CHANNEL_VARIABLE).is_some() {
        println!("constructor");
    }
}
