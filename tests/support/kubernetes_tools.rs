//! kubectl and helm, as `tests/kubernetes-tools.sh` gets them.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

/// The program `kubectl` or `helm`.
pub fn tool(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kubernetes-tools.sh");
        let made = Command::new(script)
            .stderr(Stdio::inherit())
            .output()
            .expect("tests/kubernetes-tools.sh cannot be run");
        assert!(made.status.success(), "tests/kubernetes-tools.sh failed");
        PathBuf::from(String::from_utf8_lossy(&made.stdout).trim())
    });
    folder.join(name)
}

/// Runs a command line to its end with this on its standard input; what it printed, or all that it said of its failure.
pub fn run(command: &mut Command, input: &str) -> Result<String, String> {
    let mut child = command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    let written = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() && written.is_ok() {
        return Ok(printed);
    }
    Err(format!(
        "{command:?} failed:\n{}{printed}",
        String::from_utf8_lossy(&output.stderr)
    ))
}

/// What `kubectl kustomize` makes of this folder.
pub fn kustomized(folder: &Path) -> String {
    run(Command::new(tool("kubectl")).arg("kustomize").arg(folder), "")
        .unwrap_or_else(|said| panic!("{said}"))
}

/// The objects of a stream of YAML documents.
pub fn objects(yaml: &str) -> Vec<Value> {
    let documents = yaml.split("\n---\n").filter(|document| {
        let mut lines = document.lines();
        lines.any(|line| !line.trim().is_empty() && !line.starts_with('#') && line != "---")
    });
    documents
        .map(|document| {
            serde_saphyr::from_str(document).unwrap_or_else(|error| panic!("{error} in:\n{document}"))
        })
        .collect()
}
