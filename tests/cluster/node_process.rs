//! What processes say, and nodes for them to look at.

use std::path::Path;

use serde_json::Value;

use super::soon;
use super::support::exposition::Page;
use super::support::fixture::Machine;
use super::support::report::Report;
use super::support::server::{Server, tested_program};
use super::support::{generated, within};

/// What a process says at one moment.
pub(super) struct Said {
    report: Report,
    pub(super) page: Page,
}

impl Said {
    /// The object of this name in the report.
    pub(super) fn object(&self, topology: &str, name: &str) -> Option<&Value> {
        let nodes = self.report.at(&format!("/{topology}/nodes"))?.as_object()?;
        let mut found = nodes
            .values()
            .filter(|node| node["latest"]["kubernetes_name"]["value"] == name);
        let first = found.next();
        assert_eq!(found.next(), None, "{topology} {name} is there more than once");
        first
    }

    /// What the details panel says of the object under this key; `None` where it is not there.
    pub(super) fn fact(&self, topology: &str, name: &str, key: &str) -> Option<&str> {
        self.object(topology, name)?["latest"][key]["value"].as_str()
    }

    pub(super) fn claim(&self, key: &str) -> Option<&str> {
        self.fact("PersistentVolumeClaim", "data", key)
    }

    pub(super) fn volume(&self, key: &str) -> Option<&str> {
        self.fact("PersistentVolume", "pv-data", key)
    }

    /// The family's sample with these labels.
    pub(super) fn sample(&self, family: &str, labels: &[(&str, &str)]) -> Option<f64> {
        self.page.value(&format!("storage_probe_{family}"), labels)
    }

    /// True where any sample has this label.
    pub(super) fn has(&self, label: &str, value: &str) -> bool {
        self.page
            .samples()
            .iter()
            .any(|sample| sample.labels.get(label).is_some_and(|is| is == value))
    }
}

/// Waits until both answers of a process are right: no more than two seconds after the step.
pub(super) fn soon_right(server: &Server, step: &str, right: impl Fn(&Said) -> bool) {
    within(soon(), || {
        let said = Said {
            report: server.report(),
            page: server.page(),
        };
        let nodes = |topology: &str| said.report.at(&format!("/{topology}/nodes")).cloned();
        let shown = || ["Pod", "PersistentVolumeClaim", "PersistentVolume", "StorageClass"].map(nodes);
        let right = right(&said);
        right.then_some(()).ok_or_else(|| {
            let samples = said
                .page
                .samples()
                .iter()
                .filter(|sample| sample.name.contains("volume"));
            format!(
                "not right: {step}: {:#?}\n{:#?}",
                shown(),
                samples.collect::<Vec<_>>()
            )
        })
    });
}

/// A node with a disk of its own, and its process.
pub(super) struct Node {
    machine: Machine,
    pub(super) server: Server,
    _plugins: tempfile::TempDir,
}

impl Node {
    pub(super) fn start(name: &str, kubeconfig: &Path) -> Self {
        let machine = generated::machine(2);
        let plugins = tempfile::tempdir().unwrap();
        let mut flags = machine.flags();
        flags.extend([
            format!("--kubeconfig={}", kubeconfig.display()),
            format!("--node-name={name}"),
        ]);
        let mut arguments = vec!["--role", "node", "--listen", "127.0.0.1:0"];
        arguments.extend(flags.iter().map(String::as_str));
        let server = Server::launch(tested_program(), plugins.path(), &arguments);
        Self {
            machine,
            server,
            _plugins: plugins,
        }
    }

    /// What the kubelet and the kernel do: the volume `pv-data` is the partition of the disk `sda`.
    pub(super) fn mount(&self, pod: &str) {
        let folder = format!("/var/lib/kubelet/pods/{pod}/volumes/kubernetes.io~csi/pv-data");
        self.machine.write(
            format!("{folder}/vol_data.json"),
            r#"{"driverName":"disks.example","specVolID":"pv-data","volumeHandle":"handle-pv-data"}"#,
        );
        let point = self.machine.place(format!("{folder}/mount"));
        std::fs::create_dir_all(&point).unwrap();
        let mounts = self.mounts();
        // In a container the node's mounts are seen below another root; here the whole machine is.
        self.write_mounts(&format!(
            "{mounts}900 20 8:1 / {folder}/mount rw - xfs /dev/sda1 rw\n"
        ));
    }

    pub(super) fn unmount(&self, pod: &str) {
        let kept: Vec<String> = self
            .mounts()
            .lines()
            .filter(|line| !line.contains(pod))
            .map(|line| format!("{line}\n"))
            .collect();
        self.write_mounts(&kept.concat());
        std::fs::remove_dir_all(self.machine.place(format!("/var/lib/kubelet/pods/{pod}"))).unwrap();
    }

    fn mounts(&self) -> String {
        std::fs::read_to_string(self.machine.place("/proc/1/mountinfo")).unwrap()
    }

    fn write_mounts(&self, text: &str) {
        self.machine.write("/proc/1/mountinfo", text);
        self.machine.write("/proc/self/mountinfo", text);
    }
}
