//! Ways to break a good report.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::support::scope_contract::reading::{fields, items, text, topology_of};
use super::support::scope_contract::{MAXIMAL_BYTES, MAXIMAL_NODES};

/// A way to break a good report, with what it breaks.
type Mutation = (&'static str, fn(&mut Value));

/// Every way, one rule each. Schema or contract catches every one of them.
pub(super) fn all() -> Vec<Mutation> {
    [
        PLUGIN_MUTATIONS,
        TOPOLOGY_MUTATIONS,
        NODE_MUTATIONS,
        JOIN_MUTATIONS,
        LATEST_MUTATIONS,
        TABLE_MUTATIONS,
        METRIC_MUTATIONS,
        TEMPLATE_MUTATIONS,
        EDGE_MUTATIONS,
    ]
    .concat()
}

/// A moment that breaks no rule.
const WHEN: &str = "2025-01-01T00:00:00Z";

/// The first node of a topology.
fn first<'a>(report: &'a mut Value, name: &str) -> &'a mut Value {
    let id = fields(&report[name]["nodes"])
        .map(|(id, _)| id.clone())
        .next()
        .unwrap_or_default();
    &mut report[name]["nodes"][id]
}

fn host(report: &mut Value) -> &mut Value {
    first(report, "Host")
}

fn disk(report: &mut Value) -> &mut Value {
    first(report, "PersistentVolume")
}

fn entry(value: &str) -> Value {
    json!({ "timestamp": WHEN, "value": value })
}

/// Adds a node with these texts to a topology, which may be new, and gives it back.
fn add<'a>(report: &'a mut Value, name: &str, id: &str, texts: &[(&str, &str)]) -> &'a mut Value {
    let latest: Value = texts
        .iter()
        .map(|(key, value)| ((*key).to_owned(), entry(value)))
        .collect();
    let node = &mut report[name]["nodes"][id];
    *node = json!({ "id": id, "topology": topology_of(id), "latest": latest });
    node
}

/// Adds an empty row to the host's table of disks.
fn add_row(report: &mut Value, row: &str) {
    let columns = report["Host"]["table_templates"]["storage_disks"]["columns"].clone();
    for column in items(&columns).map(|column| text(&column["id"])) {
        host(report)["latest"][format!("storage_disks_{row}___{column}")] = entry("");
    }
}

/// Gives the first disk a metric with these values, a second apart.
fn measure(report: &mut Value, id: &str, values: &[f64], min: f64, max: f64) {
    let samples: Vec<Value> = values
        .iter()
        .zip(10..)
        .map(|(value, second)| json!({ "date": format!("2025-01-01T00:00:{second}Z"), "value": value }))
        .collect();
    disk(report)["metrics"][id] = json!({ "samples": samples, "min": min, "max": max });
}

fn remove(value: &mut Value, key: &str) {
    if let Some(fields) = value.as_object_mut() {
        fields.remove(key);
    }
}

fn push(list: &mut Value, item: Value) {
    if let Some(list) = list.as_array_mut() {
        list.push(item);
    }
}

static PLUGIN_MUTATIONS: &[Mutation] = &[
    ("no Plugins", |report| remove(report, "Plugins")),
    ("Plugins is empty", |report| report["Plugins"] = json!([])),
    ("two plugins", |report| {
        let mut second = report["Plugins"][0].clone();
        second["id"] = json!("storage-cluster");
        push(&mut report["Plugins"], second);
    }),
    ("another plugin's id", |report| {
        report["Plugins"][0]["id"] = json!("disks");
    }),
    ("another api_version", |report| {
        report["Plugins"][0]["api_version"] = json!("2");
    }),
    ("an api_version that is a number", |report| {
        report["Plugins"][0]["api_version"] = json!(1);
    }),
    ("no label", |report| remove(&mut report["Plugins"][0], "label")),
    ("an empty label", |report| {
        report["Plugins"][0]["label"] = json!("");
    }),
    ("a label of blanks", |report| {
        report["Plugins"][0]["label"] = json!("  ");
    }),
    ("another label than declared", |report| {
        report["Plugins"][0]["label"] = json!("Disks");
    }),
    ("another description than declared", |report| {
        report["Plugins"][0]["description"] = json!("Disks");
    }),
    ("no interfaces", |report| {
        report["Plugins"][0]["interfaces"] = json!([]);
    }),
    ("an unknown interface", |report| {
        push(&mut report["Plugins"][0]["interfaces"], json!("collector"));
    }),
    ("a controller among the interfaces", |report| {
        push(&mut report["Plugins"][0]["interfaces"], json!("controller"));
    }),
    ("a status, which is the probe's to set", |report| {
        report["Plugins"][0]["status"] = json!("ok");
    }),
];

