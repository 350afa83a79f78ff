//! Raw block volumes: links of a pod, and what the plugins have of them.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::io::Errno;

use super::memory::Part;
use super::round::{CSI_PLUGIN, DEVICES, Opened, Round, plugin_of, text_of};
use super::tree::{Entry, Kind};
use crate::model::volume::{PodVolume, VolumeMode};

/// Where the CSI plugin keeps what is the node's and no pod's, below `R/plugins`.
const CSI: &str = "kubernetes.io/csi";

/// A raw block volume that is still to be looked up below `R/plugins`.
pub(super) struct BlockVolume {
    at: usize,
    pod: OsString,
    plugin: OsString,
    name: OsString,
}

impl Round<'_> {
    /// `volumeDevices/`: a link for each raw block volume.
    pub(super) fn read_devices(&mut self, opened: &Opened, pod: &OsStr) {
        let devices = Path::new(pod).join(DEVICES);
        for plugin in self.folders(opened, &devices).names() {
            let folder = devices.join(plugin);
            for Entry { name, .. } in &*self.entries(opened, &folder).unwrap_or_default() {
                let below = folder.join(name);
                match opened.tree.target(&below) {
                    Ok(target) => {
                        self.blocks.push(BlockVolume {
                            at: self.volumes.len(),
                            pod: pod.to_owned(),
                            plugin: plugin.to_owned(),
                            name: name.clone(),
                        });
                        self.volumes.push(PodVolume {
                            pod_uid: text_of(pod),
                            plugin: plugin_of(plugin),
                            name: text_of(name),
                            mode: VolumeMode::Block,
                            path: self.on_node(Part::Pods, &below),
                            other_paths: vec![target],
                            csi: None,
                        });
                    }
                    // No link: nobody's device. The kernel says the second of a handle of something else.
                    Err(Errno::INVAL | Errno::NOENT) => {}
                    Err(error) => self.failed(opened.tree.full(&below), error),
                }
            }
        }
    }

    /// What else is known of raw block volumes.
    pub(super) fn look_up_blocks(&mut self, root: &Path) {
        let blocks = std::mem::take(&mut self.blocks);
        if blocks.is_empty() {
            return;
        }
        let Ok(opened) = &self.open(Part::Plugins, root) else {
            return;
        };
        let csi = Path::new(CSI).join(DEVICES);
        let mut shared: Option<[Arc<[Entry]>; 2]> = None;
        for block in blocks {
            let mut places = Vec::new();
            if block.plugin == CSI_PLUGIN {
                let [published, staged] = shared.get_or_insert_with(|| {
                    ["publish", "staging"]
                        .map(|name| self.entries(opened, &csi.join(name)).unwrap_or_default())
                });
                if let Some(entry) = published.iter().find(|entry| entry.name == block.name) {
                    places.push(self.published(opened, &csi.join("publish"), entry, &block.pod));
                }
                places.push(self.present(opened, &csi.join(&block.name).join("dev"), &block.pod));
                if staged.iter().any(|entry| entry.name == block.name) {
                    places.push(Some(csi.join("staging").join(&block.name)));
                }
                let data = self.vol_data(opened, &csi.join(&block.name).join("data"));
                self.volumes[block.at].csi = data;
            } else {
                let folder = Path::new(&block.plugin).join(DEVICES).join(&block.name);
                places.push(self.present(opened, &folder, &block.pod));
            }
            for below in places.into_iter().flatten() {
                let place = self.on_node(Part::Plugins, &below);
                let known = &mut self.volumes[block.at].other_paths;
                if !known.contains(&place) {
                    known.push(place);
                }
            }
        }
    }

    /// The device that a driver gave out: one for each pod, or in old kubelets one for all.
    fn published(&mut self, opened: &Opened, publish: &Path, entry: &Entry, pod: &OsStr) -> Option<PathBuf> {
        let below = publish.join(&entry.name);
        if entry.kind == Kind::Folder {
            match self.list(opened, &below) {
                Ok(entries) => {
                    let found = entries.iter().any(|entry| entry.name == *pod);
                    return found.then(|| below.join(pod));
                }
                // The folder did not say what its entries are, and this one is the device.
                Err(Errno::NOTDIR | Errno::XDEV) => self.is_all_remembered = false,
                Err(error) => {
                    self.failed(opened.tree.full(&below), error);
                    return None;
                }
            }
        }
        Some(below)
    }

    /// `folder/name`, where the folder has that entry.
    fn present(&mut self, opened: &Opened, folder: &Path, name: &OsStr) -> Option<PathBuf> {
        let entries = self.entries(opened, folder)?;
        entries
            .iter()
            .any(|entry| entry.name == *name)
            .then(|| folder.join(name))
    }
}
