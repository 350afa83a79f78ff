//! What Scope's probe posts when a button is pressed, and which offer it belongs to: the one text from outside that can lead to
//! a change.

use serde::Deserialize;

use crate::model::control::{Control, Offer};
use crate::render::scope::controls;

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
            .ok_or_else(|| format!("there is no control {:?}", self.control))?;
        let offer = offers
            .iter()
            .find(|offer| controls::node_id(offer).is_some_and(|id| id == self.node))
            .ok_or_else(|| format!("the node {:?} has no buttons of ours (any more)", self.node))?;
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
