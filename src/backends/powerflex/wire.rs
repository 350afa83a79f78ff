//! What a gateway answers, as far as it is used. One object that cannot be understood loses nothing else.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::model::powerflex::{Counted, Figure, Statistics, Window};
use crate::model::text::{in_one_line, shortened};

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

/// Most of what is told of what cannot be understood.
const LONGEST_REASON: usize = 200;
/// Most of an id that is told.
const LONGEST_ID: usize = 60;

/// What a parser says, which repeats what it read: in one line of bounded length.
pub(super) fn told(error: &serde_json::Error) -> String {
    shortened(&in_one_line(&error.to_string()), LONGEST_REASON)
}

/// An id, as far as it is told: in one line of bounded length.
pub(super) fn told_id(id: &str) -> String {
    shortened(&in_one_line(id), LONGEST_ID)
}

/// A field that may be missing. One of another sort than it should be is taken for missing, and can be told of.
#[derive(Debug)]
pub(super) struct Field<T>(Result<Option<T>, String>);

impl<T> Default for Field<T> {
    fn default() -> Self {
        Self(Ok(None))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'de RawValue>::deserialize(deserializer)?;
        Ok(Self(
            serde_json::from_str(raw.get()).map_err(|error| told(&error)),
        ))
    }
}

impl<T> Field<T> {
    /// What is there.
    pub(super) fn value(self) -> Option<T> {
        self.0.ok().flatten()
    }

    /// The same, to look at.
    pub(super) fn get(&self) -> Option<&T> {
        self.0.as_ref().ok()?.as_ref()
    }

    /// Why there is none, where there should be.
    fn complaint(&self) -> Option<&str> {
        self.0.as_ref().err().map(String::as_str)
    }
}

/// The answer of a sign-in of the native sort.
#[derive(Deserialize)]
pub(super) struct Tokens {
    pub(super) access_token: String,
    #[serde(default)]
    pub(super) refresh_token: Field<String>,
    /// How long the access token holds.
    #[serde(default, deserialize_with = "seconds")]
    pub(super) expires_in: Option<Duration>,
}

/// Seconds: a number, or a text of one. What holds for less than a second is not to be believed.
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let raw = <&'de RawValue>::deserialize(deserializer)?;
    let seconds: Option<f64> = raw.get().trim_matches('"').trim().parse().ok();
    Ok(seconds
        .filter(|seconds| *seconds >= 1.0)
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()))
}

/// An answer that says what is wrong.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RefusalOnWire {
    #[serde(default)]
    message: Field<String>,
    #[serde(default)]
    http_status_code: Field<u16>,
    #[serde(default)]
    error_code: Field<i64>,
}

/// What a gateway says is wrong.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) message: String,
    pub(super) http_status_code: Option<u16>,
    pub(super) error_code: Option<i64>,
}

impl Refusal {
    /// Of an answer; `None` where it says nothing of the sort.
    pub(super) fn of(body: &[u8]) -> Option<Self> {
        let wire: RefusalOnWire = serde_json::from_slice(body).ok()?;
        let refusal = Self {
            message: wire.message.value().unwrap_or_default(),
            http_status_code: wire.http_status_code.value(),
            error_code: wire.error_code.value(),
        };
        Some(refusal).filter(|refusal| refusal.http_status_code.is_some() || !refusal.message.is_empty())
    }
}

/// An object of a list.
pub(super) trait Object {
    /// Its id, which no other has.
    fn id(&self) -> &str;

    /// Its fields that may be missing, each with why it cannot be understood.
    fn complaints(&self) -> Vec<(&'static str, Option<&str>)>;
}

/// A list of objects: those that could be understood, each once, and what was wrong with others, in a few lines however many there are.
pub(super) fn list<'a, T: Object + Deserialize<'a>>(body: &'a [u8]) -> Result<(Vec<T>, Vec<String>), String> {
    let raw: Vec<&RawValue> = serde_json::from_slice(body).map_err(|error| told(&error))?;
    let mut objects: Vec<T> = Vec::with_capacity(raw.len());
    let mut ids = BTreeSet::new();
    // How many are meant, and what is said of the first.
    let mut wrong: BTreeMap<&str, (usize, String)> = BTreeMap::new();
    let mut complain = |what: &'static str, first: &dyn Fn() -> String| {
        wrong.entry(what).or_insert_with(|| (0, first())).0 += 1;
    };
    for object in raw {
        match serde_json::from_str::<T>(object.get()) {
            Ok(object) if ids.insert(object.id().to_owned()) => {
                let id = || told_id(object.id());
                for (field, reason) in object.complaints() {
                    if let Some(reason) = reason {
                        complain(field, &|| format!("{field} of {}: {reason}", id()));
                    }
                }
                objects.push(object);
            }
            Ok(object) => complain("id", &|| {
                let id = told_id(object.id());
                format!("{id} stands there twice: the first is taken")
            }),
            Err(error) => complain("", &|| format!("an object is left out: {}", told(&error))),
        }
    }
    let lines = wrong.into_values().map(|(count, first)| match count {
        1 => first,
        _ => format!("{first} (and {} more of the sort)", count - 1),
    });
    Ok((objects, lines.collect()))
}

