//! The image that is shipped, run as the manifest says: its user, its (no) capabilities, its mounts, its read-only root, with
//! the container engine's seccomp profile, on this machine's kernel and beside a real API server.
//!
//! Run as root by `tests/image.sh`, which builds the image and installs what is missing.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod support;

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use support::api_server::ApiServer;
use support::exposition::Page;
use support::http::Connection;
use support::kubelet_folder::{KubeletFolder, NOBODYS_BUSINESS, shell};
use support::kubernetes_tools::{kustomized, objects, run};
use support::prometheus::free_address;
use support::{expect_that, within};

const LIMIT: Duration = Duration::from_secs(30);
/// As `image/build.sh` tags it: an older one stays in its store.
const IMAGE: &str = concat!("localhost/scope-storage-probe:", env!("CARGO_PKG_VERSION"));

/// podman, with the images of `image/build.sh`. runc, since crun does without neither of the two sorts of control groups.
fn podman() -> Command {
    let storage = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/image");
    let mut command = Command::new("podman");
    command.args([
        "--runtime=runc",
        "--cgroup-manager=cgroupfs",
        "--storage-driver=vfs",
    ]);
    command.arg("--root").arg(storage.join("storage"));
    command.arg("--runroot").arg(storage.join("run"));
    command
}

/// A container, removed when dropped.
struct Container {
    name: String,
    address: SocketAddr,
}

impl Container {
    /// The one container of this overlay's DaemonSet or Deployment, with changes for this machine.
    fn start(pod: &Value, changes: &[(&str, &str)], further: &[&str]) -> Self {
        let address = free_address();
        let name = format!("probe-{}", address.port());
        let container = &pod["containers"][0];
        let context = &pod["securityContext"];
        let mut command = podman();
        command.args(["run", "--detach", "--name", &name, "--network=host"]);
        // Less than this machine's own, which a container may not exceed.
        command.args(["--ulimit=nofile=1024:1024", "--ulimit=nproc=512:512"]);
        command.arg(format!(
            "--user={}:{}",
            context["runAsUser"], context["runAsGroup"]
        ));
        let settings = &container["securityContext"];
        assert_eq!(settings["capabilities"]["drop"], json!(["ALL"]));
        assert_eq!(settings["readOnlyRootFilesystem"], true);
        assert_eq!(settings["allowPrivilegeEscalation"], false);
        if let Some(profile) = context["seccompProfile"]["localhostProfile"].as_str() {
            command.arg(format!("--security-opt=seccomp={}", own_profile(profile)));
        }
        command.args(["--cap-drop=all", "--read-only", "--read-only-tmpfs=false"]);
        command.arg("--security-opt=no-new-privileges");
        command.arg(format!(
            "--memory={}",
            container["resources"]["limits"]["memory"]
                .as_str()
                .unwrap()
                .replace("Mi", "m")
        ));
        for setting in container["env"].as_array().unwrap() {
            let variable = setting["name"].as_str().unwrap();
            let value = setting["value"].as_str().unwrap_or("w1");
            command.arg(format!("--env={variable}={value}"));
        }
        command.arg(format!("--env=STORAGE_PROBE_LISTEN={address}"));
        for (variable, value) in changes {
            command.arg(format!("--env={variable}={value}"));
        }
        for mount in container["volumeMounts"].as_array().into_iter().flatten() {
            let mut volumes = pod["volumes"].as_array().unwrap().iter();
            let volume = volumes.find(|volume| volume["name"] == mount["name"]).unwrap();
            let inside = mount["mountPath"].as_str().unwrap();
            if volume["emptyDir"].is_object() {
                // podman fills it with what it hides, unless told not to.
                command.arg(format!(
                    "--mount=type=tmpfs,destination={inside},ro=true,notmpcopyup"
                ));
                continue;
            }
            let path = volume["hostPath"]["path"].as_str().unwrap();
            if volume["hostPath"]["type"] == "DirectoryOrCreate" {
                fs::create_dir_all(path).unwrap();
            }
            let mode = if mount["readOnly"] == true { "ro" } else { "rw" };
            let propagation = if mount["mountPropagation"] == "HostToContainer" {
                "rslave"
            } else {
                "rprivate"
            };
            command.arg(format!("--volume={path}:{inside}:{mode},{propagation}"));
        }
        command.args(further).arg(IMAGE).args(["serve"]);
        run(&mut command, "").unwrap_or_else(|said| panic!("{said}"));
        let started = Self { name, address };
        within(LIMIT, || {
            let reached = Connection::tcp(address).and_then(|mut connection| connection.get("/healthz"));
            reached
                .map(|_| ())
                .map_err(|error| format!("{error}: {}", started.log()))
        });
        started
    }

