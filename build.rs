//! How the binary is linked.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let target = |what: &str| std::env::var(format!("CARGO_CFG_TARGET_{what}")).unwrap_or_default();
    if target("OS") == "linux" && target("ENV") == "gnu" {
        // A position-independent program has a list of the places that are adjusted when it starts, and reads all of it. This form is a
        // hundred times shorter: a megabyte less in memory. It needs glibc 2.36 (Debian 12); a linker that does not
        // know it says so and goes on.
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}
