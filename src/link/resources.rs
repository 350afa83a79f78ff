//! Joins figures of CPU and memory with the pods and services that they are of.
//!
//! metrics.k8s.io names pods and says no more of them; names come back. So figures are left out that are of somebody who is gone: of a
//! node or a pod that does not exist, of a pod that has ended, and of an earlier pod of the same name.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::model::inventory::{Inventory, ResourceKind};
use crate::model::resources::{PodResources, PodUsage, ResourceMap, ResourceReading, Service, Tenancy};
use crate::model::workload::{NamespacedName, Pod};

/// The figures with what they are of. `inventory` is what is known of the whole cluster; in a tenancy its own counts.
pub fn join(reading: ResourceReading, inventory: &Inventory) -> ResourceMap {
    match reading.tenancy {
        Some(tenancy) => of_tenancy(reading.pods, tenancy),
        None => of_cluster(reading, inventory),
    }
}

fn of_cluster(reading: ResourceReading, inventory: &Inventory) -> ResourceMap {
    let every_node = inventory.hears(ResourceKind::Nodes);
    let every_pod = inventory.hears(ResourceKind::Pods);
    let pods = by_name(inventory);
    let mut nodes = reading.nodes;
    nodes.retain(|node| !every_node || inventory.nodes.contains_key(&node.name));
    ResourceMap {
        nodes,
        pods: reading
            .pods
            .into_iter()
            .filter_map(|usage| {
                let pod = pods.get(&usage.name).copied();
                let is_current = pod.map_or(!every_pod, |pod| is_of(&usage, pod));
                is_current.then(|| PodResources {
                    name: usage.name.clone(),
                    pod: pod.cloned(),
                    usage: Some(usage),
                    restarts: Vec::new(),
                    services: Vec::new(),
                })
            })
            .collect(),
        services: None,
    }
}

fn of_tenancy(usages: Vec<PodUsage>, mut tenancy: Tenancy) -> ResourceMap {
    let inventory = Arc::clone(&tenancy.inventory);
    let every_pod = inventory.hears(ResourceKind::Pods);
    let pods = by_name(&inventory);
    // An address of a pod may outlive it for a moment.
    let exists =
        |namespace: &str, pod: &str| !every_pod || pods.contains_key(&NamespacedName::new(namespace, pod));
    let mut found: BTreeMap<NamespacedName, PodResources> = pods
        .iter()
        .filter(|(_, pod)| !pod.has_ended())
        .map(|(name, pod)| ((*name).clone(), bare((*name).clone(), Some(Arc::clone(pod)))))
        .collect();
    for usage in usages {
        match found.get_mut(&usage.name) {
            Some(known) if known.pod.as_ref().is_none_or(|pod| is_of(&usage, pod)) => {
                known.usage = Some(usage);
            }
            None if !every_pod && !pods.contains_key(&usage.name) => {
                let mut unseen = bare(usage.name.clone(), None);
                unseen.usage = Some(usage);
                found.insert(unseen.name.clone(), unseen);
            }
            _ => {}
        }
    }
    let mut services = Vec::new();
    for (name, instances) in std::mem::take(&mut tenancy.services) {
        let mut service = Service {
            name,
            instances: 0,
            ready: 0,
        };
        for (pod, ready) in instances {
            if !exists(&service.name.namespace, &pod) {
                continue;
            }
            service.instances += 1;
            service.ready += usize::from(ready);
            if let Some(known) = found.get_mut(&NamespacedName::new(&service.name.namespace, pod)) {
                known.services.push((service.name.name.clone(), ready));
            }
        }
        services.push(service);
    }
    for pod in found.values_mut() {
        let restarts = pod.pod.as_ref().and_then(|pod| tenancy.restarts.remove(&pod.uid));
        pod.restarts = restarts.unwrap_or_default();
    }
    ResourceMap {
        nodes: Vec::new(),
        pods: found.into_values().collect(),
        services: Some(services),
    }
}

fn bare(name: NamespacedName, pod: Option<Arc<Pod>>) -> PodResources {
    PodResources {
        name,
        pod,
        usage: None,
        restarts: Vec::new(),
        services: Vec::new(),
    }
}

/// Pods by name, of two of one name the one that was made last.
fn by_name(inventory: &Inventory) -> HashMap<&NamespacedName, &Arc<Pod>> {
    let mut pods: HashMap<&NamespacedName, &Arc<Pod>> = HashMap::with_capacity(inventory.pods.len());
    for pod in inventory.pods.values() {
        let known = pods.entry(&pod.name).or_insert(pod);
        if known.created < pod.created {
            *known = pod;
        }
    }
    pods
}