static TOPOLOGY_MUTATIONS: &[Mutation] = &[
    ("a topology unknown to Scope", |report| {
        report["Disk"] = json!({ "nodes": {} });
    }),
    ("a field unknown to Scope", |report| {
        report["Host"]["name"] = json!("hosts");
    }),
    ("a tag", |report| {
        report["PersistentVolume"]["tag"] = json!("disk");
    }),
    ("the tag that Scope draws", |report| {
        report["PersistentVolume"]["tag"] = json!("camera");
    }),
    ("a shape", |report| {
        report["PersistentVolume"]["shape"] = json!("square");
    }),
    ("a label on a topology", |report| {
        report["PersistentVolume"]["label"] = json!("disk");
    }),
    ("a plural on a topology", |report| {
        report["PersistentVolume"]["label_plural"] = json!("disks");
    }),
    ("more nodes than Scope keeps", |report| {
        for number in 0..=MAXIMAL_NODES {
            add(report, "Pod", &format!("{number};<pod>"), &[]);
        }
    }),
    ("more bytes than a busy probe takes", |report| {
        disk(report)["latest"]["storage_disk_carries"] = entry(&"x".repeat(MAXIMAL_BYTES));
    }),
];

static NODE_MUTATIONS: &[Mutation] = &[
    ("a node without an id", |report| remove(disk(report), "id")),
    ("an id unlike the key", |report| {
        disk(report)["id"] = json!("other-sda;<persistent_volume>");
    }),
    ("a node without a topology", |report| {
        remove(disk(report), "topology");
    }),
    ("an empty topology", |report| disk(report)["topology"] = json!("")),
    ("a host node without its topology", |report| {
        remove(host(report), "topology");
    }),
    ("a topology unlike the id", |report| {
        disk(report)["topology"] = json!("storage_class");
    }),
    ("one id in two topologies", |report| {
        let id = text(&disk(report)["id"]).to_owned();
        add(report, "StorageClass", &id, &[("kubernetes_name", "fast")])["topology"] = json!("storage_class");
    }),
    ("an id without a suffix", |report| {
        add(report, "Pod", "8f14e45f", &[])["topology"] = json!("pod");
    }),
    ("an id that is only a suffix", |report| {
        add(report, "Pod", ";<pod>", &[])["topology"] = json!("pod");
    }),
    ("an id with a blank", |report| {
        add(report, "Pod", "a b;<pod>", &[])["topology"] = json!("pod");
    }),
    ("a field that a node does not have", |report| {
        disk(report)["children"] = json!([]);
    }),
    ("no node for the host", |report| {
        report["Host"]["nodes"] = json!({});
    }),
    ("a second host", |report| {
        add(report, "Host", "elsewhere;<host>", &[]);
    }),
    ("a disk that names no host", |report| {
        remove(disk(report), "parents");
    }),
    ("a disk that names another host", |report| {
        disk(report)["parents"]["host"] = json!(["elsewhere;<host>"]);
    }),
    ("a disk that names two hosts", |report| {
        push(&mut disk(report)["parents"]["host"], json!("elsewhere;<host>"));
    }),
    ("a disk with another host's id", |report| {
        let mut moved = disk(report).clone();
        moved["id"] = json!("elsewhere-sda;<persistent_volume>");
        report["PersistentVolume"]["nodes"]["elsewhere-sda;<persistent_volume>"] = moved;
    }),
    ("a disk with no device in its id", |report| {
        let host = text(&host(report)["id"]).trim_end_matches(";<host>").to_owned();
        let id = format!("{host}-;<persistent_volume>");
        let mut moved = disk(report).clone();
        moved["id"] = json!(id);
        report["PersistentVolume"]["nodes"][id] = moved;
    }),
    ("a disk that does not say that it is one", |report| {
        remove(&mut disk(report)["latest"], "kubernetes_node_type");
    }),
    ("a reporter that offers a button", |report| {
        disk(report)["latest"]["active_controls"] = entry("storage_identify");
    }),
    ("a reporter that names a probe for buttons", |report| {
        disk(report)["latest"]["control_probe_id"] = entry("4d1f9b6c");
    }),
    ("a reporter that declares a button", |report| {
        report["PersistentVolume"]["controls"]["storage_identify"] =
            json!({ "id": "storage_identify", "human": "Identify", "icon": "fa fa-lightbulb", "rank": 1 });
    }),
];

