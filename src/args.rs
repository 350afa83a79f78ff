//! The command line. Flags and their environment variables are the whole configuration.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use tracing::level_filters::LevelFilter;

use crate::cluster::connect::Whereabouts;
use crate::host::roots::Roots;
use crate::model::control::{Control, Permitted};
use crate::model::inventory::Role;

/// From what is mounted down to the physical disk: a Weave Scope plugin and Prometheus exporter.
#[derive(Debug, Parser)]
#[command(
    name = "scope-storage-probe",
    version,
    about = "Shows a node's storage, from what is mounted down to the physical disk: what is slow, what is full, what lies on each disk.",
    after_help = "Without a cluster and without Scope:\n  scope-storage-probe tree     look at this machine now\n  scope-storage-probe serve    answer Scope on a Unix socket and Prometheus on http://127.0.0.1:9753/metrics\n  scope-storage-probe check    say what can be read here, and how to mend what cannot",
    max_term_width = 110
)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Where facts are read from.
    #[command(flatten)]
    pub sources: SourceArguments,
    /// How the program logs.
    #[command(flatten)]
    pub log: LogArguments,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Answer Scope and Prometheus until told to stop
    Serve(ServeArguments),
    /// Print one Scope report
    Report(ReadingArguments),
    /// Print one metrics page
    Metrics(MetricsArguments),
    /// Draw this machine's storage stack
    Tree(TreeArguments),
    /// Say which sources can be read, what each missing one costs, and how to mend it
    Check(CheckArguments),
}

/// Where facts are read from.
#[derive(Debug, Args)]
#[command(next_help_heading = "Sources (change these to read a container's host or a captured machine)")]
pub struct SourceArguments {
    /// The node's procfs; its mounts are read from DIR/1/mountinfo, or DIR/self/mountinfo where that is not to be had
    #[arg(
        long,
        value_name = "DIR",
        env = "STORAGE_PROBE_PROCFS",
        default_value = "/proc",
        global = true
    )]
    pub procfs: PathBuf,
    /// The node's sysfs
    #[arg(
        long,
        value_name = "DIR",
        env = "STORAGE_PROBE_SYSFS",
        default_value = "/sys",
        global = true
    )]
    pub sysfs: PathBuf,
    /// udev's database: serial numbers, world wide names, filesystem types
    #[arg(
        long,
        value_name = "DIR",
        env = "STORAGE_PROBE_UDEV_DATA",
        default_value = "/run/udev/data",
        global = true
    )]
    pub udev_data: PathBuf,
    /// The kubelet's folder; pods' mounts lie below it
    #[arg(
        long,
        value_name = "DIR",
        env = "STORAGE_PROBE_KUBELET_ROOT",
        default_value = "/var/lib/kubelet",
        global = true
    )]
    pub kubelet_root: PathBuf,
    /// The node's name as Scope's probe has it [default: SCOPE_HOSTNAME, else the kernel's host name]
    #[arg(long, value_name = "NAME", env = "STORAGE_PROBE_HOST_ID", value_parser = host_id, global = true)]
    pub host_id: Option<String>,
    /// The Kubernetes API.
    #[command(flatten)]
    pub cluster: ClusterArguments,
    /// What else is asked when somebody scrapes.
    #[command(flatten)]
    pub backends: BackendArguments,
}

