//! One object as it came from the API: read, or set aside with the reason.
//!
//! Each object is parsed on its own, and that cannot fail: what cannot be read becomes a fault.

use std::fmt::{Debug, Display};
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer};
use serde_json::value::RawValue;

use super::problem;
use super::wire::Meta;
use crate::model::fault::Fault;
use crate::model::inventory::{KUBERNETES, ResourceKind};
use crate::model::text;
use crate::model::workload::NamespacedName;

/// No name, namespace or UID of an object is longer (RFC 1123, a DNS subdomain). One of megabytes would stand in each label and each line.
pub(crate) const LONGEST_NAME: usize = 253;

/// So many things that are wrong with one object are told one by one.
const MOST_COMPLAINTS: usize = 10;

/// A kind of object that is read from the API.
pub trait Watched: Debug + Clone + PartialEq + Send + Sync + 'static {
    /// Which one.
    const KIND: ResourceKind;
    /// Its name in the API's objects: `Pod`.
    const API_KIND: &'static str;
    /// Its form in the API.
    type Wire: DeserializeOwned;
    /// What tells two objects of the kind apart.
    type Key: Key;

    /// Its metadata.
    fn take_meta(wire: &mut Self::Wire) -> Meta;

    /// Its key; `None` where it has no name.
    fn key(meta: &Meta) -> Option<Self::Key> {
        Self::Key::named(meta)
    }

    /// The plain value. What of it cannot be understood is left out and said to `complain`.
    fn convert(key: &Self::Key, meta: Meta, wire: Self::Wire, complain: &mut Vec<String>) -> Self;
}

/// What tells two objects of a kind apart, as a rule their name.
pub trait Key: Debug + Clone + Ord + Display + Send + Sync + 'static {
    /// The name; `None` where there is none.
    fn named(meta: &Meta) -> Option<Self>;
}

/// The name alone, for what lives in no namespace.
impl Key for String {
    fn named(meta: &Meta) -> Option<Self> {
        meta.name.clone()
    }
}

impl Key for NamespacedName {
    fn named(meta: &Meta) -> Option<Self> {
        Some(Self::new(meta.namespace.clone()?, meta.name.clone()?))
    }
}

/// What was read of one object.
#[derive(Debug, Clone)]
pub struct Reading<K, T> {
    /// What tells it apart; `None` where it has no name.
    pub key: Option<K>,
    /// Its value; `None` where it could not be read.
    pub value: Option<Arc<T>>,
    /// What could not be understood of it.
    pub faults: Vec<Fault>,
}

/// Reads an object's JSON. It cannot fail: what cannot be read becomes a fault.
pub fn read<T: Watched>(json: &str) -> Reading<T::Key, T> {
    read_as(T::KIND, json, T::take_meta, T::key, T::convert)
}

/// The same of any kind: its metadata are taken from what was parsed, its key is made of those, and its value of both.
pub(super) fn read_as<W: DeserializeOwned, K, T>(
    kind: ResourceKind,
    json: &str,
    take_meta: impl FnOnce(&mut W) -> Meta,
    key: impl FnOnce(&Meta) -> Option<K>,
    convert: impl FnOnce(&K, Meta, W, &mut Vec<String>) -> T,
) -> Reading<K, T> {
    let unread = |key, subject, problem| Reading {
        key,
        value: None,
        faults: vec![Fault::new(KUBERNETES, subject, problem)],
    };
    let mut wire: W = match serde_json::from_str(json) {
        Ok(wire) => wire,
        Err(error) => {
            let meta = legible_meta(json);
            return unread(
                key(&meta),
                subject(kind, &meta),
                format!("left out: {}", said(&error)),
            );
        }
    };
    let meta = take_meta(&mut wire);
    let subject = subject(kind, &meta);
    let names = [&meta.name, &meta.namespace, &meta.uid];
    if names.into_iter().flatten().any(|name| name.len() > LONGEST_NAME) {
        let problem = format!("left out: its name, namespace or UID has more than {LONGEST_NAME} bytes");
        return unread(None, subject, problem);
    }
    let Some(key) = key(&meta) else {
        return unread(None, subject, "it has no name".to_owned());
    };
    let mut complaints = Vec::new();
    let value = convert(&key, meta, wire, &mut complaints);
    let untold = complaints.len().saturating_sub(MOST_COMPLAINTS);
    if untold > 0 {
        complaints.truncate(MOST_COMPLAINTS);
        complaints.push(format!("{untold} more things of it cannot be understood"));
    }
    Reading {
        key: Some(key),
        value: Some(Arc::new(value)),
        faults: complaints
            .into_iter()
            .map(|complaint| Fault::new(KUBERNETES, subject.clone(), complaint))
            .collect(),
    }
}