static JOIN_MUTATIONS: &[Mutation] = &[
    ("a disk without a name", |report| {
        remove(&mut disk(report)["latest"], "kubernetes_name");
    }),
    ("a disk with an empty name", |report| {
        disk(report)["latest"]["kubernetes_name"] = entry("");
    }),
    ("a disk without any texts", |report| {
        remove(disk(report), "latest");
    }),
    ("a claim without a name", |report| {
        add(
            report,
            "PersistentVolumeClaim",
            "c;<persistent_volume_claim>",
            &[("kubernetes_namespace", "orders")],
        );
    }),
    ("a claim without a namespace", |report| {
        add(
            report,
            "PersistentVolumeClaim",
            "c;<persistent_volume_claim>",
            &[("kubernetes_name", "data-0")],
        );
    }),
    ("a class without a name", |report| {
        add(report, "StorageClass", "s;<storage_class>", &[]);
    }),
    ("a snapshot without a name", |report| {
        add(report, "VolumeSnapshot", "v;<volume_snapshot>", &[]);
    }),
    ("snapshot contents without a name", |report| {
        add(report, "VolumeSnapshotData", "d;<volume_snapshot_data>", &[]);
    }),
    ("an unbound claim beside a volume without a name", |report| {
        let claim = [("kubernetes_namespace", "orders"), ("kubernetes_name", "data-0")];
        add(
            report,
            "PersistentVolumeClaim",
            "c;<persistent_volume_claim>",
            &claim,
        );
        add(
            report,
            "PersistentVolume",
            "v;<persistent_volume>",
            &[("kubernetes_node_type", "Persistent Volume")],
        );
    }),
    ("a claim on a name that two volumes have", |report| {
        let claim = [
            ("kubernetes_namespace", "orders"),
            ("kubernetes_name", "data-0"),
            ("kubernetes_volume_name", "pv-0"),
        ];
        add(
            report,
            "PersistentVolumeClaim",
            "c;<persistent_volume_claim>",
            &claim,
        );
        for id in ["v;<persistent_volume>", "w;<persistent_volume>"] {
            let volume = [
                ("kubernetes_node_type", "Persistent Volume"),
                ("kubernetes_name", "pv-0"),
            ];
            add(report, "PersistentVolume", id, &volume);
        }
    }),
    ("a pod with claims but no namespace", |report| {
        add(report, "Pod", "p;<pod>", &[("kubernetes_volume_claim", "data-0")]);
    }),
    ("a pod with an empty claim name", |report| {
        let pod = [
            ("kubernetes_namespace", "orders"),
            ("kubernetes_volume_claim", "data-0;"),
        ];
        add(report, "Pod", "p;<pod>", &pod);
    }),
];

