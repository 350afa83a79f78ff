//! What answers say of what the run makes, and whether they keep to their forms.

use serde_json::Value;

use super::history::{Subject, Told};
use super::support::exposition::{Sample, open_metrics};
use super::support::scope_contract::{Expectations, schema_violations, violations};
use super::support::server::HOST;

/// What the run makes is called so.
pub(super) const OURS: &str = "soak-";
const GIBIBYTE: f64 = (1_u64 << 30) as f64;

/// Which of the two processes answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Process {
    Node,
    Cluster,
}

impl Process {
    /// As the table has it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Cluster => "cluster",
        }
    }
}

/// An answer that was read.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) told: Told,
    /// Of a page.
    pub(super) samples: Vec<Sample>,
    /// What its form does not allow.
    pub(super) wrong: Vec<String>,
}

impl Answer {
    fn wrong(what: String) -> Self {
        Self {
            wrong: vec![what],
            ..Self::default()
        }
    }
}

/// Reads a report.
pub(super) fn report(process: Process, body: &[u8]) -> Answer {
    let Ok(report) = serde_json::from_slice(body) else {
        return Answer::wrong("the report is not JSON".to_owned());
    };
    let (plugin_id, host) = match process {
        Process::Node => ("storage", HOST),
        Process::Cluster => ("storage-cluster", ""),
    };
    let expectations = Expectations::of(plugin_id, host);
    let mut wrong = violations(&report, &expectations);
    wrong.extend(schema_violations(
        include_str!("../../plugin-spec/report.schema.json"),
        &report,
    ));
    let told = match process {
        Process::Node => of_nodes_report(&report),
        Process::Cluster => of_clusters_report(&report),
    };
    Answer {
        told,
        samples: Vec::new(),
        wrong,
    }
}

/// Reads a page.
pub(super) fn page(process: Process, body: &[u8]) -> Answer {
    let text = match std::str::from_utf8(body) {
        Ok(text) => text,
        Err(error) => return Answer::wrong(error.to_string()),
    };
    let (samples, wrong) = open_metrics(text);
    if !wrong.is_empty() {
        return Answer {
            wrong,
            ..Answer::default()
        };
    }
    let told = match process {
        Process::Node => of_nodes_page(&samples),
        Process::Cluster => of_clusters_page(&samples),
    };
    Answer { told, samples, wrong }
}

/// The objects of a topology that the run made: name, and what is said under `key`.
fn objects<'a>(
    report: &'a Value,
    topology: &str,
    key: &'a str,
) -> impl Iterator<Item = (&'a str, Option<&'a str>)> {
    let nodes = report[topology]["nodes"].as_object();
    nodes.into_iter().flatten().filter_map(move |(_, node)| {
        let value = |key: &str| node["latest"][key]["value"].as_str();
        let name = value("kubernetes_name").filter(|name| name.starts_with(OURS))?;
        Some((name, value(key)))
    })
}

fn of_nodes_report(report: &Value) -> Told {
    let mut told = Told {
        subjects: &[
            Subject::PodClaim,
            Subject::ClaimVolume,
            Subject::VolumeClaim,
            Subject::LoopDevice,
        ],
        ..Told::default()
    };
    for (subject, topology, key) in [
        (Subject::PodClaim, "Pod", "kubernetes_volume_claim"),
        (
            Subject::ClaimVolume,
            "PersistentVolumeClaim",
            "kubernetes_volume_name",
        ),
        (Subject::VolumeClaim, "PersistentVolume", "storage_volume_claim"),
    ] {
        for (name, value) in objects(report, topology, key) {
            // The kernel may have a volume a moment before it is looked up in the API.
            if let Some(value) = value {
                told.tell(subject, name, value.to_owned());
            }
        }
    }
    let disks = report["PersistentVolume"]["nodes"].as_object();
    for (id, node) in disks.into_iter().flatten() {
        let file = node["latest"]["storage_disk_file"]["value"]
            .as_str()
            .and_then(|path| path.rsplit('/').next())
            .filter(|file| file.starts_with(OURS));
        let device = id
            .strip_prefix(HOST)
            .and_then(|rest| rest.strip_prefix('-')?.strip_suffix(";<persistent_volume>"));
        if let Some(file) = file {
            told.tell(Subject::LoopDevice, file, device.unwrap_or(id).to_owned());
        }
    }
    told
}

