//! The objects of which a system consists.

use std::borrow::Cow;

use serde::Deserialize;

use super::{Field, LONGEST_ID, Object};

/// A link of an object to others.
#[derive(Debug, Deserialize)]
struct Link<'a> {
    #[serde(borrow)]
    rel: Cow<'a, str>,
    #[serde(borrow)]
    href: Cow<'a, str>,
}

/// A storage pool.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct Pool<'a> {
    pub(in super::super) id: String,
    #[serde(default)]
    pub(in super::super) name: Field<String>,
    #[serde(default)]
    protection_domain_id: Field<String>,
    #[serde(default)]
    pub(in super::super) media_type: Field<String>,
    #[serde(default)]
    pub(in super::super) data_layout: Field<String>,
    #[serde(default)]
    gen_type: Field<String>,
    #[serde(default)]
    pub(in super::super) spare_percentage: Field<f64>,
    #[serde(default)]
    pub(in super::super) capacity_alert_high_threshold: Field<f64>,
    #[serde(default)]
    pub(in super::super) capacity_alert_critical_threshold: Field<f64>,
    #[serde(default)]
    pub(in super::super) rebuild_enabled: Field<bool>,
    #[serde(default)]
    pub(in super::super) rebalance_enabled: Field<bool>,
    #[serde(default)]
    pub(in super::super) capacity_usage_state: Field<String>,
    #[serde(borrow, default)]
    links: Field<Vec<Link<'a>>>,
}

impl Object for Pool<'_> {
    fn id(&self) -> &str {
        &self.id
    }

    fn complaints(&self) -> Vec<(&'static str, Option<&str>)> {
        vec![
            ("name", self.name.complaint()),
            ("protectionDomainId", self.protection_domain_id.complaint()),
            ("mediaType", self.media_type.complaint()),
            ("dataLayout", self.data_layout.complaint()),
            ("genType", self.gen_type.complaint()),
            ("sparePercentage", self.spare_percentage.complaint()),
            (
                "capacityAlertHighThreshold",
                self.capacity_alert_high_threshold.complaint(),
            ),
            (
                "capacityAlertCriticalThreshold",
                self.capacity_alert_critical_threshold.complaint(),
            ),
            ("rebuildEnabled", self.rebuild_enabled.complaint()),
            ("rebalanceEnabled", self.rebalance_enabled.complaint()),
            ("capacityUsageState", self.capacity_usage_state.complaint()),
            ("links", self.links.complaint()),
        ]
    }
}

impl Pool<'_> {
    /// The id of its protection domain. Of the second generation only a link may tell it.
    pub(in super::super) fn domain_id(&self) -> Option<String> {
        let linked = || {
            let mut links = self.links.get()?.iter();
            let link = links.find(|link| link.rel == "/api/parent/relationship/protectionDomainId")?;
            link.href.rsplit_once("::").map(|(_, id)| id.to_owned())
        };
        let id = self.protection_domain_id.get().cloned().or_else(linked);
        id.filter(|id| id.len() <= LONGEST_ID)
    }

    /// True for pools of the second generation.
    pub(in super::super) fn is_erasure_coded(&self) -> bool {
        let is = |field: &Field<String>, text: &str| field.get().is_some_and(|value| value == text);
        is(&self.gen_type, "EC") || is(&self.data_layout, "ErasureCoding")
    }
}

/// A protection domain.
#[derive(Debug, Deserialize)]
pub(in super::super) struct Domain {
    pub(in super::super) id: String,
    #[serde(default)]
    pub(in super::super) name: Field<String>,
}

impl Object for Domain {
    fn id(&self) -> &str {
        &self.id
    }

    fn complaints(&self) -> Vec<(&'static str, Option<&str>)> {
        vec![("name", self.name.complaint())]
    }
}

/// A volume.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct Volume {
    pub(in super::super) id: String,
    #[serde(default)]
    pub(in super::super) storage_pool_id: Field<String>,
}

impl Object for Volume {
    fn id(&self) -> &str {
        &self.id
    }

    fn complaints(&self) -> Vec<(&'static str, Option<&str>)> {
        vec![("storagePoolId", self.storage_pool_id.complaint())]
    }
}

/// A system.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct System {
    pub(in super::super) id: String,
    #[serde(default)]
    pub(in super::super) name: Field<String>,
    #[serde(default, rename = "systemVersionName")]
    pub(in super::super) release: Field<String>,
    #[serde(default)]
    pub(in super::super) capacity_alert_high_threshold_percent: Field<f64>,
    #[serde(default)]
    pub(in super::super) capacity_alert_critical_threshold_percent: Field<f64>,
    #[serde(default)]
    pub(in super::super) mdm_cluster: Field<MdmCluster>,
}

impl Object for System {
    fn id(&self) -> &str {
        &self.id
    }

    fn complaints(&self) -> Vec<(&'static str, Option<&str>)> {
        vec![
            ("name", self.name.complaint()),
            ("systemVersionName", self.release.complaint()),
            (
                "capacityAlertHighThresholdPercent",
                self.capacity_alert_high_threshold_percent.complaint(),
            ),
            (
                "capacityAlertCriticalThresholdPercent",
                self.capacity_alert_critical_threshold_percent.complaint(),
            ),
            ("mdmCluster", self.mdm_cluster.complaint()),
        ]
    }
}

/// The metadata managers.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct MdmCluster {
    pub(in super::super) cluster_state: Option<String>,
}
