use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use super::vol_data_file::VOL_DATA;
use super::*;
use crate::model::volume::VolumeMode;

const POD: &str = "9f1b8c1e-6f0a-4d57-9a51-0d8f7f4e2b11";

/// A kubelet's root in a temporary folder.
struct Kubelet {
    folder: TempDir,
}

impl Kubelet {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("pods")).unwrap();
        Self { folder }
    }

    fn root(&self) -> &Path {
        self.folder.path()
    }

    fn folder(&self, path: impl AsRef<Path>) {
        fs::create_dir_all(self.root().join(path)).unwrap();
    }

    fn file(&self, path: impl AsRef<Path>, text: impl AsRef<[u8]>) {
        self.folder(path.as_ref().parent().unwrap());
        fs::write(self.root().join(path), text).unwrap();
    }

    fn link(&self, path: impl AsRef<Path>, target: impl AsRef<Path>) {
        self.folder(path.as_ref().parent().unwrap());
        symlink(target, self.root().join(path)).unwrap();
    }

    fn csi(&self, pod: &str, name: &str, text: impl AsRef<[u8]>) {
        let folder = format!("pods/{pod}/volumes/kubernetes.io~csi/{name}");
        self.folder(format!("{folder}/mount"));
        self.file(format!("{folder}/vol_data.json"), text);
    }

    fn read(&self) -> KubeletReading {
        KubeletReader::default().read(self.root(), Path::new("/k"))
    }

    /// Makes all folders look as if nothing had changed in them for long.
    fn age(&self) {
        self.age_to(0);
    }

    /// Likewise all that have changed since: at that second.
    fn age_to(&self, second: u64) {
        fn age(folder: &Path, then: SystemTime) {
            for entry in fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                if entry.file_type().unwrap().is_dir() {
                    age(&entry.path(), then);
                }
            }
            let folder = File::open(folder).unwrap();
            let changed = folder.metadata().unwrap().modified().unwrap();
            if changed.elapsed().is_ok_and(|age| age < Duration::from_secs(3600)) {
                folder.set_modified(then).unwrap();
            }
        }
        age(self.root(), SystemTime::UNIX_EPOCH + Duration::from_secs(second));
    }

    /// The only volume, where there is no fault.
    fn one(&self) -> PodVolume {
        let reading = self.read();
        assert_eq!(reading.faults, []);
        assert_eq!(reading.volumes.len(), 1, "{:?}", reading.volumes);
        reading.volumes[0].clone()
    }
}

fn vol_data(driver: &str, handle: &str, name: &str) -> String {
    format!(r#"{{"driverName":"{driver}","volumeHandle":"{handle}","specVolID":"{name}"}}"#)
}

fn paths(volume: &PodVolume) -> Vec<&str> {
    volume
        .other_paths
        .iter()
        .map(|path| path.to_str().unwrap())
        .collect()
}

#[test]
fn a_machine_without_a_kubelet_has_no_volumes_and_no_fault() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("nowhere");
    let nothing = KubeletReader::default().read(&nowhere, &nowhere);
    assert_eq!(nothing, KubeletReading::default());
    // A root that was made and never used.
    let empty = KubeletReader::default().read(folder.path(), folder.path());
    assert_eq!(empty, KubeletReading::default());
}

#[test]
fn volumes_of_any_plugin_are_found_where_the_node_has_them() {
    let kubelet = Kubelet::new();
    kubelet.folder(format!("pods/{POD}/volumes/kubernetes.io~nfs/share"));
    kubelet.folder(format!("pods/{POD}/volumes/kubernetes.io~empty-dir/cache"));
    kubelet.folder(format!("pods/{POD}/volumes/example.com~flex/data"));
    kubelet.folder(format!("pods/{POD}/containers/app"));
    kubelet.folder(format!(
        "pods/{POD}/volumes/kubernetes.io~secret/old.deleting~123"
    ));
    let reading = kubelet.read();
    assert_eq!(reading.faults, []);
    let found: Vec<_> = reading
        .volumes
        .iter()
        .map(|volume| (volume.plugin.as_str(), volume.name.as_str(), volume.mode))
        .collect();
    assert_eq!(
        found,
        [
            ("example.com/flex", "data", VolumeMode::Filesystem),
            ("kubernetes.io/empty-dir", "cache", VolumeMode::Filesystem),
            ("kubernetes.io/nfs", "share", VolumeMode::Filesystem),
        ]
    );
    assert_eq!(reading.volumes[2].pod_uid, POD);
    assert_eq!(
        reading.volumes[2].path,
        PathBuf::from(format!("/k/pods/{POD}/volumes/kubernetes.io~nfs/share"))
    );
}

