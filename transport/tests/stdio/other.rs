//! There is no such transport.

pub(super) fn main() {
    println!("skipped: `Stdio` is a transport of Unix");
}
