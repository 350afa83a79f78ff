//! The API's form of each kind → the model's.
//!
//! A file for each kind; here, what several have.

mod attachment;
mod claim;
mod class;
mod external_snapshot;
mod node;
mod pod;
mod snapshot;
mod storage;
mod volume;

use std::vec;

use jiff::Timestamp;

use super::wire::{AtMost, Quantity};
use crate::model::quantity::{self, QuantityError};
use crate::model::text::{self, is_name};
use crate::model::volume::VolumeMode;
use crate::model::workload::AccessMode;

pub(super) fn word<T>(word: Option<String>, known: impl Fn(&str) -> Option<T>) -> Option<T> {
    known(&word?)
}

/// The items of a list that are taken. That there are more than anything has is said to `complain`, with the field that they stand in.
fn items<const MOST: usize, T>(
    list: Option<AtMost<MOST, T>>,
    field: &str,
    complain: &mut Vec<String>,
) -> vec::IntoIter<T> {
    let (first, more) = list.map_or((Vec::new(), 0), |list| (list.first, list.more));
    if more > 0 {
        let all = more.saturating_add(MOST);
        complain.push(format!(
            "{field}: {all} entries, as nothing has; all but the first {MOST} are left out"
        ));
    }
    first.into_iter()
}

fn access_modes<const MOST: usize>(
    modes: Option<AtMost<MOST, String>>,
    field: &str,
    complain: &mut Vec<String>,
) -> Vec<AccessMode> {
    let modes = items(modes, field, complain);
    let mut modes: Vec<AccessMode> = modes.filter_map(|mode| AccessMode::from_word(&mode)).collect();
    modes.shrink_to_fit();
    modes
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

/// The name of another object; what can be none is said to `complain`, with the field that it stands in. The API does not look at all of
/// them, and what is as long as an object may be would stand in each label.
pub(super) fn name(text: Option<String>, field: &str, complain: &mut Vec<String>) -> Option<String> {
    let text = text.filter(|text| !text.is_empty())?;
    if is_name(&text) {
        return Some(text);
    }
    complain.push(format!(
        "{field} `{}`: not a name of an object (RFC 1123)",
        shortened(&text)
    ));
    None
}

/// A text that may say anything, cut where no path and no sentence goes on.
pub(super) fn long(text: Option<String>) -> Option<String> {
    const MOST: usize = 4096;
    text.map(|text| {
        if text.len() > MOST {
            text::shortened(&text, MOST)
        } else {
            text
        }
    })
}

/// Enough of a text to recognise it in a log line.
fn shortened(text: &str) -> String {
    const MOST: usize = 60;
    text::shortened(text, MOST).escape_debug().to_string()
}

/// The value of an object with which nothing is wrong.
#[cfg(test)]
fn read<T: super::object::Watched>(json: &str) -> T {
    let object = super::object::read::<T>(json);
    assert_eq!(object.faults, []);
    T::clone(&object.value.unwrap())
}
