//! Warnings and errors that come again and again: each is written at once, and what follows in the
//! next seconds is counted, and written as one line with the count.
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use tracing::{Level, callsite::Identifier};

use super::line::Line;

/// For so long the same is counted.
pub(super) const WINDOW: Duration = Duration::from_secs(30);

/// So many outputs, codes and peers are told apart at one place in the code; those beyond are
/// counted together. The places are as many as the program has.
const SUBJECTS_MAX: usize = 64;

/// What was said in the last seconds.
#[derive(Default)]
pub(super) struct Repeats(HashMap<Identifier, HashMap<Subject, Window>>);

/// What a line of one place is about; the code and the output or peer.
type Subject = Option<(String, String)>;

struct Window {
    since: Instant,
    counted: u64,
    /// The last one of them, which is shown for all.
    last: Option<Line>,
}

impl Repeats {
    /// The line if it is to be written now. Else it is counted, until [`Repeats::ended`] has it.
    pub(super) fn admit(&mut self, line: Line, now: Instant) -> Option<Line> {
        if line.level > Level::WARN {
            return Some(line);
        }
        let windows = self.0.entry(line.callsite.clone()).or_default();
        windows.retain(|_, window| window.counted > 0 || !window.is_over(now));
        let code = line.code().unwrap_or_default().to_owned();
        let mut subject = Some((code, line.subject().unwrap_or_default()));
        if windows.len() >= SUBJECTS_MAX && !windows.contains_key(&subject) {
            subject = None;
        }
        match windows.get_mut(&subject) {
            None => {
                windows.insert(subject, Window { since: now, counted: 0, last: None });
                Some(line)
            }
            Some(window) => {
                window.counted += 1;
                window.last = Some(line);
                None
            }
        }
    }

    /// When the next window ends in which something was counted.
    pub(super) fn next_end(&self) -> Option<Instant> {
        let windows = self.0.values().flat_map(HashMap::values);
        windows.filter(|window| window.counted > 0).map(|window| window.since + WINDOW).min()
    }

    /// One line for each window that is over, and something was counted in it; all of them if
    /// nothing comes any more. What comes then is written at once again.
    pub(super) fn ended(&mut self, now: Instant, all: bool) -> Vec<Line> {
        let mut ended = Vec::new();
        for windows in self.0.values_mut() {
            windows.retain(|_, window| {
                let is_over = all || window.is_over(now);
                if let Some(mut line) = window.last.take_if(|_| is_over) {
                    let seconds = now.saturating_duration_since(window.since).as_secs_f64().ceil();
                    line.repeated = Some((window.counted, seconds as u64));
                    ended.push(line);
                }
                !is_over
            });
        }
        ended.sort_by_key(Line::time);
        ended
    }
}

impl Window {
    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) >= WINDOW
    }
}
