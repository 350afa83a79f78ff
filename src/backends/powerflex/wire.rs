//! What a gateway answers, as far as it is used. One object that cannot be understood loses nothing else.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::model::powerflex::{Counted, Figure, Statistics, Window};

/// A version: `3.6`, `3.10`, `4.5.5`. Its parts are whole numbers; 3.10 comes after 3.9.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(Vec<u32>);

impl Version {
    /// Of a gateway's own words.
    pub(super) fn of(text: &str) -> Option<Self> {
        let parts = text.trim().split('.').map(|part| part.parse().ok());
        parts
            .collect::<Option<Vec<u32>>>()
            .filter(|parts| parts.len() > 1)
            .map(Self)
    }

    /// The first part.
    pub(super) fn major(&self) -> u32 {
        self.0.first().copied().unwrap_or_default()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.0.iter().map(u32::to_string).collect();
        formatter.write_str(&parts.join("."))
    }
}

/// An answer that is one text in quotes: a token, a version.
pub(super) fn text(body: &[u8]) -> Option<String> {
    serde_json::from_slice(body)
        .ok()
        .filter(|text: &String| !text.is_empty())
}

/// The answer of a sign-in of the native sort.
#[derive(Deserialize)]
pub(super) struct Tokens {
    pub(super) access_token: String,
    #[serde(default)]
    pub(super) refresh_token: Option<String>,
    /// Seconds.
    #[serde(default)]
    pub(super) expires_in: Option<u64>,
}

/// An answer that says what is wrong.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Refusal {
    #[serde(default)]
    pub(super) message: String,
    #[serde(default)]
    pub(super) http_status_code: Option<u16>,
    #[serde(default)]
    pub(super) error_code: Option<i64>,
}

/// A list of objects: those that could be understood, and what was wrong with the others.
pub(super) fn list<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<(Vec<T>, Vec<String>), String> {
    let raw: Vec<&RawValue> = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let (mut objects, mut wrong) = (Vec::with_capacity(raw.len()), Vec::new());
    for object in raw {
        match serde_json::from_str(object.get()) {
            Ok(object) => objects.push(object),
            Err(error) => wrong.push(error.to_string()),
        }
    }
    Ok((objects, wrong))
}

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
pub(super) struct Pool<'a> {
    pub(super) id: String,
    pub(super) name: Option<String>,
    protection_domain_id: Option<String>,
    pub(super) media_type: Option<String>,
    pub(super) data_layout: Option<String>,
    gen_type: Option<String>,
    pub(super) spare_percentage: Option<f64>,
    pub(super) capacity_alert_high_threshold: Option<f64>,
    pub(super) capacity_alert_critical_threshold: Option<f64>,
    pub(super) rebuild_enabled: Option<bool>,
    pub(super) rebalance_enabled: Option<bool>,
    pub(super) capacity_usage_state: Option<String>,
    #[serde(borrow, default)]
    links: Vec<Link<'a>>,
}

impl Pool<'_> {
    /// The id of its protection domain. Of the second generation only a link may tell it.
    pub(super) fn domain_id(&self) -> Option<String> {
        let linked = || {
            let mut links = self.links.iter();
            let link = links.find(|link| link.rel == "/api/parent/relationship/protectionDomainId")?;
            link.href.rsplit_once("::").map(|(_, id)| id.to_owned())
        };
        self.protection_domain_id.clone().or_else(linked)
    }

    /// True for pools of the second generation.
    pub(super) fn is_erasure_coded(&self) -> bool {
        self.gen_type.as_deref() == Some("EC") || self.data_layout.as_deref() == Some("ErasureCoding")
    }
}

/// A protection domain.
#[derive(Debug, Deserialize)]
pub(super) struct Domain {
    pub(super) id: String,
    pub(super) name: Option<String>,
}

/// A volume.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Volume {
    pub(super) id: String,
    pub(super) storage_pool_id: Option<String>,
}

/// A system.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct System {
    pub(super) id: String,
    pub(super) name: Option<String>,
    #[serde(rename = "systemVersionName")]
    pub(super) release: Option<String>,
    pub(super) capacity_alert_high_threshold_percent: Option<f64>,
    pub(super) capacity_alert_critical_threshold_percent: Option<f64>,
    pub(super) mdm_cluster: Option<MdmCluster>,
}

/// The metadata managers.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MdmCluster {
    pub(super) cluster_state: Option<String>,
}

/// The statistics of one object, with the volumes of a pool.
#[derive(Debug, Default)]
pub(super) struct Figures {
    pub(super) statistics: Statistics,
    pub(super) volumes: Vec<String>,
}