#[test]
fn a_static_pods_folder_name_is_its_uid() {
    let kubelet = Kubelet::new();
    kubelet.folder("pods/0123456789abcdef0123456789abcdef/volumes/kubernetes.io~empty-dir/run");
    assert_eq!(kubelet.one().pod_uid, "0123456789abcdef0123456789abcdef");
}

#[test]
fn a_csi_volume_is_mounted_one_folder_below_and_described_beside_it() {
    let kubelet = Kubelet::new();
    kubelet.csi(POD, "pvc-1", vol_data("ebs.csi.aws.com", "vol-0a", "pvc-1"));
    let volume = kubelet.one();
    assert_eq!(
        volume.path,
        PathBuf::from(format!("/k/pods/{POD}/volumes/kubernetes.io~csi/pvc-1/mount"))
    );
    let csi = volume.csi.unwrap();
    assert_eq!(
        (csi.driver.as_str(), csi.volume_handle.as_deref()),
        ("ebs.csi.aws.com", Some("vol-0a"))
    );
}

#[test]
fn a_csi_volume_without_its_file_is_one_that_is_being_set_up() {
    let kubelet = Kubelet::new();
    kubelet.folder(format!("pods/{POD}/volumes/kubernetes.io~csi/pvc-1"));
    assert_eq!(kubelet.one().csi, None);
}

#[test]
fn a_file_that_is_not_understood_costs_the_csi_facts_alone() {
    let kubelet = Kubelet::new();
    kubelet.csi(POD, "a", "{\"driverName\": [1]}");
    kubelet.csi(POD, "b", "\n");
    kubelet.csi(
        POD,
        "c",
        format!("{{\"driverName\":\"d\",\"x\":\"{}\"}}", "x".repeat(70_000)),
    );
    kubelet.csi(POD, "d", vol_data("d", "h", "d"));
    let reading = kubelet.read();
    let known: Vec<_> = reading
        .volumes
        .iter()
        .map(|volume| volume.csi.is_some())
        .collect();
    assert_eq!(known, [false, false, false, true]);
    let faults: Vec<_> = reading.faults.iter().map(ToString::to_string).collect();
    assert_eq!(faults.len(), 3, "{faults:?}");
    for (fault, (name, reason)) in
        faults
            .iter()
            .zip([("a", "invalid type"), ("b", "empty"), ("c", "larger than 64 KiB")])
    {
        let file = format!("kubernetes.io~csi/{name}/vol_data.json: ");
        assert!(fault.contains(&file) && fault.contains(reason), "{fault}");
    }
}

#[test]
fn a_huge_file_is_not_read() {
    let kubelet = Kubelet::new();
    kubelet.csi(POD, "a", "");
    let path = kubelet
        .root()
        .join(format!("pods/{POD}/volumes/kubernetes.io~csi/a/vol_data.json"));
    // Sparse: reading it would take a terabyte of memory.
    File::create(path).unwrap().set_len(1 << 40).unwrap();
    let reading = kubelet.read();
    assert_eq!(reading.volumes.len(), 1);
    assert!(reading.faults[0].message.contains("larger"));
}

#[test]
fn subpaths_belong_to_the_volume_of_their_name() {
    let kubelet = Kubelet::new();
    kubelet.csi(POD, "pvc-1", vol_data("d", "h", "pvc-1"));
    kubelet.folder(format!("pods/{POD}/volumes/kubernetes.io~empty-dir/cache"));
    let subpaths = format!("pods/{POD}/volume-subpaths");
    kubelet.folder(format!("{subpaths}/pvc-1/app/0"));
    // A single file is bound over a file.
    kubelet.file(format!("{subpaths}/pvc-1/app/2"), "");
    kubelet.folder(format!("{subpaths}/pvc-1/sidecar/0"));
    let reading = kubelet.read();
    assert_eq!(reading.faults, []);
    assert_eq!(
        paths(&reading.volumes[0]),
        ["app/0", "app/2", "sidecar/0"].map(|place| format!("/k/pods/{POD}/volume-subpaths/pvc-1/{place}"))
    );
    assert_eq!(paths(&reading.volumes[1]), [""; 0]);
}

#[test]
fn subpaths_of_no_folder_are_a_host_paths() {
    let kubelet = Kubelet::new();
    kubelet.folder(format!("pods/{POD}/volume-subpaths/logs/app/1"));
    kubelet.folder(format!("pods/{POD}/volume-subpaths/logs/app/3"));
    kubelet.folder(format!("pods/{POD}/volume-subpaths/gone/app"));
    let volume = kubelet.one();
    assert_eq!(
        (volume.plugin.as_str(), volume.name.as_str()),
        ("kubernetes.io/host-path", "logs")
    );
    assert!(volume.path.ends_with("volume-subpaths/logs/app/1"));
    assert!(volume.other_paths[0].ends_with("volume-subpaths/logs/app/3"));
}

