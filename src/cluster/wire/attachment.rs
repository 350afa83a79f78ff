//! VolumeAttachments.

use serde::Deserialize;

use super::Meta;

/// A VolumeAttachment.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct VolumeAttachment {
    /// Metadata.
    pub metadata: Option<Meta>,
    /// What was asked for.
    pub spec: Option<AttachmentSpec>,
    /// What is.
    pub status: Option<AttachmentStatus>,
}

/// A VolumeAttachment's `spec`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttachmentSpec {
    /// The driver.
    pub attacher: Option<String>,
    /// The node.
    pub node_name: Option<String>,
    /// The volume.
    pub source: Option<AttachmentSource>,
}

/// What a VolumeAttachment attaches.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttachmentSource {
    /// A PersistentVolume.
    pub persistent_volume_name: Option<String>,
}

/// A VolumeAttachment's `status`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttachmentStatus {
    /// Whether it is attached.
    pub attached: Option<bool>,
    /// What the driver says of it.
    pub attachment_metadata: Option<AttachmentMetadata>,
    /// Why attaching failed.
    pub attach_error: Option<AttachmentError>,
    /// Why detaching failed.
    pub detach_error: Option<AttachmentError>,
}

/// `attachmentMetadata`, of all drivers what is in use.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct AttachmentMetadata {
    /// EBS: a path on the node.
    #[serde(rename = "devicePath")]
    pub device_path: Option<String>,
    /// Azure: the number of the disk.
    #[serde(rename = "LUN")]
    pub lun: Option<String>,
    /// The same, as others write it.
    #[serde(rename = "lun")]
    pub lun_lower: Option<String>,
    /// vSphere: the identity of the virtual disk.
    #[serde(rename = "diskUUID")]
    pub disk_uuid: Option<String>,
}

/// Why attaching or detaching failed.
#[derive(Debug, Clone, Deserialize)]
pub struct AttachmentError {
    /// What the driver said.
    pub message: Option<String>,
}
