//! Which system calls the program makes in each of its roles, held against the profile that is shipped for it. That the program works
//! under that profile, and nothing else does, `tests/image.rs` shows.
//!
//! Run as root by `tests/image.sh`, which names the program that is shipped in `TESTED_PROGRAM` and installs strace.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use scope_storage_probe::model::inventory::Role;
use serde_json::Value;
use support::api_server::{ApiServer, shipped};
use support::node_with_pods::node;
use support::powerflex_gateway::{Gateway, Mood, settings};
use support::server::{Server, of_cluster, program};
use support::{expect_that, within};

/// Listed, and seldom or never met here, each with its reason.
const BESIDE: [(&str, &[&str]); 5] = [
    (
        "another architecture's name, or another C library's way, for what is met here",
        &[
            "arch_prctl",
            "epoll_pwait",
            "epoll_wait",
            "mkdirat",
            "poll",
            "ppoll",
            "readlink",
            "readlinkat",
            "unlinkat",
            "mkdir",
            "unlink",
            "fstat",
            "newfstatat",
            "readv",
            "preadv",
            "writev",
            "sendmmsg",
            "recvmsg",
            "sendmsg",
            "getdents64",
            "getcwd",
            "clock_nanosleep",
            "clock_gettime",
            "uname",
            "sysinfo",
            "rseq",
            "set_robust_list",
            "set_tid_address",
            "lseek",
            "statfs",
        ],
    ),
    (
        "at the mercy of the moment: memory that grows, threads that wait, calls that are interrupted, peers that hang up",
        &[
            "brk",
            "madvise",
            "mremap",
            "munmap",
            "futex",
            "sched_yield",
            "restart_syscall",
            "rt_sigreturn",
            "shutdown",
            "getsockopt",
            "getpeername",
            "inotify_rm_watch",
            "exit",
        ],
    ),
    (
        "what ends a program that must not go on",
        &["getpid", "gettid", "tgkill", "rt_sigprocmask"],
    ),
    (
        "what a container's runtime does between setting the filter and starting the program",
        &["execve", "getuid", "geteuid", "prctl", "fcntl"],
    ),
    ("for a terminal", &["ioctl"]),
];

fn profile_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/components/seccomp/scope-storage-probe.json")
}

