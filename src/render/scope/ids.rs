//! The ids of Scope's nodes. They are made here and nowhere else, so that both ends of an edge agree.

/// The host that Scope's own probe reports as well.
pub fn host(host_id: &str) -> String {
    format!("{host_id};<host>")
}

/// A disk of a host, by the kernel's name for it.
pub fn disk(host_id: &str, kernel_name: &str) -> String {
    format!("{host_id}-{kernel_name};<persistent_volume>")
}

/// A PersistentVolume of which only the name is known, on the host that uses it. No kernel's name for a disk begins like that.
pub fn volume(host_id: &str, persistent_volume: &str) -> String {
    format!("{host_id}-volume-{persistent_volume};<persistent_volume>")
}
