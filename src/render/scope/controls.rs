//! The report of the plugin that has the buttons.
//!
//! A plugin with buttons has those of all nodes rewritten that it reports, so this one is another than the map's and tells of
//! nodes alone that Scope itself does not know: snapshots of CSI drivers, their contents, and beside each claim a node "snapshots of CLAIM"
//! in the claim's place. Scope merges them with the map's nodes of the same ids.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;

use super::facts::{
    CLASS_OF_CLAIM, Fact, NAME, NAMESPACE, NODE_TYPE, VOLUME_OF_CLAIM, latest, templates_beside,
};
use super::objects::{moment, snapshots_in_words, topology};
use super::report::{
    Column, ControlTemplate, Latest, Node, Nodes, Plugin, Report, TableTemplate, Topology, Values,
};
use super::room::{MOST_BYTES, Room};
use super::{API_VERSION, CONTROLS_PLUGIN_ID, ids};
use crate::model::cluster_map::ClusterMap;
use crate::model::control::{Action, Control, Made, MadeWhat, Offer, Progress, Target};

const LABEL: &str = "Storage controls";
const ABOUT: &str = "Buttons for snapshots and clones";

const CLAIM: Fact = ("storage_snapshots_claim", "Claim");
const NUMBER: Fact = ("storage_snapshots_number", "Snapshots");
const NEWEST: Fact = ("storage_snapshots_newest", "Newest ready");
const LAST: Fact = ("storage_control_last", "Last action");

/// Facts on snapshots: those of the map have a quarter.
const BESIDE_THE_MAPS: f64 = 0.5;

/// Scope takes cells apart by these three underscores.
const TABLE: &str = "storage_described";
const TABLE_PREFIX: &str = "storage_described_";

/// The wire's name of a control.
fn id(control: Control) -> &'static str {
    match control {
        Control::CreateSnapshot => "storage_create_snapshot",
        Control::Clone => "storage_clone",
        Control::Restore => "storage_restore",
        Control::Delete => "storage_delete",
        Control::Describe => "storage_describe",
    }
}

/// The control of that name on the wire.
pub fn control(name: &str) -> Option<Control> {
    Control::ALL.into_iter().find(|control| id(*control) == name)
}

/// The id of the node that has the buttons of an offer; `None` where the API gave no usable UID.
pub fn node_id(offer: &Offer) -> Option<String> {
    match offer.target {
        Target::Claim(_) => ids::snapshots_of(&offer.uid),
        Target::Snapshot(_) => ids::object(&offer.uid, ids::VOLUME_SNAPSHOT),
        Target::Content { .. } => ids::object(&offer.uid, ids::VOLUME_SNAPSHOT_DATA),
    }
}

fn button(control: Control, rank: u8) -> ControlTemplate {
    let (human, icon, confirmation) = match control {
        Control::CreateSnapshot => (
            "Create a snapshot of the claim",
            "fa fa-camera",
            "Create a snapshot of this claim now?",
        ),
        Control::Clone => (
            "Clone the claim",
            "fa fa-clone",
            "Make a new claim with a copy of this claim's data?",
        ),
        Control::Restore => (
            "Restore to a new claim",
            "fa fa-undo",
            "Make a new claim with the data of this snapshot?",
        ),
        Control::Delete => (
            "Delete the snapshot",
            "fa fa-trash",
            "Delete this snapshot? Where its deletion policy is Delete, its data are lost for good.",
        ),
        Control::Describe => ("Describe", "fa fa-info-circle", ""),
    };
    ControlTemplate {
        id: id(control),
        human,
        icon,
        rank,
        confirmation,
    }
}

/// What the report is made of.
#[derive(Debug, Clone, Copy)]
pub struct Controls<'a> {
    /// The cluster.
    pub map: &'a ClusterMap,
    /// The objects with buttons.
    pub offers: &'a [Offer],
    /// What was done in the last minutes.
    pub actions: &'a [Action],
    /// The probe that asks: the page sends to it what is pressed.
    pub probe_id: &'a str,
    /// When what is known of the cluster was known, as RFC 3339.
    pub taken_at: &'a str,
}

/// The report with all buttons.
pub fn controls_report(controls: Controls<'_>) -> Vec<Bytes> {
    let mut shown: Vec<&Offer> = controls.offers.iter().collect();
    // Where there is no room for all: snapshots, then claims that have some.
    shown.sort_by_key(|offer| match &offer.target {
        Target::Snapshot(_) => 0,
        Target::Claim(name) if controls.map.snapshots(name).next().is_some() => 1,
        Target::Claim(_) => 2,
        Target::Content { .. } => 3,
    });
    let mut buttons = Buttons::new();
    for made in controls.actions.iter().filter_map(made) {
        buttons.add_made(&controls, made);
    }
    for offer in shown {
        buttons.add(&controls, offer);
    }
    let left_out = buttons.room.left_out();
    let description = if left_out > 0 {
        let all = controls.offers.len();
        format!("{ABOUT} ({} of {all} objects)", all.saturating_sub(left_out))
    } else {
        ABOUT.to_owned()
    };
    buttons.report(description)
}