    fn log(&self) -> String {
        let output = podman().args(["logs", &self.name]).output().unwrap();
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }

    fn page(&self) -> Page {
        let answer = Connection::tcp(self.address).unwrap().get("/metrics").unwrap();
        Page::parse(answer.text())
    }

    /// The driver of a volume, where the page tells it.
    fn driver_of(&self, volume: &str) -> Option<String> {
        let page = self.page();
        let mut samples = page.samples().iter();
        let about = samples.find(|sample| {
            sample.name == "storage_probe_volume_info"
                && sample
                    .labels
                    .get("persistentvolume")
                    .is_some_and(|name| name == volume)
        });
        about?.labels.get("driver").cloned()
    }

    /// Runs a program of this machine's in it, as what has taken the place of the program could: where it was started with [`OWN_PROGRAMS`].
    fn exec(&self, program: &[&str]) -> Result<String, String> {
        let mut command = podman();
        command
            .args(["exec", &self.name])
            .args(own_loader())
            .args(program);
        run(&mut command, "")
    }

    fn is_mounted_in_it(&self, point: &Path) -> bool {
        let mounts = fs::read_to_string(format!("/proc/{}/mountinfo", self.pid())).unwrap();
        let mut points = mounts.lines().filter_map(|line| line.split(' ').nth(4));
        points.any(|found| Path::new(found) == point)
    }

    fn pid(&self) -> String {
        let mut command = podman();
        command.args(["inspect", "--format={{.State.Pid}}", &self.name]);
        run(&mut command, "").unwrap().trim().to_owned()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if std::thread::panicking() {
            #[allow(clippy::print_stderr, reason = "shown when a test fails")]
            {
                eprintln!("{} logged: {}", self.name, self.log());
            }
        }
        let _ = podman().args(["rm", "--force", "--time=5", &self.name]).output();
    }
}

/// This machine's own programs, for a container of the image, which has but one.
const OWN_PROGRAMS: &str = "--volume=/usr:/usr:ro";

/// How one of them is started there: by the dynamic loader, with the place of its libraries.
fn own_loader() -> [String; 3] {
    let loaders = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"];
    let loader = loaders.iter().find(|path| Path::new(path).exists());
    let loader = fs::canonicalize(loader.expect("no dynamic loader of Debian's")).unwrap();
    let libraries = loader.parent().unwrap().to_str().unwrap().to_owned();
    [
        loader.to_str().unwrap().to_owned(),
        "--library-path".to_owned(),
        libraries,
    ]
}

/// Where a profile of ours lies.
fn own_profile(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/components/seccomp");
    folder.join(name).to_str().unwrap().to_owned()
}

/// What the overlay makes of this kind, with the kubelet's folder of this test.
fn pod(overlay: &str, kind: &str, kubelet: &KubeletFolder) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("manifests/overlays")
        .join(overlay);
    let manifest = kustomized(&folder).replace("/var/lib/kubelet", kubelet.root.to_str().unwrap());
    let mut found = objects(&manifest).into_iter();
    let found = found.find(|object| object["kind"] == kind).unwrap();
    let mut pod = found["spec"]["template"]["spec"].clone();
    // With it, all of this is shown under the program's own seccomp profile, as the component sets it.
    if std::env::var_os("WITH_SECCOMP_PROFILE").is_some() {
        pod["securityContext"]["seccompProfile"] =
            json!({"type": "Localhost", "localhostProfile": "scope-storage-probe.json"});
    }
    pod
}

