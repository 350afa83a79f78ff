//! The API's answers from files: what `kubectl get … -A -o json` or `-o yaml` wrote, in the API's place.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;

use super::live::{Indexed, Shared};
use super::object::{Object, Watched};
use crate::model::inventory::{Inventory, ResourceKind, Role};
use crate::model::workload::{Claim, CsiDriver, Node, PersistentVolume, Pod, StorageClass, VolumeAttachment};

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
    let shared = Shared::new(Role::All, None, &[]);
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
                objects += take_in(document, None, &shared);
            }
            if objects == 0 {
                return Err(DumpError::NothingThere { path: file });
            }
        }
    }
    let inventory = shared.live().inventory();
    Ok(Arc::unwrap_or_clone(inventory))
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
    let documents: Vec<serde_json::Value> =
        serde_saphyr::from_multiple(text).map_err(|error| error.to_string())?;
    documents
        .iter()
        .filter(|document| !document.is_null())
        .map(|document| serde_json::value::to_raw_value(document).map_err(|error| error.to_string()))
        .collect()
}

#[derive(Deserialize)]
struct Document<'a> {
    kind: Option<String>,
    #[serde(borrow)]
    items: Option<Vec<&'a RawValue>>,
}

/// Takes in a list or an object; gives how many objects it was. `kind` is what a list says of its items, which then need
/// not say it again.
fn take_in(json: &RawValue, kind: Option<&str>, shared: &Shared) -> usize {
    let Ok(document) = serde_json::from_str::<Document>(json.get()) else {
        // Of an object that is none, the kind is not known.
        return 0;
    };
    let kind = document.kind.as_deref().or(kind);
    if let Some(items) = document.items {
        let kind = kind
            .and_then(|kind| kind.strip_suffix("List"))
            .filter(|kind| !kind.is_empty());
        return items.into_iter().map(|item| take_in(item, kind, shared)).sum();
    }
    match kind {
        Some(Pod::API_KIND) => put::<Pod>(json, shared),
        Some(Claim::API_KIND) => put::<Claim>(json, shared),
        Some(PersistentVolume::API_KIND) => put::<PersistentVolume>(json, shared),
        Some(StorageClass::API_KIND) => put::<StorageClass>(json, shared),
        Some(VolumeAttachment::API_KIND) => put::<VolumeAttachment>(json, shared),
        Some(Node::API_KIND) => put::<Node>(json, shared),
        Some(CsiDriver::API_KIND) => put::<CsiDriver>(json, shared),
        Some(_) => {}
        None => return 0,
    }
    1
}

fn put<T: Indexed>(json: &RawValue, shared: &Shared) {
    let mut live = shared.live();
    live.put(Object::<T>::read(json.get()));
    let kind: ResourceKind = T::KIND;
    live.holds_all(kind);
}
