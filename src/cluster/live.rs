//! What is known of the cluster right now: written by the watches, read by whoever asks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use kube::runtime::watcher::Event;
use tokio::sync::Notify;

use super::engine_object::EngineKind;
use super::index::Index;
use super::object::{self, Reading, Watched};
use super::pace::Pace;
use super::unread::Unread;
use super::watches::Watches;
use crate::lock::locked;
use crate::model::fault::{Fault, Faults};
use crate::model::inventory::{Inventory, KUBERNETES, Objects, ResourceKind, Role, WatchError, WatchProblem};
use crate::model::replica::{EngineObject, EngineResource};
use crate::model::snapshot::{
    ExternalSnapshot, ExternalSnapshotData, Snapshot, SnapshotClass, SnapshotContent,
};
use crate::model::workload::{
    Claim, NamespacedName, Node, PersistentVolume, Pod, StorageClass, VolumeAttachment,
};

/// The index of one of our own kinds.
type IndexOf<T> = Index<<T as Watched>::Key, T>;

/// The present inventory, shared between the task that watches and its readers.
#[derive(Debug)]
pub(super) struct Shared {
    live: Mutex<Live>,
    pace: Mutex<Pace>,
    /// Told when pods or claims changed: what they name may have to be looked up.
    pub(super) names_changed: Notify,
    /// Told when the API server answers that somebody could not reach: who pauses need not wait any longer.
    pub(super) reached: Notify,
}

impl Shared {
    /// Nothing is known yet of the kinds that the role reads.
    pub(super) fn new(role: Role, node: Option<String>, kinds: &[ResourceKind], lag: Duration) -> Self {
        Self {
            live: Mutex::new(Live {
                role,
                node,
                lag,
                watches: Watches::of(kinds),
                ..Live::default()
            }),
            pace: Mutex::default(),
            names_changed: Notify::new(),
            reached: Notify::new(),
        }
    }

    /// What nobody will change.
    pub(super) fn fixed(inventory: Inventory) -> Self {
        Self {
            live: Mutex::new(Live {
                latest: Some(Arc::new(inventory)),
                ..Live::default()
            }),
            pace: Mutex::default(),
            names_changed: Notify::new(),
            reached: Notify::new(),
        }
    }

    /// The API server answered, whatever it was asked.
    pub(super) fn answered(&self) {
        if self.live().watches.end_silence(Instant::now()) {
            self.reached.notify_waiters();
        }
    }

    /// How soon watches are taken up again.
    pub(super) fn pace(&self) -> MutexGuard<'_, Pace> {
        locked(&self.pace)
    }

    /// Looks at it or changes it. Nobody waits for anything while they hold it.
    pub(super) fn live(&self) -> MutexGuard<'_, Live> {
        locked(&self.live)
    }
}

/// All indexes and the states of their watches.
#[derive(Debug, Default)]
pub(super) struct Live {
    role: Role,
    node: Option<String>,
    lag: Duration,
    version: u64,
    pods: IndexOf<Pod>,
    claims: IndexOf<Claim>,
    volumes: IndexOf<PersistentVolume>,
    classes: IndexOf<StorageClass>,
    attachments: IndexOf<VolumeAttachment>,
    nodes: IndexOf<Node>,
    snapshots: IndexOf<Snapshot>,
    snapshot_contents: IndexOf<SnapshotContent>,
    snapshot_classes: IndexOf<SnapshotClass>,
    external_snapshots: IndexOf<ExternalSnapshot>,
    external_snapshot_data: IndexOf<ExternalSnapshotData>,
    engines: BTreeMap<&'static EngineResource, Index<NamespacedName, EngineObject>>,
    /// Kinds of engines whose first list is on its way.
    incoming_engines: BTreeMap<&'static EngineResource, Index<NamespacedName, EngineObject>>,
    watches: Watches,
    /// What readers were given last, while nothing has changed since.
    latest: Option<Arc<Inventory>>,
}

/// A kind with an index of its own.
pub(super) trait Indexed: Watched {
    /// The index.
    fn index(live: &mut Live) -> &mut IndexOf<Self>;
}

macro_rules! indexed {
    ($($kind:ty: $field:ident),+ $(,)?) => {
        $(impl Indexed for $kind {
            fn index(live: &mut Live) -> &mut IndexOf<Self> {
                &mut live.$field
            }
        })+
    };
}

indexed! {
    Pod: pods,
    Claim: claims,
    PersistentVolume: volumes,
    StorageClass: classes,
    VolumeAttachment: attachments,
    Node: nodes,
    Snapshot: snapshots,
    SnapshotContent: snapshot_contents,
    SnapshotClass: snapshot_classes,
    ExternalSnapshot: external_snapshots,
    ExternalSnapshotData: external_snapshot_data,
}

