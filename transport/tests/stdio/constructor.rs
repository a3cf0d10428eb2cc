//! Prints before `main`, as a library of a worker may.
#![allow(unsafe_code)]

use isolated_workers_transport::VARIABLE;

// SAFETY: the loader calls this on the only thread there is; printing needs nothing that `main` prepares.
#[used]
#[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".init_array.00001"))]
#[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__mod_init_func"))]
static PRINT: extern "C" fn() = print;

extern "C" fn print() {
    if std::env::var_os(VARIABLE).is_some() {
        println!("constructor");
    }
}