/// The report of one object and what was just made of it, applied at once. What controls there are it says as well: Scope would forget
/// the others.
pub fn shortcut_report(controls: Controls<'_>, offer: &Offer) -> Vec<u8> {
    let mut buttons = Buttons::new();
    buttons.add(&controls, offer);
    for made in controls
        .actions
        .iter()
        .filter(|action| action.uid == offer.uid)
        .filter_map(made)
    {
        buttons.add_made(&controls, made);
        // A claim is Scope's own node as well, whose buttons we would take away: only for this once, until Scope itself tells of it.
        buttons.add_made_claim(&controls, made);
    }
    buttons.report(ABOUT.to_owned()).concat()
}

fn made(action: &Action) -> Option<&Made> {
    match &action.progress {
        Progress::Done(outcome) => outcome.made.as_ref(),
        _ => None,
    }
}

/// The objects with buttons on their way into a report.
struct Buttons {
    room: Room,
    snapshots: Nodes,
    contents: Nodes,
    claims: Nodes,
}

impl Buttons {
    fn new() -> Self {
        Self {
            room: Room::new(MOST_BYTES),
            snapshots: Nodes::default(),
            contents: Nodes::default(),
            claims: Nodes::default(),
        }
    }

    fn add(&mut self, controls: &Controls<'_>, offer: &Offer) {
        if self.room.is_full() {
            self.room.leave_out(1);
            return;
        }
        let Some(id) = node_id(offer) else { return };
        let (nodes, topology) = match offer.target {
            Target::Claim(_) | Target::Snapshot(_) => (&mut self.snapshots, ids::VOLUME_SNAPSHOT),
            Target::Content { .. } => (&mut self.contents, ids::VOLUME_SNAPSHOT_DATA),
        };
        let (own, adjacency) = match &offer.target {
            Target::Claim(_) => beside_claim(controls.map, offer),
            Target::Snapshot(_) => (
                vec![
                    (NAME, Some(Cow::Borrowed(offer.target.name()))),
                    (NAMESPACE, Some(Cow::Borrowed(offer.target.namespace()))),
                ],
                Vec::new(),
            ),
            Target::Content { .. } => (vec![(NAME, Some(Cow::Borrowed(offer.target.name())))], Vec::new()),
        };
        let active: Vec<&str> = offer.controls.iter().map(|control| self::id(*control)).collect();
        let buttons = [
            ("active_controls", Some(Cow::Owned(active.join(";")))),
            ("control_probe_id", Some(Cow::Borrowed(controls.probe_id))),
            (LAST.0, last(controls.actions, offer)),
        ];
        let mut latest = latest(controls.taken_at, own.into_iter().chain(buttons));
        describe(&mut latest, controls, offer);
        let mut node = Node::new(id, topology, latest);
        node.adjacency = adjacency;
        self.room.add(nodes, node);
    }

    /// A snapshot that the watch has not told of yet.
    fn add_made(&mut self, controls: &Controls<'_>, made: &Made) {
        let MadeWhat::Snapshot { claim, volume } = &made.what else {
            return;
        };
        let Some(id) = ids::object(&made.uid, ids::VOLUME_SNAPSHOT) else {
            return;
        };
        if controls.map.inventory.snapshots.contains_key(&made.name) {
            return;
        }
        let facts = [
            (NAME, Some(Cow::Borrowed(made.name.name.as_str()))),
            (NAMESPACE, Some(Cow::Borrowed(made.name.namespace.as_str()))),
            (NODE_TYPE, Some(Cow::Borrowed("Volume Snapshot"))),
            (VOLUME_OF_CLAIM, Some(Cow::Borrowed(volume.as_str()))),
            (CLAIM.0, Some(Cow::Borrowed(claim.as_str()))),
        ];
        let node = Node::new(id, ids::VOLUME_SNAPSHOT, latest(controls.taken_at, facts));
        self.room.add(&mut self.snapshots, node);
    }

    fn add_made_claim(&mut self, controls: &Controls<'_>, made: &Made) {
        let MadeWhat::Claim { class } = &made.what else {
            return;
        };
        let Some(id) = ids::object(&made.uid, ids::CLAIM) else {
            return;
        };
        let facts = [
            (NAME, Some(Cow::Borrowed(made.name.name.as_str()))),
            (NAMESPACE, Some(Cow::Borrowed(made.name.namespace.as_str()))),
            (NODE_TYPE, Some(Cow::Borrowed("Persistent Volume Claim"))),
            (CLASS_OF_CLAIM, class.as_deref().map(Cow::Borrowed)),
        ];
        let node = Node::new(id, ids::CLAIM, latest(controls.taken_at, facts));
        self.room.add(&mut self.claims, node);
    }