/// Reads bytes as every answer that there is, and gives what it says of them.
#[cfg(any(test, fuzzing))]
pub(super) fn read_as_all(body: &[u8]) -> Vec<String> {
    fn lines<'a, T: Object + Deserialize<'a>>(body: &'a [u8]) -> Vec<String> {
        list::<T>(body).map_or_else(|reason| vec![reason], |(_, wrong)| wrong)
    }
    let systems = list::<System>(body).map_or_else(|_| Vec::new(), |(systems, _)| systems);
    let mut said = [
        lines::<Pool<'_>>(body),
        lines::<Domain>(body),
        lines::<Volume>(body),
        lines::<System>(body),
    ]
    .concat();
    for pool in list::<Pool<'_>>(body).into_iter().flat_map(|(pools, _)| pools) {
        said.extend(pool.domain_id().as_deref().map(told_id));
    }
    said.extend(Selected::of(body, &systems).err());
    said.extend(metrics(body).err());
    said.extend(
        serde_json::from_slice::<Figures>(body)
            .err()
            .map(|error| told(&error)),
    );
    said.extend(
        serde_json::from_slice::<Tokens>(body)
            .err()
            .map(|error| told(&error)),
    );
    said.extend(
        text(body)
            .and_then(|text| Version::of(&text))
            .map(|version| told_id(&version.to_string())),
    );
    let _ = Refusal::of(body);
    said
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
    #[serde(default)]
    pub(super) name: Field<String>,
    #[serde(default)]
    protection_domain_id: Field<String>,
    #[serde(default)]
    pub(super) media_type: Field<String>,
    #[serde(default)]
    pub(super) data_layout: Field<String>,
    #[serde(default)]
    gen_type: Field<String>,
    #[serde(default)]
    pub(super) spare_percentage: Field<f64>,
    #[serde(default)]
    pub(super) capacity_alert_high_threshold: Field<f64>,
    #[serde(default)]
    pub(super) capacity_alert_critical_threshold: Field<f64>,
    #[serde(default)]
    pub(super) rebuild_enabled: Field<bool>,
    #[serde(default)]
    pub(super) rebalance_enabled: Field<bool>,
    #[serde(default)]
    pub(super) capacity_usage_state: Field<String>,
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
    pub(super) fn domain_id(&self) -> Option<String> {
        let linked = || {
            let mut links = self.links.get()?.iter();
            let link = links.find(|link| link.rel == "/api/parent/relationship/protectionDomainId")?;
            link.href.rsplit_once("::").map(|(_, id)| id.to_owned())
        };
        self.protection_domain_id.get().cloned().or_else(linked)
    }

    /// True for pools of the second generation.
    pub(super) fn is_erasure_coded(&self) -> bool {
        let is = |field: &Field<String>, text: &str| field.get().is_some_and(|value| value == text);
        is(&self.gen_type, "EC") || is(&self.data_layout, "ErasureCoding")
    }
}