fn kernel_disks() -> Vec<String> {
    let listed = run(
        Command::new("lsblk").args(["--nodeps", "--noheadings", "--output=NAME,SIZE,TYPE"]),
        "",
    )
    .unwrap();
    let disks = listed
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    let names: Vec<String> = disks
        .filter(|fields| matches!(fields[..], [_, size, "disk"] if size != "0B"))
        .map(|fields| fields[0].to_owned())
        .collect();
    assert!(!names.is_empty(), "this machine has no disk: {listed}");
    names
}

const NO_CLUSTER: [(&str, &str); 1] = [("STORAGE_PROBE_NO_CLUSTER", "true")];

#[test]
#[ignore = "needs root, podman and the image: tests/image.sh"]
fn the_image_shows_disks_and_volumes_with_the_manifests_rights() {
    let kubelet = KubeletFolder::make();
    let container = Container::start(&pod("without-scope", "DaemonSet", &kubelet), &NO_CLUSTER, &[]);

    let status = fs::read_to_string(format!("/proc/{}/status", container.pid())).unwrap();
    for line in [
        "Uid:\t65527\t",
        "Gid:\t0\t",
        "CapEff:\t0000000000000000",
        "CapBnd:\t0000000000000000",
        "NoNewPrivs:\t1",
        "Seccomp:\t2",
    ] {
        assert!(status.contains(line), "no {line:?} in {status}");
    }
    let page = container.page();
    for disk in kernel_disks() {
        let told = page.of_device("disk_read_bytes_total", &disk);
        assert!(told.is_some(), "{disk} is missing");
    }
    for collector in ["block_devices", "mounts", "pod_volumes", "filesystems"] {
        let success = page.value("storage_probe_collector_success", &[("collector", collector)]);
        assert_eq!(success, Some(1.0), "{collector}: {}", container.log());
    }
    let resident = page.value("process_resident_memory_bytes", &[]).unwrap();
    assert!(
        resident < 24e6,
        "{resident} bytes are more than the manifest requests"
    );

    // A volume that is mounted later comes in, and one that is unmounted is not held by us.
    let capacity = || {
        container.page().value(
            "storage_probe_volume_capacity_bytes",
            &[("persistentvolume", "pv-one")],
        )
    };
    kubelet.mount_closed_filesystem();
    within(LIMIT, || {
        expect_that(capacity() == Some(f64::from(16 << 20)), "the volume is not there")
    });
    kubelet.unmount_volume();
    within(LIMIT, || {
        expect_that(capacity().is_none(), "the volume is still there")
    });
    assert!(!container.is_mounted_in_it(&kubelet.volume()));

    // So with the first raw block volume of the node, for which the kubelet had no folder yet.
    assert_eq!(container.driver_of("pv-raw"), None);
    let staged = kubelet.add_raw_block_volume();
    within(LIMIT, || {
        let told = container.driver_of("pv-raw");
        expect_that(
            told.as_deref() == Some("disks.example"),
            format!("its driver is {told:?}: {}", container.log()),
        )
    });
    assert!(container.is_mounted_in_it(&staged));
    shell("umount", &[staged.to_str().unwrap()]);
    assert!(!container.is_mounted_in_it(&staged));
}

