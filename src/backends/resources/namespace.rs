//! One namespace, for who may see that and nothing else: pods with their restarts, claims, services and figures.
//!
//! Each of the four is a right of its own. What a right is missing for is left out, and which one that is can be asked for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::metrics;
use super::request::{Asking, Wanted, page};
use super::{Heard, METRICS, ResourceOutcome};
use crate::cluster::list::Few;
use crate::cluster::object::{self, Watched};
use crate::cluster::pages::Pages;
use crate::cluster::problem::shortened;
use crate::model::backend::RESOURCES;
use crate::model::fault::{Fault, Faults};
use crate::model::inventory::{Inventory, Objects, ResourceKind, Role, WatchError, WatchProblem, WatchState};
use crate::model::resources::{PodUsage, Tenancy};
use crate::model::workload::{Claim, NamespacedName, Pod};

/// A pod's containers and how often each was started anew.
type Restarts = Vec<(Box<str>, u64)>;
/// A service's pods, and whether each is ready.
type Instances = BTreeMap<String, bool>;
/// Services and their pods.
type Services = BTreeMap<NamespacedName, Instances>;

/// What was heard of a namespace.
#[derive(Debug)]
pub(super) struct Namespace {
    pods: Result<Vec<(Arc<Pod>, Restarts)>, WatchError>,
    claims: Result<Vec<Arc<Claim>>, WatchError>,
    services: Result<Services, WatchError>,
    usages: Result<Vec<PodUsage>, WatchError>,
    faults: Faults,
    name: String,
}

impl Namespace {
    /// Asks for all of it at the same time. `old_slices` remembers which version of EndpointSlices the API server has.
    pub(super) async fn read(asking: &Asking<'_>, name: &str, old_slices: &AtomicBool) -> Self {
        let list = |group, version, resource| Wanted::within(name, group, version, resource);
        let (pods, claims, usages) = (
            list("", "v1", "pods"),
            list("", "v1", "persistentvolumeclaims"),
            list(METRICS, "v1beta1", "pods"),
        );
        let mut of: [Faults; 4] = Default::default();
        let [of_pods, of_claims, of_services, of_usages] = &mut of;
        let (pods, claims, services, usages) = tokio::join!(
            read_pods(asking, &pods, of_pods),
            read_claims(asking, &claims, of_claims),
            read_services(asking, name, old_slices, of_services),
            async { metrics::pods(&asking.get(&usages).await?, of_usages) },
        );
        let mut faults = Faults::default();
        for others in of {
            faults.append(others);
        }
        Self {
            pods: there(pods),
            claims: there(claims),
            services,
            usages,
            faults,
            name: name.to_owned(),
        }
    }

    /// What would be heard were this the answer to all four.
    pub(super) fn of_answer(body: &[u8], name: &str) -> Self {
        let (mut pods, mut claims, mut services) = (Vec::new(), Vec::new(), Services::new());
        let mut faults = Faults::default();
        let first = || Pages::of(String::new());
        Self {
            pods: page(&mut first(), body, &mut |raw| {
                pods.extend(read_pod(raw, &mut faults));
            })
            .map(|_| pods),
            claims: page(&mut first(), body, &mut |raw| {
                claims.extend(object::<Claim>(raw, &mut faults));
            })
            .map(|_| claims),
            services: page(&mut first(), body, &mut |raw| {
                read_slice(raw, name, &mut services, &mut faults);
            })
            .map(|_| services),
            usages: metrics::pods(body, &mut faults),
            faults,
            name: name.to_owned(),
        }
    }
}

/// What each Kubernetes API has, of namespaces that are not there as well: where it is missing, somebody else was asked.
fn there<T>(answered: Result<T, WatchError>) -> Result<T, WatchError> {
    answered.map_err(|error| match error.problem {
        WatchProblem::Missing => WatchError {
            problem: WatchProblem::Failing,
            message: format!(
                "{} (every Kubernetes API has this: is it one that is asked here?)",
                error.message
            ),
            ..error
        },
        _ => error,
    })
}

