//! Bytes from a hostile peer. None may cause a panic, a hang, an overflow of the 2 MiB stack of a
//! thread, or more memory than documented.

mod hostile {
    mod bit_flips;
    mod embedded_json;
    mod false_lengths;
    mod memory;
    mod values;
}
#[path = "golden/page.rs"]
mod page;