/// How the Kubernetes API is reached, and how much of it is read.
#[derive(Debug, Args)]
#[command(
    next_help_heading = "Kubernetes API (found by --kubeconfig, by KUBECONFIG, or by a pod's service account)"
)]
pub struct ClusterArguments {
    /// How much of the cluster to read: this node's pods, everything, or both [default: node; all with --from-dump]
    #[arg(
        long,
        value_name = "ROLE",
        env = "STORAGE_PROBE_ROLE",
        value_parser = role,
        global = true
    )]
    pub role: Option<Role>,
    /// The node's name in the cluster [default: NODE_NAME, else outside of pods the kernel's host name]
    #[arg(long, value_name = "NAME", env = "STORAGE_PROBE_NODE_NAME", global = true)]
    pub node_name: Option<String>,
    /// Use this kubeconfig file
    #[arg(long, value_name = "FILE", env = "STORAGE_PROBE_KUBECONFIG", global = true)]
    pub kubeconfig: Option<PathBuf>,
    /// Use this context of the kubeconfig (of ~/.kube/config, where no other is named)
    #[arg(long, value_name = "NAME", env = "STORAGE_PROBE_CONTEXT", global = true)]
    pub context: Option<String>,
    /// In the API's place, read what `kubectl get pods,pvc,pv,sc -A -o json` wrote: files in JSON or YAML, or folders of them
    #[arg(
        long,
        value_name = "FILE",
        env = "STORAGE_PROBE_FROM_DUMP",
        value_delimiter = ',',
        global = true
    )]
    pub from_dump: Vec<PathBuf>,
    /// Leave out what storage engines say of themselves: replicas, pools and disks on all nodes
    #[arg(long, env = "STORAGE_PROBE_NO_ENGINES", global = true)]
    pub no_engines: bool,
    /// Have lists streamed, which saves memory on both sides (Kubernetes 1.27 and later)
    #[arg(long, env = "STORAGE_PROBE_STREAMING_LISTS", global = true)]
    pub streaming_lists: bool,
    /// See these namespaces alone, with rights in them and nowhere else: their pods, services and claims, their CPU and memory
    #[arg(
        long,
        value_name = "NAMESPACE",
        env = "STORAGE_PROBE_NAMESPACE",
        value_delimiter = ',',
        value_parser = namespace,
        global = true,
        conflicts_with = "from_dump"
    )]
    pub namespace: Vec<String>,
    /// Leave the cluster alone: show this machine only
    #[arg(
        long,
        env = "STORAGE_PROBE_NO_CLUSTER",
        global = true,
        conflicts_with_all = ["kubeconfig", "context", "from_dump", "namespace"]
    )]
    pub no_cluster: bool,
}

/// What else is asked when somebody scrapes: by one process of the cluster, and not by every node.
#[derive(Debug, Args)]
#[command(next_help_heading = "Backends (roles cluster and all; asked when somebody scrapes)")]
pub struct BackendArguments {
    /// The PowerFlex systems to read, in a file in YAML: docs/powerflex.md has an example
    #[arg(long, value_name = "FILE", env = "STORAGE_PROBE_POWERFLEX", global = true)]
    pub powerflex: Option<PathBuf>,
    /// Do not ask metrics.k8s.io for CPU and memory of nodes and containers
    #[arg(long, env = "STORAGE_PROBE_NO_RESOURCES", global = true)]
    pub no_resources: bool,
    /// Write the names of an older exporter as well: scaleio has those of kubernetes-scaleio-prom, metrics-server-prom its own
    #[arg(
        long,
        value_name = "NAMES",
        value_enum,
        env = "STORAGE_PROBE_COMPAT",
        value_delimiter = ',',
        global = true
    )]
    pub compat: Vec<Compatibility>,
}

impl BackendArguments {
    /// True where there is something to ask.
    pub fn any(&self) -> bool {
        self.powerflex.is_some()
    }
}

/// An older exporter whose names are written as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Compatibility {
    /// kubernetes-scaleio-prom: `scaleio_*`.
    Scaleio,
    /// metrics-server-prom: `kube_metrics_server_*`.
    MetricsServerProm,
}

/// How the program logs.
#[derive(Debug, Args)]
#[command(next_help_heading = "Log (to standard error)")]
pub struct LogArguments {
    /// error, warn, info, debug or trace; or a filter such as `info,hyper=debug`
    #[arg(
        long,
        value_name = "LEVEL",
        env = "STORAGE_PROBE_LOG_LEVEL",
        default_value = "info",
        value_parser = log_level,
        global = true
    )]
    pub log_level: String,
    /// Form of a log line
    #[arg(
        long,
        value_enum,
        env = "STORAGE_PROBE_LOG_FORMAT",
        default_value = "text",
        global = true
    )]
    pub log_format: LogFormat,
}

