//! Nodes, and the CSI drivers that they may have.

/// A Node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its host name (label `kubernetes.io/hostname`), by which local volumes name it.
    pub host_name: Option<String>,
    /// Whether it is ready; `None` where its kubelet is not heard.
    pub ready: Option<bool>,
    /// Names that storage engines have for it, in labels of their own.
    pub other_names: Vec<String>,
    /// Bytes that are free in each class of devices, as TopoLVM writes into annotations.
    pub free: Vec<(String, u64)>,
}

/// A CSI driver that is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsiDriver {
    /// Its name.
    pub name: String,
    /// True where volumes are attached before they are mounted, so that there are VolumeAttachments.
    pub attach_required: bool,
    /// True where it publishes how much room is left.
    pub storage_capacity: bool,
    /// True where pods can declare its volumes inline.
    pub ephemeral: bool,
}
