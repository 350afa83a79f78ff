//! A plugin's socket that is made anew where somebody removes it.
//!
//! Who clears a folder of plugins, or sets Scope up anew, takes away the socket of a program that runs on; Scope would not find it
//! again until the program is started anew. The kernel tells when something in the folder goes (inotify(7)), so nothing is looked at by a clock as
//! long as all is well.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use tokio::io::unix::AsyncFd;
use tokio::net::UnixListener;
use tokio::time::{Instant, sleep_until};

use super::Listener;
use super::socket::{BindError, PluginSocket};
use crate::lock::locked;

/// How often it is tried again to make a socket that is gone: as often as Scope's probe looks for new plugins.
const AGAIN: Duration = Duration::from_secs(5);
/// Who clears a folder is let finish: it cannot be removed while something is put into it.
const LET_FINISH: Duration = Duration::from_secs(1);

/// What takes connections on the socket.
#[derive(Debug)]
pub struct LastingSocket {
    plugins: PathBuf,
    id: &'static str,
    path: PathBuf,
    listener: UnixListener,
    socket: Arc<Mutex<Socket>>,
    watch: Option<FolderWatch>,
    /// When to try again; only while it is gone.
    again: Option<Instant>,
}

#[derive(Debug)]
enum Socket {
    There(PluginSocket),
    Gone,
    /// The program ends.
    Removed,
}

/// The owner of the socket: when he is dropped, it is removed for good.
#[derive(Debug)]
pub struct SocketOwner {
    path: PathBuf,
    socket: Arc<Mutex<Socket>>,
}

impl SocketOwner {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketOwner {
    fn drop(&mut self) {
        *locked(&self.socket) = Socket::Removed;
    }
}

impl LastingSocket {
    /// Binds `<plugins>/<id>/<id>.sock`, within a runtime.
    pub fn bind(plugins: &Path, id: &'static str) -> Result<(Self, SocketOwner), BindError> {
        let (listener, bound) = listen(plugins, id)?;
        let path = bound.path().to_owned();
        let socket = Arc::new(Mutex::new(Socket::There(bound)));
        let owner = SocketOwner {
            path: path.clone(),
            socket: Arc::clone(&socket),
        };
        let mut lasting = Self {
            plugins: plugins.to_owned(),
            id,
            path,
            listener,
            socket,
            watch: None,
            again: None,
        };
        lasting.watch();
        Ok((lasting, owner))
    }

    /// Listens for what happens to the folder.
    fn watch(&mut self) {
        self.watch = FolderWatch::new(&self.plugins, self.id)
            .inspect_err(|error| {
                tracing::info!(
                    "{}: the kernel does not tell what happens to its folder ({error}); if it is removed, start this program anew",
                    self.path.display()
                );
            })
            .ok();
    }

    /// Makes the socket anew, if it is gone.
    fn mend(&mut self) {
        let mut socket = locked(&self.socket);
        self.again = None;
        match &*socket {
            Socket::Removed => return,
            Socket::There(bound) if bound.is_there() => return,
            Socket::There(_) => {
                tracing::warn!("{} is gone; making it anew", self.path.display());
            }
            Socket::Gone => {}
        }
        let was_gone = matches!(*socket, Socket::Gone);
        *socket = Socket::Gone;
        match listen(&self.plugins, self.id) {
            Ok((listener, bound)) => {
                *socket = Socket::There(bound);
                self.listener = listener;
                drop(socket);
                tracing::info!("answering Scope on unix:{} again", self.path.display());
                self.watch();
                // It may have gone again before the watch began.
                self.again = Some(Instant::now() + AGAIN);
            }
            Err(error) => {
                if !was_gone {
                    tracing::warn!(
                        "not answering Scope: {error}; trying again every {} s",
                        AGAIN.as_secs()
                    );
                }
                self.again = Some(Instant::now() + AGAIN);
            }
        }
    }
}

impl Listener for LastingSocket {
    async fn accept(&mut self) -> io::Result<super::Socket> {
        loop {
            let again = self.again;
            tokio::select! {
                accepted = self.listener.accept() => return Ok(super::Socket::Unix(accepted?.0)),
                told = told(self.watch.as_ref()) => {
                    if let Err(error) = told {
                        tracing::info!(%error, "{} is no longer watched", self.path.display());
                        self.watch = None;
                    }
                    let soon = Instant::now() + LET_FINISH;
                    self.again = Some(again.map_or(soon, |again| again.min(soon)));
                }
                () = at(again) => self.mend(),
            }
        }
    }
}

async fn told(watch: Option<&FolderWatch>) -> io::Result<()> {
    match watch {
        Some(watch) => watch.something_went().await,
        None => std::future::pending().await,
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

fn listen(plugins: &Path, id: &str) -> Result<(UnixListener, PluginSocket), BindError> {
    let (listener, bound) = PluginSocket::bind(plugins, id)?;
    let listener = listener
        .set_nonblocking(true)
        .and_then(|()| UnixListener::from_std(listener))
        .map_err(|error| BindError::system(bound.path(), error))?;
    Ok((listener, bound))
}

/// What the kernel tells of a plugin's folder.
#[derive(Debug)]
struct FolderWatch {
    events: AsyncFd<OwnedFd>,
}

impl FolderWatch {
    fn new(plugins: &Path, id: &str) -> io::Result<Self> {
        let events = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let folder = WatchFlags::DELETE_SELF | WatchFlags::MOVE_SELF | WatchFlags::ONLYDIR;
        inotify::add_watch(&events, plugins, folder)?;
        let content = WatchFlags::DELETE | WatchFlags::MOVED_FROM;
        inotify::add_watch(&events, plugins.join(id), folder | content)?;
        #[expect(
            deprecated,
            reason = "what its successor has callers promise in unsafe code holds for every OwnedFd"
        )]
        let events = AsyncFd::new(events)?;
        Ok(Self { events })
    }

    /// Waits until something in the folder is removed or renamed, or the folder itself.
    async fn something_went(&self) -> io::Result<()> {
        let mut ready = self.events.readable().await?;
        // Which of them it was does not matter; all that has been told is taken.
        let mut events = [0; 4096];
        while let Ok(read) = ready.try_io(|events_of| Ok(rustix::io::read(events_of.get_ref(), &mut events)?))
        {
            read?;
        }
        Ok(())
    }
}
