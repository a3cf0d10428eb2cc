//! What a peer can send to do harm: none of it may panic, go on for ever, overflow the 2 MiB stack of a thread, or take
//! more memory than is documented.

mod hostile {
    mod flips;
    mod lies;
    mod memory;
    mod values;
}
#[path = "golden/page.rs"]
mod page;
