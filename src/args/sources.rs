//! Where facts are read from: this machine, the Kubernetes API, and backends.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::values::{host_id, namespace, role};
use crate::cluster::connect::Whereabouts;
use crate::host::roots::Roots;
use crate::model::inventory::Role;

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
