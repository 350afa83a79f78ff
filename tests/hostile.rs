//! Who means harm: pods with names of their choosing, who links files in the kubelet's tree, an API server that lies, and whoever would
//! like to see what this program holds. `docs/security.md` has the table.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod support;

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::inotify;
use scope_storage_probe::cluster::connect::Whereabouts;
use scope_storage_probe::cluster::secret;
use scope_storage_probe::model::text::is_obeyed;
use serde_json::json;
use support::backend::{SHARED, powerflex_up, resources_up};
use support::exposition::{Page, open_metrics_violations};
use support::fixture::Machine;
use support::kubeconfig::kubeconfig_file;
use support::kubelet_folder::{KubeletFolder, shell};
use support::node_with_pods::{PODS, node};
use support::powerflex_gateway::{Gateway, Mood, settings};
use support::process::peak_bytes;
use support::scope_contract::{Expectations, assert_holds};
use support::scripted_api::{Answer, Asked, ScriptedApi};
use support::server::{HOST, PROGRAM, Server, of_cluster, program, run};
use support::{expect_that, within};

/// Names that a pod, a claim or a driver could choose where nobody looks: what would end a line or a quotation, make a sample or an
/// element, command a terminal, turn the direction of what follows, or be no text at all; and the longest that a folder can have.
fn names() -> Vec<Vec<u8>> {
    let long = "n".repeat(255);
    [
        b"a\nstorage_probe_forged_total 1\n# EOF\n".as_slice(),
        b"quote\"} 1 \\ \\n \\\" '`$(reboot)",
        b"\x1b[2J\x1b[1;1H\x1b]0;forged\x07\x08\x7f",
        "c1 \u{9b}2J \u{85}".as_bytes(),
        "turned \u{202e}gpj.\u{2066}exe\u{200f} \u{2028}".as_bytes(),
        b"bytes \xff\xfe\xc3\x28",
        b"<script>alert(1)<&amp;script>\r",
        b"2026-01-01T00:00:00Z  WARN forged",
        b"{\"Plugins\":[]};<host>",
        "ü 磁盘 💾".as_bytes(),
        long.as_bytes(),
    ]
    .map(<[u8]>::to_vec)
    .to_vec()
}

/// How mountinfo has a path.
fn escaped(path: &Path) -> Vec<u8> {
    let escape = |byte: &u8| match byte {
        b' ' | b'\t' | b'\n' | b'\\' => format!("\\{byte:03o}").into_bytes(),
        byte => vec![*byte],
    };
    path.as_os_str().as_bytes().iter().flat_map(escape).collect()
}

/// What the file beside a CSI volume says, with a driver and a handle of the same name.
fn vol_data(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(name);
    json!({"driverName": text, "volumeHandle": text, "specVolID": text, "attachmentID": text, "nodeName": text}).to_string()
}

/// The flags for a machine other than this one, of which no API server knows.
fn of(machine: &Machine) -> Vec<String> {
    [machine.flags(), vec!["--no-cluster".to_owned()]].concat()
}

fn serve(command: Command, plugins: &Path, flags: &[String]) -> Server {
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    Server::launch(
        command,
        plugins,
        &[&["--listen", "127.0.0.1:0"], &*flags].concat(),
    )
}

fn printed(arguments: &[&str], flags: &[String]) -> Output {
    let mut command = program(PROGRAM);
    command.args(arguments).args(flags).stdin(Stdio::null());
    command.output().unwrap()
}

/// The page, after it was checked to be OpenMetrics.
fn page(server: &Server) -> String {
    let openly = [("Accept", "application/openmetrics-text")];
    let page = server.prometheus().ask("GET", "/metrics", &openly).unwrap();
    assert_eq!(open_metrics_violations(page.text()), [""; 0]);
    page.text().to_owned()
}

fn report(server: &Server) -> String {
    let report = server.report();
    let expectations = Expectations::of("storage", HOST);
    assert_holds(report.bytes(), &expectations);
    String::from_utf8(report.bytes().to_vec()).unwrap()
}

/// No character that a terminal obeys, but the ends of the lines that the program itself ends.
fn assert_plain(what: &str, text: &str) {
    let obeyed = text.chars().find(|letter| is_obeyed(*letter) && *letter != '\n');
    assert_eq!(obeyed, None, "{what}: {text}");
}

