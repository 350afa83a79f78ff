//! What Scope's probe posts when a button is pressed, and which offer it belongs to: the one text from outside that can lead to
//! a change.

use std::fmt;

use serde::Deserialize;

use crate::model::control::{Control, Offer};
use crate::model::text::shortened;
use crate::render::scope::controls;

/// The most of what is posted that is told of again, in characters: no button's name and no node's id is longer.
const LONGEST_TOLD: usize = 200;

/// The body of `POST /control`: `plugin-spec/README.md` has the protocol.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Pressed {
    /// What the app says of itself.
    #[serde(rename = "AppID", default)]
    pub app: Option<String>,
    /// The node whose button it was.
    #[serde(rename = "NodeID")]
    pub node: String,
    /// Which of its buttons.
    #[serde(rename = "Control")]
    pub control: String,
}

impl Pressed {
    /// Reads a body. The error is for whoever posted it.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(body)
            .map_err(|error| format!("the body is not what Scope posts to /control: {error}"))
    }

    /// The offer that the button belongs to, or why there is none. Nothing is done that was not offered.
    pub fn among<'a>(&self, offers: &'a [Offer]) -> Result<(&'a Offer, Control), String> {
        let control = controls::control(&self.control)
            .ok_or_else(|| format!("there is no control {:?}", told(&self.control)))?;
        let offer = offers
            .iter()
            .find(|offer| controls::node_id(offer).is_some_and(|id| id == self.node))
            .ok_or_else(|| {
                format!(
                    "the node {:?} has no buttons of ours (any more)",
                    told(&self.node)
                )
            })?;
        if !offer.controls.contains(&control) {
            return Err(format!(
                "{} is not offered for the {} {}",
                control.as_str(),
                offer.target.kind(),
                offer.target.name()
            ));
        }
        Ok((offer, control))
    }
}

/// What was pressed, for the log.
impl fmt::Display for Pressed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?} on {:?}", told(&self.control), told(&self.node))
    }
}

fn told(posted: &str) -> String {
    shortened(posted, LONGEST_TOLD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_is_posted_no_more_is_told_than_a_line() {
        let long = "n".repeat(60 << 10);
        for control in [long.clone(), "storage_describe".to_owned()] {
            let pressed = Pressed {
                app: None,
                node: long.clone(),
                control,
            };
            let refusal = pressed.among(&[]).unwrap_err();
            assert!(refusal.len() < 300, "{refusal}");
            assert!(pressed.to_string().len() < 500, "{pressed}");
        }
    }
}
