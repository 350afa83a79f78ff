//! The API's answers from files: what `kubectl get … -A -o json` or `-o yaml` wrote, in the API's place.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;

use super::engine_object::EngineKind;
use super::live::{Indexed, Shared};
use super::object;
use crate::model::fault::with_causes;
use crate::model::inventory::{Inventory, ResourceKind, Role, WatchState};
use crate::model::snapshot::{
    ExternalSnapshot, ExternalSnapshotData, Snapshot, SnapshotClass, SnapshotContent,
};
use crate::model::workload::{
    Claim, NamespacedName, Node, PersistentVolume, Pod, StorageClass, VolumeAttachment,
};

/// Why a dump cannot be used.
#[derive(Debug, Error)]
pub enum DumpError {
    /// It cannot be read.
    #[error("{path}: {error}")]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It is neither JSON nor YAML.
    #[error("{path}: neither JSON nor YAML: {reason}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and why.
        reason: String,
    },
    /// It is something else.
    #[error("{path}: no Kubernetes objects in it (kubectl get pods,pvc,pv,sc -A -o json writes them)")]
    NothingThere {
        /// The file.
        path: PathBuf,
    },
}

/// Reads files, and folders of files that end in `.json`, `.yaml` or `.yml`. Each may hold a list, one object, or several
/// documents. Kinds that are not in use are passed over; of objects that are there twice the last counts.
pub fn read(paths: &[PathBuf]) -> Result<Inventory, DumpError> {
    let shared = Shared::new(Role::All, None, &[], Duration::ZERO);
    for path in paths {
        for file in files(path)? {
            let text = fs::read_to_string(&file).map_err(|error| DumpError::Read {
                path: file.clone(),
                error,
            })?;
            let documents = documents(&text).map_err(|reason| DumpError::Syntax {
                path: file.clone(),
                reason,
            })?;
            let mut objects = 0;
            for document in &documents {
                objects += take_in(document, [None; 2], &shared, LISTS);
            }
            if objects == 0 {
                return Err(DumpError::NothingThere { path: file });
            }
        }
    }
    Ok(whole(&shared))
}

/// The objects of a text, as [`read`] takes them from a file. The error says why it is neither JSON nor YAML.
pub fn parse(text: &str) -> Result<Inventory, String> {
    let shared = Shared::new(Role::All, None, &[], Duration::ZERO);
    for document in documents(text)? {
        take_in(&document, [None; 2], &shared, LISTS);
    }
    Ok(whole(&shared))
}

fn whole(shared: &Shared) -> Inventory {
    let inventory = shared.live().inventory();
    let mut inventory = Arc::unwrap_or_clone(inventory);
    inventory.watches = there(&inventory);
    inventory
}

/// The kinds of which the dump has objects: those it has whole. Whether it was asked for the others cannot be told.
fn there(inventory: &Inventory) -> BTreeMap<ResourceKind, WatchState> {
    let kinds = [
        (ResourceKind::Pods, inventory.pods.is_empty()),
        (ResourceKind::Claims, inventory.claims.is_empty()),
        (ResourceKind::Volumes, inventory.volumes.is_empty()),
        (ResourceKind::Classes, inventory.classes.is_empty()),
        (ResourceKind::Attachments, inventory.attachments.is_empty()),
        (ResourceKind::Nodes, inventory.nodes.is_empty()),
        (ResourceKind::Snapshots, inventory.snapshots.is_empty()),
        (
            ResourceKind::SnapshotContents,
            inventory.snapshot_contents.is_empty(),
        ),
        (
            ResourceKind::SnapshotClasses,
            inventory.snapshot_classes.is_empty(),
        ),
        (
            ResourceKind::ExternalSnapshots,
            inventory.external_snapshots.is_empty(),
        ),
        (
            ResourceKind::ExternalSnapshotData,
            inventory.external_snapshot_data.is_empty(),
        ),
    ];
    let whole = WatchState {
        synced: true,
        ..WatchState::waiting(0)
    };
    let engines = inventory
        .engines
        .iter()
        .map(|(resource, objects)| (ResourceKind::Engine(resource), objects.is_empty()));
    kinds
        .into_iter()
        .chain(engines)
        .filter(|(_, is_empty)| !is_empty)
        .map(|(kind, _)| (kind, whole.clone()))
        .collect()
}

/// What a process in the role of a node would know: its pods, and their claims and volumes.
pub fn of_node(mut inventory: Inventory, node: &str) -> Inventory {
    let pods = Arc::make_mut(&mut inventory.pods);
    pods.retain(|_, pod| pod.node.as_deref() == Some(node));
    let named: BTreeSet<NamespacedName> = pods
        .values()
        .flat_map(|pod| {
            pod.claims()
                .map(|(_, claim)| NamespacedName::new(pod.name.namespace.clone(), claim))
        })
        .collect();
    let claims = Arc::make_mut(&mut inventory.claims);
    claims.retain(|name, _| named.contains(name));
    let volumes: BTreeSet<&str> = claims
        .values()
        .filter_map(|claim| claim.volume.as_deref())
        .collect();
    Arc::make_mut(&mut inventory.volumes).retain(|name, _| volumes.contains(name.as_str()));
    inventory.snapshots = Arc::default();
    inventory.snapshot_contents = Arc::default();
    inventory.snapshot_classes = Arc::default();
    inventory.external_snapshots = Arc::default();
    inventory.external_snapshot_data = Arc::default();
    inventory.engines = BTreeMap::new();
    inventory.watches.retain(|kind, _| !kind.is_optional());
    inventory.role = Role::Node;
    inventory.node = Some(node.to_owned());
    inventory
}

