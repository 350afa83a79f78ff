//! Raw block volumes: links of a pod, and what the plugins have of them.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::memory::{PLUGINS, Part};
use super::round::{CSI_PLUGIN, DEVICES, Opened, Round, plugin_of, text_of};
use super::tree::{Entry, Kind};
use crate::model::volume::{PodVolume, VolumeMode};

/// A raw block volume of which it is still to be told what its plugin has.
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
        let (of_csi, others): (Vec<_>, Vec<_>) =
            blocks.into_iter().partition(|block| block.plugin == CSI_PLUGIN);
        for block in others {
            // Whether a device is bound there is told by the mounts: no folder has to be looked into, nor mounted for that.
            let below = [
                PLUGINS.as_ref(),
                &*block.plugin,
                DEVICES.as_ref(),
                &block.name,
                &block.pod,
            ];
            let place = self.node_root.join(below.iter().collect::<PathBuf>());
            self.volumes[block.at].other_paths.push(place);
        }
        if of_csi.is_empty() {
            return;
        }
        let Ok(opened) = &self.open(Part::RawBlock, root) else {
            return;
        };
        let [published, staged] =
            ["publish", "staging"].map(|name| self.entries(opened, name.as_ref()).unwrap_or_default());
        for block in of_csi {
            let mut places = Vec::new();
            if let Some(entry) = published.iter().find(|entry| entry.name == block.name) {
                places.push(self.published(opened, Path::new("publish"), entry, &block.pod));
            }
            let folder = Path::new(&block.name);
            places.push(self.present(opened, &folder.join("dev"), &block.pod));
            if staged.iter().any(|entry| entry.name == block.name) {
                places.push(Some(Path::new("staging").join(folder)));
            }
            self.volumes[block.at].csi = self.vol_data(opened, &folder.join("data"));
            for below in places.into_iter().flatten() {
                let place = self.on_node(Part::RawBlock, &below);
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
