//! Where kubelets keep their pods' control groups.

use std::path::{Path, PathBuf};

use super::MOST_FOLDERS;
use crate::host::read;

/// The kubelet's folder lies at most this far below the root: `docker/ID/kubepods`.
const DEEPEST: usize = 2;

/// Where one kubelet keeps its pods' control groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PodFolders {
    folder: PathBuf,
    /// With the systemd driver every folder's name repeats its parents': `kubepods`, `kubelet-kubepods`.
    slice: Option<String>,
}

impl PodFolders {
    /// The kubelets' folders nearest to the root. One lies in the root of the tree mostly; those of a kubelet
    /// that is itself in a container (kind, k3d) lie one or two folders further down.
    pub(super) fn all_below(root: &Path) -> Vec<Self> {
        let mut level = vec![root.to_owned()];
        let mut left = MOST_FOLDERS;
        for _ in 0..=DEEPEST {
            let mut found = Vec::new();
            let mut next = Vec::new();
            for parent in level {
                if left == 0 {
                    break;
                }
                left -= 1;
                for name in read::folders(&parent) {
                    let folder = parent.join(&name);
                    match Self::named(folder, &name) {
                        Ok(pods) => found.push(pods),
                        Err(other) => next.push(other),
                    }
                }
            }
            if !found.is_empty() {
                return found;
            }
            level = next;
        }
        Vec::new()
    }

    fn named(folder: PathBuf, name: &str) -> Result<Self, PathBuf> {
        let slice = match name.strip_suffix(".slice") {
            None if name == "kubepods" => None,
            Some(slice) if slice == "kubepods" || slice.ends_with("-kubepods") => Some(slice.to_owned()),
            _ => return Err(folder),
        };
        Ok(Self { folder, slice })
    }

    /// The three folders of which one can be this pod's. Guaranteed pods lie beside the folders of the other classes.
    pub(super) fn of(&self, uid: &str) -> Vec<PathBuf> {
        if uid.is_empty() || uid.contains('/') {
            return Vec::new();
        }
        // systemd takes a dash in a name for a step in the path.
        let escaped = uid.replace('-', "_");
        [None, Some("burstable"), Some("besteffort")]
            .into_iter()
            .map(|class| match (&self.slice, class) {
                (None, None) => self.folder.join(format!("pod{uid}")),
                (None, Some(class)) => self.folder.join(format!("{class}/pod{uid}")),
                (Some(slice), None) => self.folder.join(format!("{slice}-pod{escaped}.slice")),
                (Some(slice), Some(class)) => self.folder.join(format!(
                    "{slice}-{class}.slice/{slice}-{class}-pod{escaped}.slice"
                )),
            })
            .collect()
    }
}
