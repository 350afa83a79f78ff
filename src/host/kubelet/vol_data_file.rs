//! Reading a `vol_data.json`, which lies beside a mount point and is written by the kubelet alone, if all is as it should be.

use std::io::{self, Read};
use std::path::Path;

use rustix::io::Errno;

use super::memory::Said;
use super::round::{Opened, Round};
use super::tree::{Fingerprint, Tree};
use super::vol_data::parse_vol_data;
use crate::model::volume::CsiVolume;

/// The file beside a CSI volume's mount point.
pub(super) const VOL_DATA: &str = "vol_data.json";
/// The kubelet's files have some 300 bytes.
const VOL_DATA_LIMIT: u64 = 64 << 10;

impl Round<'_> {
    /// What `vol_data.json` in `folder` says; `None` where there is none, or it cannot be understood.
    pub(super) fn vol_data(&mut self, opened: &Opened, folder: &Path) -> Option<CsiVolume> {
        let below = folder.join(VOL_DATA);
        let said = match self.kept.file(opened.part, &opened.tree, &below) {
            Some(said) => said,
            None => match self.vol_data_at(opened, &below) {
                Ok(said) => said,
                Err(error) => {
                    self.failed(opened.tree.full(&below), error);
                    None
                }
            },
        };
        match said? {
            Ok(volume) => Some(volume),
            Err(message) => {
                self.fault(&opened.tree.full(&below), message);
                None
            }
        }
    }

    /// Reads the file, and remembers what it says.
    fn vol_data_at(&mut self, opened: &Opened, below: &Path) -> Result<Said, Errno> {
        let Opened { part, tree } = opened;
        let (fingerprint, said) = match tree.look(below) {
            // A volume that is being set up, or one that was left over without it.
            Err(Errno::NOENT) => (None, None),
            looked => {
                let mut fingerprint = Fingerprint::of(looked?)?;
                let said = match content_of(tree, below, &mut fingerprint) {
                    Ok(volume) => Ok(volume),
                    Err(Trouble::Content(message)) => Err(message),
                    Err(Trouble::Reading(error)) => return Err(error),
                };
                (Some(fingerprint), Some(said))
            }
        };
        let is_remembered = self.kept.keep_file(*part, below, fingerprint, &said);
        self.is_all_remembered &= is_remembered;
        // The kubelet writes in place: a file that was emptied a moment ago is being written, and nothing is wrong with it yet.
        let is_empty = |fingerprint: Fingerprint| fingerprint.is_file && fingerprint.size == 0;
        let is_being_written = !is_remembered && fingerprint.is_some_and(is_empty);
        Ok(said.filter(|_| !is_being_written))
    }
}

/// What a `vol_data.json` says that looked like this a moment ago; how it looked when it was read is written into `fingerprint`.
fn content_of(tree: &Tree, below: &Path, fingerprint: &mut Fingerprint) -> Result<CsiVolume, Trouble> {
    acceptable(fingerprint)?;
    let file = tree.file(below)?;
    *fingerprint = Fingerprint::of(&file)?;
    acceptable(fingerprint)?;
    // Room for a little more, so that one call reads all and the next sees the end.
    let mut text = Vec::with_capacity(usize::try_from(fingerprint.size).unwrap_or_default() + 32);
    file.take(VOL_DATA_LIMIT + 1).read_to_end(&mut text)?;
    if text.len() as u64 > VOL_DATA_LIMIT {
        return Err(Trouble::too_large());
    }
    parse_vol_data(&text).map_err(|error| Trouble::Content(error.to_string()))
}

/// Why a `vol_data.json` gives nothing.
enum Trouble {
    Reading(Errno),
    Content(String),
}

impl Trouble {
    fn too_large() -> Self {
        Self::Content(format!(
            "is larger than {} KiB, which the kubelet's own is never; not read",
            VOL_DATA_LIMIT >> 10
        ))
    }
}

impl From<Errno> for Trouble {
    fn from(error: Errno) -> Self {
        Self::Reading(error)
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Reading(Errno::from_io_error(&error).unwrap_or(Errno::IO))
    }
}

/// Whether it is a file that the kubelet could have written.
fn acceptable(fingerprint: &Fingerprint) -> Result<(), Trouble> {
    if fingerprint.is_link {
        return Err(Trouble::Content(
            "is a link, which the kubelet never makes; not followed".into(),
        ));
    }
    if !fingerprint.is_file {
        return Err(Trouble::Content("is no plain file; not opened".into()));
    }
    if fingerprint.size > VOL_DATA_LIMIT.into() {
        return Err(Trouble::too_large());
    }
    Ok(())
}
