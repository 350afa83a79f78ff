//! Whatever the API's objects hold, or a dump of them: no panic on the way to the report, the page and what is offered, and the report is JSON.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use scope_storage_probe::cluster::dump;
use scope_storage_probe::link::{cluster, controls};
use scope_storage_probe::model::backend::BackendReadings;
use scope_storage_probe::model::control::{Control, Permitted};
use scope_storage_probe::model::itself::SelfFigures;
use scope_storage_probe::render::prometheus::exposition::Format;
use scope_storage_probe::render::prometheus::write_cluster_page;
use scope_storage_probe::render::scope;
use scope_storage_probe::render::scope::controls::{Controls, controls_report};
use scope_storage_probe::render::tree;
use scope_storage_probe::state::State;

/// What is told of a cluster.
pub struct Told {
    /// Scope's report.
    pub report: Vec<u8>,
    /// Prometheus' page.
    pub page: String,
    /// The report of what is offered.
    pub buttons: Vec<u8>,
}

/// What is told of these objects; `None` where they are none.
pub fn told(objects: &str) -> Option<Told> {
    let objects = dump::parse(objects).ok()?;
    let namespaces: BTreeSet<String> = objects
        .claims
        .keys()
        .map(|claim| claim.namespace.clone())
        .collect();
    let map = cluster::map(Arc::new(objects));
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_323_045);
    let report = scope::cluster_report(&map, at);
    let mut page = String::new();
    write_cluster_page(
        &map,
        &map.inventory,
        Some(report.left_out),
        &BackendReadings::default(),
        &SelfFigures::default(),
        Format::OpenMetrics("1.0.0"),
        &mut |piece| {
            assert!(piece.is_empty() || piece.ends_with('\n'), "{piece:?}");
            page.push_str(piece);
        },
    );
    let permitted = Permitted {
        controls: Control::ALL.into_iter().collect(),
        namespaces,
    };
    let offers = controls::offers(&map, &permitted);
    for offer in &offers {
        for control in &offer.controls {
            let _ = controls::plan(&map, *control, &offer.target);
        }
    }
    let buttons = controls_report(Controls {
        map: &map,
        offers: &offers,
        actions: &[],
        probe_id: "1",
        taken_at: "2026-01-02T03:04:05.000Z",
    });
    tree::text(&State::of_cluster(Arc::new(map)));
    Some(Told {
        report: report.bytes(),
        page,
        buttons: buttons.concat(),
    })
}

/// Tries one input.
pub fn attempt(text: &[u8]) {
    let told = std::str::from_utf8(text).ok().and_then(told);
    for report in told.iter().flat_map(|told| [&told.report, &told.buttons]) {
        let report: Result<serde_json::Value, _> = serde_json::from_slice(report);
        assert!(report.is_ok(), "{report:?}");
    }
}