/// Each line is one of the program's own: it begins with a time.
fn assert_log_is_its_own(server: &Server) {
    for line in server.log() {
        assert_plain("the log", &line);
        let time = line.split("  ").next().unwrap_or_default();
        let is_time = time.len() > 20 && time.contains('T') && time.starts_with("20");
        assert!(is_time && !line.starts_with("2026-01-01T00:00:00Z"), "{line}");
    }
}

/// The lines of a page that tell of a volume or a mount of one of the names, and the others without their values.
fn apart(page: &str) -> (usize, Vec<String>) {
    // Figures of the program's own work grow with what there is to see.
    let own = [
        "process_",
        "storage_probe_collector",
        "storage_probe_scrape",
        "storage_probe_report",
    ];
    let mut others = Vec::new();
    let mut of_names = 0;
    for line in page.lines() {
        if line.contains("hostile") {
            of_names += 1;
        } else if !own.iter().any(|family| line.contains(family)) {
            others.push(line.rsplit_once(' ').unwrap().0.to_owned());
        }
    }
    (of_names, others)
}

#[test]
fn names_of_any_kind_break_no_format_and_cost_no_others_series() {
    let machine = node();
    let plugins = tempfile::tempdir().unwrap();
    let before = {
        let server = serve(program(PROGRAM), plugins.path(), &of(&machine));
        page(&server)
    };
    let tree_before = printed(&["tree", "--interval", "0"], &of(&machine)).stdout;

    // A pod folder, a plugin, and a volume that is mounted, of each name; a file that is not understood; and a link.
    let path = machine.place("/proc/1/mountinfo");
    let mut mounts = fs::read(&path).unwrap();
    let mut volumes = 0;
    for (number, name) in names().iter().enumerate() {
        let pod = format!("hostile-{number}-0000-4000-8000-000000000000");
        let pod = PathBuf::from(PODS).join(pod);
        for plugin in ["kubernetes.io~csi", "kubernetes.io~nfs"] {
            let volume = pod.join("volumes").join(plugin).join(OsStr::from_bytes(name));
            let point = volume.join("mount");
            fs::create_dir_all(machine.place(&point)).unwrap();
            machine.write(volume.join("vol_data.json"), vol_data(name));
            mounts.extend(format!("{} 20 0:{} / ", 900 + volumes, 200 + volumes).bytes());
            mounts.extend(escaped(&point));
            mounts.extend(b" rw - nfs4 filer:/hostile-");
            mounts.extend(escaped(Path::new(OsStr::from_bytes(name))));
            mounts.extend(b" rw\n");
            volumes += 1;
        }
        let broken = pod
            .join("volumes/kubernetes.io~csi")
            .join(OsStr::from_bytes(&name[..name.len().min(200)]));
        machine.write(broken.join("broken/vol_data.json"), b"{");
        machine.link(pod.join("volumes").join(OsStr::from_bytes(name)), "/etc");
        fs::create_dir_all(machine.place(PODS).join(OsStr::from_bytes(name)).join("volumes")).unwrap();
    }
    fs::write(&path, mounts).unwrap();

    let server = serve(program(PROGRAM), plugins.path(), &of(&machine));
    let after = page(&server);
    assert!(!after.contains("\nstorage_probe_forged"), "{after}");
    let (none, others_before) = apart(&before);
    let (told, others_after) = apart(&after);
    assert_eq!(none, 0);
    assert!(told >= names().len(), "{told} lines tell of {volumes} volumes");
    let lost: Vec<_> = others_before
        .iter()
        .filter(|line| !others_after.contains(line))
        .collect();
    assert_eq!(lost, Vec::<&String>::new());
    report(&server);
    server.soon_logged("is a link");
    assert_log_is_its_own(&server);

    let tree = String::from_utf8(printed(&["tree", "--interval", "0"], &of(&machine)).stdout).unwrap();
    assert_plain("the tree", &tree);
    assert!(tree.contains("\\u001b[2J"), "{tree}");
    assert!(
        !tree.lines().any(|line| line.starts_with("storage_probe_forged")),
        "{tree}"
    );
    // What stood there stands there still, but for the width of the columns.
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let lines: Vec<_> = tree.lines().map(words).collect();
    let disks = String::from_utf8(tree_before).unwrap();
    let disks = disks.lines().take_while(|line| !line.is_empty());
    for line in disks.filter(|line| line.contains("nvme") || line.contains("sda")) {
        assert!(lines.contains(&words(line)), "{line}\n{tree}");
    }
    let check = printed(&["check", "--plugin-dir", ""], &of(&machine)).stdout;
    let check = String::from_utf8(check).unwrap();
    assert_plain("the check", &check);
    for line in check.lines() {
        let known = ["ok  ", "missing  ", "unknown  ", "         without it: "];
        assert!(known.iter().any(|start| line.starts_with(start)), "{line}");
    }
    let json = printed(&["tree", "--json", "--interval", "0"], &of(&machine)).stdout;
    serde_json::from_slice::<serde_json::Value>(&json).unwrap();
}

