//! The image config as the fetching helper (skopeo, in Go) understands it.
//!
//! Upstream's importer never sees the config's own bytes. The helper reads them into its model and
//! writes that out again: unknown members, empty arrays, maps and texts, `false` and `null` vanish,
//! and times are normalised. For images in Docker's format the config's digest changes with it, so
//! [`GoConfig::to_go_json`] writes what Go writes, byte for byte: members in the model's order,
//! `<`, `>`, `&` and the Unicode line separators escaped, and so are backspace and form feed, by number.
//!
//! Left out: Go also takes a member's name in other capitals, which no tool writes.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::ser::{CharEscape, CompactFormatter, Formatter};

use super::error::Error;
use super::timestamp::Timestamp;

/// A set in Go's clothes.
type Set = BTreeMap<String, Empty>;

#[derive(Debug, Default, Deserialize, Serialize)]
pub(crate) struct Empty {}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct GoConfig {
    #[serde(deserialize_with = "time", skip_serializing_if = "Option::is_none")]
    pub(crate) created: Option<String>,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    author: String,
    #[serde(deserialize_with = "nullable")]
    pub(crate) architecture: String,
    #[serde(deserialize_with = "nullable")]
    os: String,
    #[serde(rename = "os.version", deserialize_with = "nullable")]
    #[serde(skip_serializing_if = "String::is_empty")]
    os_version: String,
    #[serde(rename = "os.features", deserialize_with = "nullable")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    os_features: Vec<String>,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    variant: String,
    #[serde(deserialize_with = "nullable")]
    pub(crate) config: GoRuntimeConfig,
    #[serde(deserialize_with = "nullable")]
    pub(crate) rootfs: GoRootFs,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    history: Vec<GoHistory>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct GoRuntimeConfig {
    #[serde(deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    user: String,
    #[serde(deserialize_with = "set", skip_serializing_if = "Set::is_empty")]
    exposed_ports: Set,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    env: Vec<String>,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    entrypoint: Vec<String>,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    cmd: Vec<String>,
    #[serde(deserialize_with = "set", skip_serializing_if = "Set::is_empty")]
    volumes: Set,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    working_dir: String,
    #[serde(deserialize_with = "texts", skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) labels: BTreeMap<String, String>,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    stop_signal: String,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_false")]
    args_escaped: bool,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct GoRootFs {
    #[serde(rename = "type", deserialize_with = "nullable")]
    kind: String,
    pub(crate) diff_ids: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
struct GoHistory {
    #[serde(deserialize_with = "time", skip_serializing_if = "Option::is_none")]
    created: Option<String>,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    created_by: String,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    author: String,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    comment: String,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_false")]
    empty_layer: bool,
}

impl GoConfig {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Error> {
        serde_json::from_slice(bytes)
            .map_err(|source| Error::Malformed { what: "image config", source })
    }

    /// The bytes that Go's encoder makes of it.
    pub(crate) fn to_go_json(&self) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, GoFormatter);
        self.serialize(&mut serializer)
            .map_err(|source| Error::Malformed { what: "image config", source })?;
        Ok(bytes)
    }
}

fn is_false(value: &bool) -> bool {
    !value
}

/// In Go, `null` leaves a value as it was.
fn nullable<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A set's values are objects whose members nobody reads, or `null`.
fn set<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Set, D::Error> {
    let values: Option<BTreeMap<String, Option<Empty>>> = Option::deserialize(deserializer)?;
    Ok(values.unwrap_or_default().into_keys().map(|key| (key, Empty {})).collect())
}

fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let values: Option<BTreeMap<String, Option<String>>> = Option::deserialize(deserializer)?;
    let values = values.unwrap_or_default().into_iter();
    Ok(values.map(|(key, value)| (key, value.unwrap_or_default())).collect())
}

fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    match Timestamp::parse_strict(&text) {
        Some(time) => Ok(Some(time.to_go())),
        None => Err(D::Error::custom(format!("`{text}` is no RFC 3339 time"))),
    }
}

/// Compact JSON with Go's escapes for HTML.
struct GoFormatter;

impl Formatter for GoFormatter {
    fn write_string_fragment<W: Write + ?Sized>(
        &mut self,
        out: &mut W,
        text: &str,
    ) -> io::Result<()> {
        let escaped = |c| matches!(c, '<' | '>' | '&' | '\u{2028}' | '\u{2029}');
        let mut rest = text;
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| escaped(*c)) {
            CompactFormatter.write_string_fragment(out, &rest[..at])?;
            write!(out, "\\u{:04x}", u32::from(c))?;
            rest = &rest[at + c.len_utf8()..];
        }
        CompactFormatter.write_string_fragment(out, rest)
    }

    fn write_char_escape<W: Write + ?Sized>(
        &mut self,
        out: &mut W,
        c: CharEscape,
    ) -> io::Result<()> {
        match c {
            CharEscape::Backspace => out.write_all(b"\\u0008"),
            CharEscape::FormFeed => out.write_all(b"\\u000c"),
            other => CompactFormatter.write_char_escape(out, other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(text: &str) -> String {
        String::from_utf8(GoConfig::parse(text.as_bytes()).unwrap().to_go_json().unwrap()).unwrap()
    }

    #[test]
    fn empty_members_vanish_and_required_ones_stay() {
        assert_eq!(
            round(r#"{"config":null,"history":[],"author":"","x":1,"rootfs":{"type":"layers"}}"#),
            r#"{"architecture":"","os":"","config":{},"rootfs":{"type":"layers","diff_ids":null}}"#
        );
    }

    #[test]
    fn members_come_in_the_order_of_the_model() {
        assert_eq!(
            round(
                r#"{"variant":"v8","rootfs":{"diff_ids":[],"type":"l"},"os.version":"1","os":"linux",
                   "history":[{"empty_layer":true,"created_by":"x","created":"2025-01-01T00:00:00.10Z"},{}],
                   "config":{"Labels":{"b":"1","a":null},"ArgsEscaped":true,"Volumes":{"/v":null},"Env":["e"]},
                   "created":"2025-01-01T00:00:00+00:00","architecture":"arm64"}"#
            ),
            concat!(
                r#"{"created":"2025-01-01T00:00:00Z","architecture":"arm64","os":"linux","os.version":"1","#,
                r#""variant":"v8","config":{"Env":["e"],"Volumes":{"/v":{}},"Labels":{"a":"","b":"1"},"#,
                r#""ArgsEscaped":true},"rootfs":{"type":"l","diff_ids":[]},"history":["#,
                r#"{"created":"2025-01-01T00:00:00.1Z","created_by":"x","empty_layer":true},{}]}"#
            )
        );
    }

    #[test]
    fn html_is_escaped_as_go_does() {
        let text = round(r#"{"author":"<&>\u2028é\t\b\f\u0001\""}"#);
        assert!(
            text.starts_with(r#"{"author":"\u003c\u0026\u003e\u2028é\t\u0008\u000c\u0001\"","#),
            "{text}"
        );
    }

    #[test]
    fn wrong_types_and_times_are_refused() {
        for text in
            ["7", "", "{", r#"{"os":1}"#, r#"{"created":"now"}"#, r#"{"config":{"Env":{}}}"#]
        {
            assert!(GoConfig::parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