/// All namespaces in one.
pub(super) fn tenancy(namespaces: Vec<Namespace>) -> ResourceOutcome {
    let mut outcome = ResourceOutcome::default();
    let mut faults = Faults::default();
    let mut tenancy = Tenancy::default();
    let mut pods = BTreeMap::new();
    let mut claims = BTreeMap::new();
    let mut whole = [true, true];
    for namespace in namespaces {
        let name = namespace.name;
        let mut heard = |kind: &str, error: Option<WatchError>| {
            outcome.heard.push(Heard {
                what: format!("namespace {name}: {kind}"),
                error,
            });
        };
        match namespace.pods {
            Ok(found) => {
                for (pod, restarts) in found {
                    tenancy.restarts.insert(pod.uid.clone(), restarts);
                    pods.insert(pod.uid.clone(), pod);
                }
                heard("pods", None);
            }
            Err(error) => {
                whole[0] = false;
                heard("pods", Some(error));
            }
        }
        match namespace.claims {
            Ok(found) => {
                claims.extend(found.into_iter().map(|claim| (claim.name.clone(), claim)));
                heard("persistentvolumeclaims", None);
            }
            Err(error) => {
                whole[1] = false;
                heard("persistentvolumeclaims", Some(error));
            }
        }
        heard(
            "endpointslices.discovery.k8s.io",
            namespace.services.as_ref().err().cloned(),
        );
        tenancy.services.extend(namespace.services.unwrap_or_default());
        heard("pods.metrics.k8s.io", namespace.usages.as_ref().err().cloned());
        outcome.reading.pods.extend(namespace.usages.unwrap_or_default());
        faults.append(namespace.faults);
    }
    outcome.reading.faults = faults.into_told(super::untold);
    tenancy.inventory = Arc::new(inventory(pods, claims, whole));
    outcome.reading.tenancy = Some(tenancy);
    outcome
}

/// What is known of the namespaces; `whole` says whether of all of them, for pods and for claims.
fn inventory(
    pods: BTreeMap<String, Arc<Pod>>,
    claims: BTreeMap<NamespacedName, Arc<Claim>>,
    whole: [bool; 2],
) -> Inventory {
    let seen = |kind: ResourceKind, whole: bool| {
        let mut watch = WatchState::waiting(0);
        watch.synced = true;
        whole.then_some((kind, watch))
    };
    Inventory {
        role: Role::Cluster,
        pods: Objects::new(pods.into_iter().collect()),
        claims: Objects::new(claims.into_iter().collect()),
        watches: [
            seen(ResourceKind::Pods, whole[0]),
            seen(ResourceKind::Claims, whole[1]),
        ]
        .into_iter()
        .flatten()
        .collect(),
        ..Inventory::default()
    }
}

/// One object, as a watch would have read it. What is wrong with it is this backend's to tell.
fn object<T: Watched>(raw: &RawValue, faults: &mut Faults) -> Option<Arc<T>> {
    let object = object::read::<T>(raw.get());
    for fault in object.faults {
        faults.add(|| Fault {
            source: RESOURCES,
            ..fault
        });
    }
    object.value
}

async fn read_pods(
    asking: &Asking<'_>,
    wanted: &Wanted<'_>,
    faults: &mut Faults,
) -> Result<Vec<(Arc<Pod>, Restarts)>, WatchError> {
    let mut pods = Vec::new();
    let take = &mut |raw: &RawValue| pods.extend(read_pod(raw, faults));
    asking.pages(wanted, take).await?;
    Ok(pods)
}

fn read_pod(raw: &RawValue, faults: &mut Faults) -> Option<(Arc<Pod>, Restarts)> {
    let pod = object::<Pod>(raw, faults)?;
    let (restarts, wrong) = restarts(raw.get());
    if let Some(wrong) = wrong {
        faults.add(|| {
            let subject = format!("pods {}", shortened(&pod.name.to_string()));
            Fault::new(RESOURCES, subject, format!("restarts left out: {wrong}"))
        });
    }
    Some((pod, restarts))
}

async fn read_claims(
    asking: &Asking<'_>,
    wanted: &Wanted<'_>,
    faults: &mut Faults,
) -> Result<Vec<Arc<Claim>>, WatchError> {
    let mut claims = Vec::new();
    let take = &mut |raw: &RawValue| claims.extend(object::<Claim>(raw, faults));
    asking.pages(wanted, take).await?;
    Ok(claims)
}