#[test]
#[ignore = "needs root: cargo test --test hostile -- --ignored"]
fn mounts_of_any_name_on_the_real_kernel_break_no_format() {
    let folder = KubeletFolder::make();
    let pods = folder.root.join("pods");
    let mut points = Vec::new();
    for (number, name) in names().iter().enumerate() {
        let volume = pods
            .join(format!("hostile-{number}/volumes/kubernetes.io~csi"))
            .join(OsStr::from_bytes(name));
        points.push(volume.join("mount"));
        fs::create_dir_all(volume.join("mount")).unwrap();
        fs::write(volume.join("vol_data.json"), vol_data(name)).unwrap();
    }
    // As long as a path can be.
    let mut deep = pods.join("hostile-deep/volume-subpaths/v/container");
    while deep.as_os_str().len() < 3800 {
        deep.push("\u{1b}[31m".repeat(40));
    }
    fs::create_dir_all(&deep).unwrap();
    points.push(deep);
    for point in &points {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(point);
        assert!(mount.status().unwrap().success(), "{}", point.display());
    }
    let plugins = tempfile::tempdir().unwrap();
    let flags = [
        format!("--kubelet-root={}", folder.root.display()),
        "--no-cluster".to_owned(),
    ];
    let server = serve(program(PROGRAM), plugins.path(), &flags);
    let text = page(&server);
    assert!(!text.contains("\nstorage_probe_forged"), "{text}");
    let capacities = Page::parse(&text)
        .samples()
        .iter()
        .filter(|sample| sample.name == "storage_probe_volume_capacity_bytes")
        .filter(|sample| (sample.value - f64::from(1 << 20)).abs() < 0.5)
        .count();
    assert!(capacities >= names().len(), "{capacities} in {text}");
    report(&server);
    assert_log_is_its_own(&server);
    for arguments in [&["tree", "--interval", "0"][..], &["check", "--plugin-dir", ""]] {
        let output = printed(arguments, &flags);
        assert_plain(arguments[0], &String::from_utf8(output.stdout).unwrap());
    }
    drop(server);
    for point in points {
        let _ = Command::new("umount").arg(point).status();
    }
}

