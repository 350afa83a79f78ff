//! Somebody who asks for the report all the while, as Scope does.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::http::Connection;
use super::time_slack;

/// Scope gives up after this.
const LIMIT: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_millis(200);

/// Asks until it is finished.
pub struct Asker {
    enough: Arc<AtomicBool>,
    asking: Option<JoinHandle<Vec<String>>>,
}

impl Asker {
    /// Begins to ask at this socket.
    pub fn start(socket: PathBuf) -> Self {
        let enough = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&enough);
        let asking = std::thread::spawn(move || {
            let (begun, mut late) = (Instant::now(), Vec::new());
            while !told.load(Ordering::Relaxed) {
                let started = Instant::now();
                let answer = Connection::unix(&socket)
                    .and_then(|mut connection| connection.get("/report?api_version=1&probe_id=asker"));
                let took = started.elapsed();
                let well = answer.as_ref().is_ok_and(|answer| answer.status == 200);
                if !well || took > LIMIT.mul_f64(time_slack()) {
                    let status = answer.map(|answer| answer.status);
                    late.push(format!(
                        "{:?} after the start: {status:?} in {took:?}",
                        begun.elapsed()
                    ));
                }
                std::thread::sleep(PAUSE);
            }
            late
        });
        Self {
            enough,
            asking: Some(asking),
        }
    }

    /// Ends, and fails where one report was not answered in time.
    pub fn finish(mut self) {
        self.enough.store(true, Ordering::Relaxed);
        let late = self.asking.take().unwrap().join().unwrap();
        assert_eq!(late, [] as [String; 0], "reports that Scope would have given up");
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        self.enough.store(true, Ordering::Relaxed);
    }
}
