//! What was found of an output, as a person reads it.

use std::fmt::{Result, Write as _};

use super::{
    facts::{Transaction, Writer},
    judge::{Judged, Remedy, Verdict},
    report::{Report, guarantee},
    words::{ago, clean, counted, position},
};
use crate::{commands::check::show::Paint, job::Guarantee};

/// The most partitions that are named of a kind.
const PARTITIONS_MAX: usize = 20;

/// As much of a service's random name as tells it from others.
const INSTANCE_CHARS: usize = 8;

/// Shows outputs of a job.
pub(super) struct Show<'a> {
    pub(super) paint: &'static Paint,
    /// The job file, for commands that are to be typed.
    pub(super) job: &'a str,
}

impl Show<'_> {
    /// An output as text.
    pub(super) fn report(&self, report: &Report<'_>) -> String {
        let mut text = String::new();
        self.write(&mut text, report).expect("a String takes everything");
        text
    }

    fn write(&self, text: &mut String, report: &Report<'_>) -> Result {
        let Paint { title, faint, end, .. } = self.paint;
        let output = report.output;
        writeln!(
            text,
            "\n{title}Output `{}`, topic `{}`, {}{end}",
            output.alias,
            output.topic,
            guarantee(output.guarantee)
        )?;
        if output.guarantee == Guarantee::BestEffort {
            return writeln!(text, "  {faint}– keeps no progress and has no transactions{end}");
        }
        for (name, writer, judged) in &report.writers {
            self.writer(text, report, (name, writer, judged.as_ref()))?;
        }
        if report.writers.is_empty() && report.is_progress_told && !report.is_of_one {
            writeln!(text, "  {faint}– no writer has stored anything yet{end}")?;
        }
        self.strangers(text, report)?;
        self.readers(text, report)?;
        for finding in &report.untold {
            let color = self.paint.warning;
            writeln!(text, "  {color}!{end} not told: {}", finding.text)?;
            if !finding.remedy.is_empty() {
                writeln!(text, "      → {}", finding.remedy)?;
            }
        }
        Ok(())
    }

    fn writer(
        &self,
        text: &mut String,
        report: &Report<'_>,
        (name, writer, judged): (&str, &Writer, Option<&Judged>),
    ) -> Result {
        let Paint { title, end, .. } = self.paint;
        writeln!(text, "  {title}Writer `{}`{end}", clean(name))?;
        stored(text, writer, report.now_ms)?;
        if let Some(claim) = &writer.found.claim {
            let when = ago(claim.time_ms as i64, report.now_ms);
            let is_newer =
                writer.found.stored.as_ref().is_some_and(|stored| stored.instance != claim.nonce);
            let since = if is_newer { "; nothing was stored since" } else { "" };
            writeln!(
                text,
                "    opened by    the service on `{}` {when}{since}",
                clean(&claim.host)
            )?;
        }
        if let Some(transaction) = &writer.transaction {
            described(text, transaction)?;
        }
        judged.map_or(Ok(()), |judged| self.judged(text, judged, "    ", ""))
    }

    /// What something comes down to, and what to do.
    fn judged(&self, text: &mut String, judged: &Judged, indent: &str, what: &str) -> Result {
        let Paint { good, warning, bad, end, .. } = self.paint;
        let (sign, color) = match judged.verdict {
            Verdict::Idle | Verdict::Open => ("✓", good),
            Verdict::Hanging => ("✗", bad),
            Verdict::Untold => ("!", warning),
        };
        writeln!(text, "{indent}{color}{sign}{end} {what}{}", judged.words)?;
        match &judged.remedy {
            None => Ok(()),
            Some(Remedy::Other(remedy)) => writeln!(text, "{indent}    → {remedy}"),
            Some(Remedy::End(args)) => {
                let args: Vec<_> = args.iter().map(|arg| shell(arg)).collect();
                let job = shell(self.job);
                writeln!(
                    text,
                    "{indent}    → kafka-output transactions {job} end {}",
                    args.join(" ")
                )
            }
        }
    }

    fn strangers(&self, text: &mut String, report: &Report<'_>) -> Result {
        let Paint { title, end, .. } = self.paint;
        if !report.strangers.is_empty() {
            writeln!(text, "  {title}Open transactions of others{end}")?;
        }
        for (stranger, judged) in &report.strangers {
            let what = format!(
                "{}-{}, from offset {} on, by producer {} epoch {}: ",
                clean(&stranger.topic),
                stranger.partition,
                stranger.open.start_offset,
                stranger.open.producer_id,
                stranger.open.producer_epoch,
            );
            self.judged(text, judged, "    ", &what)?;
        }
        Ok(())
    }

    /// Up to where readers of what is committed come.
    fn readers(&self, text: &mut String, report: &Report<'_>) -> Result {
        let Paint { title, good, warning, end, .. } = self.paint;
        if report.is_of_one || report.held.is_empty() && !report.is_span_told {
            return Ok(());
        }
        writeln!(text, "  {title}Readers of what is committed{end}")?;
        if report.held.is_empty() {
            return writeln!(text, "    {good}✓{end} come to the end of every partition");
        }
        for held in report.held.iter().take(PARTITIONS_MAX) {
            let (topic, partition, span) = (clean(&held.topic), held.partition, held.span);
            let behind = counted(span.end - span.stable, "offset");
            writeln!(
                text,
                "    {warning}!{end} {topic}-{partition}: wait at offset {}, {behind} before the end",
                span.stable
            )?;
        }
        match report.held.len().saturating_sub(PARTITIONS_MAX) {
            0 => Ok(()),
            more => writeln!(text, "      and in {more} partitions more"),
        }
    }
}

