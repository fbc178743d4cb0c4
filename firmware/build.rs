//! Tells the linker the board's memory. Hosts link as they always do.

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=memory.x");
    if env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "none") {
        // link.x is cortex-m-rt's and includes memory.x, which it finds here
        println!("cargo:rustc-link-search={}", env::var("CARGO_MANIFEST_DIR").unwrap_or_default());
        println!("cargo:rustc-link-arg-bins=-Tlink.x");
        // sections stay where they are put: no padding to a page in a memory that has none
        println!("cargo:rustc-link-arg-bins=--nmagic");
    }
}
