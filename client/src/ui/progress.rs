//! How far something is: a bar on a terminal, lines of JSON where asked for, else nothing.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::{Stderr, Ui, escape, locked};
use crate::cli::ProgressMode;

/// Shortest time between two lines of JSON.
const LINE_INTERVAL: Duration = Duration::from_millis(100);

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Walking and hashing a directory.
    Reading,
    /// Making and sealing the archive.
    Packing,
    /// To the server.
    Sending,
    /// From the server.
    Receiving,
    /// Opening the archive and writing files.
    Unpacking,
    /// Opening the archive and writing nothing.
    Verifying,
}

impl Task {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Reading => "reading",
            Self::Packing => "packing",
            Self::Sending => "sending",
            Self::Receiving => "receiving",
            Self::Unpacking => "unpacking",
            Self::Verifying => "verifying",
        }
    }
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Files.
    Files,
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    Bars,
    Lines,
    Nothing,
}

impl Shown {
    /// `draws` tells whether stderr is a terminal that takes bars.
    pub(super) const fn choose(mode: ProgressMode, draws: bool, quiet: bool) -> Self {
        match mode {
            _ if quiet => Self::Nothing,
            ProgressMode::Auto if draws => Self::Bars,
            ProgressMode::Json => Self::Lines,
            ProgressMode::Auto | ProgressMode::None => Self::Nothing,
        }
    }
}

/// How far one task is; shared by cloning, over when the last clone is dropped.
#[derive(Clone)]
pub struct Progress(Arc<Shape>);

enum Shape {
    Bar(ProgressBar),
    Lines(Lines),
    Nothing,
}

impl Ui {
    /// Begins to show how far a task is. `total` may come later.
    pub fn progress(
        &self,
        task: Task,
        persona: Option<&str>,
        unit: Unit,
        total: Option<u64>,
    ) -> Progress {
        Progress(Arc::new(match self.progress {
            Shown::Nothing => Shape::Nothing,
            Shown::Bars => Shape::Bar(self.bar(task, persona, unit, total)),
            Shown::Lines => Shape::Lines(Lines::begin(
                self.stderr.clone(),
                task,
                persona.map(str::to_owned),
                unit,
                total,
            )),
        }))
    }

    fn bar(
        &self,
        task: Task,
        persona: Option<&str>,
        unit: Unit,
        total: Option<u64>,
    ) -> ProgressBar {
        let bar = self.stderr.bars.add(match total {
            Some(total) => ProgressBar::new(total),
            None => ProgressBar::no_length(),
        });
        let template = match unit {
            Unit::Bytes => {
                "{msg} {wide_bar} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {eta}"
            }
            Unit::Files => "{msg} {wide_bar} {human_pos}/{human_len}",
        };
        // A template that does not parse leaves indicatif's own.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        let persona = persona.map(escape).unwrap_or_default();
        bar.set_message(format!("{} {persona}", task.as_str()).trim_end().to_owned());
        bar
    }
}

impl Progress {
    /// So much more is done.
    pub fn advance(&self, count: u64) {
        match &*self.0 {
            Shape::Bar(bar) => bar.inc(count),
            Shape::Lines(lines) => lines.update(|state| state.done += count),
            Shape::Nothing => {}
        }
    }

    /// So much there is in all.
    pub fn set_total(&self, total: u64) {
        match &*self.0 {
            Shape::Bar(bar) => bar.set_length(total),
            Shape::Lines(lines) => lines.update(|state| state.total = Some(total)),
            Shape::Nothing => {}
        }
    }
}

impl Drop for Shape {
    fn drop(&mut self) {
        match self {
            Self::Bar(bar) => bar.finish_and_clear(),
            Self::Lines(lines) => lines.print(&mut locked(&lines.state)),
            Self::Nothing => {}
        }
    }
}

/// Lines of JSON: the first at once, the last at the end, between them not too many.
struct Lines {
    stderr: Stderr,
    task: Task,
    persona: Option<String>,
    unit: Unit,
    state: Mutex<State>,
}