impl Live {
    /// What is known now. The same value is given out again until something changes.
    pub(super) fn inventory(&mut self) -> Arc<Inventory> {
        let goes_on = self.watches.end_grace();
        self.note(goes_on);
        if let Some(latest) = &self.latest {
            return Arc::clone(latest);
        }
        let inventory = Arc::new(Inventory {
            version: self.version,
            role: self.role,
            node: self.node.clone(),
            pods: Arc::clone(self.pods.objects()),
            claims: Arc::clone(self.claims.objects()),
            volumes: Arc::clone(self.volumes.objects()),
            classes: Arc::clone(self.classes.objects()),
            attachments: Arc::clone(self.attachments.objects()),
            nodes: Arc::clone(self.nodes.objects()),
            snapshots: Arc::clone(self.snapshots.objects()),
            snapshot_contents: Arc::clone(self.snapshot_contents.objects()),
            snapshot_classes: Arc::clone(self.snapshot_classes.objects()),
            external_snapshots: Arc::clone(self.external_snapshots.objects()),
            external_snapshot_data: Arc::clone(self.external_snapshot_data.objects()),
            engines: self
                .engines
                .iter()
                .map(|(resource, index)| (*resource, Arc::clone(index.objects())))
                .collect(),
            watches: self.watches.states().clone(),
            unanswered: self.watches.unanswered().clone(),
            lag: self.lag,
            faults: self.faults(),
        });
        self.latest = Some(Arc::clone(&inventory));
        inventory
    }

    /// The pods, as they are now.
    pub(super) fn pods(&self) -> &Objects<String, Pod> {
        self.pods.objects()
    }

    /// The claims, as they are now.
    pub(super) fn claims(&self) -> &Objects<NamespacedName, Claim> {
        self.claims.objects()
    }

    /// Takes in one event of a watch. True where something else is known after it.
    pub(super) fn apply<T: Indexed>(&mut self, event: Event<Unread>) -> bool {
        let stage = self.begins(T::KIND, &event);
        let changed = T::index(self).apply(read(event, object::read::<T>));
        self.note(changed);
        self.heard(T::KIND, stage) || changed
    }

    /// The same for an engine's objects.
    pub(super) fn apply_of_engine(&mut self, kind: EngineKind, event: Event<Unread>) -> bool {
        let resource = ResourceKind::Engine(kind.resource);
        let stage = self.begins(resource, &event);
        if stage == Stage::Listing && !self.engines.contains_key(kind.resource) {
            // Whether there is such a kind is known once a list of it is whole.
            let index = self.incoming_engines.entry(kind.resource).or_default();
            index.apply(read(event, |json| kind.read(json)));
            return false;
        }
        let incoming = self.incoming_engines.remove(kind.resource);
        let index = self.engines.entry(kind.resource).or_insert_with(|| {
            self.version += 1;
            self.latest = None;
            incoming.unwrap_or_default()
        });
        let changed = index.apply(read(event, |json| kind.read(json)));
        self.note(changed);
        self.heard(resource, stage) || changed
    }

    fn begins(&mut self, kind: ResourceKind, event: &Event<Unread>) -> Stage {
        if matches!(event, Event::Init) {
            self.watches.forgotten(kind);
        }
        match event {
            Event::Init | Event::InitApply(_) => Stage::Listing,
            Event::InitDone => Stage::Listed,
            Event::Apply(_) | Event::Delete(_) => Stage::Changed,
        }
    }

    /// True where it stands otherwise with the kind after it.
    fn heard(&mut self, kind: ResourceKind, stage: Stage) -> bool {
        let is_whole = stage == Stage::Listed || stage == Stage::Changed && self.watches.is_synced(kind);
        let changed = is_whole && self.watches.synced(kind);
        self.note(changed);
        changed
    }

    /// Takes in one object of an engine that was read by itself.
    pub(super) fn put_of_engine(&mut self, kind: EngineKind, json: &str) {
        let index = self.engines.entry(kind.resource).or_default();
        let changed = index.put(kind.read(json));
        self.note(changed);
    }

    /// Nobody says which engines' kinds there are.
    pub(super) fn engines_are_not_known(&mut self) {
        let changed = self.watches.engines_are_not_known();
        self.note(changed);
    }

    /// Nobody says whether there is that one.
    pub(super) fn is_not_known(&mut self, resource: &'static EngineResource) {
        let changed = self.watches.answered(ResourceKind::Engine(resource));
        self.note(changed);
    }

    /// The cluster does not have the kind, or not any more.
    pub(super) fn is_without(&mut self, resource: &'static EngineResource) {
        self.incoming_engines.remove(resource);
        let had_objects = self.engines.remove(resource).is_some();
        let changed = self.watches.is_without(ResourceKind::Engine(resource));
        self.note(changed || had_objects);
    }

    /// Takes in one object that was read by itself.
    pub(super) fn put<T: Indexed>(&mut self, object: Reading<T::Key, T>) {
        let changed = T::index(self).put(object);
        self.note(changed);
    }

