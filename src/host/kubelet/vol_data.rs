//! `vol_data.json`: what the kubelet writes down about a CSI volume, to find its driver again after a restart.
//!
//! ```text
//! {"attachmentID":"csi-9d7…","driverName":"ebs.csi.aws.com","nodeName":"n1","specVolID":"pvc-1f…",
//!  "volumeHandle":"vol-0a1…","volumeLifecycleMode":"Persistent"}
//! ```
//!
//! The kubelet encodes a map from string to string (`saveVolumeData` in kubernetes' `pkg/volume/csi/csi_util.go`).
//! Which keys it holds differs: beside a pod's mount all of these (`csi_plugin.go`), for a raw block volume no
//! `volumeLifecycleMode`, beside a staging mount `driverName` and `volumeHandle` alone (`csi_attacher.go`), and
//! newer kubelets add some. The file is written in place, so that one can be met empty or cut off.

use serde::Deserialize;

use crate::model::volume::CsiVolume;

/// What kubernetes calls an inline volume's life cycle (`storage/v1`, `VolumeLifecycleEphemeral`).
const EPHEMERAL: &str = "Ephemeral";

/// Why a `vol_data.json` says nothing.
#[derive(Debug, thiserror::Error)]
pub enum InvalidVolumeData {
    /// It has no content: it is being written, or a crash cut it off.
    #[error("the file is empty: it is just being written, or a crash cut it off")]
    Empty,
    /// It is JSON or rubbish, but not the object that the kubelet writes.
    #[error("the file does not hold a JSON object")]
    NotAnObject,
    /// A key has another shape than the kubelet gives it, or the text ends early.
    #[error("the file is not as the kubelet writes it: {0}")]
    Malformed(#[source] serde_json::Error),
    /// The driver, without which the rest says nothing, is not named.
    #[error("the file names no driver")]
    NoDriver,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    driver_name: Option<String>,
    #[serde(rename = "specVolID")]
    volume_name: Option<String>,
    volume_handle: Option<String>,
    volume_lifecycle_mode: Option<String>,
}

/// Reads one file's content. A key that is absent, `null` or empty is unknown; keys that we do not know may hold
/// anything.
pub fn parse_vol_data(text: &[u8]) -> Result<CsiVolume, InvalidVolumeData> {
    match text.trim_ascii_start().first() {
        None => return Err(InvalidVolumeData::Empty),
        // Serde would take a list for an object, its items for the keys in order.
        Some(byte) if *byte != b'{' => return Err(InvalidVolumeData::NotAnObject),
        Some(_) => {}
    }
    let wire: Wire = serde_json::from_slice(text).map_err(InvalidVolumeData::Malformed)?;
    let known = |value: Option<String>| value.filter(|text| !text.is_empty());
    let ephemeral = wire.volume_lifecycle_mode.as_deref() == Some(EPHEMERAL);
    Ok(CsiVolume {
        driver: known(wire.driver_name).ok_or(InvalidVolumeData::NoDriver)?,
        volume_handle: known(wire.volume_handle),
        persistent_volume: known(wire.volume_name).filter(|_| !ephemeral),
        ephemeral,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_persistent_volume_is_read_whole() {
        let volume = parse_vol_data(
            br#"{"attachmentID":"csi-9d7","driverName":"ebs.csi.aws.com","nodeName":"n1","specVolID":"pvc-1f","volumeHandle":"vol-0a1","volumeLifecycleMode":"Persistent"}
"#,
        );
        assert_eq!(
            volume.unwrap(),
            CsiVolume {
                driver: "ebs.csi.aws.com".into(),
                volume_handle: Some("vol-0a1".into()),
                persistent_volume: Some("pvc-1f".into()),
                ephemeral: false,
            }
        );
    }

    #[test]
    fn an_inline_volume_has_no_persistent_volume() {
        let volume = parse_vol_data(
            br#"{"driverName":"secrets-store.csi.k8s.io","specVolID":"vault","volumeHandle":"csi-7c","volumeLifecycleMode":"Ephemeral"}"#,
        )
        .unwrap();
        assert!(volume.ephemeral);
        assert_eq!(volume.persistent_volume, None);
        assert_eq!(volume.volume_handle.as_deref(), Some("csi-7c"));
    }

    #[test]
    fn keys_may_be_missing_null_empty_or_unknown() {
        let volume = parse_vol_data(
            br#" {"driverName":"d","volumeHandle":null,"specVolID":"","new":["a",{"b":null}],"seLinuxMountContext":"x"}"#,
        )
        .unwrap();
        let expected = CsiVolume {
            driver: "d".into(),
            ..CsiVolume::default()
        };
        assert_eq!(volume, expected);
    }

    #[test]
    fn what_the_kubelet_never_writes_is_refused_with_the_reason() {
        for (text, reason) in [
            ("", "empty"),
            (" \n", "empty"),
            (
                "[\"d\",\"pv\",\"handle\",\"a\",\"n\",\"Persistent\"]",
                "JSON object",
            ),
            ("null", "JSON object"),
            ("{}", "names no driver"),
            ("{\"driverName\":\"\"}", "names no driver"),
            ("{\"driverName\":null}", "names no driver"),
            ("{\"driverName\":[\"d\"]}", "invalid type: sequence"),
            (
                "{\"driverName\":\"d\",\"volumeHandle\":7}",
                "invalid type: integer",
            ),
            ("{\"driverName\":\"d\"", "EOF"),
            ("{\"driverName\":\"d\"}{}", "trailing"),
        ] {
            let error = parse_vol_data(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn deep_nesting_is_an_error_and_no_overflow() {
        let text = format!("{{\"x\":{}", "[".repeat(60_000));
        assert!(parse_vol_data(text.as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = parse_vol_data(&bytes);
        }

        #[test]
        fn any_text_between_braces_is_read_without_panic(text in r#"\{("(driverName|specVolID|volumeHandle|x)":("[a-z\\]*"|null|\[\]|1),?){0,4}\}?"#) {
            let _ = parse_vol_data(text.as_bytes());
        }

        #[test]
        fn what_is_written_is_read_back(driver in ".+", handle in ".*", name in ".+") {
            let text = serde_json::json!({ "driverName": driver, "volumeHandle": handle, "specVolID": name }).to_string();
            let volume = parse_vol_data(text.as_bytes()).unwrap();
            prop_assert_eq!(volume.driver, driver);
            prop_assert_eq!(volume.volume_handle.unwrap_or_default(), handle);
            prop_assert_eq!(volume.persistent_volume, Some(name));
        }
    }
}
