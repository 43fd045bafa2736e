//! Events as JSON, one object a line.
//!
//! | `event` | members |
//! |---|---|
//! | `stage` | `name` |
//! | `layers` | `sizes_bytes` |
//! | `layer-read` | `layer`, `done_bytes`, `total_bytes`; at most once for each percent |
//! | `layer-done` | `layer` |
//! | `encoded` | `format`, `done_bytes`, `total_bytes`; at most once for each percent |
//! | `warning`, `detail` | `message` |
//! | `error` | `message`, `causes`, `hint` (or null) |
//!
//! Layers count from 0. Programs must expect further events and members.

use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use super::{Screen, print};
use crate::cli::report::Report;
use crate::progress::{Event, Reporter};

/// Shows JSON.
#[derive(Debug)]
pub(super) struct Json {
    details: bool,
    meters: Mutex<Meters>,
}

/// What was read and encoded so far.
#[derive(Debug, Default)]
struct Meters {
    layers: Vec<Meter>,
    encoded: Vec<(&'static str, Meter)>,
}

/// How far something is, and how far it was when last told.
#[derive(Debug, Default)]
struct Meter {
    done_bytes: u64,
    total_bytes: u64,
    told_percent: Option<u128>,
}

impl Meter {
    fn of(total_bytes: u64) -> Self {
        Self { total_bytes, ..Self::default() }
    }

    /// Moves on; says whether that is worth telling.
    fn advance_to(&mut self, done_bytes: u64) -> bool {
        self.done_bytes = done_bytes;
        let percent = Some(u128::from(done_bytes) * 100 / u128::from(self.total_bytes.max(1)));
        std::mem::replace(&mut self.told_percent, percent) != percent
    }
}

impl Json {
    pub(super) fn new(details: bool) -> Self {
        Self { details, meters: Mutex::default() }
    }

    /// The object for an event, if it is worth one.
    fn value(&self, event: Event) -> Option<Value> {
        let mut meters = self.meters.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Stage { name } => Some(json!({ "event": "stage", "name": name })),
            Event::Layers { sizes_bytes } => {
                meters.layers = sizes_bytes.iter().map(|len| Meter::of(*len)).collect();
                Some(json!({ "event": "layers", "sizes_bytes": sizes_bytes }))
            }
            Event::LayerRead { layer, bytes } => {
                let meter = meters.layers.get_mut(layer)?;
                let done_bytes = meter.done_bytes.saturating_add(bytes);
                let total_bytes = meter.total_bytes;
                meter.advance_to(done_bytes).then(|| {
                    json!({
                        "event": "layer-read",
                        "layer": layer,
                        "done_bytes": done_bytes,
                        "total_bytes": total_bytes,
                    })
                })
            }
            Event::LayerDone { layer } => Some(json!({ "event": "layer-done", "layer": layer })),
            Event::Encoded { format, done_bytes, total_bytes } => {
                meters.of_format(format, total_bytes).advance_to(done_bytes).then(|| {
                    json!({
                        "event": "encoded",
                        "format": format,
                        "done_bytes": done_bytes,
                        "total_bytes": total_bytes,
                    })
                })
            }
            Event::Warning { message } => Some(json!({ "event": "warning", "message": message })),
            Event::Detail { message } => {
                self.details.then(|| json!({ "event": "detail", "message": message }))
            }
        }
    }
}

impl Meters {
    fn of_format(&mut self, format: &'static str, total_bytes: u64) -> &mut Meter {
        let known = self.encoded.iter().position(|(name, _)| *name == format);
        let index = known.unwrap_or_else(|| {
            self.encoded.push((format, Meter::of(total_bytes)));
            self.encoded.len() - 1
        });
        &mut self.encoded[index].1
    }
}

impl Reporter for Json {
    fn report(&self, event: Event) {
        if let Some(value) = self.value(event) {
            print(&format!("{value}\n"));
        }
    }
}

impl Screen for Json {
    fn fail(&self, report: &Report) {
        print(&(report.to_json() + "\n"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_is_told_once_for_each_percent() {
        let json = Json::new(false);
        json.value(Event::Layers { sizes_bytes: vec![1_000_000] }).unwrap();
        let read = || json.value(Event::LayerRead { layer: 0, bytes: 1000 });
        let told: Vec<Value> = (0..1000).filter_map(|_| read()).collect();
        assert_eq!(told.len(), 101);
        let last = told.last().unwrap();
        assert_eq!(last["done_bytes"], json!(1_000_000));
        assert_eq!(last["total_bytes"], json!(1_000_000));
    }

    #[test]
    fn events_are_objects_on_one_line() {
        let json = Json::new(true);
        let events = [
            Event::Stage { name: "a\nb".to_owned() },
            Event::Layers { sizes_bytes: vec![] },
            Event::LayerDone { layer: 3 },
            Event::Encoded { format: "qcow2", done_bytes: 0, total_bytes: 0 },
            Event::Warning { message: "w".to_owned() },
            Event::Detail { message: "d".to_owned() },
        ];
        for event in events {
            let line = json.value(event).unwrap().to_string();
            assert!(!line.contains('\n'), "{line}");
            assert!(serde_json::from_str::<Value>(&line).unwrap()["event"].is_string());
        }
    }

    #[test]
    fn what_nobody_asked_for_is_not_told() {
        let json = Json::new(false);
        assert_eq!(json.value(Event::LayerRead { layer: 7, bytes: 1 }), None);
        assert_eq!(json.value(Event::Detail { message: "d".to_owned() }), None);
    }
}
