//! What a check finds: sections of lines, each a step and what became of it.

use std::sync::{Arc, Mutex, MutexGuard};

use keyvault::{Error, Retry};
use serde_json::{Map, Value, json};

use crate::{
    diagnose::{Facts, Finding, Outcome},
    exit::Exit,
    kafka::Cause,
};

/// What belongs together: the secrets, one output.
pub(super) struct Section {
    /// For a person.
    pub(super) title: String,
    /// For a script: what it is about.
    pub(super) about: Map<String, Value>,
    /// In the order in which it has to work.
    pub(super) lines: Vec<Line>,
}

/// A section that is being written. Copies of it are the same.
#[derive(Clone)]
pub(super) struct Draft(Arc<Mutex<Section>>);

/// One step.
pub(super) struct Line {
    /// Stable, in capitals.
    step: &'static str,
    /// What was looked at, for a person.
    pub(super) title: String,
    pub(super) outcome: Outcome,
    /// How the check ends if this step failed.
    pub(super) exit: Exit,
}

impl Section {
    pub(super) fn new(title: impl Into<String>, about: &[(&str, &str)]) -> Self {
        let about = about.iter().map(|(key, value)| ((*key).to_owned(), Value::from(*value)));
        Self { title: title.into(), about: about.collect(), lines: Vec::new() }
    }

    /// Says what became of a step that was not checked before. False if there is none.
    pub(super) fn settle(&mut self, step: &str, outcome: Outcome) -> bool {
        let unknown =
            |line: &&mut Line| line.step == step && matches!(line.outcome, Outcome::NotChecked(_));
        let line = self.lines.iter_mut().find(unknown);
        line.map(|line| line.outcome = outcome).is_some()
    }

    /// Whether nothing in it failed.
    pub(super) fn passed(&self) -> bool {
        !self.lines.iter().any(Line::failed)
    }

    /// How the check ends for this section alone.
    pub(super) fn exit(&self) -> Option<Exit> {
        let exits = || self.lines.iter().filter(|line| line.failed()).map(|line| line.exit);
        // Who has to change the job file or a secret does that first.
        exits().find(|exit| *exit == Exit::BadInput).or_else(|| exits().next())
    }

    pub(super) fn to_json(&self) -> Value {
        let mut section = self.about.clone();
        section.insert("passed".to_owned(), self.passed().into());
        section.insert("steps".to_owned(), self.lines.iter().map(Line::to_json).collect());
        Value::Object(section)
    }
}

impl Draft {
    pub(super) fn new(section: Section) -> Self {
        Self(Arc::new(Mutex::new(section)))
    }

    pub(super) fn push(&self, line: Line) {
        self.lock().lines.push(line);
    }

    pub(super) fn extend(&self, lines: impl IntoIterator<Item = Line>) {
        self.lock().lines.extend(lines);
    }

    /// See [`Section::settle`].
    pub(super) fn settle(&self, step: &str, outcome: Outcome) -> bool {
        self.lock().settle(step, outcome)
    }

    /// As far as it is written. What comes later is not told.
    pub(super) fn section(&self) -> Section {
        std::mem::replace(&mut *self.lock(), Section::new("", &[]))
    }

    fn lock(&self) -> MutexGuard<'_, Section> {
        self.0.lock().expect("nothing panics in it")
    }
}

impl Line {
    /// A step beyond this machine: if it fails, something cannot be reached or refuses.
    pub(super) fn new(step: &'static str, title: impl Into<String>, outcome: Outcome) -> Self {
        Self { step, title: title.into(), outcome, exit: Exit::Unreachable }
    }

    /// A step that works.
    pub(super) fn passed(step: &'static str, title: impl Into<String>, facts: Facts) -> Self {
        Self::new(step, title, Outcome::Passed(facts))
    }

    /// A step that failed, with how the check ends for it.
    pub(super) fn fault(
        step: &'static str,
        title: impl Into<String>,
        finding: Finding,
        exit: Exit,
    ) -> Self {
        Self { exit, ..Self::new(step, title, Outcome::Failed(finding)) }
    }

    /// A secret that cannot be had or is not what it must be.
    pub(super) fn secret(step: &'static str, title: impl Into<String>, error: Error) -> Self {
        let exit = match error.retry {
            Retry::Never => Exit::BadInput,
            Retry::Later(_) => Exit::Unreachable,
        };
        Self::fault(step, title, error.into(), exit)
    }

    pub(super) fn failed(&self) -> bool {
        matches!(self.outcome, Outcome::Failed(_))
    }

    fn to_json(&self) -> Value {
        let (outcome, facts, finding) = match &self.outcome {
            Outcome::Passed(facts) => ("passed", Some(facts), None),
            Outcome::Warned(facts, finding) => ("warning", Some(facts), Some(finding)),
            Outcome::Failed(finding) => ("failed", None, Some(finding)),
            Outcome::NotChecked(_) => ("notChecked", None, None),
        };
        let mut line = json!({ "step": self.step, "what": self.title, "outcome": outcome });
        if let Some(facts) = facts {
            line["told"] = facts.text.as_str().into();
            line["facts"] = Value::Object(facts.values.clone());
        }
        if let Some(finding) = finding {
            line["code"] = finding.code.into();
            line["message"] = finding.text.as_str().into();
            line["remedy"] = finding.remedy.as_str().into();
        }
        if let Outcome::NotChecked(why) = &self.outcome {
            line["why"] = why.as_str().into();
        }
        line
    }
}

/// A cause as the service tells it. What happened ends with the name of librdkafka's code, as in
/// `… (_AUTHENTICATION). Check …`, or without one with its first sentence; what is to be done
/// follows.
pub(super) fn of_cause(cause: &Cause) -> Finding {
    let end = cause.text.find("). ").map(|at| at + 1).or_else(|| cause.text.find(". "));
    let (text, remedy) = match end {
        Some(end) => (&cause.text[..end], &cause.text[end + ". ".len()..]),
        None => (cause.text.as_str(), ""),
    };
    Finding::new(cause.code, text, remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_is_told_though_the_rest_takes_too_long() {
        let draft = Draft::new(Section::new("Output `a`", &[("alias", "a")]));
        let looking = draft.clone();
        let line = |title: &str| Line::new("TCP", title, Outcome::NotChecked(String::new()));
        looking.push(line("found in time"));
        let told = draft.section();
        looking.push(line("too late"));
        let titles: Vec<_> = told.lines.iter().map(|line| line.title.as_str()).collect();
        assert_eq!((told.title.as_str(), titles), ("Output `a`", vec!["found in time"]));
    }
}