/// Services by their EndpointSlices, in whichever version the API server has: v1 came with Kubernetes 1.21, and v1beta1 went with 1.25.
async fn read_services(
    asking: &Asking<'_>,
    namespace: &str,
    old: &AtomicBool,
    faults: &mut Faults,
) -> Result<Services, WatchError> {
    let mut services = Services::new();
    let mut ask = async |is_old: bool| {
        let version = if is_old { "v1beta1" } else { "v1" };
        let wanted = Wanted::within(namespace, "discovery.k8s.io", version, "endpointslices");
        let take = &mut |raw: &RawValue| read_slice(raw, namespace, &mut services, faults);
        asking.pages(&wanted, take).await
    };
    let known = old.load(Ordering::Relaxed);
    let mut answered = ask(known).await;
    let problem = answered.as_ref().err().map(|error| error.problem);
    if problem == Some(WatchProblem::Missing) {
        answered = ask(!known).await;
        if answered.is_ok() {
            old.store(!known, Ordering::Relaxed);
        }
    }
    answered.map(|()| services)
}

/// `status.containerStatuses` of a pod, and those of its sidecars; and what is wrong with the first of those that cannot be understood.
fn restarts(json: &str) -> (Restarts, Option<String>) {
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Statuses<'a> {
        #[serde(borrow)]
        container_statuses: Option<Few<&'a RawValue>>,
        #[serde(borrow)]
        init_container_statuses: Option<Few<&'a RawValue>>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Status {
        name: Option<String>,
        restart_count: Option<u64>,
    }
    #[derive(Default, Deserialize)]
    struct WirePod<'a> {
        #[serde(borrow)]
        status: Option<Statuses<'a>>,
        spec: Option<Spec>,
    }
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Spec {
        init_containers: Option<Few<InitContainer>>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct InitContainer {
        name: Option<String>,
        restart_policy: Option<String>,
    }
    let pod: WirePod<'_> = match serde_json::from_str(json) {
        Ok(pod) => pod,
        Err(wrong) => return (Restarts::new(), Some(shortened(&wrong.to_string()))),
    };
    let mut first_wrong = None;
    let mut understood = |raw: Option<Few<&RawValue>>| -> Vec<Status> {
        let mut found = Vec::new();
        for raw in raw.unwrap_or_default().0 {
            match serde_json::from_str(raw.get()) {
                Ok(status) => found.push(status),
                Err(wrong) => {
                    first_wrong.get_or_insert_with(|| shortened(&wrong.to_string()));
                }
            }
        }
        found
    };
    let statuses = pod.status.unwrap_or_default();
    let (before, own) = (
        understood(statuses.init_container_statuses),
        understood(statuses.container_statuses),
    );
    let containers = pod.spec.unwrap_or_default().init_containers.unwrap_or_default().0;
    let is_sidecar = |status: &Status| {
        containers.iter().any(|container| {
            container.restart_policy.as_deref() == Some("Always") && container.name == status.name
        })
    };
    let mut found: Restarts = before
        .into_iter()
        .filter(is_sidecar)
        .chain(own)
        .filter_map(|status| Some((status.name?.into(), status.restart_count?)))
        .collect();
    found.sort();
    found.dedup_by(|later, first| later.0 == first.0);
    (found, first_wrong)
}

