//! The API's form of each kind → the model's.

use jiff::Timestamp;

use super::object::Watched;
use super::wire::{self, Meta, Quantity, Storage};
use crate::model::inventory::ResourceKind;
use crate::model::quantity::{self, QuantityError};
use crate::model::volume::VolumeMode;
use crate::model::workload::{
    AccessMode, AttachError, AttachedDevice, BindingMode, Claim, ClaimPhase, ClaimReference, Condition,
    Container, CsiDriver, DataSource, DeclaredVolume, Limits, NamespacedName, Node, NodeRequirement, Owner,
    PersistentVolume, Pod, PodPhase, PodVolumeSource, ReclaimPolicy, StorageClass, StorageSource,
    VolumeAttachment, VolumeDetails, VolumePhase,
};

impl Watched for Pod {
    const KIND: ResourceKind = ResourceKind::Pods;
    const API_KIND: &'static str = "Pod";
    type Wire = wire::Pod;
    type Key = String;

    fn take_meta(wire: &mut Self::Wire) -> Meta {
        wire.metadata.take().unwrap_or_default()
    }

    fn key(meta: &Meta) -> Option<String> {
        // A pod without a name is none either.
        meta.name.as_ref().and(meta.uid.clone())
    }

    fn convert(key: &String, meta: Meta, wire: Self::Wire, complain: &mut Vec<String>) -> Self {
        let annotations = meta.annotations.unwrap_or_default();
        let spec = wire.spec.unwrap_or_default();
        let status = wire.status.unwrap_or_default();
        let name = namespaced(meta.namespace, meta.name);
        let containers = containers(spec.containers, spec.init_containers, complain);
        let limits = limits(spec.resources, "resources", complain);
        let volumes = spec
            .volumes
            .into_iter()
            .flatten()
            .filter_map(|volume| declared(volume, &name.name, complain))
            .collect();
        Self {
            uid: key.clone(),
            node: spec.node_name.filter(|node| !node.is_empty()),
            ip: status.pod_ip.filter(|ip| !ip.is_empty()).map(Into::into),
            phase: word(status.phase, PodPhase::from_word),
            created: time(meta.creation_timestamp.as_deref(), "creationTimestamp", complain),
            deletion: time(meta.deletion_timestamp.as_deref(), "deletionTimestamp", complain),
            owner: meta
                .owner_references
                .into_iter()
                .flatten()
                .find(|owner| owner.controller == Some(true))
                .and_then(|owner| {
                    Some(Owner {
                        kind: owner.kind?,
                        name: owner.name?,
                    })
                }),
            // Only mirror pods bear the hash in the API; elsewhere somebody copied an annotation.
            static_hash: annotations.config_mirror.and(annotations.config_hash),
            name,
            containers,
            limits,
            volumes,
        }
    }
}

/// The containers that run as long as the pod does.
fn containers(
    own: Option<Vec<wire::Container>>,
    before: Option<Vec<wire::Container>>,
    complain: &mut Vec<String>,
) -> Box<[Container]> {
    let sidecars = before
        .into_iter()
        .flatten()
        .filter(|container| container.restart_policy.as_deref() == Some("Always"));
    sidecars
        .chain(own.into_iter().flatten())
        .filter_map(|container| {
            let name = container.name?;
            let limits = limits(container.resources, &format!("container {name}"), complain);
            Some(Container {
                name: name.into(),
                limits,
            })
        })
        .collect()
}

/// A limit of 0 is none: so Kubernetes has it.
fn limits(resources: Option<wire::ContainerResources>, place: &str, complain: &mut Vec<String>) -> Limits {
    let limits = resources
        .and_then(|resources| resources.limits)
        .unwrap_or_default();
    Limits {
        cpu: amount(
            limits.cpu,
            quantity::nanocores,
            || format!("{place}: limit of cpu"),
            complain,
        )
        .filter(|limit| *limit > 0),
        memory: amount(
            limits.memory,
            quantity::bytes,
            || format!("{place}: limit of memory"),
            complain,
        )
        .filter(|limit| *limit > 0),
    }
}