#[test]
fn subpaths_are_no_host_paths_where_not_all_volumes_could_be_read() {
    let kubelet = Kubelet::new();
    kubelet.link(format!("pods/{POD}/volumes/kubernetes.io~csi"), "/nowhere");
    kubelet.folder(format!("pods/{POD}/volume-subpaths/pvc-1/app/0"));
    let reading = kubelet.read();
    assert_eq!(*reading.volumes, []);
    assert_eq!(reading.faults.len(), 1);
}

#[test]
fn subpaths_that_may_be_of_two_volumes_are_nobodys() {
    let kubelet = Kubelet::new();
    kubelet.folder(format!("pods/{POD}/volumes/kubernetes.io~empty-dir/data"));
    kubelet.folder(format!("pods/{POD}/volumes/kubernetes.io~nfs/data"));
    kubelet.folder(format!("pods/{POD}/volume-subpaths/data/app/0"));
    let reading = kubelet.read();
    assert_eq!(reading.volumes.len(), 2);
    assert!(reading.volumes.iter().all(|volume| volume.other_paths.is_empty()));
    assert!(reading.faults[0].message.contains("two volumes"));
}

#[test]
fn a_raw_block_volume_is_a_link_and_its_device_is_bound_elsewhere() {
    let kubelet = Kubelet::new();
    let devices = "plugins/kubernetes.io/csi/volumeDevices";
    let published = format!("/var/lib/kubelet/{devices}/publish/pvc-2/{POD}");
    kubelet.link(
        format!("pods/{POD}/volumeDevices/kubernetes.io~csi/pvc-2"),
        &published,
    );
    kubelet.file(format!("{devices}/publish/pvc-2/{POD}"), "");
    kubelet.file(format!("{devices}/publish/pvc-2/another-pod"), "");
    kubelet.file(format!("{devices}/pvc-2/dev/{POD}"), "");
    kubelet.folder(format!("{devices}/staging/pvc-2"));
    kubelet.file(
        format!("{devices}/pvc-2/data/vol_data.json"),
        vol_data("d", "h", "pvc-2"),
    );
    let volume = kubelet.one();
    assert_eq!(volume.mode, VolumeMode::Block);
    assert_eq!(volume.plugin, "kubernetes.io/csi");
    assert_eq!(
        volume.path,
        PathBuf::from(format!("/k/pods/{POD}/volumeDevices/kubernetes.io~csi/pvc-2"))
    );
    assert_eq!(
        paths(&volume),
        [
            published,
            format!("/k/{devices}/publish/pvc-2/{POD}"),
            format!("/k/{devices}/pvc-2/dev/{POD}"),
            format!("/k/{devices}/staging/pvc-2"),
        ]
    );
    assert_eq!(volume.csi.unwrap().volume_handle.as_deref(), Some("h"));
}

#[test]
fn old_kubelets_publish_a_raw_block_volume_once_for_all_pods() {
    let kubelet = Kubelet::new();
    let published = "plugins/kubernetes.io/csi/volumeDevices/publish/pvc-2";
    kubelet.file(published, "");
    for pod in [POD, "another"] {
        kubelet.link(
            format!("pods/{pod}/volumeDevices/kubernetes.io~csi/pvc-2"),
            format!("/k/{published}"),
        );
    }
    let reading = kubelet.read();
    assert_eq!(reading.faults, []);
    assert_eq!(reading.volumes.len(), 2);
    for volume in &*reading.volumes {
        assert_eq!(paths(volume), [format!("/k/{published}")]);
        assert_eq!(volume.csi, None);
    }
}

#[test]
fn a_local_raw_block_volume_is_bound_below_its_plugins_escaped_name() {
    let kubelet = Kubelet::new();
    kubelet.link(
        format!("pods/{POD}/volumeDevices/kubernetes.io~local-volume/pv"),
        "/dev/disk/by-id/x",
    );
    assert_eq!(
        paths(&kubelet.one()),
        [
            "/dev/disk/by-id/x",
            &format!("/k/plugins/kubernetes.io~local-volume/volumeDevices/pv/{POD}")
        ]
    );
}

#[test]
fn what_is_no_link_is_no_raw_block_volume() {
    let kubelet = Kubelet::new();
    kubelet.folder(format!("pods/{POD}/volumeDevices/kubernetes.io~csi/a"));
    kubelet.file(format!("pods/{POD}/volumeDevices/kubernetes.io~csi/b"), "");
    assert_eq!(kubelet.read(), KubeletReading::default());
}

