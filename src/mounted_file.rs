//! Small files that somebody puts beside the program and may exchange at any time: credentials, certificates, settings.
//!
//! They may lie on a mount whose server is gone, or be no files at all. So nobody waits for them who has other things to do: they are read
//! on a thread that may hang, and what is no regular file is not opened.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::lock::locked;

/// How long a file may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// No file is longer: a bundle of many authorities is not.
const LONGEST: u64 = 64 << 10;

/// What is being read, each with a number of its own and when it was begun.
///
/// One that hangs keeps its thread, whoever has gone on meanwhile: who asks for the same file then is not given another.
static UNDER_WAY: Mutex<Vec<(u64, PathBuf, Instant)>> = Mutex::new(Vec::new());

fn under_way() -> MutexGuard<'static, Vec<(u64, PathBuf, Instant)>> {
    locked(&UNDER_WAY)
}

/// Notes that a file is being read, until it is dropped.
struct Reading(u64);

impl Reading {
    /// `None` where an earlier reading of the same file has hung for as long as `patience`.
    fn begin(path: &Path, patience: Duration) -> Option<Self> {
        let mut under_way = under_way();
        if under_way
            .iter()
            .any(|(_, other, began)| other == path && began.elapsed() >= patience)
        {
            return None;
        }
        let number = under_way.last().map_or(0, |(number, ..)| number + 1);
        under_way.push((number, path.to_owned(), Instant::now()));
        Some(Self(number))
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        under_way().retain(|(number, ..)| *number != self.0);
    }
}

/// A file of at most 64 KiB, or why it cannot be had. Who waits for it does so for two seconds at most: its server may be gone.
pub async fn read(path: &Path) -> Result<Vec<u8>, String> {
    let owned = path.to_owned();
    apart(path, move || read_here(&owned)).await
}

/// What this work on a file comes to, done on a thread of its own, which nobody has to wait for at the end. It is given two seconds; while it
/// hangs for longer, who asks for the same file is told so at once.
pub async fn apart<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    apart_within(PATIENCE, path, work).await
}

async fn apart_within<T: Send + 'static>(
    patience: Duration,
    path: &Path,
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    let cannot = |reason: String| format!("cannot read {}: {reason}", path.display());
    let no_answer = || cannot(format!("no answer within {} s", patience.as_secs()));
    let reading = Reading::begin(path, patience).ok_or_else(no_answer)?;
    let (answer, told) = tokio::sync::oneshot::channel();
    let work = move || {
        let outcome = work();
        drop(reading);
        let _ = answer.send(outcome);
    };
    let thread = std::thread::Builder::new().spawn(work);
    thread.map_err(|error| cannot(format!("no thread can be had: {error}")))?;
    match tokio::time::timeout(patience, told).await {
        Ok(Ok(outcome)) => outcome,
        _ => Err(no_answer()),
    }
}

/// The same for who is on a thread that may hang.
#[expect(
    clippy::disallowed_methods,
    reason = "on a thread that nobody has to wait for"
)]
pub fn read_here(path: &Path) -> Result<Vec<u8>, String> {
    let cannot = |reason: &dyn std::fmt::Display| format!("cannot read {}: {reason}", path.display());
    // Whoever opened a pipe would wait for somebody who writes.
    let about = std::fs::metadata(path).map_err(|error| cannot(&error))?;
    if !about.is_file() {
        return Err(cannot(&"it is no regular file"));
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(LONGEST + 1).read_to_end(&mut bytes))
        .map_err(|error| cannot(&error))?;
    if bytes.len() as u64 > LONGEST {
        return Err(cannot(&"it is longer than 64 KiB"));
    }
    Ok(bytes)
}

/// The one document of a file of settings in YAML. What is told of an error is its place alone: somebody may have written a secret there.
///
/// It is a value as of JSON, since a parser of YAML that is compiled for each form of settings takes a hundred kilobytes each time.
pub fn yaml(bytes: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is no text".to_owned())?;
    let options = serde_saphyr::options! {
        // A name may be `n`, or `007`.
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
    };
    let read: Result<Vec<Value>, _> = serde_saphyr::from_multiple_with_options(text, options);
    let mut documents = read
        .map_err(|error| {
            let at = error.location().map_or_else(String::new, |at| {
                format!(" at line {}, column {}", at.line(), at.column())
            });
            format!("it is not YAML, or has a key twice{at}")
        })?
        .into_iter();
    match (documents.next(), documents.next()) {
        (one, None) => Ok(one.unwrap_or_default()),
        _ => Err("it has several documents: all belongs into one".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_in_yaml_is_told_by_its_place() {
        for (text, told) in [
            ("a: *hush", "line 1"),
            ("a: 1\nb: {hush", "line 2"),
            ("a: hush\na: hush", "line 2"),
            ("a: 1\n---\nb: hush", "several documents"),
        ] {
            let said = yaml(text.as_bytes()).unwrap_err();
            assert!(said.contains(told) && !said.contains("hush"), "{text}: {said}");
        }
        assert_eq!(yaml(b"").unwrap(), Value::Null);
        let odd = serde_json::json!({"n": "007", "1": "1_000", "y": true});
        assert_eq!(yaml(b"n: 007\n1: 1_000\ny: true\n").unwrap(), odd);
    }

    #[tokio::test]
    async fn while_a_file_hangs_no_further_thread_is_spent_on_it() {
        let path = Path::new("/nonexistent/server/password");
        let patience = Duration::from_millis(50);
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let begun = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let hangs = move || {
            let _ = ended.recv();
            Ok(())
        };
        assert!(apart_within(patience, path, hangs).await.is_err());
        let ask = || {
            let begun = std::sync::Arc::clone(&begun);
            apart_within(patience, path, move || {
                begun.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                Ok(())
            })
        };
        for _ in 0..3 {
            let said = ask().await.unwrap_err();
            assert!(said.contains("/nonexistent/server/password: no answer"), "{said}");
        }
        assert_eq!(begun.load(std::sync::atomic::Ordering::Relaxed), 0);
        let other = Path::new("/nonexistent/other");
        assert!(apart_within(patience, other, || Ok(())).await.is_ok());
        end.send(()).unwrap();
        let until = Instant::now() + Duration::from_secs(10);
        while ask().await.is_err() {
            assert!(Instant::now() < until, "it never recovers");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    #[tokio::test]
    async fn what_is_no_file_is_refused_and_nobody_waits_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let (pipe, long) = (folder.path().join("pipe"), folder.path().join("long"));
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        std::fs::write(&long, vec![b'a'; 65 << 10]).unwrap();
        for (path, told) in [
            (pipe.as_path(), "no regular file"),
            (Path::new("/dev/zero"), "no regular file"),
            (folder.path(), "no regular file"),
            (&long, "longer than 64 KiB"),
            (&folder.path().join("none"), "No such file"),
        ] {
            let said = read(path).await.unwrap_err();
            assert!(
                said.contains(told) && said.contains(&*path.to_string_lossy()),
                "{said}"
            );
        }
        std::fs::write(&long, vec![b'a'; 64 << 10]).unwrap();
        assert_eq!(read(&long).await.unwrap().len(), 64 << 10);
    }
}