struct State {
    done: u64,
    total: Option<u64>,
    printed_at: Instant,
    /// What was done then.
    printed: u64,
    /// Units a second, of which those of late count most.
    rate: Option<f64>,
}

/// How much the time since the last line counts against all before.
const NEWEST_SHARE: f64 = 0.2;

impl State {
    #[expect(clippy::cast_precision_loss, reason = "a rate that people read")]
    fn measure(&mut self, now: Instant) {
        let elapsed_s = now.duration_since(self.printed_at).as_secs_f64();
        if self.done > self.printed && elapsed_s > 0.0 {
            let newest = (self.done - self.printed) as f64 / elapsed_s;
            let share = NEWEST_SHARE;
            self.rate = Some(self.rate.map_or(newest, |rate| rate + share * (newest - rate)));
        }
        (self.printed_at, self.printed) = (now, self.done);
    }

    /// Seconds that the rest takes at this rate.
    #[expect(clippy::cast_precision_loss, reason = "a time that people read")]
    fn left_s(&self) -> Option<f64> {
        let left = self.total?.saturating_sub(self.done) as f64;
        self.rate.map(|rate| (left / rate).round())
    }
}

#[derive(Serialize)]
struct Line<'a> {
    task: &'static str,
    persona: Option<&'a str>,
    done: u64,
    total: Option<u64>,
    unit: &'static str,
    rate: Option<f64>,
    left_s: Option<f64>,
}

impl Lines {
    fn begin(
        stderr: Stderr,
        task: Task,
        persona: Option<String>,
        unit: Unit,
        total: Option<u64>,
    ) -> Self {
        let state = State { done: 0, total, printed_at: Instant::now(), printed: 0, rate: None };
        let state = Mutex::new(state);
        let lines = Self { stderr, task, persona, unit, state };
        lines.print(&mut locked(&lines.state));
        lines
    }

    fn update(&self, change: impl FnOnce(&mut State)) {
        let mut state = locked(&self.state);
        change(&mut state);
        if state.printed_at.elapsed() >= LINE_INTERVAL {
            self.print(&mut state);
        }
    }

    fn print(&self, state: &mut State) {
        state.measure(Instant::now());
        let unit = match self.unit {
            Unit::Bytes => "bytes",
            Unit::Files => "files",
        };
        self.stderr.document(
            "progress",
            &Line {
                task: self.task.as_str(),
                persona: self.persona.as_deref(),
                done: state.done,
                total: state.total,
                unit,
                rate: state.rate.map(f64::round),
                left_s: state.left_s(),
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_for_terminals_and_quiet_silences_everything() {
        for (mode, draws, quiet, shown) in [
            (ProgressMode::Auto, true, false, Shown::Bars),
            (ProgressMode::Auto, false, false, Shown::Nothing),
            (ProgressMode::Json, false, false, Shown::Lines),
            (ProgressMode::Json, true, true, Shown::Nothing),
            (ProgressMode::None, true, false, Shown::Nothing),
        ] {
            assert_eq!(Shown::choose(mode, draws, quiet), shown);
        }
    }

    #[test]
    fn rate_and_time_left_follow_what_moves() {
        let now = Instant::now();
        let mut state =
            State { done: 0, total: Some(1000), printed_at: now, printed: 0, rate: None };
        state.measure(now);
        assert_eq!((state.rate, state.left_s()), (None, None));
        let mut second = now;
        for done in [100, 200, 300] {
            second += Duration::from_secs(1);
            state.done = done;
            state.measure(second);
        }
        assert_eq!((state.rate, state.left_s()), (Some(100.0), Some(7.0)));
        state.done = 500;
        state.measure(second + Duration::from_secs(1));
        assert_eq!((state.rate, state.left_s()), (Some(120.0), Some(4.0)));
        state.total = None;
        assert_eq!(state.left_s(), None);
    }
}
