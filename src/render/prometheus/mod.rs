//! Prometheus pages: the text format 0.0.4 and OpenMetrics 1.0.0.

pub mod backends;
pub mod cluster;
pub mod compression;
pub mod disks;
pub mod engines;
pub mod exposition;
pub mod filesystems;
pub mod itself;
pub mod metrics_server_prom;
pub mod negotiation;
pub mod powerflex;
pub mod resources;
pub mod scaleio;
pub mod snapshots;
pub mod volumes;

use self::exposition::{Format, Page};
use crate::model::backend::{BackendReadings, Figures};
use crate::model::cluster_map::ClusterMap;
use crate::model::inventory::Inventory;
use crate::model::itself::SelfFigures;
use crate::state::State;

/// What the page of the node role tells of.
#[derive(Debug, Clone, Copy)]
pub struct NodePage<'a> {
    /// What is known of the node.
    pub state: &'a State,
    /// What the Kubernetes API says, with the latest counts of errors.
    pub inventory: Option<&'a Inventory>,
    /// How many nodes found no room in the Scope report; `None` before anybody asked for one.
    pub left_out: Option<usize>,
    /// The backends of a process that is of the cluster as well.
    pub backends: &'a BackendReadings,
    /// The program itself.
    pub itself: &'a SelfFigures,
}

impl<'a> NodePage<'a> {
    /// What is known of the node, and what the API said when its map was made.
    pub fn of(state: &'a State, backends: &'a BackendReadings, itself: &'a SelfFigures) -> Self {
        Self {
            state,
            inventory: state.topology.cluster.as_ref().map(|map| &*map.inventory),
            left_out: None,
            backends,
            itself,
        }
    }
}

/// The page of the node role; `take` is given one piece after the other.
pub fn write_node_page(told: &NodePage<'_>, format: Format, take: &mut dyn FnMut(&str)) {
    let state = told.state;
    let mut page = Page::new(format, take);
    disks::write(&mut page, state);
    volumes::write(&mut page, &state.topology);
    filesystems::write(&mut page, &state.sample.filesystems);
    if let Some(map) = &state.topology.cluster
        && map.inventory.role.sees_cluster()
    {
        cluster::write(&mut page, map);
        snapshots::write(&mut page, map);
        engines::write(&mut page, map);
    }
    if let Some(inventory) = told.inventory {
        cluster::write_watches(&mut page, inventory);
    }
    cluster::write_left_out(&mut page, told.left_out);
    write_backends(&mut page, told.backends);
    itself::write(&mut page, &state.sample.collectors, told.itself);
    page.finish();
}

/// The page of the cluster role, in the same manner.
///
/// `inventory` has the latest counts of errors, and `left_out` is how many nodes found no room in the Scope report.
pub fn write_cluster_page(
    map: &ClusterMap,
    inventory: &Inventory,
    left_out: Option<usize>,
    backends: &BackendReadings,
    itself: &SelfFigures,
    format: Format,
    take: &mut dyn FnMut(&str),
) {
    let mut page = Page::new(format, take);
    cluster::write(&mut page, map);
    snapshots::write(&mut page, map);
    engines::write(&mut page, map);
    cluster::write_watches(&mut page, inventory);
    cluster::write_left_out(&mut page, left_out);
    write_backends(&mut page, backends);
    itself::write(&mut page, &[], itself);
    page.finish();
}

/// The page of who sees some namespaces alone, which its backend tells of.
pub fn write_tenant_page(
    backends: &BackendReadings,
    itself: &SelfFigures,
    format: Format,
    take: &mut dyn FnMut(&str),
) {
    let mut page = Page::new(format, take);
    write_backends(&mut page, backends);
    itself::write(&mut page, &[], itself);
    page.finish();
}

/// A page of backends alone.
pub fn write_backends_page(backends: &BackendReadings, format: Format, take: &mut dyn FnMut(&str)) {
    let mut page = Page::new(format, take);
    write_backends(&mut page, backends);
    page.finish();
}

fn write_backends(page: &mut Page<'_>, readings: &BackendReadings) {
    backends::write(page, readings);
    powerflex::write(page, readings);
    for figures in &readings.figures {
        if let Figures::Resources(figures) = figures {
            resources::write(page, &figures.map);
            if let Some(claims) = &figures.claims {
                cluster::write_claims(page, claims);
            }
            if figures.old_names {
                metrics_server_prom::write(page, &figures.map);
            }
        }
    }
}

/// The page of the node role in one.
pub fn node_page(state: &State, itself: &SelfFigures, format: Format) -> Vec<u8> {
    let backends = BackendReadings::default();
    let mut page = Vec::new();
    write_node_page(&NodePage::of(state, &backends, itself), format, &mut |piece| {
        page.extend_from_slice(piece.as_bytes());
    });
    page
}
