//! What the Kubernetes API says about pods and their storage, without anything that no answer of ours shows.
//!
//! Names and meanings are the API's. Times are Unix seconds, sizes bytes. What the API left out is `None`; what it said in
//! a word that is not known here is `None` as well, since every list of words in the API may grow.

/// Words of the API, each with its own spelling.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $word:ident),+ $(,)? }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$doc])* $word),+
        }

        impl $name {
            /// All of them, in the API's order.
            pub const ALL: &'static [Self] = &[$(Self::$word),+];

            /// The API's spelling.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$word => stringify!($word)),+
                }
            }

            /// Reads the API's spelling; `None` for a word that is not known here.
            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|known| known.as_str() == word)
            }
        }
    };
}

pub(super) use words;

mod attachment;
mod claim;
mod class;
mod name;
mod node;
mod pod;
mod source;
mod volume;

pub use self::attachment::{AttachError, AttachedDevice, VolumeAttachment};
pub use self::claim::{AccessMode, Claim, ClaimPhase, Condition, DataSource};
pub use self::class::{BindingMode, StorageClass};
pub use self::name::NamespacedName;
pub use self::node::Node;
pub use self::pod::{Container, DeclaredVolume, Limits, Owner, Pod, PodPhase, PodVolumeSource};
pub use self::source::StorageSource;
pub use self::volume::{
    ClaimReference, NodeRequirement, PersistentVolume, ReclaimPolicy, VolumeDetails, VolumePhase,
};
