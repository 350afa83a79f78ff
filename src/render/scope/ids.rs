//! The ids of Scope's nodes. They are made here and nowhere else, so that both ends of an edge agree.

use crate::model::replica::PoolKey;
use crate::model::text::percent_encoded;

/// The topologies of Kubernetes objects, as they stand in ids.
pub const POD: &str = "pod";
/// PersistentVolumeClaims.
pub const CLAIM: &str = "persistent_volume_claim";
/// PersistentVolumes, and disks.
pub const PERSISTENT_VOLUME: &str = "persistent_volume";
/// StorageClasses.
pub const STORAGE_CLASS: &str = "storage_class";
/// VolumeSnapshots.
pub const VOLUME_SNAPSHOT: &str = "volume_snapshot";
/// Contents of snapshots.
pub const VOLUME_SNAPSHOT_DATA: &str = "volume_snapshot_data";

/// The host that Scope's own probe reports as well.
pub fn host(host_id: &str) -> String {
    format!("{host_id};<host>")
}

/// A disk of a host, by the kernel's name for it.
pub fn disk(host_id: &str, kernel_name: &str) -> String {
    [host_id, "-", kernel_name, ";<persistent_volume>"].concat()
}

/// A pool of a storage engine. It begins as no host's name does: with a word that Kubernetes' names of nodes cannot have in them. Between
/// its parts is what [`escaped`] leaves in none of them, so that two pools stay two.
pub fn pool(key: &PoolKey) -> String {
    let node = key.node.as_deref().unwrap_or_default();
    let [engine, node, name] = [key.engine, node, &key.name].map(escaped);
    format!("POOL~{engine}~{node}~{name};<persistent_volume>")
}

/// A text of which an id can be made: letters that cannot be in one are written as `%` and their bytes, so that two texts stay two.
pub fn escaped(text: &str) -> String {
    percent_encoded(text, |byte| matches!(byte, b'-' | b'_' | b'.' | b':'))
}

/// A PersistentVolume of which only the name is known, on the host that uses it. No kernel's name for a disk begins like that. The name may
/// be a folder's, with letters that no name of Kubernetes has.
pub fn volume(host_id: &str, persistent_volume: &str) -> String {
    let name = escaped(persistent_volume);
    [host_id, "-volume-", &name, ";<persistent_volume>"].concat()
}

/// A storage pool of a PowerFlex system, by the ids that the array gives both. `None` where an id cannot be made of them.
pub fn powerflex_pool(system_id: &str, pool_id: &str) -> Option<String> {
    (is_usable(system_id) && is_usable(pool_id))
        .then(|| format!("powerflex-{system_id}-{pool_id};<persistent_volume>"))
}

/// An object of the Kubernetes API, as Scope's own probe calls it. `None` for a UID that is none: Scope takes ids apart at
/// their semicolons.
pub fn object(uid: &str, topology: &str) -> Option<String> {
    is_usable(uid).then(|| format!("{uid};<{topology}>"))
}

/// The node beside a claim that has the claim's buttons: Scope's own buttons on the claim itself would come and go with ours.
pub fn snapshots_of(claim_uid: &str) -> Option<String> {
    is_usable(claim_uid).then(|| format!("{claim_uid}-snapshots;<{VOLUME_SNAPSHOT}>"))
}

/// True for a UID that an id can be made of.
pub fn is_usable(uid: &str) -> bool {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
    !uid.is_empty() && uid.chars().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_of_any_name_has_an_id_of_its_own() {
        assert_eq!(volume("n1", "pvc-1.a"), "n1-volume-pvc-1.a;<persistent_volume>");
        assert_eq!(
            volume("n1", "a;<b> %\n"),
            "n1-volume-a%3B%3Cb%3E%20%25%0A;<persistent_volume>"
        );
        assert_ne!(volume("n1", "a;b"), volume("n1", "a%3Bb"));
    }

    #[test]
    fn two_pools_never_have_one_id() {
        assert_eq!(
            pool(&PoolKey::on("lvm-localpv", "worker-1", "data")),
            "POOL~lvm-localpv~worker-1~data;<persistent_volume>"
        );
        assert_eq!(
            pool(&PoolKey::new("cstor", "pool-1")),
            "POOL~cstor~~pool-1;<persistent_volume>"
        );
        let lvm = |node: &str, name: &str| pool(&PoolKey::on("lvm-localpv", node, name));
        for (one, other) in [
            (lvm("n1", "a+b"), lvm("n1", "a_b")),
            (lvm("n1", "a+b"), lvm("n1", "a%2Bb")),
            (lvm("n1", "a-b"), lvm("n1-a", "b")),
            (lvm("n1", "a~b"), lvm("n1~a", "b")),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn an_object_without_a_usable_uid_has_no_id() {
        assert_eq!(object("0a1b-2", POD).as_deref(), Some("0a1b-2;<pod>"));
        for uid in ["", "a;b", "a b", "<pod>", "ü"] {
            assert_eq!(object(uid, POD), None, "{uid}");
        }
    }
}