/// One slice of a service's pods. A service that has no pod yet has a slice without addresses.
fn read_slice(raw: &RawValue, namespace: &str, services: &mut Services, faults: &mut Faults) {
    #[derive(Deserialize)]
    struct Slice {
        metadata: Option<Meta>,
        endpoints: Option<Few<Endpoint>>,
    }
    #[derive(Default, Deserialize)]
    struct Named {
        metadata: Option<Name>,
    }
    #[derive(Default, Deserialize)]
    struct Name {
        name: Option<String>,
    }
    #[derive(Default, Deserialize)]
    struct Meta {
        labels: Option<Labels>,
    }
    #[derive(Default, Deserialize)]
    struct Labels {
        /// The name of its service.
        #[serde(rename = "kubernetes.io/service-name")]
        service: Option<String>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Endpoint {
        conditions: Option<Conditions>,
        target_ref: Option<Target>,
    }
    #[derive(Deserialize)]
    struct Conditions {
        ready: Option<bool>,
    }
    #[derive(Deserialize)]
    struct Target {
        kind: Option<String>,
        name: Option<String>,
    }
    let slice: Slice = match serde_json::from_str(raw.get()) {
        Ok(slice) => slice,
        Err(wrong) => {
            faults.add(|| {
                let named: Named = serde_json::from_str(raw.get()).unwrap_or_default();
                let name = named.metadata.unwrap_or_default().name;
                let name = shortened(name.as_deref().unwrap_or("without a name"));
                Fault::new(
                    RESOURCES,
                    format!("endpointslices {namespace}/{name}"),
                    format!("left out: {}", shortened(&wrong.to_string())),
                )
            });
            return;
        }
    };
    let labels = slice.metadata.unwrap_or_default().labels.unwrap_or_default();
    // Slices can be made by hand, for no service.
    let Some(service) = labels.service.filter(|service| !service.is_empty()) else {
        return;
    };
    let instances = services
        .entry(NamespacedName::new(namespace, service))
        .or_default();
    for endpoint in slice.endpoints.unwrap_or_default().0 {
        let target = endpoint
            .target_ref
            .filter(|target| target.kind.as_deref() == Some("Pod"));
        let Some(pod) = target.and_then(|target| target.name) else {
            continue;
        };
        // The API means ready where nothing is said. A pod has one slice for each family of addresses.
        let ready = endpoint
            .conditions
            .and_then(|conditions| conditions.ready)
            .unwrap_or(true);
        *instances.entry(pod).or_default() |= ready;
    }
}

/// True for what is missing because there is no right to it, or no such thing in this cluster: that is how it should be.
pub(super) fn is_hidden(error: &WatchError) -> bool {
    matches!(error.problem, WatchProblem::Forbidden | WatchProblem::Missing)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_service_has_the_pods_of_all_its_slices() {
        let slice = |name: &str, service: Option<&str>, endpoints: serde_json::Value| json!({"metadata": {"name": name, "labels": {"kubernetes.io/service-name": service, "other": "label"}}, "endpoints": endpoints});
        let pod = |name: &str, ready: Option<bool>| {
            json!({"addresses": ["10.0.0.1"], "conditions": {"ready": ready, "serving": null},
                   "targetRef": {"kind": "Pod", "name": name, "namespace": "shop"}})
        };
        let list = [
            slice(
                "web-4",
                Some("web"),
                json!([pod("web-1", Some(true)), pod("web-2", Some(false))]),
            ),
            slice(
                "web-6",
                Some("web"),
                json!([pod("web-1", Some(false)), pod("web-3", None)]),
            ),
            slice("new-1", Some("new"), json!(null)),
            slice("by-hand", None, json!([pod("web-1", Some(true))])),
            slice(
                "outside",
                Some("outside"),
                json!([{"addresses": ["192.0.2.1"], "conditions": {}}]),
            ),
            slice("odd", Some("odd"), json!("none")),
        ];
        let (mut faults, mut services) = (Faults::default(), Services::new());
        for slice in list {
            let raw = RawValue::from_string(slice.to_string()).unwrap();
            read_slice(&raw, "shop", &mut services, &mut faults);
        }
        let faults = faults.into_told(super::super::untold);
        let of = |name: &str| services.get(&NamespacedName::new("shop", name));
        let web = of("web").unwrap();
        let web: Vec<_> = web.iter().map(|(pod, ready)| (pod.as_str(), *ready)).collect();
        assert_eq!(web, [("web-1", true), ("web-2", false), ("web-3", true)]);
        assert_eq!(of("new"), Some(&Instances::new()));
        assert_eq!(of("outside"), Some(&Instances::new()));
        assert_eq!(services.len(), 3);
        assert_eq!(faults.len(), 1);
        assert!(
            faults[0]
                .to_string()
                .starts_with("endpointslices shop/odd: left out: "),
            "{}",
            faults[0]
        );
    }

    #[test]
    fn restarts_are_those_of_containers_that_stay() {
        let status = |name: &str, restarts: u64| json!({"name": name, "restartCount": restarts, "state": {}});
        let pod = json!({
            "spec": {"initContainers": [{"name": "prepare"}, {"name": "proxy", "restartPolicy": "Always"}]},
            "status": {
                "initContainerStatuses": [status("prepare", 7), status("proxy", 2)],
                "containerStatuses": [status("web", 3), {"name": "starting"}, {"name": "odd", "restartCount": -1}],
            },
        });
        let (found, wrong) = restarts(&pod.to_string());
        assert_eq!(found, [("proxy".into(), 2), ("web".into(), 3)]);
        assert!(wrong.unwrap().contains("`-1`"));
        assert_eq!(restarts("{}"), (Restarts::new(), None));
    }
}
