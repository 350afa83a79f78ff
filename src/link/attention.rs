//! What in a cluster needs somebody's attention: what failed, what waits, what is left over, and why.
//!
//! Nothing is concluded from what was not seen: that a claim is unused can be said by who sees all pods, and that an
//! object does not exist only once all of its kind are known.

use crate::model::cluster_map::{Attention, ClusterMap, Urgency};
use crate::model::inventory::{Inventory, ResourceKind};
use crate::model::text;
use crate::model::workload::{
    BindingMode, Claim, ClaimPhase, PersistentVolume, ReclaimPolicy, VolumeAttachment, VolumePhase,
};

/// Messages of drivers may be pages long.
const LONGEST_MESSAGE: usize = 300;

/// So many pods are named of those that use a claim: a claim for many may have thousands.
const MOST_USERS: usize = 5;

/// What is to be told of a volume, or of its attachments: the more urgent of both.
pub(super) fn of_volume(map: &ClusterMap, volume: &PersistentVolume) -> Option<Attention> {
    let attachments = map.attachments.all(&volume.name).iter();
    attachments
        .filter_map(|attachment| of_attachment(&map.inventory, attachment))
        .chain(of_volume_itself(map, volume))
        .min_by_key(|attention| attention.urgency)
}

/// What is to be told of a claim.
pub(super) fn of_claim(map: &ClusterMap, claim: &Claim) -> Option<Attention> {
    let inventory = &map.inventory;
    let sees_all_pods = inventory.role.sees_cluster() && inventory.knows_all(ResourceKind::Pods);
    let users = map.users(&claim.name);
    let gone = |volume: &String| {
        inventory.knows_all(ResourceKind::Volumes) && !inventory.volumes.contains_key(volume)
    };
    if claim.phase == Some(ClaimPhase::Lost) {
        let volume = claim.volume.as_deref().unwrap_or("it had");
        return attention(Urgency::Lost, format!("the volume {volume} is gone"));
    }
    if claim.deletion.is_some() {
        let reason = if users.is_empty() {
            "deleted, and not gone yet".to_owned()
        } else {
            let names = users.iter().map(|pod| pod.name.name.as_str());
            let listed = text::listed(names, MOST_USERS);
            format!("deleted, and held by the pods that use it: {listed}")
        };
        return attention(Urgency::Deleting, reason);
    }
    match claim.phase {
        Some(ClaimPhase::Pending) => {
            return Some(waits_for(map, claim, users.is_empty() && sees_all_pods));
        }
        Some(ClaimPhase::Bound) => {
            if let Some(volume) = claim.volume.as_ref().filter(|volume| gone(volume)) {
                return attention(
                    Urgency::Lost,
                    format!("bound to the volume {volume}, which does not exist"),
                );
            }
        }
        _ => {}
    }
    if let Some(conditions) = conditions(claim) {
        return attention(Urgency::Condition, conditions);
    }
    (users.is_empty() && sees_all_pods).then(|| Attention {
        urgency: Urgency::Unused,
        reason: "no pod uses it".to_owned(),
    })
}

/// What a pending claim waits for. One that waits for nothing but its first pod is unused, and nothing is wrong with it.
fn waits_for(map: &ClusterMap, claim: &Claim, unused: bool) -> Attention {
    let inventory = &map.inventory;
    let mut urgency = Urgency::Pending;
    let knows_classes = inventory.knows_all(ResourceKind::Classes);
    let reason = match (&claim.volume, claim.class.as_deref()) {
        (Some(volume), _) => match inventory.volumes.get(volume) {
            Some(volume) => match &volume.claim {
                Some(other) if other.name != claim.name => {
                    format!("asks for the volume {}, which {} has", volume.name, other.name)
                }
                _ => format!("waits to be bound to the volume {}", volume.name),
            },
            None if inventory.knows_all(ResourceKind::Volumes) => {
                format!("asks for the volume {volume}, which does not exist")
            }
            None => format!("waits for the volume {volume}"),
        },
        (None, None) if knows_classes && !inventory.classes.values().any(|class| class.is_default) => {
            "names no storage class, and no class is the default".to_owned()
        }
        (None, None) => "waits for a storage class".to_owned(),
        (None, Some("")) => "wants no storage class: waits for a volume that fits".to_owned(),
        (None, Some(name)) => match inventory.classes.get(name) {
            None if knows_classes => format!("the storage class {name} does not exist"),
            None => format!("waits for a volume of the class {name}"),
            Some(class) if unused && class.binding_mode == Some(BindingMode::WaitForFirstConsumer) => {
                urgency = Urgency::Unused;
                format!("waits for a first pod that uses it, as the class {name} wants")
            }
            Some(class) => match &class.provisioner {
                Some(provisioner) => format!("waits for {provisioner} to make its volume"),
                None => format!("waits for a volume of the class {name}"),
            },
        },
    };
    match conditions(claim) {
        Some(conditions) => Attention {
            urgency: Urgency::Pending,
            reason: format!("{reason}; {conditions}"),
        },
        None => Attention { urgency, reason },
    }
}