#[test]
fn links_pipes_and_huge_files_in_the_kubelets_tree_lead_nowhere() {
    let machine = node();
    // What must not be opened: a folder laid out as a pod's, whose every file would be believed.
    let outside = tempfile::tempdir().unwrap();
    let stolen = outside.path().join("volumes/kubernetes.io~csi/pv");
    fs::create_dir_all(stolen.join("mount")).unwrap();
    let secret = stolen.join("vol_data.json");
    fs::write(&secret, vol_data(b"stolen")).unwrap();
    let watch = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
    let mut folder = stolen.clone();
    while folder.starts_with(outside.path()) {
        let events = inotify::WatchFlags::OPEN | inotify::WatchFlags::ACCESS;
        inotify::add_watch(&watch, &folder, events).unwrap();
        folder.pop();
    }
    let csi = |pod: &str| format!("{PODS}/{pod}/volumes/kubernetes.io~csi");
    machine.link(format!("{PODS}/link-pod"), outside.path());
    machine.link(
        format!("{PODS}/link-volumes/volumes"),
        outside.path().join("volumes"),
    );
    machine.link(csi("link-plugin"), stolen.parent().unwrap());
    machine.link(format!("{}/pv", csi("link-volume")), &stolen);
    machine.link(format!("{}/pv/vol_data.json", csi("link-file")), &secret);
    machine.link(format!("{}/pv/vol_data.json", csi("link-shadow")), "/etc/shadow");
    machine.link(format!("{}/pv/vol_data.json", csi("link-zero")), "/dev/zero");
    machine.link(
        format!("{PODS}/link-devices/volumeDevices/kubernetes.io~csi/pv"),
        &secret,
    );
    machine.link(format!("{PODS}/link-subpaths/volume-subpaths"), outside.path());
    machine.link(
        "/var/lib/kubelet/plugins/kubernetes.io/csi/driver",
        outside.path(),
    );
    fs::create_dir_all(machine.place(format!("{}/pv/vol_data.json", csi("folder")))).unwrap();
    let huge = machine.place(format!("{}/pv/vol_data.json", csi("huge")));
    fs::create_dir_all(huge.parent().unwrap()).unwrap();
    fs::File::create(&huge).unwrap().set_len(1 << 40).unwrap();
    let pipe = machine.place(format!("{}/pv/vol_data.json", csi("pipe")));
    fs::create_dir_all(pipe.parent().unwrap()).unwrap();
    shell("mkfifo", &[pipe.to_str().unwrap()]);

    let plugins = tempfile::tempdir().unwrap();
    let started = Instant::now();
    let server = serve(program(PROGRAM), plugins.path(), &of(&machine));
    let mut said = page(&server) + &report(&server) + &server.log().join("\n");
    assert!(
        started.elapsed() < Duration::from_secs(20),
        "{:?}",
        started.elapsed()
    );
    for arguments in [
        &["tree", "--interval", "0"][..],
        &["tree", "--json", "--interval", "0"],
        &["check", "--plugin-dir", ""],
    ] {
        said += &String::from_utf8(printed(arguments, &of(&machine)).stdout).unwrap();
    }
    assert!(
        !said.contains("driver=\"stolen\"") && !said.contains("root:"),
        "{said}"
    );
    let mut buffer = [const { std::mem::MaybeUninit::uninit() }; 4096];
    let mut events = inotify::Reader::new(&watch, &mut buffer);
    let opened = events.next().map(|event| format!("{event:?}"));
    assert_eq!(opened, Err(rustix::io::Errno::AGAIN));
    // The proof that opening is noticed.
    fs::read(&secret).unwrap();
    assert!(events.next().is_ok());
    let resident = server.page().value("process_resident_memory_bytes", &[]).unwrap();
    assert!(resident < 64e6, "{resident}");
}

/// A kubeconfig for that server, with this token.
fn kubeconfig(folder: &Path, api: &ScriptedApi, token: &str) -> PathBuf {
    kubeconfig_file(folder, api.address, &json!({"token": token}))
}

/// Starts the program for the whole cluster of that server, and does this with it on a thread that may wait.
async fn beside(api: &ScriptedApi, work: impl FnOnce(&Server) + Send + 'static) {
    let folder = tempfile::tempdir().unwrap();
    let config = kubeconfig(folder.path(), api, "t");
    let plugins = folder.path().join("plugins");
    tokio::task::spawn_blocking(move || {
        let arguments = of_cluster(config.to_str().unwrap());
        let server = Server::launch(program(PROGRAM), &plugins, &arguments);
        work(&server);
    })
    .await
    .unwrap();
}

/// A list that is right among others that are not.
fn one_class() -> Answer {
    let class = json!({"metadata": {"name": "fast", "resourceVersion": "1"}, "provisioner": "disks.example"});
    Answer::list("1", &[class])
}

/// True where that list is on the page.
fn has_class(page: &Page) -> bool {
    page.value("storage_probe_storageclass_info", &[("storageclass", "fast")]) == Some(1.0)
}

#[tokio::test]
async fn an_api_server_that_never_stops_talking_costs_its_own_figures() {
    let api = ScriptedApi::start(|asked: &Asked| {
        let text = "x".repeat(1 << 20);
        match asked.resource.as_str() {
            // A list without end, a watch whose event has none, and lists of which nothing is left to wish.
            "persistentvolumeclaims" if !asked.watches() => Some(Answer::endless(
                r#"{"metadata":{"resourceVersion":"1"},"items":[{"metadata":{"name":""#,
                text,
            )),
            "persistentvolumes" if asked.watches() => Some(Answer::endless(
                r#"{"type":"ADDED","object":{"metadata":{"name":""#,
                text,
            )),
            // An error in lines.
            "nodes" if asked.watches() => Some(Answer::endless_with(500, text + "\n")),
            "storageclasses" if !asked.watches() => Some(one_class()),
            _ => None,
        }
    });
    beside(&api, |server| {
        // What is wrong is told to who asks.
        within(Duration::from_secs(60), || {
            server.page();
            server.logged("12 MiB")
        });
        within(Duration::from_secs(30), || {
            expect_that(has_class(&server.page()), "the others are known")
        });
        // Some more attempts, each of which must be given back.
        std::thread::sleep(Duration::from_secs(5));
        assert!(has_class(&server.page()));
        let peak = peak_bytes(server.id());
        assert!(peak < 64 << 20, "{peak} bytes");
    })
    .await;
}

