//! Texts of nodes and how the details panel shows them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::report::{Latest, MetadataTemplate, Values};
pub(super) use crate::model::text::listed;
use crate::model::text::shortened;

/// A key in `latest` and what people read.
pub(super) type Fact = (&'static str, &'static str);

/// Keys that Scope itself knows, and draws its edges by.
pub(super) const NAME: &str = "kubernetes_name";
pub(super) const NAMESPACE: &str = "kubernetes_namespace";
pub(super) const NODE_TYPE: &str = "kubernetes_node_type";
pub(super) const CLAIMS_OF_POD: &str = "kubernetes_volume_claim";
pub(super) const VOLUME_OF_CLAIM: &str = "kubernetes_volume_name";
pub(super) const CLASS_OF_CLAIM: &str = "kubernetes_storage_class_name";

/// What Scope's own cluster probe says as well, under its keys and its labels, so that it stands in the details panel once.
pub(super) const STATUS: Fact = ("kubernetes_status", "Status");
pub(super) const VOLUME: Fact = (VOLUME_OF_CLAIM, "Volume");
pub(super) const CLASS: Fact = (CLASS_OF_CLAIM, "Storage class");
pub(super) const ACCESS_MODES: Fact = ("kubernetes_access_modes", "Access modes");
pub(super) const PROVISIONER: Fact = ("kubernetes_provisioner", "Provisioner");

/// At most so many characters of a value: whoever may write one into an object may make it as long as he likes.
const LONGEST_VALUE: usize = 1000;

/// A value as it is told. The names by which Scope draws edges are told whole.
fn told<'a>(key: &str, value: Cow<'a, str>) -> Cow<'a, str> {
    if value.len() <= LONGEST_VALUE || key == CLAIMS_OF_POD {
        value
    } else {
        Cow::Owned(shortened(&value, LONGEST_VALUE))
    }
}

/// The values that are known, all of one moment.
pub(super) fn latest<'a>(
    taken_at: &'a str,
    facts: impl IntoIterator<Item = (&'static str, Option<Cow<'a, str>>)>,
) -> Values<'a> {
    facts
        .into_iter()
        .filter_map(|(key, value)| {
            // Scope shows an empty text as a row without a value.
            let value = value.filter(|value| !value.is_empty())?;
            Some((
                Cow::Borrowed(key),
                Latest {
                    timestamp: taken_at,
                    value: told(key, value),
                },
            ))
        })
        .collect()
}

/// Scope's own facts on the same nodes have whole numbers: two of one number would change places from look to look.
pub(super) const BESIDE_SCOPES: f64 = 0.25;

/// The templates of facts, in the order in which the details panel shows them: the first nine at once, the
/// others when asked for more.
pub(super) fn templates<'a>(
    facts: impl IntoIterator<Item = &'a Fact>,
) -> BTreeMap<&'static str, MetadataTemplate> {
    templates_beside(facts, BESIDE_SCOPES)
}

/// The same for facts on nodes of which another plugin of ours tells as well: so much beside the whole numbers.
pub(super) fn templates_beside<'a>(
    facts: impl IntoIterator<Item = &'a Fact>,
    beside: f64,
) -> BTreeMap<&'static str, MetadataTemplate> {
    facts
        .into_iter()
        .zip(1_u8..)
        .map(|((id, label), priority)| {
            (
                *id,
                MetadataTemplate {
                    id,
                    label,
                    priority: f64::from(priority) + beside,
                    from: "latest",
                    data_type: "",
                },
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_without_end_is_cut_and_a_list_of_claims_is_not() {
        let text = "x".repeat(1_000_000);
        let value = || Some(Cow::Borrowed(text.as_str()));
        let told = latest(
            "",
            [("storage_snapshot_error", value()), (CLAIMS_OF_POD, value())],
        );
        assert_eq!(
            told.get("storage_snapshot_error").unwrap().value.chars().count(),
            LONGEST_VALUE + 1
        );
        assert_eq!(told.get(CLAIMS_OF_POD).unwrap().value.len(), text.len());
    }
}