static LATEST_MUTATIONS: &[Mutation] = &[
    ("a text without its timestamp", |report| {
        remove(&mut disk(report)["latest"]["kubernetes_name"], "timestamp");
    }),
    ("a text that is not wrapped", |report| {
        disk(report)["latest"]["kubernetes_name"] = json!("sda");
    }),
    ("a number for a text", |report| {
        disk(report)["latest"]["kubernetes_name"]["value"] = json!(7);
    }),
    ("a timestamp with a blank", |report| {
        disk(report)["latest"]["kubernetes_name"]["timestamp"] = json!("2025-01-01 00:00:00Z");
    }),
    ("a timestamp without a zone", |report| {
        disk(report)["latest"]["kubernetes_name"]["timestamp"] = json!("2025-01-01T00:00:00");
    }),
    ("a timestamp in seconds", |report| {
        disk(report)["latest"]["kubernetes_name"]["timestamp"] = json!(1_735_689_600);
    }),
    ("a day that no calendar has", |report| {
        disk(report)["latest"]["kubernetes_name"]["timestamp"] = json!("2025-02-30T00:00:00Z");
    }),
    ("a timestamp of the year 1", |report| {
        disk(report)["latest"]["kubernetes_name"]["timestamp"] = json!("0001-01-01T00:00:00Z");
    }),
    ("a timestamp to come", |report| {
        disk(report)["latest"]["kubernetes_name"]["timestamp"] = json!("9000-01-01T00:00:00Z");
    }),
    ("a text that nothing shows", |report| {
        disk(report)["latest"]["storage_colour"] = entry("blue");
    }),
    ("an empty text", |report| {
        disk(report)["latest"]["storage_disk_model"] = entry("");
    }),
    ("a word where the template says number", |report| {
        disk(report)["latest"]["storage_disk_model"] = entry("PM9A3");
        report["PersistentVolume"]["metadata_templates"]["storage_disk_model"]["dataType"] = json!("number");
    }),
    ("a word where the template says datetime", |report| {
        disk(report)["latest"]["storage_disk_model"] = entry("PM9A3");
        report["PersistentVolume"]["metadata_templates"]["storage_disk_model"]["dataType"] =
            json!("datetime");
    }),
    ("a word where the template says ip", |report| {
        disk(report)["latest"]["storage_disk_model"] = entry("PM9A3");
        report["PersistentVolume"]["metadata_templates"]["storage_disk_model"]["dataType"] = json!("ip");
    }),
];

static TABLE_MUTATIONS: &[Mutation] = &[
    ("a table's key without a column", |report| {
        host(report)["latest"]["storage_disks_count"] = entry("2");
    }),
    ("a row whose id has three underscores", |report| {
        add_row(report, "vg0___home");
    }),
    ("a row whose id ends with an underscore", |report| {
        add_row(report, "sdx_");
    }),
    ("a column that the table does not have", |report| {
        add_row(report, "sdx");
        host(report)["latest"]["storage_disks_sdx___colour"] = entry("blue");
    }),
    ("a row without one of its columns", |report| {
        add_row(report, "sdx");
        remove(&mut host(report)["latest"], "storage_disks_sdx___model");
    }),
    ("a word in a column of numbers", |report| {
        let template = &mut report["Host"]["table_templates"]["storage_disks"];
        push(
            &mut template["columns"],
            json!({ "id": "temperature", "label": "Temperature", "dataType": "number" }),
        );
        for row in rows(report) {
            host(report)["latest"][format!("storage_disks_{row}___temperature")] = entry("");
        }
        add_row(report, "sdx");
        host(report)["latest"]["storage_disks_sdx___temperature"] = entry("hot");
    }),
    ("a table without columns", |report| {
        remove(&mut report["Host"]["table_templates"]["storage_disks"], "columns");
    }),
    ("one column twice", |report| {
        let columns = &mut report["Host"]["table_templates"]["storage_disks"]["columns"];
        let again = columns[0].clone();
        push(columns, again);
    }),
    ("a property list with columns", |report| {
        report["Host"]["table_templates"]["storage_limits"] = json!({
            "id": "storage_limits", "label": "Limits", "type": "property-list", "prefix": "storage_limits_",
            "columns": [{ "id": "limit", "label": "Limit" }],
        });
    }),
    ("an unknown sort of table", |report| {
        report["Host"]["table_templates"]["storage_disks"]["type"] = json!("table");
    }),
    ("a prefix within another table's", |report| {
        report["Host"]["table_templates"]["storage_all"] =
            json!({ "id": "storage_all", "label": "All", "type": "property-list", "prefix": "storage_" });
    }),
    ("a prefix that takes in Scope's keys", |report| {
        let table = json!({ "id": "storage_names", "label": "Names", "type": "property-list", "prefix": "kubernetes_" });
        report["PersistentVolume"]["table_templates"]["storage_names"] = table;
    }),
];