#[test]
fn odd_names_are_kept_and_paths_keep_their_bytes() {
    let kubelet = Kubelet::new();
    let odd = OsStr::from_bytes(b"a b\n\xff\\");
    let volumes = Path::new("pods").join(odd).join("volumes");
    kubelet.folder(volumes.join("kubernetes.io~empty-dir").join(odd));
    kubelet.folder(
        Path::new("pods")
            .join(odd)
            .join("volume-subpaths")
            .join(odd)
            .join("c/0"),
    );
    let volume = kubelet.one();
    assert_eq!(volume.pod_uid, "a b\n\u{fffd}\\");
    assert_eq!(volume.name, "a b\n\u{fffd}\\");
    let expected = Path::new("/k")
        .join(volumes)
        .join("kubernetes.io~empty-dir")
        .join(odd);
    assert_eq!(
        volume.path.as_os_str().as_bytes(),
        expected.as_os_str().as_bytes()
    );
    assert_eq!(volume.other_paths.len(), 1);
}

#[test]
fn two_names_that_look_alike_are_two_volumes() {
    let kubelet = Kubelet::new();
    for name in [&b"v\xfe"[..], b"v\xff"] {
        let volume = Path::new("pods/u/volumes/kubernetes.io~nfs").join(OsStr::from_bytes(name));
        kubelet.folder(volume);
    }
    let subpath = Path::new("pods/u/volume-subpaths")
        .join(OsStr::from_bytes(b"v\xff"))
        .join("c/0");
    kubelet.folder(subpath);
    let reading = kubelet.read();
    assert_eq!(reading.faults, []);
    let places: Vec<_> = reading
        .volumes
        .iter()
        .map(|volume| volume.other_paths.len())
        .collect();
    assert_eq!(places, [0, 1]);
}

#[test]
fn links_lead_nowhere() {
    let kubelet = Kubelet::new();
    let secret = tempfile::tempdir().unwrap();
    let csi = secret.path().join("u/volumes/kubernetes.io~csi/pv");
    fs::create_dir_all(&csi).unwrap();
    fs::write(csi.join(VOL_DATA), vol_data("stolen", "h", "pv")).unwrap();

    // A pod, its volumes, a plugin, a volume, the file: each a link to the true thing elsewhere.
    kubelet.link("pods/a", secret.path().join("u"));
    kubelet.link("pods/b/volumes", secret.path().join("u/volumes"));
    kubelet.link(
        "pods/c/volumes/kubernetes.io~csi",
        secret.path().join("u/volumes/kubernetes.io~csi"),
    );
    kubelet.link("pods/d/volumes/kubernetes.io~csi/pv", &csi);
    kubelet.link(
        "pods/e/volumes/kubernetes.io~csi/pv/vol_data.json",
        csi.join(VOL_DATA),
    );
    let reading = kubelet.read();
    let subjects: Vec<_> = reading
        .faults
        .iter()
        .map(|fault| {
            Path::new(&fault.subject)
                .strip_prefix(kubelet.root())
                .unwrap()
                .display()
                .to_string()
        })
        .collect();
    assert_eq!(
        subjects,
        ["pods/e/volumes/kubernetes.io~csi/pv/vol_data.json", "pods/a"],
        "{:#?}",
        reading.faults
    );
    let links = &reading.faults[1].message;
    assert!(links.ends_with("; 3 more are links likewise"), "{links}");
    assert_eq!(reading.volumes.len(), 1, "the one whose file alone is a link");
    assert_eq!(reading.volumes[0].csi, None);
}

#[test]
fn the_folder_of_plugins_may_be_a_link_and_what_the_kubelet_makes_in_it_may_not() {
    let devices = "kubernetes.io/csi/volumeDevices";
    for (link, is_followed) in [
        ("plugins", true),
        ("plugins/kubernetes.io", false),
        ("plugins/kubernetes.io/csi", false),
        ("plugins/kubernetes.io/csi/volumeDevices", false),
    ] {
        let (kubelet, elsewhere) = (Kubelet::new(), Kubelet::new());
        kubelet.link(
            format!("pods/{POD}/volumeDevices/kubernetes.io~csi/pv"),
            "/dev/one",
        );
        elsewhere.file(
            format!("plugins/{devices}/pv/data/vol_data.json"),
            vol_data("d", "h", "pv"),
        );
        kubelet.link(link, elsewhere.root().join(link));
        let reading = kubelet.read();
        assert_eq!(reading.volumes[0].csi.is_some(), is_followed, "{link}");
        let told: Vec<_> = reading.faults.iter().map(|fault| &*fault.subject).collect();
        let folder = kubelet.root().join("plugins").join(devices);
        let expected: &[&str] = if is_followed {
            &[]
        } else {
            &[folder.to_str().unwrap()]
        };
        assert_eq!(told, expected, "{link}");
    }
}