/// Form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Flags of `serve`.
#[derive(Debug, Args)]
pub struct ServeArguments {
    /// Folder in which Scope looks for plugins; the socket is DIR/storage/storage.sock. Empty: no plugin
    #[arg(
        long,
        value_name = "DIR",
        env = "STORAGE_PROBE_PLUGIN_DIR",
        default_value = "/var/run/scope/plugins",
        value_parser = plugin_dir()
    )]
    pub plugin_dir: PathBuf,
    /// Address of the metrics page. Empty: none
    #[arg(long, value_name = "ADDRESS", env = "STORAGE_PROBE_LISTEN", default_value = "127.0.0.1:9753", value_parser = listen_address)]
    pub listen: ListenAddress,
    /// TLS and who may ask, on the metrics address: a web configuration file as exporters of Prometheus have it (docs/security.md)
    #[arg(
        long,
        alias = "web.config.file",
        value_name = "FILE",
        env = "STORAGE_PROBE_WEB_CONFIG_FILE"
    )]
    pub web_config_file: Option<PathBuf>,
    /// Buttons in Scope's page.
    #[command(flatten)]
    pub controls: ControlArguments,
}

/// Which buttons there are in Scope's page, and for which namespaces.
#[derive(Debug, Args)]
#[command(
    next_help_heading = "Buttons in Scope's page (roles cluster and all; whoever sees the page can press them: it has no login)"
)]
pub struct ControlArguments {
    /// Offer these: create-snapshot, clone, restore, delete, describe; on a socket of its own, DIR/storage-controls/storage-controls.sock
    #[arg(
        long,
        value_name = "CONTROL",
        env = "STORAGE_PROBE_ENABLE_CONTROLS",
        value_delimiter = ',',
        value_parser = control,
        requires = "controls_namespaces"
    )]
    pub enable_controls: Vec<Control>,
    /// Only for what is in these namespaces
    #[arg(
        long,
        value_name = "NAMESPACE",
        env = "STORAGE_PROBE_CONTROLS_NAMESPACES",
        value_delimiter = ',',
        value_parser = namespace,
        requires = "enable_controls"
    )]
    pub controls_namespaces: Vec<String>,
}

impl ControlArguments {
    /// What may be done, and where; `None` where nothing is.
    pub fn permitted(&self) -> Option<Permitted> {
        (!self.enable_controls.is_empty()).then(|| Permitted {
            controls: self.enable_controls.iter().copied().collect(),
            namespaces: self.controls_namespaces.iter().cloned().collect(),
        })
    }
}

/// Where to listen, if anywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenAddress(pub Option<SocketAddr>);

/// Flags of commands that print once.
#[derive(Debug, Args)]
pub struct ReadingArguments {
    /// Seconds between two readings, from which the rates are made; 0 reads once and shows no rates
    #[arg(long, value_name = "SECONDS", env = "STORAGE_PROBE_INTERVAL", default_value = "1", value_parser = interval)]
    pub interval: f64,
}

/// Flags of `metrics`.
#[derive(Debug, Args)]
pub struct MetricsArguments {
    /// When to read.
    #[command(flatten)]
    pub reading: ReadingArguments,
    /// Write OpenMetrics 1.0.0 in place of the Prometheus text format
    #[arg(long)]
    pub openmetrics: bool,
}

/// Flags of `tree`.
#[derive(Debug, Args)]
pub struct TreeArguments {
    /// When to read.
    #[command(flatten)]
    pub reading: ReadingArguments,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// The other way round: what lies on this disk, and what is lost if it dies (a name as in the tree: nvme0n1, mpatha; with the
    /// cluster, NODE/DEVICE of any node: kernel's name, link, serial number or WWN)
    #[arg(long, value_name = "DEVICE", conflicts_with = "json")]
    pub disk: Option<String>,
}

/// Flags of `check`.
#[derive(Debug, Args)]
pub struct CheckArguments {
    /// Folder in which Scope looks for plugins. Empty: no plugin
    #[arg(
        long,
        value_name = "DIR",
        env = "STORAGE_PROBE_PLUGIN_DIR",
        default_value = "/var/run/scope/plugins",
        value_parser = plugin_dir()
    )]
    pub plugin_dir: PathBuf,
}

