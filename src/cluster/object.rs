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
use crate::model::workload::NamespacedName;

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
    let Some(key) = key(&meta) else {
        return unread(None, subject, "it has no name".to_owned());
    };
    let mut complaints = Vec::new();
    let value = convert(&key, meta, wire, &mut complaints);
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
    match (&meta.namespace, &meta.name) {
        (Some(namespace), Some(name)) => {
            subject.push(' ');
            subject.push_str(&problem::shortened(namespace));
            subject.push('/');
            subject.push_str(&problem::shortened(name));
        }
        (None, Some(name)) => {
            subject.push(' ');
            subject.push_str(&problem::shortened(name));
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
    Meta {
        name: names.name,
        namespace: names.namespace,
        uid: names.uid,
        ..Meta::default()
    }
}
