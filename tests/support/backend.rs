//! What the page says of the backends that are asked.

use std::time::Duration;

use super::exposition::Page;

/// Scrapes within this time share a reading.
pub const SHARED: Duration = Duration::from_millis(1100);

/// Whether metrics.k8s.io answers; none where it was not asked.
pub fn resources_up(page: &Page) -> Option<f64> {
    page.value("storage_probe_backend_up", &[("backend", "resources")])
}

/// Whether this PowerFlex system answers; none where it was not asked.
pub fn powerflex_up(page: &Page, instance: &str) -> Option<f64> {
    let labels = [("backend", "powerflex"), ("instance", instance)];
    page.value("storage_probe_backend_up", &labels)
}
