//! How a check is told to a person: sections with ticks, each failure with its remedy below it.

use std::{env, fmt::Write as _, io::IsTerminal as _};

use super::finding::{Line, Section};
use crate::diagnose::{Finding, Outcome};

/// The escape sequences of a terminal, or nothing.
pub(in crate::commands) struct Paint {
    pub(in crate::commands) title: &'static str,
    pub(in crate::commands) good: &'static str,
    pub(in crate::commands) warning: &'static str,
    pub(in crate::commands) bad: &'static str,
    pub(in crate::commands) faint: &'static str,
    pub(in crate::commands) end: &'static str,
}

const COLOR: Paint = Paint {
    title: "\x1b[1m",
    good: "\x1b[32m",
    warning: "\x1b[33m",
    bad: "\x1b[1;31m",
    faint: "\x1b[2m",
    end: "\x1b[0m",
};
const PLAIN: Paint = Paint { title: "", good: "", warning: "", bad: "", faint: "", end: "" };

impl Paint {
    /// Colours on a terminal, unless `NO_COLOR` is set (<https://no-color.org>).
    pub(in crate::commands) fn of_stdout() -> &'static Self {
        let unwanted = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if std::io::stdout().is_terminal() && !unwanted { &COLOR } else { &PLAIN }
    }

    /// A section as text.
    pub(super) fn section(&self, section: &Section) -> String {
        let mut text = format!("\n{}{}{}\n", self.title, section.title, self.end);
        for line in &section.lines {
            self.line(&mut text, line).expect("a String takes everything");
        }
        text
    }

    fn line(&self, text: &mut String, line: &Line) -> std::fmt::Result {
        let Self { good, warning, bad, faint, end, .. } = self;
        let title = &line.title;
        match &line.outcome {
            Outcome::Passed(facts) => writeln!(text, "  {good}✓{end} {title}: {}", facts.text),
            Outcome::Warned(facts, finding) => {
                writeln!(text, "  {warning}!{end} {title}: {}", facts.text)?;
                self.finding(text, finding, warning)
            }
            Outcome::Failed(finding) => {
                writeln!(text, "  {bad}✗{end} {title}")?;
                self.finding(text, finding, bad)
            }
            Outcome::NotChecked(why) => {
                writeln!(text, "  {faint}– {title}: not checked, {why}{end}")
            }
        }
    }

    fn finding(&self, text: &mut String, finding: &Finding, color: &str) -> std::fmt::Result {
        let end = self.end;
        writeln!(text, "      {color}{}{end}: {}", finding.code, finding.text)?;
        if !finding.remedy.is_empty() {
            writeln!(text, "      → {}", finding.remedy)?;
        }
        Ok(())
    }
}