/// An array of nothing but this, so many bytes long.
fn nonsense(item: &str, bytes: usize) -> String {
    let comma = format!("{item},");
    format!("[{}{item}]", comma.repeat(bytes / comma.len()))
}

/// The same as a list, each time in another way: longer than is read; shorter, with more items than there can be; and short.
fn nonsensical_list(item: &str, time: usize) -> Answer {
    let bytes = [40_000_000, 3_900_000, 100_000, 11_900_000][time % 4];
    Answer::text(
        200,
        format!("{{\"metadata\":{{}},\"items\":{}}}", nonsense(item, bytes)),
    )
}

#[tokio::test]
async fn figures_that_are_nonsense_cost_themselves_and_little_memory() {
    let api = ScriptedApi::start(|asked: &Asked| {
        let is_of_metrics = asked.path.starts_with("/apis/metrics.k8s.io/");
        match (asked.resource.as_str(), is_of_metrics) {
            ("nodes", true) => Some(nonsensical_list("0", asked.before)),
            ("pods", true) => Some(nonsensical_list("{}", asked.before)),
            ("storageclasses", _) if !asked.watches() => Some(one_class()),
            _ => None,
        }
    });
    beside(&api, |server| {
        // A program that is not optimized is three times as large from the first.
        let before = peak_bytes(server.id());
        within(Duration::from_secs(30), || {
            let page = Page::parse(server.get("/metrics?exclude[]=resources").text());
            expect_that(has_class(&page), "it is not known yet")
        });
        for time in 0..4 {
            let page = server.page();
            assert!(has_class(&page));
            // What is short is a list of which nothing can be understood.
            let wanted = if time == 2 { 1.0 } else { 0.0 };
            assert_eq!(resources_up(&page), Some(wanted), "{time}");
            std::thread::sleep(SHARED);
        }
        server.soon_logged("more than 12 MiB");
        server.soon_logged("more than 100000 items");
        server.soon_logged("more things in them cannot be understood");
        assert!(server.log().len() < 250, "{} lines", server.log().len());
        let more = peak_bytes(server.id()) - before;
        assert!(more < 50 << 20, "{more} bytes more than {before}");
    })
    .await;
}

#[tokio::test]
async fn a_tenants_lists_that_are_nonsense_cost_themselves_and_little_memory() {
    let api = ScriptedApi::start(|asked: &Asked| match asked.resource.as_str() {
        "pods" if asked.path.starts_with("/api/v1/namespaces/shop/") => Some(Answer::list(
            "1",
            &[
                json!({"metadata": {"name": "web-0", "namespace": "shop", "uid": "u"}, "spec": {"containers": [{"name": "main"}]},
                     "status": {"phase": "Running", "containerStatuses": [{"name": "main", "restartCount": 3}]}}),
            ],
        )),
        "pods" | "persistentvolumeclaims" => Some(nonsensical_list("0", asked.before)),
        _ => Some(nonsensical_list("{}", asked.before)),
    });
    let folder = tempfile::tempdir().unwrap();
    let config = kubeconfig(folder.path(), &api, "t");
    let path = config.to_str().unwrap().to_owned();
    let plugins = folder.path().join("plugins");
    tokio::task::spawn_blocking(move || {
        let arguments = [
            "--listen",
            "127.0.0.1:0",
            "--kubeconfig",
            &path,
            "--namespace",
            "shop",
            "--namespace",
            "bank",
        ];
        let server = Server::launch(program(PROGRAM), &plugins, &arguments);
        // A program that is not optimized is three times as large from the first.
        let before = peak_bytes(server.id());
        for _ in 0..6 {
            let page = server.page();
            let restarts = page.value("storage_probe_container_restarts_total", &[("pod", "web-0")]);
            assert_eq!(restarts, Some(3.0));
            assert_eq!(resources_up(&page), Some(0.0));
            std::thread::sleep(SHARED);
        }
        server.soon_logged("more than 4 MiB");
        server.soon_logged("more than 20000 items");
        let more = peak_bytes(server.id()) - before;
        assert!(more < 36 << 20, "{more} bytes more than {before}");
    })
    .await
    .unwrap();
}

