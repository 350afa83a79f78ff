//! Small files that somebody puts beside the program and may exchange at any time: credentials, certificates, settings.
//!
//! They may lie on a mount whose server is gone, or be no files at all. So nobody waits for them who has other things to do: they are read
//! on a thread that may hang, and what is no regular file is not opened.

use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

/// How long a file may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// No file is longer: a bundle of many authorities is not.
const LONGEST: u64 = 64 << 10;

/// A file of at most 64 KiB, or why it cannot be had. Who waits for it does so for two seconds at most: its server may be gone.
pub async fn read(path: &Path) -> Result<Vec<u8>, String> {
    let owned = path.to_owned();
    apart(path, move || read_here(&owned)).await
}

/// What this work on a file comes to, done on a thread of its own, which nobody has to wait for at the end. It is given two seconds.
pub async fn apart<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    let cannot = |reason: String| format!("cannot read {}: {reason}", path.display());
    let (answer, told) = tokio::sync::oneshot::channel();
    let work = move || {
        let _ = answer.send(work());
    };
    let thread = std::thread::Builder::new().spawn(work);
    thread.map_err(|error| cannot(format!("no thread can be had: {error}")))?;
    match tokio::time::timeout(PATIENCE, told).await {
        Ok(Ok(outcome)) => outcome,
        _ => Err(cannot(format!("no answer within {} s", PATIENCE.as_secs()))),
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

#[cfg(test)]
mod tests {
    use super::*;

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