fn declared(mut volume: wire::PodVolume, pod: &str, complain: &mut Vec<String>) -> Option<DeclaredVolume> {
    let name = volume.name.take()?;
    let texts = [
        &volume.config_map,
        &volume.secret,
        &volume.projected,
        &volume.downward_api,
        &volume.git_repo,
    ];
    let source = if let Some(claim) = volume.persistent_volume_claim {
        PodVolumeSource::Claim {
            name: claim.claim_name?,
            ephemeral: false,
            read_only: claim.read_only.unwrap_or(false),
        }
    } else if volume.ephemeral.is_some() {
        PodVolumeSource::Claim {
            name: format!("{pod}-{name}"),
            ephemeral: true,
            read_only: false,
        }
    } else if let Some(folder) = volume.empty_dir {
        PodVolumeSource::EmptyDir {
            memory: folder.medium.as_deref() == Some("Memory"),
            size_limit: size(folder.size_limit, "sizeLimit", complain),
        }
    } else if texts.iter().any(|text| text.is_some()) {
        PodVolumeSource::Text
    } else if volume.image.is_some() {
        PodVolumeSource::Inline(StorageSource::Other {
            field: "image".to_owned(),
        })
    } else {
        // A sort that is newer than this program has no name here.
        PodVolumeSource::Inline(storage(volume.storage()).unwrap_or_else(|| StorageSource::Other {
            field: "unknown".to_owned(),
        }))
    };
    Some(DeclaredVolume { name, source })
}

impl Watched for Claim {
    const KIND: ResourceKind = ResourceKind::Claims;
    const API_KIND: &'static str = "PersistentVolumeClaim";
    type Wire = wire::Claim;
    type Key = NamespacedName;

    fn take_meta(wire: &mut Self::Wire) -> Meta {
        wire.metadata.take().unwrap_or_default()
    }

    fn convert(key: &NamespacedName, meta: Meta, wire: Self::Wire, complain: &mut Vec<String>) -> Self {
        let spec = wire.spec.unwrap_or_default();
        let status = wire.status.unwrap_or_default();
        let requests = spec.resources.and_then(|resources| resources.requests);
        let got = status.access_modes.filter(|modes| !modes.is_empty());
        Self {
            uid: meta.uid.unwrap_or_default(),
            name: key.clone(),
            phase: word(status.phase, ClaimPhase::from_word),
            class: spec
                .storage_class_name
                .or_else(|| meta.annotations.and_then(|annotations| annotations.class_beta)),
            volume: spec.volume_name.filter(|name| !name.is_empty()),
            requested: size(
                requests.and_then(|requests| requests.storage),
                "spec.resources.requests.storage",
                complain,
            ),
            capacity: size(
                status.capacity.and_then(|capacity| capacity.storage),
                "status.capacity.storage",
                complain,
            ),
            access_modes: access_modes(got.or(spec.access_modes)),
            mode: volume_mode(spec.volume_mode.as_deref()),
            data_source: spec.data_source_ref.or(spec.data_source).and_then(|source| {
                Some(DataSource {
                    kind: source.kind?,
                    group: source.api_group.filter(|group| !group.is_empty()),
                    namespace: source.namespace,
                    name: source.name?,
                })
            }),
            conditions: status
                .conditions
                .into_iter()
                .flatten()
                .filter_map(|condition| {
                    Some(Condition {
                        kind: condition.kind?,
                        holds: holds(condition.status.as_deref()),
                        reason: condition.reason,
                        message: condition.message,
                        since: time(
                            condition.last_transition_time.as_deref(),
                            "lastTransitionTime",
                            complain,
                        ),
                    })
                })
                .collect(),
            created: time(meta.creation_timestamp.as_deref(), "creationTimestamp", complain),
            deletion: time(meta.deletion_timestamp.as_deref(), "deletionTimestamp", complain),
        }
    }
}

impl Watched for PersistentVolume {
    const KIND: ResourceKind = ResourceKind::Volumes;
    const API_KIND: &'static str = "PersistentVolume";
    type Wire = wire::PersistentVolume;
    type Key = String;

    fn take_meta(wire: &mut Self::Wire) -> Meta {
        wire.metadata.take().unwrap_or_default()
    }

