//! The plugin's Unix socket.
//!
//! Scope takes every socket below its plugins folder for a plugin, so ours lies in a folder of its own, with mode 0700, and
//! no other socket ever lies there. One that a crashed run left behind is replaced; one that somebody listens on is left alone.

use std::fs::{DirBuilder, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another program listens on it.
    #[error("{} is in use: another scope-storage-probe serves it (stop that one, or give this one a --plugin-dir of its own)", .0.display())]
    InUse(PathBuf),
    /// Something that is no socket lies there.
    #[error("{} is not a socket; it was not put there by this program (move it away, or give another --plugin-dir)", .0.display())]
    NotASocket(PathBuf),
    /// The system refused.
    #[error("cannot make {}: {error}{hint}", path.display())]
    System {
        /// What was to be made.
        path: PathBuf,
        /// What the system said.
        #[source]
        error: io::Error,
        /// The way out.
        hint: &'static str,
    },
}

impl BindError {
    pub(super) fn system(path: &Path, error: io::Error) -> Self {
        let hint = match error.kind() {
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                " (run as root, or choose a folder of yours with --plugin-dir; --plugin-dir '' serves metrics alone)"
            }
            _ => "",
        };
        Self::System {
            path: path.to_owned(),
            error,
            hint,
        }
    }

    /// True where only rights are missing: everything else can still be served.
    pub fn is_permission(&self) -> bool {
        matches!(self, Self::System { error, .. } if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem))
    }
}

/// Closes a folder to all but its owner. What a link in its place points to is somebody else's.
fn close(folder: &Path) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    // Not open(2), which the seccomp profile does without.
    let folder = rustix::fs::openat(rustix::fs::CWD, folder, flags, Mode::empty())?;
    rustix::fs::fchmod(folder, Mode::RWXU)?;
    Ok(())
}

/// A bound socket, removed when dropped if it is still the one that was bound.
#[derive(Debug)]
pub struct PluginSocket {
    path: PathBuf,
    mark: Mark,
}

/// Where Scope looks for the socket of a plugin.
pub fn path(plugins: &Path, id: &str) -> PathBuf {
    plugins.join(id).join(format!("{id}.sock"))
}

impl PluginSocket {
    /// Binds it.
    pub fn bind(plugins: &Path, id: &str) -> Result<(UnixListener, Self), BindError> {
        let folder = plugins.join(id);
        DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(plugins)
            .map_err(|error| BindError::system(plugins, error))?;
        match DirBuilder::new().mode(0o700).create(&folder) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                close(&folder).map_err(|error| BindError::system(&folder, error))?;
            }
            made => made.map_err(|error| BindError::system(&folder, error))?,
        }
        let path = path(plugins, id);
        clear(&path)?;
        let listener = UnixListener::bind(&path).map_err(|error| BindError::system(&path, error))?;
        let about = std::fs::symlink_metadata(&path).map_err(|error| BindError::system(&path, error))?;
        Ok((
            listener,
            Self {
                path,
                mark: mark(&about),
            },
        ))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// True while what lies at its path is what was bound.
    pub fn is_there(&self) -> bool {
        std::fs::symlink_metadata(&self.path).is_ok_and(|about| mark(&about) == self.mark)
    }
}

impl Drop for PluginSocket {
    fn drop(&mut self) {
        if self.is_there()
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            tracing::warn!(%error, path = %self.path.display(), "cannot remove the socket");
        }
    }
}

/// What tells one socket from a later one of the same name: filesystems give a freed inode number away again.
type Mark = (u64, u64, i64, i64);

fn mark(about: &Metadata) -> Mark {
    (about.dev(), about.ino(), about.mtime(), about.mtime_nsec())
}

/// Removes a socket that nobody listens on.
fn clear(path: &Path) -> Result<(), BindError> {
    let about = match std::fs::symlink_metadata(path) {
        Ok(about) => about,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(BindError::system(path, error)),
    };
    if !about.file_type().is_socket() {
        return Err(BindError::NotASocket(path.to_owned()));
    }
    match try_to_connect(path) {
        // A full queue means a listener, too.
        Ok(()) => Err(BindError::InUse(path.to_owned())),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Err(BindError::InUse(path.to_owned())),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Err(BindError::system(path, error)),
        Err(_) => std::fs::remove_file(path).map_err(|error| BindError::system(path, error)),
    }
}

/// Connects without waiting: where the listener hangs and its queue is full, connecting would hang, too.
fn try_to_connect(path: &Path) -> io::Result<()> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    Ok(rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn the_folder_is_private_and_the_socket_goes_with_its_owner() {
        let plugins = tempfile::tempdir().unwrap();
        let (_listener, socket) = PluginSocket::bind(plugins.path(), "storage").unwrap();
        let folder = plugins.path().join("storage");
        assert_eq!(std::fs::symlink_metadata(&folder).unwrap().mode() & 0o7777, 0o700);
        assert_eq!(socket.path(), folder.join("storage.sock"));
        drop(socket);
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
    }

    #[test]
    fn a_stale_socket_is_replaced_and_a_live_one_left_alone() {
        let plugins = tempfile::tempdir().unwrap();
        let (listener, socket) = PluginSocket::bind(plugins.path(), "storage").unwrap();
        let refused = PluginSocket::bind(plugins.path(), "storage").unwrap_err();
        assert!(matches!(refused, BindError::InUse(_)), "{refused}");
        assert!(UnixStream::connect(socket.path()).is_ok());
        drop(listener);
        let (_listener, second) = PluginSocket::bind(plugins.path(), "storage").unwrap();
        // The first owner does not take the second one's socket away.
        drop(socket);
        assert!(UnixStream::connect(second.path()).is_ok());
    }

    #[test]
    fn one_that_hangs_is_left_alone_and_not_waited_for() {
        let plugins = tempfile::tempdir().unwrap();
        let folder = plugins.path().join("storage");
        std::fs::create_dir(&folder).unwrap();
        let path = folder.join("storage.sock");
        // It accepts nothing, and its queue has room for one.
        let hanging = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
        rustix::net::bind(&hanging, &SocketAddrUnix::new(&path).unwrap()).unwrap();
        rustix::net::listen(&hanging, 0).unwrap();
        let _queued = UnixStream::connect(&path).unwrap();
        let (told, tells) = std::sync::mpsc::channel();
        let folder = plugins.path().to_owned();
        std::thread::spawn(move || told.send(PluginSocket::bind(&folder, "storage").map(|_| ())));
        let bound = tells.recv_timeout(std::time::Duration::from_secs(5)).unwrap();
        assert!(matches!(bound, Err(BindError::InUse(_))), "{bound:?}");
    }

    #[test]
    fn a_file_of_somebody_else_is_not_touched() {
        let plugins = tempfile::tempdir().unwrap();
        let folder = plugins.path().join("storage");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("storage.sock"), "precious").unwrap();
        let refused = PluginSocket::bind(plugins.path(), "storage").unwrap_err();
        assert!(matches!(refused, BindError::NotASocket(_)), "{refused}");
        assert_eq!(
            std::fs::read_to_string(folder.join("storage.sock")).unwrap(),
            "precious"
        );
    }

    #[test]
    fn a_folder_made_too_open_is_closed() {
        let plugins = tempfile::tempdir().unwrap();
        let folder = plugins.path().join("storage");
        std::fs::create_dir(&folder).unwrap();
        std::fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let _bound = PluginSocket::bind(plugins.path(), "storage").unwrap();
        assert_eq!(std::fs::symlink_metadata(&folder).unwrap().mode() & 0o7777, 0o700);
    }
}
