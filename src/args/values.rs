//! What a flag or its environment variable may be set to.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser};
use tracing::level_filters::LevelFilter;

use crate::model::control::Control;
use crate::model::inventory::Role;

/// Where to listen, if anywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenAddress(pub Option<SocketAddr>);

/// A button by its name.
pub(super) fn control(text: &str) -> Result<Control, String> {
    let named = Control::ALL.into_iter().find(|control| control.as_str() == text);
    named.ok_or_else(|| {
        let all = Control::ALL.map(Control::as_str).join(", ");
        format!("the controls are {all}; each has to be named")
    })
}

/// How much of the cluster is read.
pub(super) fn role(text: &str) -> Result<Role, String> {
    [Role::Node, Role::Cluster, Role::All]
        .into_iter()
        .find(|role| role.as_str() == text)
        .ok_or_else(|| "the roles are node, cluster and all".into())
}

/// A namespace's name is a label as DNS has it: Kubernetes takes no other, and it is to be a part of paths.
pub(super) fn namespace(text: &str) -> Result<String, String> {
    let text = text.trim();
    let inner = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    let sound = (1..=63).contains(&text.len())
        && text.chars().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-');
    sound
        .then(|| text.to_owned())
        .ok_or_else(|| "a namespace is called by small letters, digits and hyphens between them".into())
}

/// Scope's ids end at a semicolon, so a name cannot contain one.
pub(super) fn host_id(text: &str) -> Result<String, String> {
    if text.is_empty() {
        Err("the name is empty".into())
    } else if text
        .chars()
        .any(|character| character == ';' || character.is_control())
    {
        Err("a node's name contains neither `;` nor control characters".into())
    } else {
        Ok(text.to_owned())
    }
}

/// Levels, of all or of a target each. A bare word that is no level would be a target to the filter, which lets nothing else through.
pub(super) fn log_level(text: &str) -> Result<String, String> {
    let is_level = |level: &str| !level.trim().is_empty() && level.trim().parse::<LevelFilter>().is_ok();
    let is_sound = |part: &str| match part.split_once('=') {
        Some((target, level)) => !target.trim().is_empty() && is_level(level),
        None => is_level(part),
    };
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    if parts.iter().all(|part| !part.is_empty() && is_sound(part)) {
        Ok(parts.join(","))
    } else {
        Err("a level is error, warn, info, debug, trace or off; a filter is of such and of TARGET=LEVEL, with commas between".into())
    }
}

/// A folder, or nothing: clap's own parser of paths refuses an empty one.
pub(super) fn plugin_dir() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

/// An address to listen on; none where the text is empty.
pub(super) fn listen_address(text: &str) -> Result<ListenAddress, String> {
    if text.is_empty() {
        return Ok(ListenAddress(None));
    }
    // `:9753` is how exporters are usually told to listen on all addresses.
    let text = if text.starts_with(':') {
        format!("[::]{text}")
    } else {
        text.to_owned()
    };
    text.parse()
        .map(|address| ListenAddress(Some(address)))
        .map_err(|_| "an address looks like 127.0.0.1:9753, [::1]:9753, or :9753 for all".into())
}

/// Seconds between two readings.
pub(super) fn interval(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|seconds: &f64| *seconds == 0.0 || (1.0..=300.0).contains(seconds))
        .ok_or_else(|| "give 0, or 1 to 300 seconds".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_as_exporters_take_them() {
        assert_eq!(listen_address(""), Ok(ListenAddress(None)));
        assert_eq!(
            listen_address(":9753").unwrap().0.unwrap().to_string(),
            "[::]:9753"
        );
        assert_eq!(listen_address("127.0.0.1:0").unwrap().0.unwrap().port(), 0);
        assert!(listen_address("9753").is_err());
    }

    #[test]
    fn namespaces_are_called_as_kubernetes_calls_them() {
        for wrong in ["", "Shop", "a/b", "a b", "-a", "a-", "a..", "?x=y"] {
            assert!(namespace(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_log_level_is_one() {
        for (level, taken) in [
            ("info", "info"),
            ("WARN", "WARN"),
            ("off", "off"),
            (" info , hyper=debug", "info,hyper=debug"),
            ("hyper=off", "hyper=off"),
        ] {
            assert_eq!(log_level(level).as_deref(), Ok(taken));
        }
        for wrong in ["warning", "", "info,hyper", "info,", "hyper=", "=info", "=loud="] {
            assert!(log_level(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_name_that_would_break_scopes_ids_is_refused() {
        assert!(host_id("node-1.example").is_ok());
        for wrong in ["", "a;b", "a\nb"] {
            assert!(host_id(wrong).is_err(), "{wrong:?}");
        }
    }
}