#[test]
fn pipes_and_folders_in_the_files_place_are_not_opened() {
    let kubelet = Kubelet::new();
    kubelet.folder("pods/u/volumes/kubernetes.io~csi/folder/vol_data.json");
    kubelet.folder("pods/u/volumes/kubernetes.io~csi/pipe");
    let pipe = kubelet
        .root()
        .join("pods/u/volumes/kubernetes.io~csi/pipe/vol_data.json");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        0o600.into(),
        0,
    )
    .unwrap();
    let reading = kubelet.read();
    assert_eq!(reading.volumes.len(), 2);
    assert_eq!(reading.faults.len(), 2);
    assert!(
        reading
            .faults
            .iter()
            .all(|fault| fault.message.contains("no plain file"))
    );
}

#[test]
fn a_link_as_root_is_followed() {
    let kubelet = Kubelet::new();
    kubelet.folder("pods/u/volumes/kubernetes.io~nfs/share");
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("kubelet");
    symlink(kubelet.root(), &link).unwrap();
    let reading = KubeletReader::default().read(&link, kubelet.root());
    assert_eq!(reading.volumes.len(), 1);
    assert!(reading.volumes[0].path.starts_with(kubelet.root()));
}

/// Does the work on a thread to which what is closed is closed, whoever runs the tests.
fn without_capabilities<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let none = CapabilitySets {
                effective: CapabilitySet::empty(),
                permitted: CapabilitySet::empty(),
                inheritable: CapabilitySet::empty(),
            };
            set_capabilities(None, none).unwrap();
            work()
        });
        thread.join().unwrap()
    })
}

#[test]
fn a_closed_root_is_one_fault_with_the_way_out() {
    let kubelet = Kubelet::new();
    kubelet.csi("a", "pv", vol_data("d", "h", "pv"));
    kubelet.csi("b", "pv", vol_data("d", "h", "pv"));
    let pods = kubelet.root().join("pods");
    let close = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();

    close(&pods, 0o000);
    let reading = without_capabilities(|| kubelet.read());
    close(&pods, 0o755);
    assert!(reading.unreadable);
    assert_eq!(reading.faults.len(), 1);
    assert!(
        reading.faults[0].message.contains("run as root"),
        "{}",
        reading.faults[0]
    );

    for pod in ["a", "b"] {
        close(&pods.join(pod), 0o000);
    }
    let reading = without_capabilities(|| kubelet.read());
    for pod in ["a", "b"] {
        close(&pods.join(pod), 0o755);
    }
    assert!(!reading.unreadable);
    assert_eq!(reading.faults.len(), 1);
    assert!(
        reading.faults[0].message.contains("more are closed"),
        "{}",
        reading.faults[0]
    );
}

#[test]
fn what_is_remembered_follows_the_file() {
    let kubelet = Kubelet::new();
    kubelet.csi(POD, "pv", vol_data("one", "h", "pv"));
    let file = kubelet
        .root()
        .join(format!("pods/{POD}/volumes/kubernetes.io~csi/pv/vol_data.json"));
    let mut reader = KubeletReader::default();
    let driver = |reader: &mut KubeletReader| {
        let reading = reader.read(kubelet.root(), Path::new("/k"));
        reading
            .volumes
            .first()
            .and_then(|volume| volume.csi.as_ref().map(|csi| csi.driver.clone()))
    };
    assert_eq!(driver(&mut reader).as_deref(), Some("one"));
    // Same size, same file, another time.
    fs::write(&file, vol_data("two", "h", "pv")).unwrap();
    File::options()
        .write(true)
        .open(&file)
        .unwrap()
        .set_modified(SystemTime::UNIX_EPOCH)
        .unwrap();
    assert_eq!(driver(&mut reader).as_deref(), Some("two"));
    // Same size, same time, another file.
    let other = file.with_extension("new");
    fs::write(&other, vol_data("six", "h", "pv")).unwrap();
    File::options()
        .write(true)
        .open(&other)
        .unwrap()
        .set_modified(SystemTime::UNIX_EPOCH)
        .unwrap();
    fs::rename(&other, &file).unwrap();
    assert_eq!(driver(&mut reader).as_deref(), Some("six"));
    // Cut off, and whole again.
    fs::write(&file, "{").unwrap();
    assert_eq!(driver(&mut reader), None);
    fs::write(&file, vol_data("three", "h", "pv")).unwrap();
    assert_eq!(driver(&mut reader).as_deref(), Some("three"));
    assert_eq!(reader.kept.len().1, 1);
    fs::remove_dir_all(kubelet.root().join(format!("pods/{POD}"))).unwrap();
    assert_eq!(driver(&mut reader), None);
    assert_eq!(reader.kept.len().1, 0, "what is gone is forgotten");
}

