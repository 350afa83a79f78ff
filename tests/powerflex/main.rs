//! PowerFlex systems as users have them: the program, a gateway over TLS, and what is on the page and in Scope.

#![allow(clippy::unwrap_used, reason = "a test ends where a value is missing")]

mod measured;
mod queries;
mod reach;
mod readings;
mod scope;
mod sign_in;
#[path = "../support/mod.rs"]
mod support;

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use support::backend::SHARED;
use support::exposition::Page;
use support::powerflex_gateway::{Pool, pool, settings};
use support::server::{PROGRAM, Server, program};
use tempfile::TempDir;

/// The program as a PowerFlex exporter without a cluster.
struct Exporter {
    server: Server,
    folder: TempDir,
}

impl Exporter {
    fn of(systems: &[(&str, &str)], further: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        settings(folder.path(), systems);
        Self::in_folder(folder, &[&["--no-cluster"], further].concat())
    }

    fn in_folder(folder: TempDir, further: &[&str]) -> Self {
        Self::by(program(PROGRAM), folder, further)
    }

    /// The same, by a program that was told something else as well.
    fn by(command: Command, folder: TempDir, further: &[&str]) -> Self {
        let file = folder.path().join("powerflex.yaml");
        let file = file.to_str().unwrap();
        let arguments = [
            "--listen",
            "127.0.0.1:0",
            "--role",
            "cluster",
            "--powerflex",
            file,
        ];
        let server = Server::launch(
            command,
            &folder.path().join("plugins"),
            &[&arguments[..], further].concat(),
        );
        Self { server, folder }
    }

    /// The page of PowerFlex alone.
    fn page(&self) -> Page {
        Page::parse(self.server.get("/metrics/powerflex").text())
    }

    /// The same, made of a new reading.
    fn later(&self) -> Page {
        std::thread::sleep(SHARED);
        self.page()
    }
}

fn of_pool(page: &Page, family: &str, pool: &str) -> Option<f64> {
    page.value(
        &format!("storage_probe_powerflex_pool_{family}"),
        &[("storage_pool", pool)],
    )
}

fn assert_is(value: Option<f64>, wanted: f64) {
    assert!(
        value.is_some_and(|value| (value - wanted).abs() <= wanted.abs() * 1e-12),
        "{value:?} is not {wanted}"
    );
}

/// Changes what the file says of the first system.
fn change_settings(file: &Path, change: impl FnOnce(&mut Value)) {
    let mut known: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    change(&mut known["systems"][0]);
    std::fs::write(file, known.to_string()).unwrap();
}

/// A second-generation pool.
fn coded(id: &str, name: &str) -> Pool {
    Pool {
        erasure_coded: true,
        ..pool(id, name)
    }
}

const KIB: f64 = 1024.0;

/// A folder with settings and a dump of a cluster that has volumes of that system and of others.
fn folder_with_volumes(url: &str) -> (TempDir, Value) {
    let folder = tempfile::tempdir().unwrap();
    settings(folder.path(), &[("prod", url)]);
    let volume = |name: &str, driver: &str, handle: &str| {
        json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name, "uid": format!("uid-{name}")},
            "spec": {"capacity": {"storage": "8Gi"}, "accessModes": ["ReadWriteOnce"],
                     "csi": {"driver": driver, "volumeHandle": handle}}, "status": {"phase": "Available"}})
    };
    let flex = "csi-vxflexos.dellemc.com";
    let items = [
        volume("pv-by-system", flex, "14dbbf5617523654-72ce476b00000002"),
        volume("pv-of-old", flex, "72ce476b00000002"),
        volume("pv-elsewhere", flex, "15dbbf5617523655-72ce476b00000002"),
        volume("pv-unknown", flex, "14dbbf5617523654-72ce476b00000009"),
        volume("pv-other", "disks.example", "72ce476b00000002"),
    ];
    let dump = json!({"apiVersion": "v1", "kind": "List", "items": items});
    std::fs::write(folder.path().join("dump.json"), dump.to_string()).unwrap();
    (folder, dump)
}

fn pools_in(nodes: &Value) -> Vec<String> {
    let nodes = nodes.as_object().unwrap().values();
    nodes
        .filter(|node| node["latest"]["kubernetes_node_type"]["value"] == "PowerFlex storage pool")
        .map(|node| {
            node["latest"]["kubernetes_name"]["value"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect()
}