    fn convert(key: &String, meta: Meta, wire: Self::Wire, complain: &mut Vec<String>) -> Self {
        let annotations = meta.annotations.unwrap_or_default();
        let mut spec = wire.spec.unwrap_or_default();
        let status = wire.status.unwrap_or_default();
        let storage = spec.storage();
        let details = details(
            storage.csi.as_ref().and_then(|csi| csi.volume_attributes.clone()),
            meta.labels.and_then(|labels| labels.cas_type),
            annotations.disk_claim,
        );
        let source = self::storage(storage);
        Self {
            uid: meta.uid.unwrap_or_default(),
            name: key.clone(),
            phase: word(status.phase, VolumePhase::from_word),
            reason: status.reason.filter(|reason| !reason.is_empty()),
            message: status.message.filter(|message| !message.is_empty()),
            class: spec
                .storage_class_name
                .or(annotations.class_beta)
                .filter(|class| !class.is_empty()),
            capacity: size(
                spec.capacity.and_then(|capacity| capacity.storage),
                "spec.capacity.storage",
                complain,
            ),
            access_modes: access_modes(spec.access_modes),
            reclaim_policy: word(spec.persistent_volume_reclaim_policy, ReclaimPolicy::from_word),
            mode: volume_mode(spec.volume_mode.as_deref()),
            claim: spec.claim_ref.and_then(|claim| {
                Some(ClaimReference {
                    name: NamespacedName::new(claim.namespace?, claim.name?),
                    uid: claim.uid.filter(|uid| !uid.is_empty()),
                })
            }),
            source,
            migrated_to: annotations.migrated_to,
            provisioned_by: annotations.provisioned_by,
            details,
            node_affinity: affinity(spec.node_affinity),
            mount_options: spec.mount_options.unwrap_or_default(),
            created: time(meta.creation_timestamp.as_deref(), "creationTimestamp", complain),
            deletion: time(meta.deletion_timestamp.as_deref(), "deletionTimestamp", complain),
        }
    }
}

fn details(
    attributes: Option<wire::VolumeAttributes>,
    cas_type: Option<String>,
    disk_claim: Option<String>,
) -> Option<Box<VolumeDetails>> {
    let attributes = attributes.unwrap_or_default();
    let details = VolumeDetails {
        cas_type,
        disk_claim,
        copies: attributes.repl,
        pool: attributes.pool,
        cluster: attributes.cluster,
    };
    (details != VolumeDetails::default()).then(|| Box::new(details))
}

fn affinity(affinity: Option<wire::NodeAffinity>) -> Vec<Vec<NodeRequirement>> {
    let terms = affinity
        .and_then(|affinity| affinity.required)
        .and_then(|required| required.node_selector_terms);
    terms
        .into_iter()
        .flatten()
        .map(|term| {
            let expressions = term.match_expressions.into_iter().flatten();
            expressions
                .chain(term.match_fields.into_iter().flatten())
                .filter_map(|requirement| {
                    Some(NodeRequirement {
                        key: requirement.key?,
                        operator: requirement.operator?,
                        values: requirement.values.unwrap_or_default(),
                    })
                })
                .collect()
        })
        .collect()
}

impl Watched for StorageClass {
    const KIND: ResourceKind = ResourceKind::Classes;
    const API_KIND: &'static str = "StorageClass";
    type Wire = wire::StorageClass;
    type Key = String;

    fn take_meta(wire: &mut Self::Wire) -> Meta {
        wire.metadata.take().unwrap_or_default()
    }

    fn convert(key: &String, meta: Meta, wire: Self::Wire, complain: &mut Vec<String>) -> Self {
        let annotations = meta.annotations.unwrap_or_default();
        let defaults = [annotations.default_class, annotations.default_class_beta];
        Self {
            uid: meta.uid.unwrap_or_default(),
            name: key.clone(),
            provisioner: wire.provisioner,
            reclaim_policy: word(wire.reclaim_policy, ReclaimPolicy::from_word),
            binding_mode: word(wire.volume_binding_mode, BindingMode::from_word),
            is_default: defaults.iter().any(|is| is.as_deref() == Some("true")),
            allows_expansion: wire.allow_volume_expansion.unwrap_or(false),
            parameters: wire.parameters.map_or(0, |parameters| parameters.0),
            created: time(meta.creation_timestamp.as_deref(), "creationTimestamp", complain),
        }
    }
}

impl Watched for VolumeAttachment {
    const KIND: ResourceKind = ResourceKind::Attachments;
    const API_KIND: &'static str = "VolumeAttachment";
    type Wire = wire::VolumeAttachment;
    type Key = String;

    fn take_meta(wire: &mut Self::Wire) -> Meta {
        wire.metadata.take().unwrap_or_default()
    }

