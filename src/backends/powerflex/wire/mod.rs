//! What a gateway answers, as far as it is used. One object that cannot be understood loses nothing else.

mod objects;
mod sign_in;
mod statistics;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Deserialize;
use serde::de::Deserializer;
use serde_json::value::RawValue;

pub(super) use self::objects::{Domain, Pool, System, Volume};
pub(super) use self::sign_in::{Refusal, Tokens};
pub(super) use self::statistics::{Figures, MOST_VOLUMES, Selected, metrics};
use crate::cluster::list::Items;
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

/// No list has more objects: in an answer that is read so many would have 600 bytes each, and they have more.
const MOST_OBJECTS: usize = 20_000;
/// No id is longer: they are 16 digits.
pub(super) const LONGEST_ID: usize = 64;
/// No token is longer.
const LONGEST_TEXT: usize = 64 << 10;

/// An answer that is one text in quotes: a token, a version.
pub(super) fn text(body: &[u8]) -> Option<String> {
    let body = Some(body).filter(|body| body.len() <= LONGEST_TEXT)?;
    serde_json::from_slice(body)
        .ok()
        .filter(|text: &String| !text.is_empty())
}

/// Most of what is told of what cannot be understood.
const LONGEST_REASON: usize = 200;
/// Most of an id that is told.
const LONGEST_TOLD_ID: usize = 60;

/// What a parser says, in one line of bounded length. Where it repeats what it read it is told by its place alone: some front ends send back what
/// they were sent, tokens included.
pub(super) fn told(error: &serde_json::Error) -> String {
    let said = error.to_string();
    let own = ["missing field", "duplicate field", "more than"];
    if error.is_data() && !own.iter().any(|words| said.starts_with(words)) {
        return format!(
            "it is of another form than it should be at line {}, column {}",
            error.line(),
            error.column()
        );
    }
    shortened(&in_one_line(&said), LONGEST_REASON)
}

/// An id, as far as it is told: in one line of bounded length.
pub(super) fn told_id(id: &str) -> String {
    shortened(&in_one_line(id), LONGEST_TOLD_ID)
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

/// An object of a list.
pub(super) trait Object {
    /// Its id, which no other has.
    fn id(&self) -> &str;

    /// Its fields that may be missing, each with why it cannot be understood.
    fn complaints(&self) -> Vec<(&'static str, Option<&str>)>;
}

/// Takes the items of an array one by one, of which there may be `most`.
fn each<'a>(body: &'a [u8], most: usize, take: &mut dyn FnMut(&'a RawValue)) -> Result<(), String> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let taken = json.deserialize_seq(Items { most, take });
    taken.and_then(|()| json.end()).map_err(|error| told(&error))
}

/// A list of objects: those that could be understood, each once, and what was wrong with others, in a few lines however many there are.
pub(super) fn list<'a, T: Object + Deserialize<'a>>(body: &'a [u8]) -> Result<(Vec<T>, Vec<String>), String> {
    let mut objects: Vec<T> = Vec::new();
    let mut ids = BTreeSet::new();
    // How many are meant, and what is said of the first.
    let mut wrong: BTreeMap<&str, (usize, String)> = BTreeMap::new();
    let mut complain = |what: &'static str, first: &dyn Fn() -> String| {
        wrong.entry(what).or_insert_with(|| (0, first())).0 += 1;
    };
    each(
        body,
        MOST_OBJECTS,
        &mut |object| match serde_json::from_str::<T>(object.get()) {
            // It would stand in the labels of each figure.
            Ok(object) if object.id().len() > LONGEST_ID => complain("ids", &|| {
                let id = told_id(object.id());
                format!("{id} is no id, with more than {LONGEST_ID} bytes: an object is left out")
            }),
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
        },
    )?;
    let lines = wrong.into_values().map(|(count, first)| match count {
        1 => first,
        _ => format!("{first} (and {} more of the sort)", count - 1),
    });
    Ok((objects, lines.collect()))
}

/// Reads bytes as every answer that there is, and gives what it says of them.
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::powerflex::{Figure, Window};
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
        assert_eq!(pools.len(), 2);
        assert_eq!(pools[0].name.get().map(String::as_str), Some("ssd"));
        assert_eq!(pools[0].rebuild_enabled.get(), Some(&true));
        assert_eq!(pools[0].spare_percentage.get(), None);
        assert!(wrong.iter().all(|line| line.len() < 300), "{wrong:?}");
        let starts: Vec<_> = wrong.iter().map(|line| line.split(':').next().unwrap()).collect();
        assert_eq!(
            starts.join("; "),
            format!(
                "an object is left out; a stands there twice; {}… is no id, with more than 64 bytes; links of a; sparePercentage of a",
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

    /// Holds for all that is said of an answer.
    fn is_bounded(line: &str) -> bool {
        line.chars().count() < 400 && !line.contains(char::is_control)
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(body in proptest::collection::vec(any::<u8>(), 0..200), text in "[\\[{\"a-zA-Z:,0-9}\\]]{0,80}") {
            for body in [&body[..], text.as_bytes()] {
                for line in read_as_all(body) {
                    prop_assert!(is_bounded(&line), "{:?}", line);
                }
            }
        }
    }
}
