//! StorageClasses.

use super::ReclaimPolicy;

words! {
    /// When a claim of a class gets its volume.
    BindingMode {
        /// At once.
        Immediate,
        /// When a pod that names it is given a node.
        WaitForFirstConsumer,
    }
}

/// A StorageClass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageClass {
    /// Its UID.
    pub uid: String,
    /// Its name.
    pub name: String,
    /// Who makes its volumes.
    pub provisioner: Option<String>,
    /// What becomes of its volumes when their claims go.
    pub reclaim_policy: Option<ReclaimPolicy>,
    /// When claims get their volumes.
    pub binding_mode: Option<BindingMode>,
    /// True for a class that claims get which name none.
    pub is_default: bool,
    /// True where its volumes can grow.
    pub allows_expansion: bool,
    /// When it was made.
    pub created: Option<i64>,
}