fn profile() -> BTreeSet<String> {
    let profile: Value = serde_json::from_str(&fs::read_to_string(profile_path()).unwrap()).unwrap();
    assert_eq!(profile["defaultAction"], "SCMP_ACT_ERRNO");
    let rules = profile["syscalls"].as_array().unwrap();
    assert!(rules.iter().all(|rule| rule["action"] == "SCMP_ACT_ALLOW"));
    let names = rules.iter().flat_map(|rule| rule["names"].as_array().unwrap());
    names.map(|name| name.as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_component_names_the_profile_that_lies_beside_it() {
    let text = fs::read_to_string(profile_path().with_file_name("kustomization.yaml")).unwrap();
    let component: Value = serde_saphyr::from_str(&text).unwrap();
    let patch: Value = serde_saphyr::from_str(component["patches"][0]["patch"].as_str().unwrap()).unwrap();
    let wanted = &patch["spec"]["template"]["spec"]["securityContext"]["seccompProfile"];
    assert_eq!(wanted["type"], "Localhost");
    let file = wanted["localhostProfile"].as_str().unwrap();
    assert!(profile_path().with_file_name(file).exists(), "{file}");
    // Of what could change the node, load code or look into others nothing is listed.
    let listed = profile();
    for never in [
        "mount",
        "umount2",
        "pivot_root",
        "unshare",
        "setns",
        "ptrace",
        "process_vm_readv",
        "bpf",
        "perf_event_open",
        "init_module",
        "finit_module",
        "kexec_load",
        "keyctl",
        "io_uring_setup",
        "userfaultfd",
        "setuid",
        "capset",
        "mknod",
        "mknodat",
        "symlinkat",
        "clone3",
        "open_by_handle_at",
        "memfd_create",
        "execveat",
        "reboot",
        "chroot",
        "kill",
    ] {
        assert!(!listed.contains(never), "{never}");
    }
}

/// The program under strace, which writes down each call. It is not its child, so that it can be told to end as ever.
fn traced(calls: &Path) -> Command {
    // What is linked dynamically makes calls of its loader.
    let tested =
        std::env::var_os("TESTED_PROGRAM").expect("TESTED_PROGRAM names no static program: tests/image.sh");
    let mut command = program("strace");
    command
        .args(["-D", "-f", "-qq", "-e", "signal=none", "-o"])
        .arg(calls)
        .arg(tested);
    command
}

/// The calls in what strace wrote.
fn calls(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for file in fs::read_dir(folder).unwrap() {
        let text = fs::read(file.unwrap().path()).unwrap();
        for line in String::from_utf8_lossy(&text).lines() {
            let call = line.split_whitespace().nth(1).unwrap_or_default();
            let Some((name, _)) = call.split_once('(') else {
                continue;
            };
            found.insert(name.to_owned());
        }
    }
    found
}

/// Asks for all that is answered, and ends it.
fn exercise(mut server: Server) {
    for _ in 0..2 {
        server.page();
        server.get("/metrics?collect[]=powerflex");
        server.get("/nothing");
        let gzip = [("Accept-Encoding", "gzip")];
        server.prometheus().ask("GET", "/metrics", &gzip).unwrap();
        server.report();
    }
    // The socket is made anew.
    let socket = server.socket();
    fs::remove_file(&socket).unwrap();
    within(Duration::from_secs(20), || {
        expect_that(socket.exists(), "the socket is back")
    });
    server.signal("TERM");
    assert!(server.wait(Duration::from_secs(10)).success());
}

#[tokio::test]
#[ignore = "needs root, strace and an API server: tests/image.sh"]
async fn the_profile_lists_what_the_program_calls_and_nothing_else() {
    let api = ApiServer::start(&["prober"]);
    api.grant("prober", &shipped(Role::Cluster)).await;
    let kubeconfig = api.kubeconfig("prober").to_str().unwrap().to_owned();
    let traces = tempfile::tempdir().unwrap();
    let folder = traces.path().to_owned();
    tokio::task::spawn_blocking(move || {
        let plugins = tempfile::tempdir().unwrap();
        let listen = ["--listen", "127.0.0.1:0"];
        let run = |name: &str, flags: &[&str]| {
            let command = traced(&folder.join(name));
            exercise(Server::launch(
                command,
                plugins.path(),
                &[&listen, flags].concat(),
            ));
        };
        // This machine, one with pods and their volumes, a cluster, and a PowerFlex system.
        run("node", &["--no-cluster"]);
        let machine = node();
        let flags = machine.flags();
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        run("pods", &[&["--no-cluster"], &*flags].concat());
        let node_role = ["--role", "node", "--node-name", "w1", "--kubeconfig", &kubeconfig];
        run("node-in-cluster", &node_role);
        let command = traced(&folder.join("cluster"));
        let server = Server::launch(command, plugins.path(), &of_cluster(&kubeconfig));
        within(Duration::from_secs(60), || {
            expect_that(server.get("/readyz").status == 200, "all is seen")
        });
        exercise(server);
        let gateway = Gateway::start(Mood::default());
        let system = settings(plugins.path(), &[("prod", &gateway.url())]);
        let file = system.to_str().unwrap().to_owned();
        run(
            "powerflex",
            &["--no-cluster", "--role", "cluster", "--powerflex", &file],
        );
        // Those that print once.
        for (name, arguments) in [
            ("tree", &["tree", "--no-cluster"][..]),
            ("json", &["tree", "--json", "--no-cluster"]),
            ("report", &["report", "--no-cluster"]),
            ("metrics", &["metrics", "--no-cluster"]),
            ("check", &["check", "--no-cluster", "--plugin-dir", ""]),
            ("help", &["--help"]),
        ] {
            // What `check` finds wrong is not judged here.
            let output = traced(&folder.join(name)).args(arguments).output().unwrap();
            assert!(
                output.status.code().is_some_and(|code| code < 2),
                "{name}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
    })
    .await
    .unwrap();

    let mut called = calls(traces.path());
    assert!(called.len() > 40, "{called:?}");
    // Not listed: it is refused as unknown, and the C library does with clone(2), whose flags can be held to what threads need.
    called.remove("clone3");
    let listed = profile();
    let missing: Vec<_> = called.difference(&listed).collect();
    assert_eq!(missing, Vec::<&String>::new(), "called, and not listed");
    let beside: BTreeSet<&str> = BESIDE
        .iter()
        .flat_map(|(_, calls)| calls.iter().copied())
        .collect();
    let needless: Vec<_> = listed
        .difference(&called)
        .filter(|call| !beside.contains(call.as_str()) && *call != "clone")
        .collect();
    assert_eq!(needless, Vec::<&String>::new(), "listed, and not called");
}