impl<'de> Deserialize<'de> for Figures {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Taken;
        impl<'de> Visitor<'de> for Taken {
            type Value = Figures;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("statistics by name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Figures, A::Error> {
                let mut figures = Figures::default();
                let mut misspelt = None;
                while let Some((name, value)) = map.next_entry::<Cow<'de, str>, &'de RawValue>()? {
                    let value = value.get();
                    if let Some(figure) = Figure::of_name(&name) {
                        if let Ok(value) = value.parse() {
                            figures.statistics.add(figure, value);
                        }
                    } else if let Some(window) = Window::of_name(&name) {
                        if let Ok(counted) = serde_json::from_str::<WindowOnWire>(value) {
                            figures.statistics.add_window(window, counted.into());
                        }
                    } else if name == "volumeIds" {
                        figures.volumes = serde_json::from_str(value).unwrap_or_default();
                    } else if name == "thinCapacityAllocatedInKm" {
                        misspelt = value.parse().ok();
                    }
                }
                let allocated = Figure::ThinCapacityAllocatedInKb;
                if let Some(value) = misspelt.filter(|_| figures.statistics.figure(allocated).is_none()) {
                    figures.statistics.add(allocated, value);
                }
                Ok(figures)
            }
        }
        deserializer.deserialize_map(Taken)
    }
}

/// A window: `numOccured` is PowerFlex's spelling.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WindowOnWire {
    num_seconds: f64,
    total_weight_in_kb: f64,
    num_occured: f64,
}

impl From<WindowOnWire> for Counted {
    fn from(wire: WindowOnWire) -> Self {
        Self {
            seconds: wire.num_seconds,
            weight: wire.total_weight_in_kb,
            occurrences: wire.num_occured,
        }
    }
}

/// The answer to a query of chosen statistics.
#[derive(Debug, Default)]
pub(super) struct Selected {
    pub(super) pools: BTreeMap<String, Figures>,
    pub(super) domains: BTreeMap<String, Figures>,
    /// By the system's id, or the only system's under an empty one.
    pub(super) systems: BTreeMap<String, Figures>,
}

impl Selected {
    /// Of an answer. That of the type System is not by id, since a gateway has one system.
    pub(super) fn of(body: &[u8], systems: &[System]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Wire<'a> {
            #[serde(rename = "StoragePool", borrow, default)]
            pools: BTreeMap<String, &'a RawValue>,
            #[serde(rename = "ProtectionDomain", borrow, default)]
            domains: BTreeMap<String, &'a RawValue>,
            #[serde(rename = "System", borrow, default)]
            system: Option<&'a RawValue>,
        }
        fn understood(raw: BTreeMap<String, &RawValue>) -> BTreeMap<String, Figures> {
            raw.into_iter()
                .filter_map(|(id, raw)| Some((id, serde_json::from_str(raw.get()).ok()?)))
                .collect()
        }
        let wire: Wire<'_> = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        let mut of_systems = BTreeMap::new();
        if let Some(raw) = wire.system {
            let by_id: BTreeMap<String, &RawValue> = serde_json::from_str(raw.get()).unwrap_or_default();
            if systems.iter().any(|system| by_id.contains_key(&system.id)) {
                of_systems = understood(by_id);
            } else if let Ok(figures) = serde_json::from_str(raw.get()) {
                of_systems.insert(String::new(), figures);
            }
        }
        Ok(Self {
            pools: understood(wire.pools),
            domains: understood(wire.domains),
            systems: of_systems,
        })
    }
}

