//! The figures of objects, in the forms of the three ways in which they can be asked for.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::objects::System;
use super::{Field, told};
use crate::model::powerflex::{Counted, Figure, Statistics, Window};

/// The statistics of one object, with the volumes of a pool.
#[derive(Debug, Default)]
pub(in super::super) struct Figures {
    pub(in super::super) statistics: Statistics,
    pub(in super::super) volumes: Vec<String>,
    /// Names of those that are there and cannot be understood.
    pub(in super::super) odd: Vec<&'static str>,
    /// True where there is one that can.
    pub(in super::super) any: bool,
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
pub(in super::super) struct Selected {
    pub(in super::super) pools: BTreeMap<String, Figures>,
    pub(in super::super) domains: BTreeMap<String, Figures>,
    /// By the system's id, or the only system's under an empty one.
    pub(in super::super) systems: BTreeMap<String, Figures>,
}

impl Selected {
    /// True where there is a figure of anything.
    pub(in super::super) fn has_any(&self) -> bool {
        let mut all = self
            .pools
            .values()
            .chain(self.domains.values())
            .chain(self.systems.values());
        all.any(|figures| figures.any)
    }

    /// Of an answer. That of the type System is not by id, since a gateway has one system. What of it cannot be understood is not there.
    pub(in super::super) fn of(body: &[u8], systems: &[System]) -> Result<Self, String> {
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
pub(in super::super) fn metrics(body: &[u8]) -> Result<BTreeMap<String, Figures>, String> {
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
