//! VolumeAttachments.

/// Why a volume could not be attached or detached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachError {
    /// What the driver says.
    pub message: String,
}

/// What an attached volume is called on its node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttachedDevice {
    /// A path: `/dev/xvdba`.
    Path(String),
    /// The number of the disk at its controller.
    Lun(String),
    /// The identity of the virtual disk.
    Uuid(String),
}

/// A VolumeAttachment: a volume that shall be attached to a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeAttachment {
    /// Its name.
    pub name: String,
    /// The driver that attaches.
    pub attacher: Option<String>,
    /// The node.
    pub node: Option<String>,
    /// The PersistentVolume; `None` for inline volumes.
    pub volume: Option<String>,
    /// Whether it is attached; `None` where the driver has not said yet.
    pub attached: Option<bool>,
    /// By what its driver says that the node can find it; `None` where it says nothing.
    pub device: Option<AttachedDevice>,
    /// Why attaching failed last.
    pub attach_error: Option<AttachError>,
    /// Why detaching failed last.
    pub detach_error: Option<AttachError>,
    /// When it was deleted, while it is not detached yet.
    pub deletion: Option<i64>,
}
