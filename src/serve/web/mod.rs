//! TLS and who may ask, on the metrics address: by the web configuration file that the exporters of Prometheus share.
//!
//! The file, and what it names, is read anew when somebody connects or asks, once a second at most and on a thread that may hang: while
//! nobody asks nothing is read, and whoever asks waits for half a second at most, after which what was read last goes on. A certificate
//! that is exchanged, by a rename or by the links of a mounted Secret, is so the one that the next connection is shown, and a user who
//! is taken out is refused a second later. What is read wrong after something right is told once and changes nothing. Nor does a file that asks for less
//! than before, with TLS, certificates of clients, or passwords and tokens gone from it: a file that is just being written looks
//! so, and would open the page to everybody. That takes a new start.

mod configuration;
mod credentials;
mod gate;
mod queue;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::StatusCode;
use hyper::header::AUTHORIZATION;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::rustls::ServerConfig;

use self::configuration::Settings;
use self::credentials::Marks;
pub use self::gate::user_and_password;
use self::gate::{Gate, Verdict};
use super::{Answer, Handler};
use crate::lock::locked;
use crate::mounted_file;

/// What was read serves for so long.
const FRESH: Duration = Duration::from_secs(1);
/// Whoever asks waits for so long at most for a reading that began.
const PATIENCE: Duration = Duration::from_millis(500);
/// A certificate and its key are exchanged one after the other; what does not fit together is read once more after this time.
const BEING_WRITTEN: Duration = Duration::from_millis(200);
/// Kubelets ask for these and have no password; they say no more than that all is well, or not.
const FOR_EVERYBODY: [&str; 2] = ["/healthz", "/readyz"];

/// What a web configuration file says, now and whenever it changes.
pub struct WebConfiguration {
    path: PathBuf,
    marks: Marks,
    settings: Mutex<Arc<Settings>>,
    reading: Mutex<Reading>,
    gate: Gate,
}

struct Reading {
    began: Instant,
    /// Its sender is gone when it has ended.
    ended: watch::Receiver<()>,
    /// What was wrong with the last one.
    problem: Option<String>,
}

impl fmt::Debug for WebConfiguration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("WebConfiguration")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl WebConfiguration {
    /// Reads the file for the first time, or says what is wrong with it and where.
    pub async fn read(path: &Path) -> Result<Arc<Self>, String> {
        let (owned, marks) = (path.to_owned(), Marks::new()?);
        let (settings, marks) =
            mounted_file::apart(path, move || Ok((twice(&owned, &marks, None)?, marks))).await?;
        // Nothing is known yet, so there is always something new.
        let settings = settings.ok_or_else(|| format!("{} says nothing", path.display()))?;
        if settings.tls.is_none() {
            tracing::warn!(
                "{}: without tls_server_config passwords and tokens are sent for everybody to read",
                path.display()
            );
        }
        Ok(Arc::new(Self {
            path: path.to_owned(),
            marks,
            settings: Mutex::new(Arc::new(settings)),
            reading: Mutex::new(Reading {
                began: Instant::now(),
                ended: watch::channel(()).1,
                problem: None,
            }),
            gate: Gate::new(),
        }))
    }

    /// True where the address speaks TLS.
    pub fn speaks_tls(&self) -> bool {
        locked(&self.settings).tls.is_some()
    }

    /// How TLS is spoken on a connection that is made now; `None` for plain HTTP.
    pub(super) async fn tls(self: &Arc<Self>) -> Option<Arc<ServerConfig>> {
        self.current().await.tls.clone()
    }