impl SourceArguments {
    /// The folders to read.
    pub fn roots(&self) -> Roots {
        Roots {
            proc: self.procfs.clone(),
            sys: self.sysfs.clone(),
            udev: self.udev_data.clone(),
            kubelet: self.kubelet_root.clone(),
        }
    }

    /// The name under which Scope knows the node, where something says it: the flag, or what Scope's own probe is told.
    pub fn host_id(&self) -> Option<String> {
        let told = || {
            std::env::var("SCOPE_HOSTNAME")
                .ok()
                .filter(|name| host_id(name).is_ok())
        };
        self.host_id.clone().or_else(told)
    }
}

impl ClusterArguments {
    /// Where to look for the API server.
    pub fn whereabouts(&self) -> Whereabouts {
        Whereabouts {
            kubeconfig: self.kubeconfig.clone(),
            context: self.context.clone(),
        }
    }

    /// True for who sees some namespaces alone.
    pub fn is_tenant(&self) -> bool {
        !self.namespace.is_empty()
    }

    /// The node's name in the cluster, where something says it: the flag, or what a DaemonSet usually hands to its pods.
    pub fn node_name(&self) -> Option<String> {
        let told = || std::env::var("NODE_NAME").ok();
        self.node_name
            .clone()
            .or_else(told)
            .filter(|name| !name.is_empty())
    }
}

fn control(text: &str) -> Result<Control, String> {
    let named = Control::ALL.into_iter().find(|control| control.as_str() == text);
    named.ok_or_else(|| {
        let all = Control::ALL.map(Control::as_str).join(", ");
        format!("the controls are {all}; each has to be named")
    })
}

fn role(text: &str) -> Result<Role, String> {
    [Role::Node, Role::Cluster, Role::All]
        .into_iter()
        .find(|role| role.as_str() == text)
        .ok_or_else(|| "the roles are node, cluster and all".into())
}

/// A namespace's name is a label as DNS has it: Kubernetes takes no other, and it is to be a part of paths.
fn namespace(text: &str) -> Result<String, String> {
    let text = text.trim();
    let inner = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    let sound = (1..=63).contains(&text.len())
        && text.chars().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-');
    sound
        .then(|| text.to_owned())
        .ok_or_else(|| "a namespace is called by small letters, digits and hyphens between them".into())
}

/// Scope's ids end at a semicolon, so a name cannot contain one.
fn host_id(text: &str) -> Result<String, String> {
    if text.is_empty() {
        Err("the name is empty".into())
    } else if text
        .chars()
        .any(|character| character == ';' || character.is_control())
    {
        Err("a node's name contains neither `;` nor control characters".into())
    } else {
        Ok(text.to_owned())
    }
}

/// Levels, of all or of a target each. A bare word that is no level would be a target to the filter, which lets nothing else through.
fn log_level(text: &str) -> Result<String, String> {
    let is_level = |level: &str| !level.trim().is_empty() && level.trim().parse::<LevelFilter>().is_ok();
    let is_sound = |part: &str| match part.split_once('=') {
        Some((target, level)) => !target.trim().is_empty() && is_level(level),
        None => is_level(part),
    };
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    if parts.iter().all(|part| !part.is_empty() && is_sound(part)) {
        Ok(parts.join(","))
    } else {
        Err("a level is error, warn, info, debug, trace or off; a filter is of such and of TARGET=LEVEL, with commas between".into())
    }
}

/// A folder, or nothing: clap's own parser of paths refuses an empty one.
fn plugin_dir() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

fn listen_address(text: &str) -> Result<ListenAddress, String> {
    if text.is_empty() {
        return Ok(ListenAddress(None));
    }
    // `:9753` is how exporters are usually told to listen on all addresses.
    let text = if text.starts_with(':') {
        format!("[::]{text}")
    } else {
        text.to_owned()
    };
    text.parse()
        .map(|address| ListenAddress(Some(address)))
        .map_err(|_| "an address looks like 127.0.0.1:9753, [::1]:9753, or :9753 for all".into())
}

