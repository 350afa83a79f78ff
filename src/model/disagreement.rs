//! Where a storage engine's objects say of a volume something else than the kernel of the node that has it mounted.
//!
//! The kernel is believed: a pod's data go where its node has the volume mounted, whatever an object says, which was written when the
//! volume was made.

use std::fmt;

/// What both speak of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// The node that the volume lies on.
    Node,
    /// The volume group of LVM that the volume's logical volume is of.
    VolumeGroup,
    /// The device of the filesystem with the volume's folder.
    Folder,
}

impl Subject {
    /// The label's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::VolumeGroup => "volume_group",
            Self::Folder => "folder",
        }
    }

    fn in_words(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::VolumeGroup => "volume group",
            Self::Folder => "device of its folder",
        }
    }
}

/// One thing of which an engine's objects say something else than the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disagreement {
    /// The engine.
    pub engine: &'static str,
    /// What both speak of.
    pub subject: Subject,
    /// What the engine's objects say.
    pub told: String,
    /// What the kernel says; `None` where it knows of no such thing below the volume.
    pub seen: Option<String>,
}

impl fmt::Display for Disagreement {
    /// `volume group: storage by the kernel, other by lvm-localpv`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}: {} by the kernel, {} by {}",
            self.subject.in_words(),
            self.seen.as_deref().unwrap_or("none"),
            self.told,
            self.engine
        )
    }
}

/// All of one volume in a sentence, with who is believed and why; `None` where both say the same.
pub fn sentence(disagreements: &[Disagreement]) -> Option<String> {
    if disagreements.is_empty() {
        return None;
    }
    let parts: Vec<String> = disagreements.iter().map(ToString::to_string).collect();
    Some(format!(
        "contradicted: {}; the kernel is believed, which has it mounted here",
        parts.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_says_who_is_believed() {
        let of = |subject, told: &str, seen: Option<&str>| Disagreement {
            engine: "lvm-localpv",
            subject,
            told: told.to_owned(),
            seen: seen.map(str::to_owned),
        };
        assert_eq!(sentence(&[]), None);
        assert_eq!(
            sentence(&[
                of(Subject::Node, "worker-2", Some("worker-1")),
                of(Subject::VolumeGroup, "other", None),
            ])
            .as_deref(),
            Some(
                "contradicted: node: worker-1 by the kernel, worker-2 by lvm-localpv, \
                 volume group: none by the kernel, other by lvm-localpv; the kernel is believed, which has it mounted here"
            )
        );
    }
}