    /// Forgets one object.
    pub(super) fn remove<T: Indexed>(&mut self, key: &T::Key) {
        let changed = T::index(self).remove(key);
        self.note(changed);
    }

    /// All objects of the kind are taken to be there, without a watch that says so.
    pub(super) fn holds_all(&mut self, kind: ResourceKind) {
        let changed = self.watches.hold_all(kind);
        self.note(changed);
    }

    /// True once all objects of the kind have been seen.
    pub(super) fn is_synced(&self, kind: ResourceKind) -> bool {
        self.watches.is_synced(kind)
    }

    /// True where a watch of the kind has said something, or is to.
    pub(super) fn is_heard_of(&self, kind: ResourceKind) -> bool {
        self.watches.states().contains_key(&kind)
    }

    /// True while nobody answers who is asked for the kind.
    pub(super) fn is_unreachable(&self, kind: ResourceKind) -> bool {
        self.watches.is_unreachable(kind)
    }

    /// All objects of the kind have been seen, and nothing stands in the way.
    pub(super) fn synced(&mut self, kind: ResourceKind) {
        let changed = self.watches.synced(kind);
        self.note(changed);
    }

    /// The server took up a watch of the kind.
    pub(super) fn taken_up(&mut self, kind: ResourceKind) {
        self.watches.taken_up(kind);
    }

    /// The watch that was taken up cannot go on from where the last one ended: the list has to come first.
    pub(super) fn forgotten(&mut self, kind: ResourceKind) {
        self.watches.forgotten(kind);
    }

    /// Something stands in the way of reading a kind. What is known of it stays, unless there is no such kind any more.
    pub(super) fn failed<T: Indexed>(&mut self, error: WatchError) {
        if T::KIND.is_optional() && error.problem == WatchProblem::Missing {
            let had_objects = T::index(self).clear();
            let changed = self.watches.is_without(T::KIND);
            self.note(changed || had_objects);
        } else {
            self.cannot_read(T::KIND, error);
        }
    }

    /// The same of an engine's kind.
    pub(super) fn failed_of_engine(&mut self, resource: &'static EngineResource, error: WatchError) {
        if error.problem == WatchProblem::Missing {
            self.is_without(resource);
        } else {
            self.cannot_read(ResourceKind::Engine(resource), error);
        }
    }

    fn cannot_read(&mut self, kind: ResourceKind, error: WatchError) {
        let changed = self.watches.failed(kind, error);
        self.note(changed);
        // Errors are counted as well.
        self.latest = None;
    }

    fn note(&mut self, changed: bool) {
        if changed {
            self.version += 1;
            self.latest = None;
        }
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = self.watches.faults();
        let mut tell = |kind: ResourceKind, of_kind: &mut dyn Iterator<Item = &Fault>| {
            let mut all = Faults::default();
            of_kind.for_each(|fault| all.add(|| fault.clone()));
            faults.extend(all.into_told(|more| {
                let message = format!("{more} more faults of such objects, not told one by one");
                Fault::new(KUBERNETES, kind.name(), message)
            }));
        };
        tell(ResourceKind::Pods, &mut self.pods.faults());
        tell(ResourceKind::Claims, &mut self.claims.faults());
        tell(ResourceKind::Volumes, &mut self.volumes.faults());
        tell(ResourceKind::Classes, &mut self.classes.faults());
        tell(ResourceKind::Attachments, &mut self.attachments.faults());
        tell(ResourceKind::Nodes, &mut self.nodes.faults());
        tell(ResourceKind::Snapshots, &mut self.snapshots.faults());
        tell(
            ResourceKind::SnapshotContents,
            &mut self.snapshot_contents.faults(),
        );
        tell(ResourceKind::SnapshotClasses, &mut self.snapshot_classes.faults());
        tell(
            ResourceKind::ExternalSnapshots,
            &mut self.external_snapshots.faults(),
        );
        tell(
            ResourceKind::ExternalSnapshotData,
            &mut self.external_snapshot_data.faults(),
        );
        for (resource, index) in &self.engines {
            tell(ResourceKind::Engine(resource), &mut index.faults());
        }
        faults
    }
}

/// Where a watch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// A list comes in.
    Listing,
    /// The list is whole.
    Listed,
    /// Something was told after the list.
    Changed,
}

/// An event with its object taken apart.
fn read<K, T>(event: Event<Unread>, read: impl Fn(&str) -> Reading<K, T>) -> Event<Reading<K, T>> {
    match event {
        Event::Init => Event::Init,
        Event::InitDone => Event::InitDone,
        Event::InitApply(object) => Event::InitApply(read(&object.json)),
        Event::Apply(object) => Event::Apply(read(&object.json)),
        Event::Delete(object) => Event::Delete(read(&object.json)),
    }
}