/// `persistentvolumeclaims shop/data`, for people.
fn subject(kind: ResourceKind, meta: &Meta) -> String {
    let mut subject = kind.name().to_owned();
    let told = |name: &str| text::shortened(name, LONGEST_NAME);
    match (&meta.namespace, &meta.name) {
        (Some(namespace), Some(name)) => {
            subject.push(' ');
            subject.push_str(&told(namespace));
            subject.push('/');
            subject.push_str(&told(name));
        }
        (None, Some(name)) => {
            subject.push(' ');
            subject.push_str(&told(name));
        }
        (_, None) => subject.push_str(" without a name"),
    }
    subject
}

/// What is wrong, without the place, which is another one with each change of the object, and no more of its text than is read.
fn said(error: &serde_json::Error) -> String {
    let said = error.to_string();
    let end = said.rfind(" at line ").unwrap_or(said.len());
    problem::shortened(&said[..end])
}

/// Of an object that could not be read, what it is called by. All else is skipped, however deep it is.
#[derive(Default, Deserialize)]
struct Called {
    #[serde(default, deserialize_with = "if_legible")]
    metadata: Option<Names>,
}

#[derive(Default, Deserialize)]
struct Names {
    #[serde(default, deserialize_with = "if_legible")]
    name: Option<String>,
    #[serde(default, deserialize_with = "if_legible")]
    namespace: Option<String>,
    #[serde(default, deserialize_with = "if_legible")]
    uid: Option<String>,
}

fn if_legible<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let json = <&RawValue>::deserialize(deserializer)?;
    Ok(serde_json::from_str(json.get()).ok())
}

/// The names of an object that could not be read, as far as they can.
fn legible_meta(json: &str) -> Meta {
    let called: Called = serde_json::from_str(json).unwrap_or_default();
    let names = called.metadata.unwrap_or_default();
    let short = |name: Option<String>| name.filter(|name| name.len() <= LONGEST_NAME);
    Meta {
        name: short(names.name),
        namespace: short(names.namespace),
        uid: short(names.uid),
        ..Meta::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::workload::{Claim, Pod};

    #[test]
    fn an_object_of_a_longer_name_than_any_is_none_and_told_in_short() {
        let long = "n".repeat(1 << 20);
        for metadata in [
            json!({"name": long, "namespace": "shop", "uid": "u"}),
            json!({"name": "web-0", "namespace": long, "uid": "u"}),
            json!({"name": "web-0", "namespace": "shop", "uid": long}),
        ] {
            for spec in [json!({}), json!("none")] {
                let object = read::<Pod>(&json!({"metadata": metadata, "spec": spec}).to_string());
                assert!(object.value.is_none() && object.key.is_none_or(|key| key.len() < 10));
                let [fault] = &object.faults[..] else {
                    panic!("{}", object.faults.len())
                };
                let said = fault.to_string();
                assert!(said.starts_with("pods ") && said.len() < 700, "{}", said.len());
            }
        }
    }

    #[test]
    fn of_much_that_is_wrong_with_one_object_ten_things_are_told() {
        let volume = json!({"name": "v", "persistentVolumeClaim": {"claimName": "A b"}});
        let pod = json!({"metadata": {"name": "web-0", "namespace": "shop", "uid": "u"},
                         "spec": {"volumes": vec![volume; 400]}});
        let faults = read::<Pod>(&pod.to_string()).faults;
        assert_eq!(faults.len(), MOST_COMPLAINTS + 1);
        assert_eq!(
            faults[MOST_COMPLAINTS].to_string(),
            "pods shop/web-0: 390 more things of it cannot be understood"
        );
        let one = json!({"metadata": {"name": "c", "namespace": "shop"}, "spec": {"volumeName": "A b"}});
        assert_eq!(read::<Claim>(&one.to_string()).faults.len(), 1);
    }
}