/// How far a writer has come.
fn stored(text: &mut String, writer: &Writer, now_ms: u64) -> Result {
    let Some(stored) = &writer.found.stored else {
        return writeln!(text, "    stored       nothing yet");
    };
    let when = ago(stored.time_ms as i64, now_ms);
    write!(text, "    stored       ")?;
    match stored.sequence {
        0 => write!(text, "no batch")?,
        sequence => write!(text, "every batch up to {sequence}")?,
    }
    if let Some(bytes) = stored.position() {
        write!(text, ", {}", position(&bytes))?;
    }
    if stored.epoch > 0 {
        write!(text, ", epoch {}", stored.epoch)?;
    }
    write!(text, ", {when}")?;
    // Where transactions are, the claim tells more.
    if writer.found.claim.is_none() {
        let instance: String = stored.instance.chars().take(INSTANCE_CHARS).collect();
        write!(text, ", by instance {}", clean(&instance))?;
    }
    writeln!(text)?;
    match stored.generation {
        0 => Ok(()),
        count => {
            let times = counted(count as i64, "time");
            writeln!(text, "    forgotten    {times} on request (`ResetWriter`)")
        }
    }
}

/// What the coordinator knows of a writer's transactional id.
fn described(text: &mut String, transaction: &Transaction) -> Result {
    let Transaction { id, told, coordinator } = transaction;
    let Ok(Some(told)) = told else {
        return writeln!(text, "    transaction  id `{}`", clean(id));
    };
    let at = coordinator.as_deref().unwrap_or("its coordinator");
    writeln!(
        text,
        "    transaction  {} at {at}, producer {} epoch {}, id `{}`",
        clean(&told.state.to_string()),
        told.producer_id,
        told.producer_epoch,
        clean(id)
    )?;
    let partitions = told.partitions.iter().flat_map(|(topic, partitions)| {
        partitions.iter().map(move |partition| format!("{}-{partition}", clean(topic)))
    });
    let partitions: Vec<_> = partitions.collect();
    if partitions.is_empty() {
        return Ok(());
    }
    let shown = partitions.iter().take(PARTITIONS_MAX).cloned().collect::<Vec<_>>().join(", ");
    match partitions.len().saturating_sub(PARTITIONS_MAX) {
        0 => writeln!(text, "    in           {shown}"),
        more => writeln!(text, "    in           {shown} and {more} more"),
    }
}

/// An argument as a shell takes it.
pub(super) fn shell(argument: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@%+=,".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        return argument.to_owned();
    }
    format!("'{}'", argument.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_reach_the_command_as_they_are() {
        assert_eq!(shell("query-1"), "query-1");
        assert_eq!(shell("a b"), "'a b'");
        assert_eq!(shell("it's"), r"'it'\''s'");
        assert_eq!(shell("$(rm x)"), "'$(rm x)'");
        assert_eq!(shell(""), "''");
    }
}