#[test]
fn folders_are_remembered_once_they_have_settled() {
    let kubelet = Kubelet::new();
    kubelet.csi(POD, "one", vol_data("d", "h", "one"));
    let mut reader = KubeletReader::default();
    let mut names = || {
        let reading = reader.read(kubelet.root(), Path::new("/k"));
        let names = reading.volumes.iter().map(|volume| volume.name.clone());
        (names.collect::<Vec<_>>(), reader.kept.len().0)
    };
    assert_eq!(
        names(),
        (vec!["one".into()], 0),
        "what was just made may change within the clock's tick"
    );
    kubelet.age();
    // pods, POD, volumes, kubernetes.io~csi.
    assert_eq!(names(), (vec!["one".into()], 4));
    assert_eq!(names(), (vec!["one".into()], 4));
    kubelet.csi(POD, "two", vol_data("d", "h", "two"));
    assert_eq!(names(), (vec!["one".into(), "two".into()], 3));
    kubelet.folder(format!("pods/{POD}/volumes/kubernetes.io~nfs/share"));
    kubelet.folder("pods/another/volumes/kubernetes.io~nfs/share");
    assert_eq!(names().0, ["one", "two", "share", "share"]);
    kubelet.age();
    assert_eq!(names().0.len(), 4);
    fs::remove_dir_all(kubelet.root().join(format!("pods/{POD}"))).unwrap();
    assert_eq!(names().0, ["share"]);
}

#[test]
fn what_takes_the_place_of_a_remembered_folder_is_not_gone_to() {
    let kubelet = Kubelet::new();
    let secret = tempfile::tempdir().unwrap();
    let csi = secret.path().join("kubernetes.io~csi/pv");
    fs::create_dir_all(&csi).unwrap();
    fs::write(csi.join(VOL_DATA), vol_data("stolen", "h", "pv")).unwrap();
    kubelet.csi(POD, "pv", vol_data("true", "h", "pv"));
    kubelet.age();
    let mut reader = KubeletReader::default();
    let reading = reader.read(kubelet.root(), Path::new("/k"));
    assert_eq!(reading.faults, []);
    let volumes = kubelet.root().join(format!("pods/{POD}/volumes"));
    fs::rename(&volumes, volumes.with_extension("away")).unwrap();
    symlink(secret.path(), &volumes).unwrap();
    // As hidden as it can be: the folder that holds the link looks unchanged.
    File::open(volumes.parent().unwrap())
        .unwrap()
        .set_modified(SystemTime::UNIX_EPOCH)
        .unwrap();
    let reading = reader.read(kubelet.root(), Path::new("/k"));
    assert_eq!(*reading.volumes, []);
    assert_eq!(reading.faults.len(), 1, "{:?}", reading.faults);
}

/// Pods with every sort of volume, of which nothing has changed for long.
fn settled() -> Kubelet {
    let kubelet = Kubelet::new();
    let devices = "plugins/kubernetes.io/csi/volumeDevices";
    kubelet.csi(POD, "pv", vol_data("d", "h", "pv"));
    kubelet.folder(format!("pods/{POD}/volume-subpaths/pv/app/0"));
    kubelet.folder(format!("pods/{POD}/volumes/kubernetes.io~empty-dir/cache"));
    kubelet.link(
        format!("pods/{POD}/volumeDevices/kubernetes.io~csi/raw"),
        "/dev/one",
    );
    kubelet.file(format!("{devices}/publish/raw/{POD}"), "");
    kubelet.file(format!("{devices}/raw/dev/{POD}"), "");
    kubelet.folder(format!("{devices}/staging/raw"));
    kubelet.file(
        format!("{devices}/raw/data/vol_data.json"),
        vol_data("d", "h", "raw"),
    );
    for raw in ["kubernetes.io~csi/new", "kubernetes.io~local-volume/pv"] {
        kubelet.link(format!("pods/{POD}/volumeDevices/{raw}"), "/dev/disk/by-id/x");
    }
    kubelet.age();
    kubelet
}

#[test]
fn while_nothing_changes_the_last_reading_is_given_once_more() {
    let kubelet = settled();
    let mut reader = KubeletReader::default();
    let mut read = |node_root: &str| {
        let reading = reader.read(kubelet.root(), Path::new(node_root));
        assert_eq!((reading.volumes.len(), &*reading.faults), (5, &[][..]));
        reading.volumes
    };
    let first = read("/k");
    assert!(Arc::ptr_eq(&first, &read("/k")));
    let elsewhere = read("/elsewhere");
    assert!(
        elsewhere
            .iter()
            .all(|volume| volume.path.starts_with("/elsewhere"))
    );
    assert_eq!(first, read("/k"));
}