#[test]
#[ignore = "needs root, podman and the image: tests/image.sh"]
fn each_right_in_the_manifest_is_needed() {
    let kubelet = KubeletFolder::make();
    kubelet.mount_closed_filesystem();
    kubelet.add_raw_block_volume();
    let whole = pod("without-scope", "DaemonSet", &kubelet);
    let success = |container: &Container, collector: &str| {
        container
            .page()
            .value("storage_probe_collector_success", &[("collector", collector)])
    };

    // Root's group, for the kubelet's folders.
    let mut without = whole.clone();
    without["securityContext"]["runAsGroup"] = 65527.into();
    let container = Container::start(&without, &NO_CLUSTER, &[]);
    assert_ne!(success(&container, "pod_volumes"), Some(1.0));
    assert!(
        container.log().contains("permission denied"),
        "{}",
        container.log()
    );

    // The node's /proc, for its mounts: those of a container are others.
    let of_the_node = |container: &Container| {
        let mounts = fs::read_to_string("/proc/1/mountinfo").unwrap();
        let known: Vec<&str> = mounts.lines().filter_map(|line| line.split(' ').nth(4)).collect();
        let page = container.page();
        let mut told = page
            .samples()
            .iter()
            .filter_map(|sample| sample.labels.get("mountpoint"));
        told.all(|point| known.contains(&point.as_str()))
    };
    assert!(of_the_node(&Container::start(&whole, &NO_CLUSTER, &[])));
    let mut without = whole.clone();
    for path in ["/host/proc", "/host/proc/sys/fs", "/host/proc/fs"] {
        drop_mount(&mut without, path);
    }
    let container = Container::start(&without, &[NO_CLUSTER[0], ("STORAGE_PROBE_PROCFS", "/proc")], &[]);
    assert!(!of_the_node(&container));

    // Of the kubelet's folder pods', for the volumes in it, and what the CSI plugin has of raw block volumes.
    let told = |pod: &Value| {
        let container = Container::start(pod, &NO_CLUSTER, &[]);
        let size = container.page().value(
            "storage_probe_volume_capacity_bytes",
            &[("persistentvolume", "pv-one")],
        );
        (size.is_some(), container.driver_of("pv-raw"))
    };
    let driver = Some("disks.example".to_owned());
    assert_eq!(told(&whole), (true, driver));
    let without = |folder: &str| {
        let mut without = whole.clone();
        drop_mount(&mut without, kubelet.root.join(folder).to_str().unwrap());
        told(&without)
    };
    assert_eq!(without("pods"), (false, None));
    let plugin = Some("kubernetes.io/csi".to_owned());
    assert_eq!(without("plugins/kubernetes.io/csi/volumeDevices"), (true, plugin));
}

fn drop_mount(pod: &mut Value, path: &str) {
    let mounts = pod["containers"][0]["volumeMounts"].as_array_mut().unwrap();
    let before = mounts.len();
    mounts.retain(|mount| mount["mountPath"] != path);
    assert_eq!(mounts.len() + 1, before, "{path} was not mounted");
}

/// That of the overlay `with-scope`, with this folder in the place of Scope's.
fn pod_beside_scope(kubelet: &KubeletFolder, plugins: &Path) -> Value {
    let mut pod = pod("with-scope", "DaemonSet", kubelet);
    for volume in pod["volumes"].as_array_mut().unwrap() {
        if volume["name"] == "scope-plugins" {
            volume["hostPath"]["path"] = plugins.to_str().unwrap().into();
        }
    }
    pod
}

