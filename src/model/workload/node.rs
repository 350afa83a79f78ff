//! Nodes.

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