/// A protection domain.
#[derive(Debug, Deserialize)]
pub(super) struct Domain {
    pub(super) id: String,
    #[serde(default)]
    pub(super) name: Field<String>,
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
pub(super) struct Volume {
    pub(super) id: String,
    #[serde(default)]
    pub(super) storage_pool_id: Field<String>,
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
pub(super) struct System {
    pub(super) id: String,
    #[serde(default)]
    pub(super) name: Field<String>,
    #[serde(default, rename = "systemVersionName")]
    pub(super) release: Field<String>,
    #[serde(default)]
    pub(super) capacity_alert_high_threshold_percent: Field<f64>,
    #[serde(default)]
    pub(super) capacity_alert_critical_threshold_percent: Field<f64>,
    #[serde(default)]
    pub(super) mdm_cluster: Field<MdmCluster>,
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
pub(super) struct MdmCluster {
    pub(super) cluster_state: Option<String>,
}

/// The statistics of one object, with the volumes of a pool.
#[derive(Debug, Default)]
pub(super) struct Figures {
    pub(super) statistics: Statistics,
    pub(super) volumes: Vec<String>,
    /// Names of those that are there and cannot be understood.
    pub(super) odd: Vec<&'static str>,
    /// True where there is one that can.
    pub(super) any: bool,
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
                    let is_null = value == "null";
                    if let Some(figure) = Figure::of_name(&name) {
                        match value.parse() {
                            Ok(value) => {
                                figures.statistics.add(figure, value);
                                figures.any = true;
                            }
                            Err(_) if is_null => {}
                            Err(_) => figures.odd.push(figure.name()),
                        }
                    } else if let Some(window) = Window::of_name(&name) {
                        match serde_json::from_str::<WindowOnWire>(value) {
                            Ok(counted) => {
                                figures.statistics.add_window(window, counted.into());
                                figures.any = true;
                            }
                            Err(_) if is_null => {}
                            Err(_) => figures.odd.push(window.name()),
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
    /// Of an answer. That of the type System is not by id, since a gateway has one system. What of it cannot be understood is not there.
    pub(super) fn of(body: &[u8], systems: &[System]) -> Result<Self, String> {
        type ById<'a> = BTreeMap<String, &'a RawValue>;
        #[derive(Deserialize)]
        struct Wire<'a> {
            #[serde(rename = "StoragePool", borrow, default)]
            pools: Field<ById<'a>>,
            #[serde(rename = "ProtectionDomain", borrow, default)]
            domains: Field<ById<'a>>,
            #[serde(rename = "System", borrow, default)]
            system: Option<&'a RawValue>,
        }
        fn understood(raw: ById<'_>) -> BTreeMap<String, Figures> {
            raw.into_iter()
                .filter_map(|(id, raw)| Some((id, serde_json::from_str(raw.get()).ok()?)))
                .collect()
        }
        let wire: Wire<'_> = serde_json::from_slice(body).map_err(|error| told(&error))?;
        let mut of_systems = BTreeMap::new();
        if let Some(raw) = wire.system {
            let by_id: ById<'_> = serde_json::from_str(raw.get()).unwrap_or_default();
            if systems.iter().any(|system| by_id.contains_key(&system.id)) {
                of_systems = understood(by_id);
            } else if let Ok(figures) = serde_json::from_str(raw.get()) {
                of_systems.insert(String::new(), figures);
            }
        }
        Ok(Self {
            pools: understood(wire.pools.value().unwrap_or_default()),
            domains: understood(wire.domains.value().unwrap_or_default()),
            systems: of_systems,
        })
    }
}

/// The figures of pools of the second generation, by the pool's id. What of it cannot be understood is not there.
pub(super) fn metrics(body: &[u8]) -> Result<BTreeMap<String, Figures>, String> {
    #[derive(Deserialize)]
    struct Wire<'a> {
        #[serde(borrow)]
        resources: Vec<&'a RawValue>,
    }
    #[derive(Deserialize)]
    struct Resource<'a> {
        id: String,
        #[serde(borrow, default)]
        metrics: Vec<&'a RawValue>,
    }
    #[derive(Deserialize)]
    struct Metric<'a> {
        #[serde(borrow)]
        name: Cow<'a, str>,
        /// One for each moment of the answer's `timestamps`, the latest last.
        #[serde(borrow, default)]
        values: Field<Vec<&'a RawValue>>,
    }
    let wire: Wire<'_> = serde_json::from_slice(body).map_err(|error| told(&error))?;
    let mut by_id = BTreeMap::new();
    for raw in wire.resources {
        let Ok(resource) = serde_json::from_str::<Resource<'_>>(raw.get()) else {
            continue;
        };
        let mut figures = Figures::default();
        for raw in resource.metrics {
            let Ok(metric) = serde_json::from_str::<Metric<'_>>(raw.get()) else {
                continue;
            };
            let Some(figure) = Figure::of_name(&metric.name) else {
                continue;
            };
            let latest = metric
                .values
                .get()
                .map(|values| values.last().map(|raw| raw.get()));
            match latest {
                Some(Some("null") | None) => {}
                Some(Some(value)) if let Ok(value) = value.parse() => {
                    figures.statistics.add(figure, value);
                    figures.any = true;
                }
                None if metric.values.complaint().is_none() => {}
                _ => figures.odd.push(figure.name()),
            }
        }
        by_id.insert(resource.id, figures);
    }
    Ok(by_id)
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
            systems[0].mdm_cluster.get().unwrap().cluster_state.as_deref(),
            Some("ClusteredNormal")
        );
        let metrics = metrics(&captured("get_volume_metrics.json")).unwrap();
        let pool = &metrics["e4aed8d700000000"].statistics;
        assert_eq!(pool.figure(Figure::PhysicalTotal), Some(4_396_972_769_280.0));
        assert_eq!(pool.figure(Figure::UtilizationRatio), Some(0.014_172_318));
    }

    #[test]
    fn one_wrong_object_loses_nothing_else() {
        let body = br#"[{"id": "a", "name": "one"}, {"name": "no id"}, 7, {"id": "b", "genType": "EC",
            "links": [{"rel": "/api/parent/relationship/protectionDomainId", "href": "/api/instances/ProtectionDomain::pd"}]}]"#;
        let (pools, wrong) = list::<Pool<'_>>(body).unwrap();
        assert_eq!(pools.len(), 2);
        assert_eq!(
            wrong,
            ["an object is left out: missing field `id` at line 1 column 17 (and 1 more of the sort)"]
        );
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
        assert_eq!(
            figures.odd,
            ["capacityInUseInKb", "userDataReadBwc", "totalReadBwc"]
        );
    }

    #[test]
    fn one_odd_field_costs_itself_alone_and_is_told_in_short() {
        let long = "x".repeat(200_000);
        let odd = |id: &str| serde_json::json!({"id": id, "name": "ssd", "sparePercentage": long, "links": 7, "rebuildEnabled": true});
        let body = serde_json::json!([odd("a"), odd("b"), {"id": "a"}, {"id": long, "name": 5}, {"id": {"x": long}}, long]);
        let body = body.to_string();
        let (pools, wrong) = list::<Pool<'_>>(body.as_bytes()).unwrap();
        assert_eq!(pools.len(), 3);
        assert_eq!(pools[0].name.get().map(String::as_str), Some("ssd"));
        assert_eq!(pools[0].rebuild_enabled.get(), Some(&true));
        assert_eq!(pools[0].spare_percentage.get(), None);
        assert!(wrong.iter().all(|line| line.len() < 300), "{wrong:?}");
        let starts: Vec<_> = wrong.iter().map(|line| line.split(':').next().unwrap()).collect();
        assert_eq!(
            starts.join("; "),
            format!(
                "an object is left out; a stands there twice; links of a; name of {}…; sparePercentage of a",
                &long[..60]
            )
        );
        assert!(
            list::<Pool<'_>>(format!("{{\"x\": \"{long}\"}}").as_bytes())
                .unwrap_err()
                .len()
                < 300
        );
    }

    #[test]
    fn one_odd_metric_costs_itself_alone() {
        let body = br#"{"resources": [7, {"id": "a", "metrics": [{"name": 7}, {"name": "raw_used", "values": "much"},
            {"name": "physical_used", "values": [1, {}]}, {"name": "physical_free", "values": [null]},
            {"name": "physical_total", "values": [1, 2]}]}, {"id": "b"}]}"#;
        let metrics = metrics(body).unwrap();
        assert_eq!(metrics["a"].statistics.figure(Figure::PhysicalTotal), Some(2.0));
        assert_eq!(metrics["a"].odd, ["raw_used", "physical_used"]);
        assert!(metrics["a"].any && !metrics["b"].any);
    }

    #[test]
    fn how_long_a_token_holds() {
        for (text, seconds) in [
            ("300", Some(300.0)),
            ("300.5", Some(300.5)),
            ("\"300\"", Some(300.0)),
            ("null", None),
            ("\"soon\"", None),
            ("0", None),
            ("-5", None),
            ("1e300", None),
            ("{}", None),
        ] {
            let body = format!("{{\"access_token\": \"a\", \"expires_in\": {text}, \"refresh_token\": 7}}");
            let tokens: Tokens = serde_json::from_str(&body).unwrap();
            assert_eq!(tokens.expires_in, seconds.map(Duration::from_secs_f64), "{text}");
            assert_eq!(tokens.refresh_token.get(), None);
        }
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
                for line in read_as_all(body) {
                    prop_assert!(line.chars().count() < 400 && !line.contains(char::is_control), "{:?}", line);
                }
            }
        }
    }
}
