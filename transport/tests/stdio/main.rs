//! A worker on `Stdio` that everybody in it prints: a constructor, `main`, a child of it, and `main` again. It refers to
//! nothing of the transport but what any worker does.

#[cfg(not(unix))]
#[path = "other.rs"]
mod system;
#[cfg(unix)]
#[path = "unix.rs"]
mod system;

fn main() {
    system::main();
}
