//! The last warnings and errors, one for each code and output, for who looks at the status.
use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use serde::Serialize;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::{Layer, layer::Context};

use super::{clean, line::Line};
use crate::timestamp::time;

/// So many are kept; the one that was told longest ago goes first.
const KEPT: usize = 50;

/// Of a message so many characters.
const CHARACTERS_MAX: usize = 1_000;

/// Of this process, whose log is one as well.
pub(super) static LAST: Last = Last::new();

/// The last ones, the newest at the end.
pub(super) struct Last(Mutex<VecDeque<Told>>);

/// What was told, once or several times.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    /// `error` or `warning`.
    pub level: &'static str,
    /// The stable code.
    pub code: Option<String>,
    /// The output that it is about, or the part of the port.
    pub output: Option<String>,
    /// What was said last.
    pub message: String,
    /// What to do, if the catalogue says it of the code.
    pub remedy: Option<&'static str>,
    /// How often it was said.
    pub count: u64,
    /// When it was said first.
    #[serde(serialize_with = "time")]
    pub first: SystemTime,
    /// When it was said last.
    #[serde(serialize_with = "time")]
    pub last: SystemTime,
}

/// Keeps each event that comes to it.
pub(super) struct Recent(pub(super) &'static Last);

impl Last {
    /// Nothing was told.
    pub(super) const fn new() -> Self {
        Self(Mutex::new(VecDeque::new()))
    }

    /// The newest first.
    pub(super) fn told(&self) -> Vec<Told> {
        self.lock().iter().rev().cloned().collect()
    }

    fn take(&self, line: &Line) {
        let message = clean(&line.message).chars().take(CHARACTERS_MAX).collect();
        let (code, output) = (line.code(), line.output());
        let mut all = self.lock();
        let is_same = |told: &Told| {
            let is_same = told.code.as_deref() == code && told.output.as_deref() == output;
            // Without a code the words are all there is.
            is_same && (code.is_some() || told.message == message)
        };
        let known = all.iter().position(is_same).and_then(|at| all.remove(at));
        let (count, first) = known.map_or((0, line.time()), |told| (told.count, told.first));
        if all.len() == KEPT {
            all.pop_front();
        }
        all.push_back(Told {
            level: if line.level == Level::ERROR { "error" } else { "warning" },
            code: code.map(ToOwned::to_owned),
            output: output.map(ToOwned::to_owned),
            message,
            remedy: line.remedy(),
            count: count + 1,
            first,
            last: line.time(),
        });
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Told>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Subscriber> Layer<S> for Recent {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        self.0.take(&Line::of(event));
    }
}