/// The conditions that hold, in words.
fn conditions(claim: &Claim) -> Option<String> {
    let texts: Vec<String> = claim
        .conditions
        .iter()
        .filter(|condition| condition.holds == Some(true))
        .map(|condition| {
            let told = condition.message.as_deref().or(condition.reason.as_deref());
            match told.map(str::trim).filter(|told| !told.is_empty()) {
                Some(told) => format!("{}: {}", condition.kind, shortened(told)),
                None => condition.kind.clone(),
            }
        })
        .collect();
    (!texts.is_empty()).then(|| texts.join("; "))
}

fn of_volume_itself(map: &ClusterMap, volume: &PersistentVolume) -> Option<Attention> {
    let inventory = &map.inventory;
    let claim = || {
        volume.claim.as_ref().map_or_else(
            || "its claim".to_owned(),
            |claim| format!("the claim {}", claim.name),
        )
    };
    let told = || {
        let told = volume.message.as_deref().or(volume.reason.as_deref())?;
        Some(shortened(told.trim())).filter(|told| !told.is_empty())
    };
    if volume.phase == Some(VolumePhase::Failed) {
        let reason = told().unwrap_or_else(|| "giving it back failed".to_owned());
        return attention(Urgency::Failed, reason);
    }
    if volume.deletion.is_some() {
        return attention(Urgency::Deleting, "deleted, and not gone yet".to_owned());
    }
    match volume.phase? {
        VolumePhase::Released => {
            let kept = match volume.reclaim_policy {
                Some(ReclaimPolicy::Retain) => "the data are kept until somebody deletes the volume",
                Some(ReclaimPolicy::Delete) => "its driver should delete it",
                _ => "the data may still be there",
            };
            attention(Urgency::Released, format!("{} is gone; {kept}", claim()))
        }
        VolumePhase::Pending => attention(
            Urgency::Pending,
            told().unwrap_or_else(|| "not ready to be claimed".to_owned()),
        ),
        VolumePhase::Available => {
            let reason = match &volume.claim {
                Some(_) => format!("kept for {}", claim()),
                None => "no claim has it".to_owned(),
            };
            attention(Urgency::Available, reason)
        }
        VolumePhase::Bound
            if inventory.knows_all(ResourceKind::Claims)
                && volume.claim.is_some()
                && inventory.claim_of(volume).is_none() =>
        {
            let same_name = volume
                .claim
                .as_ref()
                .is_some_and(|reference| inventory.claims.contains_key(&reference.name));
            let what = if same_name {
                "is another one now"
            } else {
                "does not exist"
            };
            attention(Urgency::Orphaned, format!("bound to {}, which {what}", claim()))
        }
        VolumePhase::Bound | VolumePhase::Failed => None,
    }
}

fn of_attachment(inventory: &Inventory, attachment: &VolumeAttachment) -> Option<Attention> {
    let node = attachment.node.as_deref().unwrap_or("a node");
    if let Some(error) = &attachment.attach_error {
        let told = shortened(&error.message);
        return attention(Urgency::Failed, format!("cannot be attached to {node}: {told}"));
    }
    if let Some(error) = &attachment.detach_error {
        let told = shortened(&error.message);
        return attention(Urgency::Failed, format!("cannot be detached from {node}: {told}"));
    }
    let gone = attachment
        .node
        .as_ref()
        .is_some_and(|node| inventory.knows_all(ResourceKind::Nodes) && !inventory.nodes.contains_key(node));
    gone.then(|| Attention {
        urgency: Urgency::Stranded,
        reason: format!("attached to the node {node}, which does not exist"),
    })
}

#[allow(clippy::unnecessary_wraps, reason = "every caller returns it as it is")]
fn attention(urgency: Urgency, reason: String) -> Option<Attention> {
    Some(Attention { urgency, reason })
}

pub(super) fn shortened(text: &str) -> String {
    text::shortened(text, LONGEST_MESSAGE)
}
