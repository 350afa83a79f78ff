//! What can be done to storage from Scope's page, to which object, and how it went.

use std::collections::BTreeSet;

use super::snapshot::DeletionPolicy;
use super::volume::VolumeMode;
use super::workload::{AccessMode, NamespacedName};

/// Something that a button does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Control {
    /// Takes a snapshot of a claim.
    CreateSnapshot,
    /// Makes a claim with the data of another.
    Clone,
    /// Makes a claim with the data of a snapshot.
    Restore,
    /// Deletes a snapshot.
    Delete,
    /// Shows an object as the API has it, with its events. It changes nothing.
    Describe,
}

impl Control {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::CreateSnapshot,
        Self::Clone,
        Self::Restore,
        Self::Delete,
        Self::Describe,
    ];

    /// The word for it: of the command line, of the log, of events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CreateSnapshot => "create-snapshot",
            Self::Clone => "clone",
            Self::Restore => "restore",
            Self::Delete => "delete",
            Self::Describe => "describe",
        }
    }
}

/// What may be done, and where. Nothing else is ever offered or carried out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Permitted {
    /// The controls.
    pub controls: BTreeSet<Control>,
    /// The namespaces.
    pub namespaces: BTreeSet<String>,
}

impl Permitted {
    /// True for a control that may be used in a namespace.
    pub fn allows(&self, control: Control, namespace: &str) -> bool {
        self.controls.contains(&control) && self.namespaces.contains(namespace)
    }
}

/// An object with buttons.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// A claim. Its buttons are on a node of ours beside it.
    Claim(NamespacedName),
    /// A snapshot of a CSI driver.
    Snapshot(NamespacedName),
    /// The content of such a snapshot, and the namespace of that snapshot.
    Content {
        /// Its name.
        name: String,
        /// The namespace of its snapshot.
        namespace: String,
    },
}

impl Target {
    /// Its kind in the API.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Claim(_) => "PersistentVolumeClaim",
            Self::Snapshot(_) => "VolumeSnapshot",
            Self::Content { .. } => "VolumeSnapshotContent",
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Claim(name) | Self::Snapshot(name) => &name.name,
            Self::Content { name, .. } => name,
        }
    }

    /// The namespace that it counts to.
    pub fn namespace(&self) -> &str {
        match self {
            Self::Claim(name) | Self::Snapshot(name) => &name.namespace,
            Self::Content { namespace, .. } => namespace,
        }
    }
}

/// What can be done to one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The object.
    pub target: Target,
    /// Its UID: another object of the same name is not meant.
    pub uid: String,
    /// The controls, in order.
    pub controls: Vec<Control>,
}

/// What a new claim gets its data from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DataFrom {
    /// A snapshot of its namespace.
    Snapshot(String),
    /// Another claim of its namespace.
    Claim(String),
}

/// What is to be done, in full: nothing is left to decide but a name that may be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// To make a VolumeSnapshot.
    MakeSnapshot {
        /// The claim.
        claim: NamespacedName,
        /// The claim's PersistentVolume.
        volume: String,
        /// The class.
        class: String,
    },
    /// To make a PersistentVolumeClaim.
    MakeClaim {
        /// Its namespace.
        namespace: String,
        /// What it gets its data from.
        from: DataFrom,
        /// Its storage class.
        class: Option<String>,
        /// Its access modes.
        access_modes: Vec<AccessMode>,
        /// How pods get it.
        mode: VolumeMode,
        /// Its size in bytes.
        bytes: u64,
    },
    /// To delete a VolumeSnapshot.
    DeleteSnapshot {
        /// Its name.
        name: NamespacedName,
        /// What becomes of the storage system's snapshot; `None` where that is not known.
        policy: Option<DeletionPolicy>,
    },
    /// To read an object and its events.
    Describe,
}

/// An object that an action made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Its UID.
    pub uid: String,
    /// Its name.
    pub name: NamespacedName,
    /// What it is.
    pub what: MadeWhat,
}

/// What an action made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MadeWhat {
    /// A snapshot of a claim with that PersistentVolume.
    Snapshot {
        /// The claim.
        claim: String,
        /// Its PersistentVolume.
        volume: String,
    },
    /// A claim of that class.
    Claim {
        /// The storage class.
        class: Option<String>,
    },
}

/// What came of an action.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// A sentence for people.
    pub text: String,
    /// What was made.
    pub made: Option<Made>,
    /// True where the object is gone already.
    pub removed: bool,
    /// The object in lines: field and value.
    pub description: Vec<(String, String)>,
}

/// How an action stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Under way.
    Running,
    /// Done.
    Done(Outcome),
    /// Not done, and why.
    Failed(String),
    /// Nobody knows whether it was done, and why.
    Unanswered(String),
}

/// An action of the last minutes, to be shown where it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// What was asked.
    pub control: Control,
    /// Of what.
    pub target: Target,
    /// Its UID.
    pub uid: String,
    /// When, in seconds since 1970.
    pub asked: i64,
    /// How it stands.
    pub progress: Progress,
}
