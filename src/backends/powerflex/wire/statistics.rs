//! The figures of objects, in the forms of the three ways in which they can be asked for.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::objects::System;
use super::{MOST_OBJECTS, each, told};
use crate::cluster::list::too_many;
use crate::model::powerflex::{Counted, Figure, Statistics, Window};

/// Ids of volumes that are taken of one reading: no system has more volumes.
pub(in super::super) const MOST_VOLUMES: usize = 150_000;

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

impl Figures {
    /// Something is there that cannot be understood.
    fn is_odd(&mut self, name: &'static str) {
        if !self.odd.contains(&name) {
            self.odd.push(name);
        }
    }
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
                            Err(_) => figures.is_odd(figure.name()),
                        }
                    } else if let Some(window) = Window::of_name(&name) {
                        match serde_json::from_str::<WindowOnWire>(value) {
                            Ok(counted) => {
                                figures.statistics.add_window(window, counted.into());
                                figures.any = true;
                            }
                            Err(_) if is_null => {}
                            Err(_) => figures.is_odd(window.name()),
                        }
                    } else if name == "volumeIds" {
                        figures.volumes = volumes(value).unwrap_or_default();
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

/// The ids of volumes.
fn volumes(json: &str) -> Result<Vec<String>, String> {
    let mut ids = Vec::new();
    each(json.as_bytes(), MOST_VOLUMES, &mut |raw| {
        ids.extend(serde_json::from_str::<String>(raw.get()));
    })?;
    Ok(ids)
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
    /// Ids of volumes in all of them; what is more than there can be is counted and left out.
    pub(in super::super) volumes: usize,
}

impl Selected {
    /// The volumes of these figures count.
    pub(in super::super) fn count(&mut self, figures: &mut Figures) {
        self.volumes += figures.volumes.len();
        if self.volumes > MOST_VOLUMES {
            figures.volumes = Vec::new();
        }
    }

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
        #[derive(Deserialize)]
        struct Wire<'a> {
            #[serde(rename = "StoragePool", borrow, default)]
            pools: Option<&'a RawValue>,
            #[serde(rename = "ProtectionDomain", borrow, default)]
            domains: Option<&'a RawValue>,
            #[serde(rename = "System", borrow, default)]
            system: Option<&'a RawValue>,
        }
        let wire: Wire<'_> = serde_json::from_slice(body).map_err(|error| told(&error))?;
        let mut selected = Self::default();
        selected.pools = selected.understood(wire.pools);
        selected.domains = selected.understood(wire.domains);
        if let Some(raw) = wire.system {
            let known: BTreeSet<&str> = systems.iter().map(|system| system.id.as_str()).collect();
            let mut is_by_id = false;
            let _ = by_id(raw, &mut |id, _| is_by_id |= known.contains(&*id));
            if is_by_id {
                selected.systems = selected.understood(wire.system);
            } else if let Ok(figures) = serde_json::from_str(raw.get()) {
                selected.systems.insert(String::new(), figures);
            }
        }
        Ok(selected)
    }

    /// Figures by the id of what they are of.
    fn understood(&mut self, raw: Option<&RawValue>) -> BTreeMap<String, Figures> {
        let mut understood = BTreeMap::new();
        let Some(raw) = raw else { return understood };
        let taken = by_id(raw, &mut |id, raw| {
            if let Ok(mut figures) = serde_json::from_str(raw.get()) {
                self.count(&mut figures);
                understood.insert(id.into_owned(), figures);
            }
        });
        taken.map_or_else(|_| BTreeMap::new(), |()| understood)
    }
}

/// Takes what an object has by ids, one by one.
fn by_id<'a>(
    raw: &'a RawValue,
    take: &mut dyn FnMut(Cow<'a, str>, &'a RawValue),
) -> Result<(), serde_json::Error> {
    struct ById<'t, 'a>(&'t mut dyn FnMut(Cow<'a, str>, &'a RawValue));
    impl<'a> Visitor<'a> for ById<'_, 'a> {
        type Value = ();

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("figures by id")
        }

        fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
            let mut taken = 0;
            while let Some((id, raw)) = map.next_entry()? {
                taken += 1;
                if taken > MOST_OBJECTS {
                    return Err(A::Error::custom(too_many(MOST_OBJECTS)));
                }
                (self.0)(id, raw);
            }
            Ok(())
        }
    }
    serde_json::Deserializer::from_str(raw.get()).deserialize_map(ById(take))
}

/// The figures of pools of the second generation, by the pool's id. What of it cannot be understood is not there.
pub(in super::super) fn metrics(body: &[u8]) -> Result<BTreeMap<String, Figures>, String> {
    #[derive(Deserialize)]
    struct Wire<'a> {
        #[serde(borrow)]
        resources: &'a RawValue,
    }
    #[derive(Deserialize)]
    struct Resource<'a> {
        id: String,
        #[serde(borrow, default)]
        metrics: Option<&'a RawValue>,
    }
    let wire: Wire<'_> = serde_json::from_slice(body).map_err(|error| told(&error))?;
    let mut by_id = BTreeMap::new();
    each(wire.resources.get().as_bytes(), MOST_OBJECTS, &mut |raw| {
        let Ok(resource) = serde_json::from_str::<Resource<'_>>(raw.get()) else {
            return;
        };
        let mut figures = Figures::default();
        let metrics = resource.metrics.map_or("[]", RawValue::get);
        // What is no list of metrics has none.
        let _ = each(metrics.as_bytes(), MOST_OBJECTS, &mut |raw| {
            metric(raw.get(), &mut figures);
        });
        by_id.insert(resource.id, figures);
    })?;
    Ok(by_id)
}

/// Adds one metric of a pool.
fn metric(json: &str, figures: &mut Figures) {
    #[derive(Deserialize)]
    struct Metric<'a> {
        #[serde(borrow)]
        name: Cow<'a, str>,
        /// One for each moment of the answer's `timestamps`, the latest last.
        #[serde(borrow, default)]
        values: Option<&'a RawValue>,
    }
    let Ok(metric) = serde_json::from_str::<Metric<'_>>(json) else {
        return;
    };
    let (Some(figure), Some(values)) = (Figure::of_name(&metric.name), metric.values) else {
        return;
    };
    let mut latest = None;
    let listed = each(values.get().as_bytes(), MOST_OBJECTS, &mut |raw| {
        latest = Some(raw.get());
    });
    match latest {
        Some("null") | None if listed.is_ok() => {}
        Some(value)
            if listed.is_ok()
                && let Ok(value) = value.parse() =>
        {
            figures.statistics.add(figure, value);
            figures.any = true;
        }
        _ => figures.is_odd(figure.name()),
    }
}
