//! What may not be together. Where one flag excludes another by itself, its own definition says so; here is what hangs on the role, or on what
//! a flag is set to.

use thiserror::Error;

use super::{ClusterArguments, ServeArguments, SourceArguments};
use crate::model::inventory::Role;

/// Flags that contradict each other, with the way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Contradiction {
    /// Some namespaces alone, and a node.
    #[error(
        "--namespace is for who sees these namespaces and no node: it goes with --role cluster or with no role"
    )]
    NamespacesOfANode,
    /// The same array, asked by every node.
    #[error(
        "--powerflex is for one process and not for every node: give --role cluster, or --role all, beside it"
    )]
    PowerFlexOnEveryNode,
    /// Buttons for what a node knows.
    #[error("--enable-controls is for --role cluster or --role all: a node knows its own claims alone")]
    ControlsOfANode,
    /// Buttons without a cluster in which they could do something.
    #[error("--enable-controls needs the whole cluster: not --no-cluster, --namespace or --from-dump")]
    ControlsWithoutTheCluster,
    /// TLS for no address.
    #[error("--web-config-file is for the metrics address, and --listen names none")]
    WebConfigurationOfNoAddress,
}

impl ClusterArguments {
    /// Whether who sees some namespaces alone is to see no more than that.
    pub fn namespaces_fit(&self) -> Result<(), Contradiction> {
        let sees_more = self.role.is_some_and(|role| role != Role::Cluster);
        unless(self.is_tenant() && sees_more, Contradiction::NamespacesOfANode)
    }
}

impl SourceArguments {
    /// Whether arrays are asked by one process of the cluster, where there are some.
    pub fn powerflex_fits(&self) -> Result<(), Contradiction> {
        let of_a_node = self.cluster.role.unwrap_or_default() == Role::Node && !self.cluster.is_tenant();
        unless(
            self.backends.powerflex.is_some() && of_a_node,
            Contradiction::PowerFlexOnEveryNode,
        )
    }
}

impl ServeArguments {
    /// Whether all that is to be served can be, with what is read.
    pub fn fits(&self, sources: &SourceArguments) -> Result<(), Contradiction> {
        let cluster = &sources.cluster;
        if self.controls.permitted().is_some() {
            unless(
                !cluster.role.is_some_and(Role::sees_cluster),
                Contradiction::ControlsOfANode,
            )?;
            unless(
                cluster.no_cluster || cluster.is_tenant() || !cluster.from_dump.is_empty(),
                Contradiction::ControlsWithoutTheCluster,
            )?;
        }
        unless(
            self.web_config_file.is_some() && self.listen.0.is_none(),
            Contradiction::WebConfigurationOfNoAddress,
        )
    }
}

fn unless(contradicts: bool, contradiction: Contradiction) -> Result<(), Contradiction> {
    if contradicts { Err(contradiction) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::{Arguments, Command};
    use super::*;

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
        assert!(parse(&["--namespace", "shop", "--from-dump", "a.json"]).is_err());
        assert!(parse(&["--namespace", "shop", "--no-cluster"]).is_err());
    }

    #[test]
    fn what_hangs_on_the_role_is_said_with_the_way_out() {
        let fits = |arguments: &[&str]| {
            let parsed = Arguments::try_parse_from([&["program", "serve"], arguments].concat()).unwrap();
            let Command::Serve(serving) = &parsed.command else {
                panic!("serve is the command");
            };
            let sources = &parsed.sources;
            sources.cluster.namespaces_fit()?;
            sources.powerflex_fits()?;
            serving.fits(sources)
        };
        let controls = ["--enable-controls", "delete", "--controls-namespaces", "shop"];
        let with_controls = |more: &[&str]| fits(&[&controls[..], more].concat());
        for fine in [
            &[][..],
            &["--namespace", "shop"],
            &["--namespace", "shop", "--role", "cluster", "--powerflex", "file"],
            &["--powerflex", "file", "--role", "all"],
            &["--web-config-file", "file"],
        ] {
            assert_eq!(fits(fine), Ok(()), "{fine:?}");
        }
        assert_eq!(with_controls(&["--role", "all"]), Ok(()));
        for role in ["node", "all"] {
            let told = fits(&["--namespace", "shop", "--role", role]);
            assert_eq!(told, Err(Contradiction::NamespacesOfANode));
        }
        for told in [
            fits(&["--powerflex", "file"]),
            fits(&["--powerflex", "file", "--role", "node"]),
        ] {
            assert_eq!(told, Err(Contradiction::PowerFlexOnEveryNode));
        }
        for told in [with_controls(&[]), with_controls(&["--role", "node"])] {
            assert_eq!(told, Err(Contradiction::ControlsOfANode));
        }
        for elsewhere in [
            &["--no-cluster"][..],
            &["--namespace", "shop"],
            &["--from-dump", "a.json"],
        ] {
            let told = with_controls(&[&["--role", "cluster"][..], elsewhere].concat());
            assert_eq!(told, Err(Contradiction::ControlsWithoutTheCluster));
        }
        let told = fits(&["--web-config-file", "file", "--listen", ""]);
        assert_eq!(told, Err(Contradiction::WebConfigurationOfNoAddress));
    }
}