/// The figures of pools of the second generation, by the pool's id.
pub(super) fn metrics(body: &[u8]) -> Result<BTreeMap<String, Statistics>, String> {
    #[derive(Deserialize)]
    struct Wire {
        resources: Vec<Resource>,
    }
    #[derive(Deserialize)]
    struct Resource {
        id: String,
        #[serde(default)]
        metrics: Vec<Metric>,
    }
    #[derive(Deserialize)]
    struct Metric {
        name: String,
        /// One for each moment of the answer's `timestamps`, the latest last.
        #[serde(default)]
        values: Vec<Option<f64>>,
    }
    let wire: Wire = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let by_id = wire.resources.into_iter().map(|resource| {
        let mut statistics = Statistics::default();
        for metric in resource.metrics {
            if let (Some(figure), Some(Some(value))) = (Figure::of_name(&metric.name), metric.values.last()) {
                statistics.add(figure, *value);
            }
        }
        (resource.id, statistics)
    });
    Ok(by_id.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn captured(name: &str) -> Vec<u8> {
        let path = format!("{}/tests/fixtures/powerflex/{name}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read(path).unwrap()
    }

    #[test]
    fn versions_are_compared_part_by_part() {
        let version = |text| Version::of(text).unwrap();
        assert!(version("3.10") > version("3.9") && version("3.10") < version("4.0"));
        assert_eq!(version("4.5.5").major(), 4);
        assert_eq!(version("3.10").to_string(), "3.10");
        for wrong in ["", "3", "3.x", "<html>", "-1.2"] {
            assert_eq!(Version::of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn captured_statistics_of_a_pool() {
        let figures: Figures = serde_json::from_slice(&captured("get_storage_pool_statistics.json")).unwrap();
        let statistics = &figures.statistics;
        assert_eq!(
            statistics.bytes(Figure::MaxCapacityInKb),
            Some(311_424_000.0 * 1024.0)
        );
        assert_eq!(statistics.figure(Figure::NumOfVolumes), Some(2.0));
        let window = statistics.window(Window::UserDataReadBwc).unwrap();
        assert_eq!(window.per_second(), None, "the window is empty");
        assert_eq!(figures.volumes, ["72ce476b00000002", "72cebf0c00000001"]);
        assert_eq!(
            statistics.figure(Figure::PendingMovingOutNormrebuildJobs),
            Some(0.0),
            "its name is misspelt"
        );
    }

    #[test]
    fn captured_pools_and_systems() {
        let body = captured("get_storage_pool_instances.json");
        let (pools, wrong) = list::<Pool<'_>>(&body).unwrap();
        assert_eq!((pools.len(), wrong.len()), (2, 0));
        assert_eq!(pools[1].domain_id().as_deref(), Some("b8b3919900000000"));
        assert!(!pools[0].is_erasure_coded());
        let body = captured("get_system_instances.json");
        let (systems, _) = list::<System>(&body).unwrap();
        assert_eq!(
            systems[0].mdm_cluster.as_ref().unwrap().cluster_state.as_deref(),
            Some("ClusteredNormal")
        );
        let metrics = metrics(&captured("get_volume_metrics.json")).unwrap();
        let pool = &metrics["e4aed8d700000000"];
        assert_eq!(pool.figure(Figure::PhysicalTotal), Some(4_396_972_769_280.0));
        assert_eq!(pool.figure(Figure::UtilizationRatio), Some(0.014_172_318));
    }

    #[test]
    fn one_wrong_object_loses_nothing_else() {
        let body = br#"[{"id": "a", "name": "one"}, {"name": "no id"}, 7, {"id": "b", "genType": "EC",
            "links": [{"rel": "/api/parent/relationship/protectionDomainId", "href": "/api/instances/ProtectionDomain::pd"}]}]"#;
        let (pools, wrong) = list::<Pool<'_>>(body).unwrap();
        assert_eq!((pools.len(), wrong.len()), (2, 2));
        assert!(pools[1].is_erasure_coded());
        assert_eq!(pools[1].domain_id().as_deref(), Some("pd"));
        assert!(list::<Pool<'_>>(b"<html>").is_err());
    }

    #[test]
    fn statistics_of_a_strange_shape_are_not_known() {
        let body = br#"{"maxCapacityInKb": null, "capacityInUseInKb": "much", "numOfVolumes": -1, "spareCapacityInKb": 7,
            "thinCapacityAllocatedInKm": 9, "userDataReadBwc": 3, "totalReadBwc": {"numSeconds": 5}, "volumeIds": {}, "new": [{}]}"#;
        let figures: Figures = serde_json::from_slice(body).unwrap();
        let known: Vec<_> = Figure::ALL
            .into_iter()
            .filter_map(|figure| Some((figure, figures.statistics.figure(figure)?)))
            .collect();
        assert_eq!(
            known,
            [
                (Figure::SpareCapacityInKb, 7.0),
                (Figure::ThinCapacityAllocatedInKb, 9.0)
            ]
        );
        assert!(
            Window::ALL
                .into_iter()
                .all(|window| figures.statistics.window(window).is_none())
        );
        assert!(figures.volumes.is_empty());
    }

    #[test]
    fn the_systems_statistics_come_with_its_id_or_without() {
        let (systems, _) = list::<System>(br#"[{"id": "s1"}]"#).unwrap();
        for body in [
            &br#"{"System": {"numOfSds": 3}}"#[..],
            br#"{"System": {"s1": {"numOfSds": 3}}}"#,
        ] {
            let selected = Selected::of(body, &systems).unwrap();
            let figures = selected.systems.values().next().unwrap();
            assert_eq!(figures.statistics.figure(Figure::NumOfSds), Some(3.0));
        }
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(body in proptest::collection::vec(any::<u8>(), 0..200), text in "[\\[{\"a-zA-Z:,0-9}\\]]{0,80}") {
            for body in [&body[..], text.as_bytes()] {
                let _ = super::text(body);
                let _ = list::<Pool<'_>>(body);
                let _ = Selected::of(body, &[]);
                let _ = metrics(body);
                let _ = serde_json::from_slice::<Figures>(body);
            }
        }
    }
}