#[test]
fn a_gateway_that_answers_nonsense_costs_its_own_figures_and_little_memory() {
    const PATHS: [&str; 5] = [
        "/api/types/StoragePool/instances",
        "/api/types/System/instances",
        "/api/types/ProtectionDomain/instances",
        "/api/instances/querySelectedStatistics",
        "/api/instances/StoragePool",
    ];
    let (bad, good) = (Gateway::start(Mood::default()), Gateway::start(Mood::default()));
    let folder = tempfile::tempdir().unwrap();
    let file = settings(folder.path(), &[("bad", &bad.url()), ("good", &good.url())]);
    let file = file.to_str().unwrap();
    let arguments = [
        "--listen",
        "127.0.0.1:0",
        "--no-cluster",
        "--role",
        "cluster",
        "--powerflex",
        file,
    ];
    let server = Server::launch(program(PROGRAM), &folder.path().join("plugins"), &arguments);
    let before = peak_bytes(server.id());
    let lists = |item: &str, bytes| nonsense(item, bytes);
    // Volumes of a pool, and figures of pools, in place of pools.
    let by_id = |bytes: usize| {
        let entries: Vec<String> = (0..bytes / 12).map(|id| format!("\"{id:07}\":{{}},")).collect();
        let entries = entries.concat();
        format!(
            "{{\"StoragePool\":{{{entries}\"x\":{{\"volumeIds\":{}}}}}}}",
            nonsense("\"\"", bytes)
        )
    };
    let answers = [
        lists("0", 40_000_000),
        lists("0", 11_900_000),
        lists("{}", 11_900_000),
        by_id(5_000_000),
        format!("{{\"volumeIds\":{}}}", nonsense("\"\"", 11_900_000)),
    ];
    for answer in answers {
        for path in PATHS {
            bad.change(|mood| mood.instead = vec![(path, 200, answer.clone())]);
            std::thread::sleep(SHARED);
            let page = Page::parse(server.get("/metrics/powerflex").text());
            assert_eq!(powerflex_up(&page, "good"), Some(1.0), "{path}");
            let pools = page
                .samples()
                .iter()
                .filter(|sample| sample.name == "storage_probe_powerflex_pool_info")
                .filter(|sample| sample.labels.iter().any(|label| label.1 == "good"))
                .count();
            assert_eq!(pools, 2, "{path}");
        }
    }
    server.soon_logged("more than 12 MiB");
    server.soon_logged("more than 20000 items");
    // Of 256 MiB that the cluster's process may have.
    let more = peak_bytes(server.id()) - before;
    assert!(more < 80 << 20, "{more} bytes more than {before}");
}

/// A pod of a megabyte and a half, as large as etcd takes an object, whose list of that name has nothing but these.
fn pod_of_nothing_but(field: &str, item: impl Fn(usize) -> String) -> String {
    let mut length = 0;
    let items: Vec<String> = (0..1_500_000)
        .map(item)
        .take_while(|item| {
            length += item.len() + 1;
            length < 1_500_000
        })
        .collect();
    let items = items.join(",");
    format!(
        r#"{{"metadata": {{"name": "of-{field}", "namespace": "shop", "uid": "u-{field}", "resourceVersion": "1"}},
            "spec": {{"nodeName": "w1", "{field}": [{items}]}}, "status": {{"phase": "Running"}}}}"#
    )
}

