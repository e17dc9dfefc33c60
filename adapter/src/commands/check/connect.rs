//! Looks at everything, all outputs at once, and tells it in order.

use std::{path::Path, time::Duration};

use serde_json::json;
use tokio::time::{Instant, timeout_at};

use super::{
    finding::{Draft, Line, Section},
    listener, load, output,
    secrets::{self, Secrets},
    show::Paint,
};
use crate::{
    diagnose::{Finding, Outcome},
    exit::Exit,
    job::Job,
    output_format::OutputFormat,
};

/// How long a check takes at most.
const CHECK_MAX: Duration = Duration::from_secs(30);

/// How long an identity's endpoint may say that it is being updated: Azure asks for 70 seconds.
const UPDATING_MAX: Duration = Duration::from_secs(72);

/// What is left for the outputs after that.
const OUTPUTS_MIN: Duration = Duration::from_secs(8);

/// What a check cannot know without writing.
const NOT_CHECKED: [&str; 2] = [
    "that brokers take a record: nothing was written, and nothing was made",
    "how much they take: quotas and throttling show under load",
];

/// Checks a job and all that it needs.
pub async fn run(path: &Path, format: OutputFormat) -> Exit {
    let Some(job) = load(path, format) else { return Exit::BadInput };
    let mut told = Told { format, paint: Paint::of_stdout(), sections: Vec::new() };
    if format == OutputFormat::Text {
        println!("{} is valid: job `{}`", path.display(), job.name);
    }
    look(&job, &mut told).await;
    told.finish(&job)
}

async fn look(job: &Job, told: &mut Told) {
    let start = Instant::now();
    let mut section = Section::new("Identity and secrets", &[("about", "secrets")]);
    let Secrets { store, lines, lacking } = secrets::read(job, start + UPDATING_MAX).await;
    section.lines = lines;
    told.section(section);
    let end = (start + CHECK_MAX).max(Instant::now() + OUTPUTS_MIN);
    // All at once, told in the order of the file.
    let outputs = job.outputs.iter().map(|output| {
        let (output, store, lacking) = (output.clone(), store.clone(), lacking.clone());
        let draft = Draft::new(output::empty(&output));
        let check = output::check(job.name.clone(), output, store, lacking, draft.clone());
        (draft, tokio::spawn(check))
    });
    let outputs: Vec<_> = outputs.collect();
    if let Some(mut section) = listener::section(job) {
        match timeout_at(end, listener::look(job, &store, &lacking)).await {
            Ok(lines) => section.lines = lines,
            Err(_) => section.lines.push(unfinished("it took too long")),
        }
        told.section(section);
    }
    for (draft, running) in outputs {
        match timeout_at(end, running).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => draft.push(unfinished("its check has failed by itself")),
            Err(_) => draft.push(unfinished("it took too long")),
        }
        told.section(draft.section());
    }
}

/// Nothing more can be said of a section.
fn unfinished(why: &str) -> Line {
    let text = format!("nothing more can be said of it: {why}");
    let finding = Finding::new("CHECK_UNFINISHED", text, "check it again");
    Line::new("CHECK", "the check", Outcome::Failed(finding))
}

/// What was told so far.
struct Told {
    format: OutputFormat,
    paint: &'static Paint,
    sections: Vec<Section>,
}

impl Told {
    /// Tells a section: a person at once, a script at the end.
    fn section(&mut self, section: Section) {
        if self.format == OutputFormat::Text {
            print!("{}", self.paint.section(&section));
        }
        self.sections.push(section);
    }

    fn finish(self, job: &Job) -> Exit {
        let exits = || self.sections.iter().filter_map(Section::exit);
        let exit = exits().find(|exit| *exit == Exit::BadInput).or_else(|| exits().next());
        let passed = exit.is_none();
        match self.format {
            OutputFormat::Json => {
                let sections: Vec<_> = self.sections.iter().map(Section::to_json).collect();
                let told = json!({
                    "valid": true,
                    "passed": passed,
                    "job": job.to_json(),
                    "sections": sections,
                    "notChecked": NOT_CHECKED,
                });
                println!("{told}");
            }
            OutputFormat::Text => {
                println!("\nNot checked: {}.", NOT_CHECKED.join("; "));
                println!("{}", if passed { "Everything else works." } else { "See ✗ above." });
            }
        }
        exit.unwrap_or(Exit::Done)
    }
}