fn interval(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|seconds: &f64| *seconds == 0.0 || (1.0..=300.0).contains(seconds))
        .ok_or_else(|| "give 0, or 1 to 300 seconds".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn addresses_are_taken_as_exporters_take_them() {
        assert_eq!(listen_address(""), Ok(ListenAddress(None)));
        assert_eq!(
            listen_address(":9753").unwrap().0.unwrap().to_string(),
            "[::]:9753"
        );
        assert_eq!(listen_address("127.0.0.1:0").unwrap().0.unwrap().port(), 0);
        assert!(listen_address("9753").is_err());
    }

    #[test]
    fn an_empty_plugin_folder_is_no_plugin() {
        for arguments in [
            ["program", "serve", "--plugin-dir", ""].as_slice(),
            &["program", "serve", "--plugin-dir="],
        ] {
            let parsed = Arguments::try_parse_from(arguments).unwrap();
            assert!(
                matches!(&parsed.command, Command::Serve(serving) if serving.plugin_dir.as_os_str().is_empty())
            );
        }
    }

    #[test]
    fn the_cluster_is_reached_in_one_way_only() {
        let parse =
            |arguments: &[&str]| Arguments::try_parse_from([&["program", "tree"], arguments].concat());
        let parsed = parse(&[
            "--role",
            "cluster",
            "--from-dump",
            "a.json",
            "--from-dump",
            "b.yaml",
        ])
        .unwrap();
        assert_eq!(parsed.sources.cluster.role, Some(Role::Cluster));
        assert_eq!(parsed.sources.cluster.from_dump.len(), 2);
        assert!(parse(&["--role", "master"]).is_err());
        assert!(parse(&["--no-cluster", "--kubeconfig", "file"]).is_err());
    }

    #[test]
    fn namespaces_are_called_as_kubernetes_calls_them() {
        let parse =
            |arguments: &[&str]| Arguments::try_parse_from([&["program", "serve"], arguments].concat());
        let parsed = parse(&["--namespace", "shop, bank-2", "--namespace", "x"]).unwrap();
        assert_eq!(parsed.sources.cluster.namespace, ["shop", "bank-2", "x"]);
        for wrong in ["", "Shop", "a/b", "a b", "-a", "a-", "a..", "?x=y"] {
            assert!(namespace(wrong).is_err(), "{wrong:?}");
        }
        let controls = ["--enable-controls", "delete", "--controls-namespaces"];
        let parsed = parse(&[&controls[..], &["shop, bank-2"]].concat()).unwrap();
        let Command::Serve(serving) = parsed.command else {
            panic!("serve is the command");
        };
        assert_eq!(serving.controls.controls_namespaces, ["shop", "bank-2"]);
        assert!(parse(&[&controls[..], &["shop,b/a"]].concat()).is_err());
        assert!(parse(&["--namespace", "shop", "--from-dump", "a.json"]).is_err());
        assert!(parse(&["--namespace", "shop", "--no-cluster"]).is_err());
    }

    #[test]
    fn a_log_level_is_one() {
        for (level, taken) in [
            ("info", "info"),
            ("WARN", "WARN"),
            ("off", "off"),
            (" info , hyper=debug", "info,hyper=debug"),
            ("hyper=off", "hyper=off"),
        ] {
            assert_eq!(log_level(level).as_deref(), Ok(taken));
        }
        for wrong in ["warning", "", "info,hyper", "info,", "hyper=", "=info", "=loud="] {
            assert!(log_level(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_name_that_would_break_scopes_ids_is_refused() {
        assert!(host_id("node-1.example").is_ok());
        for wrong in ["", "a;b", "a\nb"] {
            assert!(host_id(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn metrics_are_for_this_machine_alone_unless_it_is_told_otherwise() {
        let Command::Serve(serving) = Arguments::try_parse_from(["program", "serve"]).unwrap().command else {
            panic!("serve is the command");
        };
        assert!(serving.listen.0.unwrap().ip().is_loopback());
    }
}