fn files(path: &Path) -> Result<Vec<PathBuf>, DumpError> {
    let failed = |error| DumpError::Read {
        path: path.to_owned(),
        error,
    };
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        let ending = file.extension().and_then(|ending| ending.to_str());
        if matches!(ending, Some("json" | "yaml" | "yml")) {
            found.push(file);
        }
    }
    found.sort();
    Ok(found)
}

/// The documents of a file, as JSON.
fn documents(text: &str) -> Result<Vec<Box<RawValue>>, String> {
    if text.trim_start().starts_with(['{', '[']) {
        return serde_json::Deserializer::from_str(text)
            .into_iter::<Box<RawValue>>()
            .collect::<Result<_, _>>()
            .map_err(|error| error.to_string());
    }
    // The limits that the library sets by default are a configuration file's: they end at some 500 pods. Those that keep
    // aliases from growing without bounds stay.
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_nodes: usize::MAX,
            max_events: usize::MAX,
            max_documents: usize::MAX,
            max_total_scalar_bytes: usize::MAX,
        },
        // A namespace may be called `n`.
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
    };
    let documents: Vec<serde_json::Value> =
        serde_saphyr::from_multiple_with_options(text, options).map_err(|error| with_causes(&error))?;
    documents
        .iter()
        .filter(|document| !document.is_null())
        .map(|document| serde_json::value::to_raw_value(document).map_err(|error| error.to_string()))
        .collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    api_version: Option<String>,
    kind: Option<String>,
    #[serde(borrow)]
    items: Option<Vec<&'a RawValue>>,
}

/// A list of lists is what `kubectl get` gives for several kinds; deeper ones are none of Kubernetes.
const LISTS: usize = 2;

/// Takes in a list or an object; gives how many objects it was. The kind and version are what a list of one kind says of its items, which
/// then need not say it again: the version of a list of any kinds is its own. Below so many `lists` nothing is looked for.
fn take_in(json: &RawValue, [kind, version]: [Option<&str>; 2], shared: &Shared, lists: usize) -> usize {
    let Ok(document) = serde_json::from_str::<Document>(json.get()) else {
        // Of an object that is none, the kind is not known.
        return 0;
    };
    let kind = document.kind.as_deref().or(kind);
    let version = document.api_version.as_deref().or(version);
    if let Some(items) = document.items {
        let kind = kind
            .and_then(|kind| kind.strip_suffix("List"))
            .filter(|kind| !kind.is_empty());
        let version = version.filter(|_| kind.is_some());
        let Some(lists) = lists.checked_sub(1) else {
            return 0;
        };
        let take = |item| take_in(item, [kind, version], shared, lists);
        return items.into_iter().map(take).sum();
    }
    let of_engine = version
        .zip(kind)
        .and_then(|(version, kind)| EngineKind::of_object(version, kind));
    if let Some(of_engine) = of_engine {
        let mut live = shared.live();
        live.put_of_engine(of_engine, json.get());
        live.holds_all(ResourceKind::Engine(of_engine.resource));
        return 1;
    }
    let Some(kind) = kind else { return 0 };
    let group = version.map(|version| version.split_once('/').map_or("", |(group, _)| group));
    if let Some(put) = taker(kind, group) {
        put(json, shared);
    }
    1
}

/// What takes in an object of a kind: of that name and, where it is said, of that group. Others have kinds of the same names: Longhorn
/// has a VolumeAttachment, and some have a Node.
fn taker(kind: &str, group: Option<&str>) -> Option<fn(&RawValue, &Shared)> {
    struct Known(ResourceKind, &'static str, fn(&RawValue, &Shared));
    fn of<T: Indexed>() -> Known {
        Known(T::KIND, T::API_KIND, put::<T>)
    }
    let known = [
        of::<Pod>(),
        of::<Claim>(),
        of::<PersistentVolume>(),
        of::<StorageClass>(),
        of::<VolumeAttachment>(),
        of::<Node>(),
        of::<Snapshot>(),
        of::<SnapshotContent>(),
        of::<SnapshotClass>(),
        // Behind those that today's snapshots are: who says no group means them.
        of::<ExternalSnapshot>(),
        of::<ExternalSnapshotData>(),
    ];
    let is_it = |Known(resource, name, _): &Known| {
        *name == kind && group.is_none_or(|group| group == resource.group())
    };
    known.into_iter().find(is_it).map(|Known(_, _, put)| put)
}

fn put<T: Indexed>(json: &RawValue, shared: &Shared) {
    let mut live = shared.live();
    live.put::<T>(object::read(json.get()));
    let kind: ResourceKind = T::KIND;
    live.holds_all(kind);
}

#[cfg(test)]
mod tests;