#[test]
#[ignore = "needs root, podman and the image: tests/image.sh"]
fn not_even_as_root_can_the_nodes_key_or_a_drivers_socket_be_reached() {
    let kubelet = KubeletFolder::make();
    let plugins = tempfile::tempdir().unwrap();
    let pod = pod_beside_scope(&kubelet, plugins.path());
    let container = Container::start(&pod, &NO_CLUSTER, &[OWN_PROGRAMS]);
    let root = kubelet.root.to_str().unwrap();
    let read = |path: &str| container.exec(&["/usr/bin/cat", path]);

    // It is root, and reads what it is given.
    let about = kubelet.volume().with_file_name("vol_data.json");
    let said = read(about.to_str().unwrap()).unwrap();
    assert!(said.contains("handle-pv-one"), "{said}");
    for path in NOBODYS_BUSINESS {
        let path = format!("{root}/{path}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "hush");
        let said = read(&path).unwrap_err();
        assert!(said.contains("No such file"), "{said}");
        // Nor by way of the node's first process, whose root is the node's.
        let said = read(&format!("/host/proc/1/root{path}")).unwrap_err();
        assert!(said.contains("Permission denied"), "{said}");
    }
}

#[test]
#[ignore = "needs root, podman and the image: tests/image.sh"]
fn with_scope_the_socket_is_there_for_root_alone() {
    let kubelet = KubeletFolder::make();
    let plugins = tempfile::tempdir().unwrap();
    let container = Container::start(&pod_beside_scope(&kubelet, plugins.path()), &NO_CLUSTER, &[]);
    let folder = plugins.path().join("storage");
    assert_eq!(
        fs::symlink_metadata(&folder).unwrap().permissions().mode() & 0o777,
        0o700
    );
    let socket = folder.join("storage.sock");
    let answer = Connection::unix(&socket)
        .unwrap()
        .get("/report?api_version=1")
        .unwrap();
    let report: Value = serde_json::from_slice(&answer.body).unwrap();
    assert!(report["Host"]["nodes"]["w1;<host>"].is_object(), "{report}");
    // Root could write to these, though the folder around them is mounted read-only.
    for closed in ["sys/fs", "fs"] {
        let seen = format!("/proc/{}/root/host/proc/{closed}", container.pid());
        assert_eq!(fs::read_dir(&seen).unwrap().count(), 0, "{seen} is not closed");
        assert_ne!(fs::read_dir(format!("/proc/{closed}")).unwrap().count(), 0);
    }
    drop(container);
    assert!(!socket.exists(), "the socket was left behind");
}

#[tokio::test]
#[ignore = "needs root, podman and the image: tests/image.sh"]
async fn the_cluster_role_reaches_the_api_server_by_name_from_an_empty_root() {
    let server = ApiServer::start(&["prober"]);
    let role: Value =
        serde_saphyr::from_str(include_str!("../manifests/base/cluster-role-cluster.yaml")).unwrap();
    server.grant("prober", &role).await;
    let volume = json!({"metadata": {"name": "pv-one"}, "spec": {
        "capacity": {"storage": "10Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "fast",
        "csi": {"driver": "disks.example", "volumeHandle": "handle-pv-one"},
    }});
    server.create("/api/v1/persistentvolumes", &volume).await;

    // A kubeconfig in place of the service account, with everything in it: the container sees no file of this machine. By its
    // name, so that the program's own, static way to look names up is shown to work.
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let mut config: Value =
        serde_json::from_str(&fs::read_to_string(server.kubeconfig("prober")).unwrap()).unwrap();
    let cluster = &mut config["clusters"][0]["cluster"];
    let authority = folder.path().join("authority.crt");
    fs::copy(cluster["certificate-authority"].as_str().unwrap(), &authority).unwrap();
    cluster["certificate-authority"] = "/config/authority.crt".into();
    cluster["server"] = cluster["server"]
        .as_str()
        .unwrap()
        .replace("127.0.0.1", "localhost")
        .into();
    fs::write(folder.path().join("kubeconfig"), config.to_string()).unwrap();

    let kubelet = KubeletFolder::make();
    let volume = format!("--volume={}:/config:ro", folder.path().display());
    let container = Container::start(
        &pod("without-scope", "Deployment", &kubelet),
        &[("STORAGE_PROBE_KUBECONFIG", "/config/kubeconfig")],
        &[&volume],
    );
    within(LIMIT, || {
        let known = container.page().value(
            "storage_probe_kubernetes_objects",
            &[("resource", "persistentvolumes")],
        );
        expect_that(
            known == Some(1.0),
            format!("{known:?} volumes are known: {}", container.log()),
        )
    });
    let answer = Connection::tcp(container.address)
        .unwrap()
        .get("/readyz")
        .unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// Makes a link on this machine in a container of the image, with this machine's own program for it.
fn link_in_a_container(profile: &[String]) -> Result<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let [loader, arguments @ ..] = own_loader();
    let mut command = podman();
    command.args(["run", "--rm", "--network=none", "--cap-drop=all", "--read-only"]);
    command
        .args(["--security-opt=no-new-privileges", "--user=0:0"])
        .args(["--ulimit=nofile=1024:1024", "--ulimit=nproc=512:512"])
        .args(profile);
    command.arg(format!("--volume={}:/made", folder.path().display()));
    command.arg(OWN_PROGRAMS);
    command.arg(format!("--entrypoint={loader}"));
    command.arg(IMAGE).args(arguments);
    command.args(["/usr/bin/ln", "-s", "target", "/made/link"]);
    run(&mut command, "")
}

#[test]
#[ignore = "needs root, podman and the image: tests/image.sh"]
fn what_the_profile_does_not_list_is_refused() {
    let own = format!(
        "--security-opt=seccomp={}",
        own_profile("scope-storage-probe.json")
    );
    link_in_a_container(&[]).expect("the runtime's default profile lets links be made");
    let refused = link_in_a_container(&[own]).unwrap_err();
    assert!(refused.contains("Function not implemented"), "{refused}");
}