/// The kubelet empties the file and then writes it.
#[test]
fn a_file_that_is_just_being_written_is_no_fault_and_is_read_once_it_is_whole() {
    let kubelet = settled();
    kubelet.csi(POD, "new", "");
    let mut reader = KubeletReader::default();
    let mut read = || reader.read(kubelet.root(), Path::new("/k"));
    let reading = read();
    assert_eq!(reading.faults, []);
    assert!(reading.volumes.iter().any(|volume| volume.name == "new"));
    kubelet.csi(POD, "new", vol_data("d", "h", "new"));
    let reading = read();
    let volume = reading
        .volumes
        .iter()
        .find(|volume| volume.name == "new")
        .unwrap();
    assert!(volume.csi.is_some());
}

/// What is left over of a volume, or broken, stays so for months.
#[test]
fn what_is_wrong_and_stays_so_is_not_read_again_and_is_seen_when_it_is_mended() {
    let kubelet = settled();
    let csi = format!("pods/{POD}/volumes/kubernetes.io~csi");
    kubelet.folder(format!("{csi}/orphaned"));
    kubelet.csi(POD, "empty", "");
    kubelet.link("pods/link", "/nowhere");
    kubelet.age();
    let file = |name: &str| kubelet.root().join(format!("{csi}/{name}/vol_data.json"));
    let broken = File::options().write(true).open(file("empty")).unwrap();
    broken.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    let mut reader = KubeletReader::default();
    let mut read = || {
        let reading = reader.read(kubelet.root(), Path::new("/k"));
        let told: Vec<_> = reading.faults.iter().map(|fault| fault.message.clone()).collect();
        (reading.volumes, told)
    };
    let (first, told) = read();
    assert_eq!(told.len(), 2, "{told:?}");
    let (second, still_told) = read();
    assert!(Arc::ptr_eq(&first, &second));
    assert_eq!(told, still_told);
    for name in ["orphaned", "empty"] {
        fs::write(file(name), vol_data("d", "h", name)).unwrap();
        let (volumes, _) = read();
        let volume = volumes.iter().find(|volume| volume.name == name).unwrap();
        assert!(volume.csi.is_some(), "{name}");
    }
    fs::remove_file(file("orphaned")).unwrap();
    let (volumes, _) = read();
    let volume = volumes.iter().find(|volume| volume.name == "orphaned").unwrap();
    assert!(volume.csi.is_none());
}

#[test]
fn however_much_is_wrong_a_few_lines_tell_it() {
    let kubelet = Kubelet::new();
    for number in 0..300 {
        kubelet.link(format!("pods/link-{number}"), "/nowhere");
        kubelet.csi(POD, &format!("pv-{number}"), "[]");
    }
    let reading = kubelet.read();
    assert_eq!(reading.volumes.len(), 300);
    assert_eq!(reading.faults.len(), 102);
    let told: Vec<_> = reading.faults[100..].iter().map(ToString::to_string).collect();
    assert!(told[0].contains("200 more things"), "{told:?}");
    assert!(told[1].contains("299 more are links likewise"), "{told:?}");
}

#[test]
fn a_folder_with_entries_without_number_costs_what_is_beyond_them() {
    let kubelet = Kubelet::new();
    let plugin = format!("pods/{POD}/volumes/kubernetes.io~csi");
    for number in 0..=super::tree::MOST_IN_FOLDER {
        kubelet.file(format!("{plugin}/{number}"), "");
    }
    kubelet.folder(format!("pods/{POD}/volumes/kubernetes.io~nfs/share"));
    let mut reader = KubeletReader::default();
    for _ in 0..2 {
        let reading = reader.read(kubelet.root(), Path::new("/k"));
        let names: Vec<_> = reading.volumes.iter().map(|volume| &*volume.name).collect();
        assert_eq!(names, ["share"]);
        assert_eq!(reading.faults.len(), 1, "{:?}", reading.faults);
        assert!(reading.faults[0].message.contains("5000 entries or more"));
        kubelet.age();
    }
}

#[test]
fn of_all_folders_together_so_many_entries_are_read_and_no_more() {
    let kubelet = Kubelet::new();
    for pod in 0..6 {
        for number in 0..10 {
            kubelet.folder(format!("pods/{pod}/volumes/kubernetes.io~nfs/{number}"));
        }
    }
    let mut kept = Memory::default();
    let round = Round::new(&mut kept, Path::new("/k")).with_room(50);
    let (reading, _) = round.read(kubelet.root());
    // Of the folder in which the last place is taken all is read.
    assert_eq!(reading.volumes.len(), 40);
    assert_eq!(reading.faults.len(), 1, "{:?}", reading.faults);
    assert!(
        reading.faults[0]
            .message
            .contains("from 3/volumes/kubernetes.io~nfs on")
    );
}