    fn convert(key: &String, meta: Meta, wire: Self::Wire, complain: &mut Vec<String>) -> Self {
        let spec = wire.spec.unwrap_or_default();
        let status = wire.status.unwrap_or_default();
        let mut error = |error: Option<wire::AttachmentError>| {
            error.map(|error| AttachError {
                message: error.message.unwrap_or_default(),
                time: time(error.time.as_deref(), "time", complain),
            })
        };
        Self {
            name: key.clone(),
            attach_error: error(status.attach_error),
            detach_error: error(status.detach_error),
            attacher: spec.attacher,
            node: spec.node_name,
            volume: spec.source.and_then(|source| source.persistent_volume_name),
            attached: status.attached,
            device: status.attachment_metadata.and_then(|told| {
                let known = |text: Option<String>| text.filter(|text| !text.is_empty());
                known(told.device_path)
                    .map(AttachedDevice::Path)
                    .or_else(|| known(told.lun).map(AttachedDevice::Lun))
                    .or_else(|| known(told.disk_uuid).map(AttachedDevice::Uuid))
            }),
            created: time(meta.creation_timestamp.as_deref(), "creationTimestamp", complain),
            deletion: time(meta.deletion_timestamp.as_deref(), "deletionTimestamp", complain),
        }
    }
}

impl Watched for Node {
    const KIND: ResourceKind = ResourceKind::Nodes;
    const API_KIND: &'static str = "Node";
    type Wire = wire::Node;
    type Key = String;

    fn take_meta(wire: &mut Self::Wire) -> Meta {
        // What is a node's alone stays for the conversion.
        let Some(meta) = &mut wire.metadata else {
            return Meta::default();
        };
        Meta {
            name: meta.name.take(),
            labels: meta.labels.take(),
            ..Meta::default()
        }
    }

    fn convert(key: &String, meta: Meta, wire: Self::Wire, complain: &mut Vec<String>) -> Self {
        let labels = meta.labels.unwrap_or_default();
        let free = wire
            .metadata
            .and_then(|meta| meta.annotations)
            .unwrap_or_default();
        let conditions = wire.status.and_then(|status| status.conditions);
        Self {
            name: key.clone(),
            other_names: [labels.openebs_node, labels.openebs_id, labels.topolvm_node]
                .into_iter()
                .flatten()
                .filter(|name| name != key)
                .collect(),
            free: free
                .0
                .into_iter()
                .filter_map(|(class, bytes)| {
                    let field = format!("annotation of the class {class}");
                    Some((class, size(Some(Quantity(bytes)), &field, complain)?))
                })
                .collect(),
            host_name: labels.host_name,
            ready: conditions
                .into_iter()
                .flatten()
                .find(|condition| condition.kind.as_deref() == Some("Ready"))
                .and_then(|condition| holds(condition.status.as_deref())),
        }
    }
}

impl Watched for CsiDriver {
    const KIND: ResourceKind = ResourceKind::Drivers;
    const API_KIND: &'static str = "CSIDriver";
    type Wire = wire::CsiDriver;
    type Key = String;

    fn take_meta(wire: &mut Self::Wire) -> Meta {
        wire.metadata.take().unwrap_or_default()
    }

    fn convert(key: &String, _: Meta, wire: Self::Wire, _: &mut Vec<String>) -> Self {
        let spec = wire.spec.unwrap_or_default();
        Self {
            name: key.clone(),
            attach_required: spec.attach_required.unwrap_or(true),
            storage_capacity: spec.storage_capacity.unwrap_or(false),
            ephemeral: spec
                .volume_lifecycle_modes
                .into_iter()
                .flatten()
                .any(|mode| mode == "Ephemeral"),
        }
    }
}