/// False for figures that end before the pod was made, and for those of a pod that has ended.
fn is_of(usage: &PodUsage, pod: &Pod) -> bool {
    let earlier = usage
        .time
        .end
        .zip(pod.created)
        .is_some_and(|(end, created)| end < created);
    !earlier && !pod.has_ended()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::inventory::{WatchError, WatchProblem, WatchState};
    use crate::model::resources::{ContainerUsage, NodeUsage, Usage, UsageTime};
    use crate::model::workload::{Limits, PodPhase};

    fn pod(namespace: &str, name: &str, uid: &str, created: i64) -> Pod {
        Pod {
            uid: uid.into(),
            name: NamespacedName::new(namespace, name),
            node: Some("w1".into()),
            ip: None,
            phase: Some(PodPhase::Running),
            created: Some(created),
            owner: None,
            static_hash: None,
            containers: Box::default(),
            limits: Limits::default(),
            volumes: Vec::new(),
        }
    }

    fn inventory(pods: impl IntoIterator<Item = Pod>, error: Option<WatchError>) -> Inventory {
        let watch = WatchState {
            synced: true,
            since: 0,
            error,
            errors: 0,
        };
        Inventory {
            pods: Arc::new(
                pods.into_iter()
                    .map(|pod| (pod.uid.clone(), Arc::new(pod)))
                    .collect(),
            ),
            watches: [ResourceKind::Pods, ResourceKind::Nodes]
                .map(|kind| (kind, watch.clone()))
                .into(),
            ..Inventory::default()
        }
    }

    fn usage(namespace: &str, name: &str, end: i64) -> PodUsage {
        PodUsage {
            name: NamespacedName::new(namespace, name),
            time: UsageTime {
                end: Some(end),
                window: None,
            },
            containers: vec![ContainerUsage {
                name: "main".into(),
                usage: Usage {
                    cpu: Some(1),
                    memory: Some(2),
                },
            }],
        }
    }

    fn reading(pods: Vec<PodUsage>) -> ResourceReading {
        ResourceReading {
            pods,
            ..ResourceReading::default()
        }
    }

    fn uids(map: &ResourceMap) -> Vec<Option<&str>> {
        let pods = map.pods.iter();
        pods.map(|pod| pod.pod.as_ref().map(|pod| pod.uid.as_str()))
            .collect()
    }

    #[test]
    fn two_pods_of_one_name_in_two_namespaces_are_two() {
        let known = inventory([pod("a", "web", "ua", 1), pod("b", "web", "ub", 1)], None);
        let map = join(reading(vec![usage("a", "web", 9), usage("b", "web", 9)]), &known);
        assert_eq!(uids(&map), [Some("ua"), Some("ub")]);
    }

    #[test]
    fn figures_of_who_is_gone_are_left_out() {
        let ended = Pod {
            phase: Some(PodPhase::Succeeded),
            ..pod("a", "job", "uj", 1)
        };
        let known = inventory([pod("a", "web-0", "new", 100), ended], None);
        let mut told = reading(vec![
            usage("a", "gone", 9),
            usage("a", "job", 9),
            usage("a", "web-0", 99),
        ]);
        told.nodes = vec![NodeUsage {
            name: "gone".into(),
            time: UsageTime::default(),
            usage: Usage::default(),
        }];
        assert_eq!(join(told, &known), ResourceMap::default());
        let map = join(reading(vec![usage("a", "web-0", 100)]), &known);
        assert_eq!(uids(&map), [Some("new")]);
    }

    #[test]
    fn while_pods_are_not_heard_of_figures_are_shown_without_them() {
        let error = WatchError {
            problem: WatchProblem::Unreachable,
            message: String::new(),
            rule: None,
        };
        let known = inventory([], Some(error));
        assert_eq!(uids(&join(reading(vec![usage("a", "web", 9)]), &known)), [None]);
        let nothing = Inventory::default();
        assert_eq!(uids(&join(reading(vec![usage("a", "web", 9)]), &nothing)), [None]);
    }

    #[test]
    fn a_tenant_sees_its_pods_before_they_are_measured() {
        let tenancy = Tenancy {
            inventory: Arc::new(inventory(
                [pod("a", "web", "ua", 1), pod("a", "idle", "ui", 1)],
                None,
            )),
            restarts: [("ua".into(), vec![("main".into(), 3)])].into(),
            services: [
                (
                    NamespacedName::new("a", "shop"),
                    [
                        ("web".into(), true),
                        ("idle".into(), false),
                        ("gone".into(), true),
                    ]
                    .into(),
                ),
                (NamespacedName::new("a", "empty"), BTreeMap::new()),
            ]
            .into(),
        };
        let told = ResourceReading {
            tenancy: Some(tenancy),
            ..reading(vec![usage("a", "web", 9), usage("a", "gone", 9)])
        };
        let map = join(told, &Inventory::default());
        assert_eq!(uids(&map), [Some("ui"), Some("ua")]);
        let web = &map.pods[1];
        assert_eq!(web.restarts, [("main".into(), 3)]);
        assert_eq!(web.services, [("shop".into(), true)]);
        assert!(web.usage.is_some() && map.pods[0].usage.is_none());
        let services: Vec<_> = map.services.iter().flatten().collect();
        let counts: Vec<_> = services
            .iter()
            .map(|service| (service.name.name.as_str(), service.instances, service.ready))
            .collect();
        assert_eq!(counts, [("empty", 0, 0), ("shop", 2, 1)]);
    }
}
