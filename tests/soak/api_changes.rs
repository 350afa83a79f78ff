//! Several clients of the API server that make, change and delete volumes, claims and pods all the while.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::answers::OURS;
use super::history::{History, Subject};
use super::support::administrator::Administrator;
use super::support::api_server::ApiServer;
use super::support::workload_objects::{CLAIMS, PODS, VOLUMES, claim, pod, volume};

/// So many changes a second are made by all clients.
pub(super) const RATE: u32 = 50;
/// Clients that make them.
pub(super) const CLIENTS: u32 = 8;
/// Pods that each client keeps, with a claim and a volume each; the oldest has to go when another comes.
const KEPT: usize = 6;
/// The node in question.
pub(super) const NODE: &str = "soak-node";
const ANOTHER_NODE: &str = "another-node";

/// Somebody who changes objects and writes down when.
pub(super) struct Client<'a> {
    administrator: Administrator,
    runtime: tokio::runtime::Runtime,
    history: &'a History,
    made: &'a AtomicU64,
    /// When the next change is due, and how long after the one before.
    pace: Option<(Instant, Duration)>,
}

/// Facts that a change makes true.
type Facts<'a> = [(Subject, &'a str, Option<String>)];

impl<'a> Client<'a> {
    /// Counts its changes in `made`.
    pub(super) fn new(api: &ApiServer, history: &'a History, made: &'a AtomicU64) -> Self {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().unwrap();
        let within = runtime.enter();
        let administrator = api.administrator();
        drop(within);
        Self {
            administrator,
            runtime,
            history,
            made,
            pace: None,
        }
    }

    fn create(&mut self, facts: &Facts<'_>, path: &str, object: &Value) -> Value {
        self.wait();
        let create = || self.runtime.block_on(self.administrator.create(path, object));
        self.history.change(facts, create)
    }

    fn patch(&mut self, facts: &Facts<'_>, path: &str, change: &Value) {
        self.wait();
        let send = || self.runtime.block_on(self.administrator.patch(path, change));
        self.history.change(facts, send);
    }

    fn delete(&mut self, facts: &Facts<'_>, path: &str) {
        self.wait();
        let delete = || self.runtime.block_on(self.administrator.delete(path));
        self.history.change(facts, delete);
    }

    /// What a finalizer protects is let go of first, as controllers do.
    fn release(&mut self, facts: &Facts<'_>, path: &str) {
        self.patch(&[], path, &json!({"metadata": {"finalizers": null}}));
        self.delete(facts, path);
    }

    fn wait(&mut self) {
        self.made.fetch_add(1, Ordering::Relaxed);
        if let Some((due, pause)) = &mut self.pace {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            *due += *pause;
        }
    }
}

/// A pod with its claim and volume, which are all called alike.
#[derive(Debug)]
pub(super) struct Workload {
    pub(super) name: String,
    pub(super) pod_uid: String,
    /// On the node in question.
    here: bool,
}

impl Workload {
    /// The volume, then the claim, both bound, then the pod.
    pub(super) fn begin(client: &mut Client<'_>, name: &str, here: bool) -> Self {
        let bound = json!({"status": {"phase": "Bound"}});
        let phase = |phase: &str| [(Subject::VolumePhase, name, Some(phase.to_owned()))];
        client.create(&phase("Pending"), VOLUMES, &volume(name, name));
        client.patch(&phase("Bound"), &format!("{VOLUMES}/{name}/status"), &bound);
        let size = [(Subject::ClaimSize, name, Some("5".to_owned()))];
        client.create(&size, CLAIMS, &claim(name, name));
        client.patch(&[], &format!("{CLAIMS}/{name}/status"), &bound);
        let told = |value: &str| Some(value.to_owned());
        let facts = [
            (Subject::ClaimUsers, name, told("1")),
            (Subject::PodClaim, name, told(name)),
            (Subject::ClaimVolume, name, told(name)),
            (Subject::VolumeClaim, name, told(&format!("default/{name}"))),
        ];
        let node = if here { NODE } else { ANOTHER_NODE };
        let facts = &facts[..if here { facts.len() } else { 1 }];
        let made = client.create(facts, PODS, &pod(name, node, name));
        Self {
            name: name.to_owned(),
            pod_uid: made["metadata"]["uid"].as_str().unwrap().to_owned(),
            here,
        }
    }

    /// Its claim asks for more, and its pod is changed in what nobody shows.
    fn grow(&self, client: &mut Client<'_>, gibibytes: u32) {
        let name = &self.name;
        client.patch(
            &[(Subject::ClaimSize, name, Some(gibibytes.to_string()))],
            &format!("{CLAIMS}/{name}"),
            &json!({"spec": {"resources": {"requests": {"storage": format!("{gibibytes}Gi")}}}}),
        );
        client.patch(
            &[],
            &format!("{PODS}/{name}"),
            &json!({"metadata": {"annotations": {"example.com/size": gibibytes.to_string()}}}),
        );
    }

    /// The pod goes, then the claim, then the volume that is left over.
    pub(super) fn end(self, client: &mut Client<'_>) {
        let name = self.name.as_str();
        let gone = [
            Subject::ClaimUsers,
            Subject::PodClaim,
            Subject::ClaimVolume,
            Subject::VolumeClaim,
        ]
        .map(|subject| (subject, name, None));
        let gone = &gone[..if self.here { gone.len() } else { 1 }];
        client.delete(gone, &format!("{PODS}/{name}"));
        client.release(&[(Subject::ClaimSize, name, None)], &format!("{CLAIMS}/{name}"));
        client.patch(
            &[(Subject::VolumePhase, name, Some("Released".to_owned()))],
            &format!("{VOLUMES}/{name}/status"),
            &json!({"status": {"phase": "Released"}}),
        );
        client.release(
            &[(Subject::VolumePhase, name, None)],
            &format!("{VOLUMES}/{name}"),
        );
    }
}

/// Makes and deletes workloads at the client's share of the rate until told to end.
pub(super) fn come_and_go(mut client: Client<'_>, number: u32, end: &AtomicBool) {
    let mut kept = VecDeque::new();
    let pause = Duration::from_secs(1) * CLIENTS / RATE;
    client.pace = Some((Instant::now() + pause * number / CLIENTS, pause));
    for life in 0_u32.. {
        if end.load(Ordering::Relaxed) {
            break;
        }
        let name = format!("{OURS}{number}-{life}");
        let workload = Workload::begin(&mut client, &name, life.is_multiple_of(2));
        workload.grow(&mut client, 6);
        kept.push_back(workload);
        if kept.len() > KEPT
            && let Some(oldest) = kept.pop_front()
        {
            oldest.grow(&mut client, 7);
            oldest.end(&mut client);
        }
    }
    client.pace = None;
    for workload in kept {
        workload.end(&mut client);
    }
}