fn storage(storage: Storage) -> Option<StorageSource> {
    let named = storage.other.map(|field| StorageSource::Other {
        field: field.to_owned(),
    });
    let csi = storage.csi.and_then(|csi| {
        Some(StorageSource::Csi {
            driver: csi.driver?,
            handle: csi.volume_handle.filter(|handle| !handle.is_empty()),
            fstype: csi.fs_type.filter(|fstype| !fstype.is_empty()),
        })
    });
    csi.or(storage.nfs.map(|nfs| StorageSource::Nfs {
        server: nfs.server,
        path: nfs.path,
    }))
    .or(storage
        .host_path
        .map(|host| StorageSource::HostPath { path: host.path }))
    .or(storage
        .local
        .map(|local| StorageSource::Local { path: local.path }))
    .or(storage
        .aws_elastic_block_store
        .map(|volume| StorageSource::AwsElasticBlockStore {
            volume_id: volume.volume_id,
        }))
    .or(storage
        .gce_persistent_disk
        .map(|disk| StorageSource::GcePersistentDisk { disk: disk.disk }))
    .or(storage.azure_disk.map(|disk| StorageSource::AzureDisk {
        disk: disk.disk,
        uri: disk.uri,
    }))
    .or(storage
        .vsphere_volume
        .map(|volume| StorageSource::VsphereVolume { path: volume.path }))
    .or(storage.cinder.map(|volume| StorageSource::Cinder {
        volume_id: volume.volume_id,
    }))
    .or(storage.iscsi.map(|iscsi| StorageSource::Iscsi {
        portal: iscsi.target_portal,
        target: iscsi.iqn,
        lun: iscsi.lun,
    }))
    .or(storage.fc.map(|channel| StorageSource::FibreChannel {
        target_wwns: channel.target_wwns.unwrap_or_default(),
        wwids: channel.wwids.unwrap_or_default(),
        lun: channel.lun,
    }))
    .or(storage.rbd.map(|rbd| StorageSource::Rbd {
        monitors: rbd.monitors.unwrap_or_default(),
        pool: rbd.pool,
        image: rbd.image,
    }))
    .or(storage.cephfs.map(|ceph| StorageSource::CephFs {
        monitors: ceph.monitors.unwrap_or_default(),
        path: ceph.path,
    }))
    .or(storage
        .flex_volume
        .and_then(|flex| flex.driver)
        .map(|driver| StorageSource::Flex { driver }))
    .or(named)
}

fn namespaced(namespace: Option<String>, name: Option<String>) -> NamespacedName {
    NamespacedName::new(namespace.unwrap_or_default(), name.unwrap_or_default())
}

pub(super) fn word<T>(word: Option<String>, known: impl Fn(&str) -> Option<T>) -> Option<T> {
    known(&word?)
}

fn access_modes(modes: Option<Vec<String>>) -> Vec<AccessMode> {
    modes
        .into_iter()
        .flatten()
        .filter_map(|mode| AccessMode::from_word(&mode))
        .collect()
}

fn volume_mode(mode: Option<&str>) -> VolumeMode {
    // The API's own default.
    if mode == Some("Block") {
        VolumeMode::Block
    } else {
        VolumeMode::Filesystem
    }
}

fn holds(status: Option<&str>) -> Option<bool> {
    match status {
        Some("True") => Some(true),
        Some("False") => Some(false),
        _ => None,
    }
}

pub(super) fn size(quantity: Option<Quantity>, field: &str, complain: &mut Vec<String>) -> Option<u64> {
    amount(quantity, quantity::bytes, || field.to_owned(), complain)
}

/// A quantity in the unit that `read` gives; one that is none is said to `complain`, with the field that it stands in.
pub fn amount(
    quantity: Option<Quantity>,
    read: impl Fn(&str) -> Result<u64, QuantityError>,
    field: impl FnOnce() -> String,
    complain: &mut Vec<String>,
) -> Option<u64> {
    let Quantity(text) = quantity?;
    match read(&text) {
        Ok(amount) => Some(amount),
        Err(error) => {
            complain.push(format!("{} `{}`: {error}", field(), shortened(&text)));
            None
        }
    }
}

/// Seconds since 1970 of an RFC 3339 text; one that is no time is said to `complain`, with the field that it stands in.
pub fn time(text: Option<&str>, field: &str, complain: &mut Vec<String>) -> Option<i64> {
    let text = text?;
    let time = text.parse::<Timestamp>().ok();
    if time.is_none() {
        complain.push(format!("{field} `{}`: not a time (RFC 3339)", shortened(text)));
    }
    time.map(Timestamp::as_second)
}

/// Enough of a text to recognise it in a log line.
fn shortened(text: &str) -> String {
    const MOST: usize = 60;
    if text.chars().count() <= MOST {
        text.escape_debug().to_string()
    } else {
        let start: String = text.chars().take(MOST).collect();
        format!("{}…", start.escape_debug())
    }
}