type Change<'a> = &'a dyn Fn(&Kubelet);

#[test]
fn whatever_changes_is_seen() {
    let devices = "plugins/kubernetes.io/csi/volumeDevices";
    let changes: [(&str, Change<'_>); 12] = [
        ("a pod comes", &|kubelet| {
            kubelet.csi("another", "pv", vol_data("d", "h", "pv"));
        }),
        ("a pod goes", &|kubelet| {
            fs::remove_dir_all(kubelet.root().join("pods").join(POD)).unwrap();
        }),
        ("a plugin comes", &|kubelet| {
            kubelet.folder(format!("pods/{POD}/volumes/kubernetes.io~nfs/share"));
        }),
        ("a volume comes", &|kubelet| {
            kubelet.folder(format!("pods/{POD}/volumes/kubernetes.io~empty-dir/other"));
        }),
        ("a volume is called otherwise by its driver", &|kubelet| {
            kubelet.csi(POD, "pv", vol_data("d", "other", "pv"));
        }),
        ("a container's part comes", &|kubelet| {
            kubelet.folder(format!("pods/{POD}/volume-subpaths/pv/app/1"));
        }),
        ("a link leads elsewhere", &|kubelet| {
            let link = format!("pods/{POD}/volumeDevices/kubernetes.io~csi/raw");
            fs::remove_file(kubelet.root().join(&link)).unwrap();
            kubelet.link(link, "/dev/two");
        }),
        ("a device is no longer published", &|kubelet| {
            fs::remove_file(kubelet.root().join(format!("{devices}/publish/raw/{POD}"))).unwrap();
        }),
        ("nothing is published", &|kubelet| {
            fs::remove_dir_all(kubelet.root().join(format!("{devices}/publish"))).unwrap();
        }),
        ("nothing is staged", &|kubelet| {
            fs::remove_dir(kubelet.root().join(format!("{devices}/staging/raw"))).unwrap();
        }),
        ("what was not there comes", &|kubelet| {
            kubelet.file(
                format!("{devices}/new/data/vol_data.json"),
                vol_data("d", "h", "new"),
            );
        }),
        ("plugins are gone", &|kubelet| {
            fs::remove_dir_all(kubelet.root().join("plugins")).unwrap();
        }),
    ];
    for (name, change) in changes {
        let kubelet = settled();
        let mut reader = KubeletReader::default();
        let mut read = || reader.read(kubelet.root(), Path::new("/k"));
        let before = read();
        assert_eq!(read(), before);
        change(&kubelet);
        let after = read();
        assert_ne!(after, before, "{name}");
        assert_eq!(after, kubelet.read(), "{name}");
        assert_eq!(read(), after, "{name}");
    }
}

#[test]
fn what_comes_and_goes_without_a_mount_is_seen_within_ten_seconds() {
    let kubelet = Kubelet::new();
    for number in 0..50 {
        kubelet.csi(
            &format!("{number:04}-pod"),
            "pvc-1",
            vol_data("disks", "h", "pvc-1"),
        );
    }
    kubelet.age();
    let mut reader = KubeletReader::default();
    let (mounts, start) = (Arc::default(), Instant::now());
    let mut volumes = |seconds: f64| {
        let now = start + Duration::from_secs_f64(seconds);
        reader
            .read_beside(kubelet.root(), Path::new("/k"), &mounts, now)
            .volumes
            .len()
    };
    assert_eq!((volumes(0.0), volumes(10.0), volumes(11.0)), (50, 50, 50));
    let cache = "pods/0030-pod/volumes/kubernetes.io~empty-dir/cache";
    kubelet.folder(cache);
    kubelet.age_to(1);
    assert_eq!(volumes(11.1), 50, "all is looked at");
    let seen = (0..=20)
        .map(|half| 11.5 + f64::from(half) * 0.5)
        .find(|at| volumes(*at) == 51)
        .unwrap();
    // Where something has just happened the next thing is seen at once.
    fs::remove_dir(kubelet.root().join(cache)).unwrap();
    kubelet.age_to(2);
    assert_eq!(volumes(seen + 0.1), 50);
    // A pod is seen at once as well, however long nothing has happened.
    assert_eq!((volumes(seen + 11.0), volumes(seen + 12.0)), (50, 50));
    kubelet.csi("new-pod", "pvc-2", vol_data("disks", "h", "pvc-2"));
    assert_eq!(volumes(seen + 12.1), 51);
}