    /// The answers of `handler` to those who may have them.
    pub fn guarded(self: &Arc<Self>, handler: Handler) -> Handler {
        let web = Arc::clone(self);
        Arc::new(move |request| {
            let (web, handler) = (Arc::clone(&web), Arc::clone(&handler));
            Box::pin(async move {
                let settings = web.current().await;
                if !settings.asks_who() {
                    return handler(request).await;
                }
                let header = request.headers.get(AUTHORIZATION);
                if header.is_none() && FOR_EVERYBODY.contains(&request.path.as_str()) {
                    return handler(request).await.without_words();
                }
                match web
                    .gate
                    .verdict(&settings, &web.marks, request.from, header)
                    .await
                {
                    Verdict::Admitted => handler(request).await,
                    Verdict::Refused => Answer::unauthorized(challenge(&settings)),
                    Verdict::Busy => Answer::error(
                        StatusCode::SERVICE_UNAVAILABLE,
                        "too many passwords are being checked; ask again",
                    ),
                }
            })
        })
    }

    /// What holds now.
    async fn current(self: &Arc<Self>) -> Arc<Settings> {
        let (mut ended, latest) = self.reading_now();
        // An error says that the sender is gone, and so that it has ended.
        if timeout_at(latest, ended.changed()).await.is_err() {
            let reason = format!("cannot read {}: no answer yet", self.path.display());
            self.tell(Some(reason));
        }
        Arc::clone(&locked(&self.settings))
    }

    /// The end of the latest reading, and until when it is to be waited for. Begins one where that is due and none is under way.
    fn reading_now(self: &Arc<Self>) -> (watch::Receiver<()>, Instant) {
        let mut reading = locked(&self.reading);
        let has_ended = reading.ended.has_changed().is_err();
        if has_ended && reading.began.elapsed() >= FRESH {
            let (ends, ended) = watch::channel(());
            let web = Arc::clone(self);
            reading.began = Instant::now();
            let work = move || {
                web.read_anew();
                drop(ends);
            };
            match std::thread::Builder::new().spawn(work) {
                Ok(_) => reading.ended = ended,
                Err(error) => tracing::warn!("cannot read {}: no thread: {error}", self.path.display()),
            }
        }
        (reading.ended.clone(), reading.began + PATIENCE)
    }

    fn read_anew(&self) {
        let before = Arc::clone(&locked(&self.settings));
        let problem = match twice(&self.path, &self.marks, Some(&before.digest)) {
            Ok(None) => None,
            Ok(Some(settings)) => {
                let less = settings.gives_up(&before);
                if less.is_none() {
                    tracing::info!("{} is read anew: {settings}", self.path.display());
                    *locked(&self.settings) = Arc::new(settings);
                }
                less.map(|what| {
                    format!(
                        "{} no longer asks for {what}: if that is meant, start this program anew",
                        self.path.display()
                    )
                })
            }
            Err(reason) => Some(reason),
        };
        self.tell(problem);
    }

    /// Logs a problem that is a new one.
    fn tell(&self, problem: Option<String>) {
        let mut reading = locked(&self.reading);
        if reading.problem == problem {
            return;
        }
        if let Some(problem) = &problem {
            tracing::warn!("{problem}; what was read before goes on");
        } else {
            tracing::info!("{} can be read again", self.path.display());
        }
        reading.problem = problem;
    }
}

/// Reads, and where that fails once more.
fn twice(path: &Path, marks: &Marks, known: Option<&[u8; 32]>) -> Result<Option<Settings>, String> {
    configuration::read(path, marks, known).or_else(|_| {
        std::thread::sleep(BEING_WRITTEN);
        configuration::read(path, marks, known)
    })
}

/// What the files ask of clients, in a few words, or what is wrong with them; read once, on this thread. For the fuzzer.
pub fn asked_of_clients(path: &Path) -> Result<String, String> {
    let settings = configuration::read(path, &Marks::new()?, None)?;
    Ok(settings.map(|settings| settings.to_string()).unwrap_or_default())
}

/// How one may say who one is.
fn challenge(settings: &Settings) -> &'static str {
    match (settings.users.is_empty(), settings.tokens.is_empty()) {
        (false, false) => "Basic realm=\"scope-storage-probe\", Bearer",
        (false, true) => "Basic realm=\"scope-storage-probe\"",
        _ => "Bearer",
    }
}