fn of_clusters_report(report: &Value) -> Told {
    let mut told = Told {
        subjects: OF_CLUSTER,
        ..Told::default()
    };
    for (name, size) in objects(report, "PersistentVolumeClaim", "storage_claim_requested") {
        let size = size.unwrap_or_default();
        let size = size.strip_suffix('G').unwrap_or(size);
        told.tell(Subject::ClaimSize, name, size.to_owned());
    }
    for (name, users) in objects(report, "PersistentVolumeClaim", "storage_claim_used_by") {
        if let Some(users) = users {
            told.tell(Subject::ClaimUsers, name, users.split(", ").count().to_string());
        }
    }
    for (name, phase) in objects(report, "PersistentVolume", "kubernetes_status") {
        told.tell(Subject::VolumePhase, name, phase.unwrap_or_default().to_owned());
    }
    told
}

const OF_CLUSTER: &[Subject] = &[Subject::ClaimSize, Subject::ClaimUsers, Subject::VolumePhase];

fn of_clusters_page(samples: &[Sample]) -> Told {
    let facts = samples.iter().filter_map(|sample| {
        let (subject, name, value) = match sample.name.strip_prefix("storage_probe_")? {
            "persistentvolumeclaim_requested_bytes" => (
                Subject::ClaimSize,
                "persistentvolumeclaim",
                (sample.value / GIBIBYTE).to_string(),
            ),
            "persistentvolumeclaim_used_by_pods" if sample.value > 0.0 => (
                Subject::ClaimUsers,
                "persistentvolumeclaim",
                sample.value.to_string(),
            ),
            "persistentvolume_status_phase" if sample.value > 0.0 => (
                Subject::VolumePhase,
                "persistentvolume",
                sample.labels.get("phase")?.clone(),
            ),
            _ => return None,
        };
        Some((subject, ours(sample, name)?, value))
    });
    told(OF_CLUSTER, facts)
}

fn of_nodes_page(samples: &[Sample]) -> Told {
    let facts = samples.iter().filter_map(|sample| {
        let label = |name: &str| sample.labels.get(name).cloned();
        let (subject, value) = match sample.name.strip_prefix("storage_probe_")? {
            // The kernel may have a pod's volume a moment before the API tells of the pod.
            "pod_volume_info" => (Subject::MountedFor, label("pod")?),
            "volume_device_info" => (Subject::DeviceBelow, label("device")?),
            "volume_capacity_bytes" => (Subject::Capacity, sample.value.to_string()),
            _ => return None,
        };
        Some((subject, ours(sample, "persistentvolume")?, value))
    });
    // The kernel had not answered yet when who asked had waited long enough, and the page says so.
    let slow = samples.iter().filter(|sample| {
        sample.name == "storage_probe_volume_stats_error"
            && sample.labels.get("reason").is_some_and(|reason| reason == "slow")
    });
    let slow = slow.filter_map(|sample| ours(sample, "persistentvolume"));
    let subjects = &[Subject::MountedFor, Subject::DeviceBelow, Subject::Capacity];
    Told {
        unknown: slow.map(|name| (Subject::Capacity, name.to_owned())).collect(),
        ..told(subjects, facts)
    }
}

fn told<'a>(subjects: &'static [Subject], facts: impl Iterator<Item = (Subject, &'a str, String)>) -> Told {
    let mut told = Told {
        subjects,
        ..Told::default()
    };
    for (subject, name, value) in facts {
        told.tell(subject, name, value);
    }
    told
}

/// The name of what the run made, of which a sample tells.
fn ours<'a>(sample: &'a Sample, label: &str) -> Option<&'a str> {
    let name = sample.labels.get(label)?;
    name.starts_with(OURS).then_some(name)
}
