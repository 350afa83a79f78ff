//! A Scope report, read as Scope shows it.

use jiff::Timestamp;
use serde_json::Value;

use super::server::HOST;

/// One sample of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// When the interval ended.
    pub at: Timestamp,
    /// The rate over it.
    pub rate: f64,
}

/// A report.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    json: Value,
    bytes: Vec<u8>,
}

impl Report {
    /// Reads it.
    pub fn parse(bytes: &[u8]) -> Self {
        let json = serde_json::from_slice(bytes).expect("the report is not JSON");
        Self {
            json,
            bytes: bytes.to_vec(),
        }
    }

    /// As it was sent.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// A value by its place, as in `/Plugins/0/id`.
    pub fn at(&self, pointer: &str) -> Option<&Value> {
        self.json.pointer(pointer)
    }

    /// The node of a disk or loop device.
    pub fn disk(&self, device: &str) -> Option<&Value> {
        let id = format!("{HOST}-{device};<persistent_volume>");
        let node = self.json.get("PersistentVolume")?.get("nodes")?.get(&id)?;
        assert_eq!(node["id"], id.as_str());
        Some(node)
    }

    /// What the details panel of a disk says under `key`.
    pub fn fact(&self, device: &str, key: &str) -> Option<&str> {
        self.disk(device)?.get("latest")?.get(key)?.get("value")?.as_str()
    }

    /// A cell of the disk's row in the table of its host.
    pub fn cell(&self, device: &str, column: &str) -> Option<&str> {
        let host = format!("{HOST};<host>");
        let cells = &self.json["Host"]["nodes"][host]["latest"];
        cells[format!("storage_disks_{device}___{column}")]["value"].as_str()
    }

    /// A metric of a disk, oldest sample first; empty where there is none.
    pub fn series(&self, device: &str, metric: &str) -> Vec<Point> {
        let samples = self
            .disk(device)
            .and_then(|node| node["metrics"][metric]["samples"].as_array());
        let point = |sample: &Value| Point {
            at: sample["date"].as_str().unwrap().parse().expect("a date"),
            rate: sample["value"].as_f64().expect("a number"),
        };
        samples.into_iter().flatten().map(point).collect()
    }
}

/// How much there was in each interval after `start`: its rate times its length, in units of `size`.
pub fn amounts_after(start: Timestamp, series: &[Point], size: f64) -> Vec<f64> {
    series
        .windows(2)
        .filter(|pair| pair[0].at >= start)
        .map(|pair| pair[1].rate * length(pair) / size)
        .collect()
}

/// Seconds between two neighbours of a series.
pub fn length(pair: &[Point]) -> f64 {
    pair[1].at.duration_since(pair[0].at).as_secs_f64()
}