    fn report(self, description: String) -> Vec<Bytes> {
        let claim = (!self.claims.is_empty()).then(|| Topology {
            metadata_templates: templates_beside(&[(NODE_TYPE, "Type")], super::facts::BESIDE_SCOPES),
            ..topology(self.claims, BTreeMap::new())
        });
        let report = Report {
            host: None,
            pod: None,
            claim,
            storage_class: None,
            snapshot: Some(with_buttons(
                self.snapshots,
                &[CLAIM, NUMBER, NEWEST, LAST],
                &Control::ALL,
            )),
            snapshot_content: Some(with_buttons(self.contents, &[LAST], &[Control::Describe])),
            persistent_volume: Topology::default(),
            plugins: [Plugin {
                id: CONTROLS_PLUGIN_ID,
                label: LABEL,
                description: Cow::Owned(description),
                interfaces: &["reporter", "controller"],
                api_version: API_VERSION,
            }],
        };
        report.pieces()
    }
}

fn with_buttons(nodes: Nodes, facts: &[Fact], controls: &[Control]) -> Topology {
    let mut metadata_templates = templates_beside(facts, BESIDE_THE_MAPS);
    // The type stands where the map's plugin has it.
    metadata_templates.extend(templates_beside(
        &[(NODE_TYPE, "Type")],
        super::facts::BESIDE_SCOPES,
    ));
    if let Some(newest) = metadata_templates.get_mut(NEWEST.0) {
        newest.data_type = "datetime";
    }
    Topology {
        controls: controls
            .iter()
            .zip(1..)
            .map(|(control, rank)| (id(*control), button(*control, rank)))
            .collect(),
        table_templates: BTreeMap::from([(
            TABLE,
            TableTemplate {
                id: TABLE,
                label: "Description",
                kind: "multicolumn-table",
                prefix: TABLE_PREFIX,
                columns: ["field", "value"]
                    .map(|column| Column {
                        id: column,
                        label: if column == "field" { "Field" } else { "Value" },
                        data_type: "",
                    })
                    .into(),
            },
        )]),
        ..topology(nodes, metadata_templates)
    }
}

/// What a node says, and the ids of the nodes to which edges are drawn.
type Said<'a> = (Vec<(&'static str, Option<Cow<'a, str>>)>, Vec<String>);

/// The node beside a claim: between the claim's volume, by its name, and the claim's snapshots.
fn beside_claim<'a>(map: &'a ClusterMap, offer: &'a Offer) -> Said<'a> {
    let Target::Claim(name) = &offer.target else {
        return (Vec::new(), Vec::new());
    };
    let volume = map
        .inventory
        .claims
        .get(name)
        .and_then(|claim| claim.volume.as_deref());
    let number = snapshots_in_words(map, name).unwrap_or(Cow::Borrowed("none"));
    let newest = map
        .newest_snapshot(name)
        .and_then(|snapshot| moment(snapshot.taken));
    let facts = vec![
        // No object of Kubernetes has a space in its name.
        (NAME, Some(Cow::Owned(format!("snapshots of {}", name.name)))),
        (NAMESPACE, Some(Cow::Borrowed(name.namespace.as_str()))),
        (NODE_TYPE, Some(Cow::Borrowed("Snapshots of a claim"))),
        (VOLUME_OF_CLAIM, volume.map(Cow::Borrowed)),
        (CLAIM.0, Some(Cow::Borrowed(name.name.as_str()))),
        (NUMBER.0, Some(number)),
        (NEWEST.0, newest),
    ];
    let snapshots = map
        .snapshots(name)
        .filter_map(|snapshot| ids::object(&snapshot.uid, ids::VOLUME_SNAPSHOT));
    (facts, snapshots.collect())
}

/// `create-snapshot at 2026-11-21T19:45:00Z: snapshot data-20261121-194500 made`.
fn last<'a>(actions: &[Action], offer: &Offer) -> Option<Cow<'a, str>> {
    let action = actions.iter().rev().find(|action| action.uid == offer.uid)?;
    let at = moment(Some(action.asked))?;
    let how = match &action.progress {
        Progress::Running => "under way",
        Progress::Done(outcome) => outcome.text.as_str(),
        Progress::Failed(words) | Progress::Unanswered(words) => words.as_str(),
    };
    let refused = if matches!(action.progress, Progress::Failed(_)) {
        "refused: "
    } else {
        ""
    };
    Some(Cow::Owned(format!(
        "{} at {at}: {refused}{how}",
        action.control.as_str()
    )))
}

/// The description that somebody asked for, as a table.
fn describe<'a>(latest: &mut Values<'a>, controls: &Controls<'a>, offer: &Offer) {
    let described = controls.actions.iter().rev().find_map(|action| {
        let of_this = action.control == Control::Describe && action.uid == offer.uid;
        match &action.progress {
            Progress::Done(outcome) if of_this => Some(&outcome.description),
            _ => None,
        }
    });
    for (number, (field, value)) in described.into_iter().flatten().enumerate() {
        for (column, text) in [("field", field), ("value", value)] {
            latest.set(
                Cow::Owned(format!("{TABLE_PREFIX}{number:03}___{column}")),
                Latest {
                    timestamp: controls.taken_at,
                    value: Cow::Borrowed(text.as_str()),
                },
            );
        }
    }
}