/// Ids of the rows in the host's table of disks.
fn rows(report: &mut Value) -> BTreeSet<String> {
    fields(&host(report)["latest"])
        .filter_map(|(key, _)| key.strip_prefix("storage_disks_")?.split_once("___"))
        .map(|(row, _)| row.to_owned())
        .collect()
}

static METRIC_MUTATIONS: &[Mutation] = &[
    ("a metric with no samples", |report| {
        measure(report, "storage_read_iops", &[], 0.0, 9.0);
    }),
    ("a metric without samples", |report| {
        measure(report, "storage_read_iops", &[5.0], 0.0, 9.0);
        remove(&mut disk(report)["metrics"]["storage_read_iops"], "samples");
    }),
    ("a metric without max", |report| {
        measure(report, "storage_read_iops", &[5.0], 0.0, 9.0);
        remove(&mut disk(report)["metrics"]["storage_read_iops"], "max");
    }),
    ("samples in the wrong order", |report| {
        measure(report, "storage_read_iops", &[5.0, 6.0], 0.0, 9.0);
        disk(report)["metrics"]["storage_read_iops"]["samples"][0]["date"] = json!("2025-01-01T00:01:00Z");
    }),
    ("two samples of one moment", |report| {
        measure(report, "storage_read_iops", &[5.0, 6.0], 0.0, 9.0);
        disk(report)["metrics"]["storage_read_iops"]["samples"][0]["date"] = json!("2025-01-01T00:00:11Z");
    }),
    ("a sample of the year 1", |report| {
        measure(report, "storage_read_iops", &[5.0], 0.0, 9.0);
        disk(report)["metrics"]["storage_read_iops"]["samples"][0]["date"] = json!("0001-01-01T00:00:00Z");
    }),
    ("a sample to come", |report| {
        measure(report, "storage_read_iops", &[5.0], 0.0, 9.0);
        disk(report)["metrics"]["storage_read_iops"]["samples"][0]["date"] = json!("9000-01-01T00:00:00Z");
    }),
    ("a sample without a date", |report| {
        measure(report, "storage_read_iops", &[5.0], 0.0, 9.0);
        remove(
            &mut disk(report)["metrics"]["storage_read_iops"]["samples"][0],
            "date",
        );
    }),
    // What a writer of JSON makes of infinity.
    ("a sample that is no number", |report| {
        measure(report, "storage_read_iops", &[5.0], 0.0, 9.0);
        disk(report)["metrics"]["storage_read_iops"]["samples"][0]["value"] = Value::Null;
    }),
    ("a number in quotes", |report| {
        measure(report, "storage_read_iops", &[5.0], 0.0, 9.0);
        disk(report)["metrics"]["storage_read_iops"]["samples"][0]["value"] = json!("5");
    }),
    ("a negative figure", |report| {
        measure(report, "storage_read_iops", &[-5.0], -5.0, 9.0);
    }),
    ("a figure that Scope's rounding breaks", |report| {
        measure(report, "storage_used", &[1e17], 0.0, 1e18);
    }),
    ("a min above the max", |report| {
        measure(report, "storage_read_iops", &[5.0], 9.0, 1.0);
    }),
    ("a sample above the max", |report| {
        measure(report, "storage_read_iops", &[5.0, 10.0], 0.0, 9.0);
    }),
    ("a sample below the min", |report| {
        measure(report, "storage_read_iops", &[5.0], 6.0, 9.0);
    }),
    ("more than all of the capacity in use", |report| {
        measure(report, "storage_used", &[1025.0], 0.0, 1024.0);
    }),
    ("more than a hundred percent", |report| {
        measure(report, "storage_utilisation", &[130.0], 0.0, 100.0);
    }),
    ("percentages with another ceiling", |report| {
        measure(report, "storage_utilisation", &[0.4], 0.0, 1.0);
    }),
    ("a metric that nothing shows", |report| {
        measure(report, "storage_temperature", &[31.0], 0.0, 70.0);
    }),
    ("a metric with an id that may be Scope's", |report| {
        let template = json!({ "id": "load1", "label": "Load", "priority": 30 });
        report["PersistentVolume"]["metric_templates"]["load1"] = template;
        measure(report, "load1", &[0.5], 0.0, 1.0);
    }),
];

