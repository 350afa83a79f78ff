//! The API's form of each kind → the model's.
//!
//! A file for each kind; here, what several have.

mod attachment;
mod claim;
mod class;
mod driver;
mod node;
mod pod;
mod storage;
mod volume;

use jiff::Timestamp;

use super::wire::Quantity;
use crate::model::quantity::{self, QuantityError};
use crate::model::volume::VolumeMode;
use crate::model::workload::AccessMode;

pub(super) fn word<T>(word: Option<String>, known: impl Fn(&str) -> Option<T>) -> Option<T> {
    known(&word?)
}

/// A name of another object; one that is longer than any object's can be is said to `complain`, with the field that it stands in.
pub(super) fn name(text: Option<String>, field: &str, complain: &mut Vec<String>) -> Option<String> {
    const LONGEST: usize = 253;
    let text = text.filter(|text| !text.is_empty())?;
    if text.len() > LONGEST {
        complain.push(format!(
            "{field} `{}`: longer than a name can be",
            shortened(&text)
        ));
        return None;
    }
    Some(text)
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
