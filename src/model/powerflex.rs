//! PowerFlex systems (once ScaleIO and VxFlex OS) as their gateways tell of them.

/// One reading of one system.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct System {
    /// The name that the configuration gives it.
    pub name: String,
}