#[tokio::test]
async fn a_pod_costs_no_more_memory_than_its_text() {
    let pods = [
        pod_of_nothing_but("containers", |_| "{}".to_owned()),
        pod_of_nothing_but("initContainers", |at| {
            format!(r#"{{"name": "c{at}", "restartPolicy": "Always"}}"#)
        }),
        pod_of_nothing_but("volumes", |_| "{}".to_owned()),
    ];
    let api = ScriptedApi::start(move |asked: &Asked| {
        (asked.resource == "pods" && !asked.watches()).then(|| {
            let items = pods.join(",");
            Answer::text(
                200,
                format!(r#"{{"metadata": {{"resourceVersion": "1"}}, "items": [{items}]}}"#),
            )
        })
    });
    let folder = tempfile::tempdir().unwrap();
    let config = kubeconfig(folder.path(), &api, "t");
    let path = config.to_str().unwrap().to_owned();
    let plugins = folder.path().join("plugins");
    tokio::task::spawn_blocking(move || {
        let server = Server::launch(program(PROGRAM), &plugins, &of_cluster(&path));
        let before = peak_bytes(server.id());
        for field in ["containers", "initContainers", "volumes"] {
            let told = format!("pods shop/of-{field}: spec.{field}: ");
            within(Duration::from_secs(30), || {
                server.page();
                server.logged(&told)
            });
            let lines = server.log();
            let lines = lines.iter().filter(|line| line.contains(&told));
            assert_eq!(lines.count(), 1, "{field} is said once");
        }
        // What is read is held three times while it is read.
        let more = peak_bytes(server.id()) - before;
        assert!(more < 30 << 20, "{more} bytes more than {before}");
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_secret_without_end_is_none() {
    let api = ScriptedApi::start(|_: &Asked| {
        Some(Answer::endless(r#"{"data":{"password":""#, "x".repeat(1 << 20)))
    });
    let folder = tempfile::tempdir().unwrap();
    let whereabouts = Whereabouts {
        kubeconfig: Some(kubeconfig(folder.path(), &api, "t")),
        context: None,
    };
    let said = secret::read(&whereabouts, Some("storage"), "powerflex").await;
    let said = said.unwrap_err();
    assert!(said.contains("2 MiB"), "{said}");
}

#[tokio::test]
async fn the_token_is_told_nowhere() {
    const TOKEN: &str = "hush-hush-4711";
    // A server that has nothing, fails, repeats what it was sent, and talks nonsense.
    let api = ScriptedApi::start(|asked: &Asked| match asked.resource.as_str() {
        "persistentvolumes" => Some(Answer::status(
            500,
            "InternalError",
            "bad header Authorization: Bearer hush-hush-4711",
        )),
        "persistentvolumeclaims" => Some(Answer::text(200, "<html>")),
        _ => None,
    });
    let folder = tempfile::tempdir().unwrap();
    let path = kubeconfig(folder.path(), &api, TOKEN);
    let path = path.to_str().unwrap().to_owned();
    let plugins = folder.path().join("plugins");
    tokio::task::spawn_blocking(move || {
        let mut command = program(PROGRAM);
        command.env("STORAGE_PROBE_LOG_LEVEL", "trace");
        let server = Server::launch(command, &plugins, &of_cluster(&path));
        within(Duration::from_secs(60), || {
            server.page();
            server.logged("failing: ")
        });
        let answer = server.scope().get("/report?api_version=1&probe_id=test").unwrap();
        let mut said = server.get("/metrics").text().to_owned() + answer.text();
        for target in ["/", "/healthz", "/readyz"] {
            said += server.get(target).text();
        }
        let output = Command::new(PROGRAM)
            .args([
                "check",
                "--role",
                "cluster",
                "--kubeconfig",
                &path,
                "--plugin-dir",
                "",
            ])
            .env("STORAGE_PROBE_LOG_LEVEL", "trace")
            .output()
            .unwrap();
        said += &String::from_utf8_lossy(&[output.stdout, output.stderr].concat());
        said += &server.log().join("\n");
        assert!(
            said.contains("TRACE") && said.contains("Bearer (a token)"),
            "{said}"
        );
        assert!(!said.contains(TOKEN), "{said}");
    })
    .await
    .unwrap();
}

/// A kubeconfig whose credential plugin has secrets in its arguments, its environment and its output. It gives tokens that are too old soon,
/// and fails where there is a file `fails`. It is one that would ask somebody, were there a terminal, as kubectl's are unless they say otherwise.
fn with_a_plugin(folder: &Path, address: impl std::fmt::Display, fails: &Path) -> PathBuf {
    const SCRIPT: &str = r#"
echo hush-complained >&2
if [ -e "$0" ]; then
    echo hush-said; exit 7
fi
echo '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
    "status": {"token": "hush-token", "expirationTimestamp": "2026-01-01T00:00:00Z"}}'"#;
    let user = json!({"exec": {
        "apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "IfAvailable",
        "command": "sh", "args": ["-c", SCRIPT, fails, "--password=hush-argument"],
        "env": [{"name": "SECRET", "value": "hush-environment"}],
    }});
    kubeconfig_file(folder, address, &user)
}

#[tokio::test]
async fn what_a_credential_plugin_knows_is_told_nowhere() {
    const TOLD: &str = "the credential plugin failed (exit status: 7)";
    let api = ScriptedApi::start(|_: &Asked| None);
    let folder = tempfile::tempdir().unwrap();
    let fails = folder.path().join("fails");
    let path = with_a_plugin(folder.path(), api.address, &fails);
    let path = path.to_str().unwrap().to_owned();
    let plugins = folder.path().join("plugins");
    tokio::task::spawn_blocking(move || {
        let mut command = program(PROGRAM);
        command.env("STORAGE_PROBE_LOG_LEVEL", "trace");
        let server = Server::launch(command, &plugins, &of_cluster(&path));
        fs::write(fails, "").unwrap();
        let mut said = within(Duration::from_secs(60), || {
            let pages: Vec<String> = ["/", "/readyz"]
                .map(|target| server.get(target).text().to_owned())
                .into();
            expect_that(pages.iter().all(|page| page.contains(TOLD)), &pages[1]).map(|()| pages.concat())
        });
        said += server.get("/metrics").text();
        server.soon_logged(TOLD);
        // And where it fails from the first.
        let output = run(&["tree", "--role", "cluster", "--kubeconfig", &path]);
        let failed = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(failed.contains(TOLD), "{failed}");
        said += &failed;
        said += &server.log().join("\n");
        assert!(!said.contains("hush"), "{said}");
    })
    .await
    .unwrap();
}

/// Runs a program that may leave a core file as large as it likes, hits it, and tells whether it left one.
fn leaves_a_core(command: &str, folder: &Path, started: impl Fn() -> bool) -> bool {
    let mut child = Command::new("sh")
        .args(["-c", &format!("ulimit -c unlimited && exec {command}")])
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    within(Duration::from_secs(20), || {
        expect_that(started(), "it does not start")
    });
    shell("kill", &["-s", "ABRT", &child.id().to_string()]);
    let ended = child.wait().unwrap();
    assert_eq!(ended.signal(), Some(6));
    ended.core_dumped()
}

#[test]
fn no_core_file_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    assert!(
        leaves_a_core("sleep 60", folder.path(), || begun.elapsed()
            > Duration::from_millis(200)),
        "this kernel leaves no core files: /proc/sys/kernel/core_pattern must name a file or a program that takes them"
    );
    let socket = folder.path().join("storage/storage.sock");
    let serve = format!(
        "{PROGRAM} serve --no-cluster --host-id h --listen= --plugin-dir {}",
        folder.path().display()
    );
    assert!(!leaves_a_core(&serve, folder.path(), || socket.exists()));
}

#[test]
#[ignore = "needs root: cargo test --test hostile -- --ignored"]
fn as_nobody_it_sees_itself_and_no_other_nobody_sees_it() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
    // Where everybody may run it.
    let shipped = folder.path().join("scope-storage-probe");
    fs::copy(PROGRAM, &shipped).unwrap();
    let as_nobody = |program: &OsStr| {
        let mut command = support::server::program("setpriv");
        command
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(program);
        command
    };
    let plugins = folder.path().join("plugins");
    let server = serve(
        as_nobody(shipped.as_os_str()),
        &plugins,
        &["--no-cluster".to_owned()],
    );
    let page = server.page();
    for family in [
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_virtual_memory_bytes",
        "process_start_time_seconds",
        "process_open_fds",
        "process_max_fds",
    ] {
        assert!(page.value(family, &[]).is_some(), "{family} is missing");
    }
    let peeks = |process: u32| {
        let mut peek = as_nobody(OsStr::new("cat"));
        peek.arg(format!("/proc/{process}/environ"));
        peek.output().unwrap().status.success()
    };
    let mut other = as_nobody(OsStr::new("sleep")).arg("60").spawn().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    assert!(
        peeks(other.id()),
        "another's process is closed as well: this proves nothing"
    );
    assert!(!peeks(server.id()));
    other.kill().unwrap();
    other.wait().unwrap();
}

#[test]
fn a_link_in_the_place_of_the_sockets_folder_is_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("elsewhere");
    fs::create_dir(&target).unwrap();
    let plugins = folder.path().join("plugins");
    fs::create_dir(&plugins).unwrap();
    symlink(&target, plugins.join("storage")).unwrap();
    let output = printed(
        &[
            "serve",
            "--listen=",
            "--host-id",
            HOST,
            "--plugin-dir",
            plugins.to_str().unwrap(),
        ],
        &["--no-cluster".to_owned()],
    );
    assert!(!output.status.success());
    assert_eq!(fs::read_dir(&target).unwrap().count(), 0);
}
