//! The command line. Flags and their environment variables are the whole configuration.

mod sources;
mod together;
mod values;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use self::sources::{BackendArguments, ClusterArguments, Compatibility, SourceArguments};
pub use self::together::Contradiction;
pub use self::values::ListenAddress;
use self::values::{control, interval, listen_address, log_level, namespace, plugin_dir};
use crate::model::control::{Control, Permitted};

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

/// Where Scope is.
#[derive(Debug, Args)]
pub struct ScopeArguments {
    /// Folder in which Scope looks for plugins; the socket is DIR/storage/storage.sock. Empty: no plugin
    #[arg(
        long,
        value_name = "DIR",
        env = "STORAGE_PROBE_PLUGIN_DIR",
        default_value = "/var/run/scope/plugins",
        value_parser = plugin_dir()
    )]
    pub plugin_dir: PathBuf,
}

/// Flags of `serve`.
#[derive(Debug, Args)]
pub struct ServeArguments {
    /// Where Scope is.
    #[command(flatten)]
    pub scope: ScopeArguments,
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
    /// The other way round: what lies on this disk, and what is lost if it dies (a name as in the tree: nvme0n1, mpatha; a link below
    /// /dev/disk, serial number or WWN; with the cluster, NODE/DEVICE of any node)
    #[arg(long, value_name = "DEVICE", conflicts_with = "json")]
    pub disk: Option<String>,
}

/// Flags of `check`.
#[derive(Debug, Args)]
pub struct CheckArguments {
    /// Where Scope is.
    #[command(flatten)]
    pub scope: ScopeArguments,
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
    fn an_empty_plugin_folder_is_no_plugin() {
        for arguments in [
            ["program", "serve", "--plugin-dir", ""].as_slice(),
            &["program", "serve", "--plugin-dir="],
        ] {
            let parsed = Arguments::try_parse_from(arguments).unwrap();
            assert!(
                matches!(&parsed.command, Command::Serve(serving) if serving.scope.plugin_dir.as_os_str().is_empty())
            );
        }
    }

    #[test]
    fn namespaces_are_named_one_by_one_or_with_commas_between() {
        let parse =
            |arguments: &[&str]| Arguments::try_parse_from([&["program", "serve"], arguments].concat());
        let parsed = parse(&["--namespace", "shop, bank-2", "--namespace", "x"]).unwrap();
        assert_eq!(parsed.sources.cluster.namespace, ["shop", "bank-2", "x"]);
        let controls = ["--enable-controls", "delete", "--controls-namespaces"];
        let parsed = parse(&[&controls[..], &["shop, bank-2"]].concat()).unwrap();
        let Command::Serve(serving) = parsed.command else {
            panic!("serve is the command");
        };
        assert_eq!(serving.controls.controls_namespaces, ["shop", "bank-2"]);
        assert!(parse(&[&controls[..], &["shop,b/a"]].concat()).is_err());
    }

    #[test]
    fn metrics_are_for_this_machine_alone_unless_it_is_told_otherwise() {
        let Command::Serve(serving) = Arguments::try_parse_from(["program", "serve"]).unwrap().command else {
            panic!("serve is the command");
        };
        assert!(serving.listen.0.unwrap().ip().is_loopback());
    }
}
