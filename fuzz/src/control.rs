//! Whatever is posted to `/control`: no panic; and what is done was offered, on the node that was named.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use scope_storage_probe::app::pressed::Pressed;
use scope_storage_probe::cluster::dump;
use scope_storage_probe::link::{cluster, controls};
use scope_storage_probe::model::cluster_map::ClusterMap;
use scope_storage_probe::model::control::{Control, Offer, Permitted};
use scope_storage_probe::render::scope::controls::node_id;

const CLUSTER: &str = include_str!("../../tests/fixtures/clusters/snapshots.yaml");

static OFFERED: LazyLock<(ClusterMap, Vec<Offer>)> = LazyLock::new(|| {
    let objects = dump::parse(CLUSTER).expect("the fixture cannot be read");
    let map = cluster::map(Arc::new(objects));
    let permitted = Permitted {
        // Deleting is not.
        controls: Control::ALL
            .into_iter()
            .filter(|control| *control != Control::Delete)
            .collect(),
        namespaces: BTreeSet::from(["shop".to_owned()]),
    };
    let offers = controls::offers(&map, &permitted);
    assert!(!offers.is_empty(), "nothing is offered");
    (map, offers)
});

/// Tries one input.
pub fn attempt(body: &[u8]) {
    let Ok(pressed) = Pressed::parse(body) else {
        return;
    };
    let (map, offers) = &*OFFERED;
    if let Ok((offer, control)) = pressed.among(offers) {
        assert_ne!(control, Control::Delete);
        assert!(offer.controls.contains(&control));
        assert_eq!(node_id(offer).as_deref(), Some(pressed.node.as_str()));
        let _ = controls::plan(map, control, &offer.target);
    }
}