static TEMPLATE_MUTATIONS: &[Mutation] = &[
    ("a metric template under another's id", |report| {
        report["PersistentVolume"]["metric_templates"]["storage_used"]["id"] = json!("storage_free");
    }),
    ("a metadata template under another's id", |report| {
        report["PersistentVolume"]["metadata_templates"]["storage_disk_model"]["id"] =
            json!("storage_disk_make");
    }),
    ("a table template under another's id", |report| {
        report["Host"]["table_templates"]["storage_disks"]["id"] = json!("storage_drives");
    }),
    ("two metadata templates with one priority", |report| {
        let templates = &mut report["PersistentVolume"]["metadata_templates"];
        templates["storage_disk_model"]["priority"] = templates["storage_disk_serial"]["priority"].clone();
    }),
    ("two metric templates with one priority", |report| {
        let templates = &mut report["PersistentVolume"]["metric_templates"];
        templates["storage_used"]["priority"] = templates["storage_utilisation"]["priority"].clone();
    }),
    ("a metric with the priority of Scope's memory", |report| {
        report["Host"]["metric_templates"]["storage_iops"]["priority"] = json!(2);
    }),
    ("a text with the priority of Scope's operating system", |report| {
        report["Host"]["metadata_templates"]["storage_host_note"] =
            json!({ "id": "storage_host_note", "label": "Note", "priority": 12, "from": "latest" });
    }),
    ("a template without a priority", |report| {
        remove(
            &mut report["PersistentVolume"]["metric_templates"]["storage_used"],
            "priority",
        );
    }),
    ("a template without a label", |report| {
        remove(
            &mut report["PersistentVolume"]["metric_templates"]["storage_used"],
            "label",
        );
    }),
    ("two metrics with one label", |report| {
        let templates = &mut report["PersistentVolume"]["metric_templates"];
        templates["storage_read_iops"]["label"] = templates["storage_write_iops"]["label"].clone();
    }),
    ("a format that the page does not know", |report| {
        report["PersistentVolume"]["metric_templates"]["storage_read_iops"]["format"] = json!("persecond");
    }),
    ("a data type that the page does not know", |report| {
        report["PersistentVolume"]["metadata_templates"]["storage_disk_size"]["dataType"] = json!("bytes");
    }),
    ("metadata from elsewhere", |report| {
        report["PersistentVolume"]["metadata_templates"]["storage_disk_size"]["from"] = json!("sets");
    }),
];

static EDGE_MUTATIONS: &[Mutation] = &[
    ("an edge to no id", |report| {
        disk(report)["adjacency"] = json!(["sda"]);
    }),
    ("an edge to an unknown topology", |report| {
        disk(report)["adjacency"] = json!(["sda;<disk>"]);
    }),
    ("an edge to itself", |report| {
        disk(report)["adjacency"] = json!([disk(report)["id"]]);
    }),
    ("an edge twice", |report| {
        disk(report)["adjacency"] = json!(["v;<persistent_volume>", "v;<persistent_volume>"]);
    }),
    ("edges that are not a list", |report| {
        disk(report)["adjacency"] = json!("v;<persistent_volume>");
    }),
    ("a parent of another topology", |report| {
        disk(report)["parents"]["pod"] = json!(["worker-1;<host>"]);
    }),
    ("a parent of an unknown topology", |report| {
        disk(report)["parents"]["rack"] = json!(["12;<rack>"]);
    }),
    ("an empty list of parents", |report| {
        disk(report)["parents"]["pod"] = json!([]);
    }),
];
