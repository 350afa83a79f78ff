//! One object as it came from the API: read, or set aside with the reason.
//!
//! The API's lists and watches are parsed as a whole by the client, where one object that cannot be read would cost all others.
//! So an [`Object`] is parsed on its own and cannot fail: what cannot be read becomes a fault.

use std::borrow::Cow;
use std::fmt::{Debug, Display};
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::de::{DeserializeOwned, Deserializer};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

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
    /// Whether it lives in a namespace.
    type Scope;

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

impl<T: Watched> From<Object<T>> for Reading<T::Key, T> {
    fn from(object: Object<T>) -> Self {
        Self {
            key: object.key,
            value: object.value,
            faults: object.faults,
        }
    }
}

/// One object as it came.
#[derive(Debug, Clone)]
pub struct Object<T: Watched> {
    /// Of the API's metadata only what the watch itself needs.
    meta: ObjectMeta,
    /// What tells it apart; `None` where it has no name.
    pub key: Option<T::Key>,
    /// Its value; `None` where it could not be read.
    pub value: Option<Arc<T>>,
    /// What could not be understood of it.
    pub faults: Vec<Fault>,
}

impl<T: Watched> Object<T> {
    /// Reads an object's JSON.
    pub fn read(json: &str) -> Self {
        match serde_json::from_str::<T::Wire>(json) {
            Ok(mut wire) => {
                let mut meta = T::take_meta(&mut wire);
                let resource_version = meta.resource_version.take();
                let subject = subject(T::KIND, meta.namespace.as_deref(), meta.name.as_deref());
                let Some(key) = T::key(&meta) else {
                    return Self::unread(&meta, resource_version, "it has no name".to_owned());
                };
                let mut complaints = Vec::new();
                let value = T::convert(&key, meta, wire, &mut complaints);
                Self {
                    meta: with_version(resource_version),
                    key: Some(key),
                    value: Some(Arc::new(value)),
                    faults: complaints
                        .into_iter()
                        .map(|complaint| Fault::new(KUBERNETES, subject.clone(), complaint))
                        .collect(),
                }
            }
            Err(error) => {
                let mut meta = legible_meta(json);
                let resource_version = meta.resource_version.take();
                Self::unread(&meta, resource_version, format!("left out: {error}"))
            }
        }
    }

    fn unread(meta: &Meta, resource_version: Option<String>, problem: String) -> Self {
        Self {
            meta: with_version(resource_version),
            key: T::key(meta),
            value: None,
            faults: vec![Fault::new(
                KUBERNETES,
                subject(T::KIND, meta.namespace.as_deref(), meta.name.as_deref()),
                problem,
            )],
        }
    }
}

/// `persistentvolumeclaims shop/data`, for people.
pub(super) fn subject(kind: ResourceKind, namespace: Option<&str>, name: Option<&str>) -> String {
    let mut subject = kind.name().to_owned();
    match (namespace, name) {
        (Some(namespace), Some(name)) => {
            subject.push(' ');
            subject.push_str(namespace);
            subject.push('/');
            subject.push_str(name);
        }
        (None, Some(name)) => {
            subject.push(' ');
            subject.push_str(name);
        }
        (_, None) => subject.push_str(" without a name"),
    }
    subject
}

pub(super) fn with_version(resource_version: Option<String>) -> ObjectMeta {
    ObjectMeta {
        resource_version,
        ..ObjectMeta::default()
    }
}

/// The names of an object that could not be read, as far as they can.
fn legible_meta(json: &str) -> Meta {
    let object: serde_json::Value = serde_json::from_str(json).unwrap_or_default();
    let text = |field: &str| object["metadata"][field].as_str().map(ToOwned::to_owned);
    Meta {
        name: text("name"),
        namespace: text("namespace"),
        uid: text("uid"),
        resource_version: text("resourceVersion"),
        ..Meta::default()
    }
}

// Of an event of a watch the client reads the type before the object, which API servers write in this order.
impl<'de, T: Watched> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::read(<&RawValue>::deserialize(deserializer)?.get()))
    }
}

// The client asks for it where it creates objects, which this program never does.
impl<T: Watched> Serialize for Object<T> {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("objects are read, never written"))
    }
}

impl<T: Watched> Resource for Object<T> {
    type DynamicType = ();
    type Scope = T::Scope;

    fn kind((): &()) -> Cow<'_, str> {
        Cow::Borrowed(T::API_KIND)
    }

    fn group((): &()) -> Cow<'_, str> {
        Cow::Borrowed(T::KIND.group())
    }

    fn version((): &()) -> Cow<'_, str> {
        Cow::Borrowed("v1")
    }

    fn plural((): &()) -> Cow<'_, str> {
        Cow::Borrowed(T::KIND.resource())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.meta
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.meta
    }
}
