//! Events as bars: one for each layer being read, one for all of them, one for a disk being encoded.

use std::sync::{Mutex, MutexGuard, PoisonError};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::lines::Lines;
use super::{Screen, print};
use crate::cli::report::Report;
use crate::progress::{Event, Reporter};

const ONE: &str = "{msg:12} [{bar:30}] {binary_bytes} of {binary_total_bytes}";
const ALL: &str = "{msg:12} [{bar:30}] {binary_bytes} of {binary_total_bytes}, \
                   {binary_bytes_per_sec}, {eta} left";

/// Shows bars, with lines above them.
#[derive(Debug)]
pub(super) struct Bars {
    lines: Lines,
    screen: MultiProgress,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    sizes_bytes: Vec<u64>,
    /// Bars of the layers that are being read, a few at once.
    layers: Vec<Option<ProgressBar>>,
    all: Option<ProgressBar>,
    encoded: Option<(&'static str, ProgressBar)>,
}

impl Bars {
    pub(super) fn new(lines: Lines) -> Self {
        Self { lines, screen: MultiProgress::new(), state: Mutex::default() }
    }

    fn draw(&self, event: &Event) {
        let mut state = self.state();
        match event {
            Event::Layers { sizes_bytes } => {
                let total = sizes_bytes.iter().fold(0_u64, |sum, len| sum.saturating_add(*len));
                state.layers = vec![None; sizes_bytes.len()];
                state.sizes_bytes.clone_from(sizes_bytes);
                state.all = Some(self.screen.add(bar(total, "all layers".to_owned(), ALL)));
            }
            Event::LayerRead { layer, bytes } => self.advance(&mut state, *layer, *bytes),
            Event::LayerDone { layer } => {
                if let Some(bar) = state.layers.get_mut(*layer).and_then(Option::take) {
                    bar.finish_and_clear();
                    self.screen.remove(&bar);
                }
            }
            Event::Encoded { format, done_bytes, total_bytes } => {
                if state.encoded.as_ref().is_none_or(|(name, _)| name != format) {
                    state.clear();
                    let bar = self.screen.add(bar(*total_bytes, (*format).to_owned(), ALL));
                    state.encoded = Some((format, bar));
                }
                if let Some((_, bar)) = &state.encoded {
                    bar.set_position(*done_bytes);
                }
            }
            Event::Stage { .. } | Event::Warning { .. } | Event::Detail { .. } => {}
        }
    }

    fn advance(&self, state: &mut State, layer: usize, bytes: u64) {
        let State { sizes_bytes, layers, all, .. } = state;
        let (Some(slot), Some(len)) = (layers.get_mut(layer), sizes_bytes.get(layer)) else {
            return;
        };
        let bar = slot.get_or_insert_with(|| {
            let bar = bar(*len, format!("layer {}", layer + 1), ONE);
            match all {
                Some(all) => self.screen.insert_before(all, bar),
                None => self.screen.add(bar),
            }
        });
        bar.inc(bytes);
        if let Some(all) = all {
            all.inc(bytes);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bar(len: u64, name: String, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template);
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ");
    ProgressBar::with_draw_target(Some(len), ProgressDrawTarget::hidden())
        .with_style(style)
        .with_message(name)
}

impl State {
    fn clear(&mut self) {
        let layers = self.layers.iter_mut().filter_map(Option::take);
        let others = self.all.take().into_iter().chain(self.encoded.take().map(|(_, bar)| bar));
        layers.chain(others).for_each(|bar| bar.finish_and_clear());
    }
}

impl Reporter for Bars {
    fn report(&self, event: Event) {
        self.draw(&event);
        // A layer had its bar; it needs no line as well.
        let had_bar = matches!(event, Event::LayerDone { .. });
        if let Some(line) = self.lines.line(&event).filter(|_| !had_bar) {
            self.screen.suspend(|| print(&(line + "\n")));
        }
    }
}

impl Screen for Bars {
    fn clear(&self) {
        self.state().clear();
    }

    fn fail(&self, report: &Report) {
        self.clear();
        print(&self.lines.report_text(report));
    }
}
