//! `transactions`: how far writers have come, what is open, what hangs, and how that is ended.
//!
//! [`facts`] asks, [`judge`] says what it means, [`report`] and [`show`] tell it to a script and to a
//! person, [`end`] ends a transaction.
mod coordinators;
mod end;
mod facts;
mod judge;
mod report;
mod show;
pub(super) mod words;

use std::{collections::BTreeSet, path::PathBuf};

use keyvault::{Retry, Store};
use serde_json::json;

use self::{end::EndArgs, facts::Scope, report::Report, show::Show};
use super::check::{self, show::Paint};
use crate::{
    diagnose::Finding,
    exit::Exit,
    job::{Guarantee, Job, Output},
    kafka::Credentials,
    output_format::OutputFormat,
    secrets::{Issuers, resolve},
};

const MORE_HELP: &str = "\
Examples:
  What is open, what hangs, and how far all writers have come:
    kafka-output transactions job.yaml
  How far one writer has come:
    kafka-output transactions job.yaml --output delays --writer query-7
  End the transaction of a writer whose service is gone:
    kafka-output transactions job.yaml end --output delays --writer query-7

What each line means stands in docs/delivery/transactions.md.

Exit codes:
  0 nothing hangs, as far as the brokers tell; with `end`: it is ended, or there was nothing to end
  3 the job file or a secret of it is at fault, or there is no such output, writer or transaction
  4 brokers cannot be reached, or a right is missing: not all is told
  5 a transaction hangs; with `end`: it is not ended yet
  6 with `end`: it was not ended, since its service is probably alive, or since the brokers refuse";

/// Say how far writers have come, which transactions are open, and which hang; end one
///
/// Looks at the progress topic, at the coordinators of transactions and at the partitions of the
/// outputs' topics, with the outputs' own users. Writes nothing but with `end`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = MORE_HELP)]
pub struct TransactionsArgs {
    /// The job file (YAML).
    job: PathBuf,

    /// One output alone: its alias in the job file.
    #[arg(long = "output", value_name = "ALIAS", global = true)]
    alias: Option<String>,

    /// One writer alone.
    #[arg(long, value_name = "ID", global = true, allow_hyphen_values = true)]
    writer: Option<String>,

    /// For a script: one JSON object on one line.
    #[arg(long, global = true)]
    json: bool,

    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Action {
    /// End a transaction, so that readers of what is committed go on
    End(EndArgs),
}

/// Lists transactions, or ends one.
pub async fn run(args: TransactionsArgs, format: OutputFormat) -> Exit {
    let format = if args.json { OutputFormat::Json } else { format };
    let Some(job) = check::load(&args.job, format) else { return Exit::BadInput };
    let told = match &args.action {
        Some(Action::End(end)) => end::run(&job, &args, end, format).await,
        None => list(&job, &args, format).await,
    };
    told.unwrap_or_else(|refusal| refusal.tell(format))
}

/// Why nothing is told or done.
struct Refusal {
    finding: Finding,
    exit: Exit,
}

impl Refusal {
    fn new(exit: Exit, finding: Finding) -> Self {
        Self { finding, exit }
    }

    fn bad(code: &'static str, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(Exit::BadInput, Finding::new(code, text, remedy))
    }

    fn tell(self, format: OutputFormat) -> Exit {
        let Finding { code, text, remedy } = &self.finding;
        match format {
            OutputFormat::Json => {
                println!("{}", json!({ "code": code, "message": text, "remedy": remedy }));
            }
            OutputFormat::Text => {
                eprintln!("{code}: {text}");
                if !remedy.is_empty() {
                    eprintln!("  → {remedy}");
                }
            }
        }
        self.exit
    }
}

async fn list(job: &Job, args: &TransactionsArgs, format: OutputFormat) -> Result<Exit, Refusal> {
    let outputs = chosen(job, args.alias.as_deref())?;
    let file = args.job.display().to_string();
    let store = store(job)?;
    let show = Show { paint: Paint::of_stdout(), job: &file };
    let writer = args.writer.as_deref();
    let mut reports = Vec::new();
    for output in outputs {
        let report = look(job, output, &store, writer).await;
        let is_shown = writer.is_none() || !report.writers.is_empty() || !report.untold.is_empty();
        if format == OutputFormat::Text && is_shown {
            print!("{}", show.report(&report));
        }
        reports.push(report);
    }
    if let Some(writer) = writer
        && reports.iter().all(|report| report.writers.is_empty())
        && reports.iter().all(|report| report.exit() == Exit::Done)
    {
        return Err(no_writer(writer));
    }
    Ok(finish(&reports, &job.name, &file, format))
}

fn finish(reports: &[Report<'_>], job: &str, file: &str, format: OutputFormat) -> Exit {
    // One may be in several outputs' topics.
    let hanging: BTreeSet<_> = reports.iter().flat_map(Report::hanging).collect();
    let hanging = hanging.len();
    let exits = || reports.iter().map(Report::exit);
    let exit = exits()
        .find(|exit| *exit == Exit::Unsettled)
        .or_else(|| exits().find(|exit| *exit != Exit::Done))
        .unwrap_or(Exit::Done);
    match format {
        OutputFormat::Json => {
            let outputs: Vec<_> = reports.iter().map(|report| report.to_json(file)).collect();
            println!("{}", json!({ "job": job, "hanging": hanging, "outputs": outputs }));
        }
        OutputFormat::Text => {
            let lacking = if exit == Exit::Done { "" } else { ", as far as it was told" };
            match hanging {
                0 => println!("\nNothing hangs{lacking}."),
                1 => println!("\n1 transaction hangs."),
                count => println!("\n{count} transactions hang."),
            }
        }
    }
    exit
}

/// The outputs that are asked about.
fn chosen<'a>(job: &'a Job, alias: Option<&str>) -> Result<Vec<&'a Output>, Refusal> {
    let Some(alias) = alias else { return Ok(job.outputs.iter().collect()) };
    let chosen = job.outputs.iter().find(|output| output.alias.as_str() == alias);
    chosen.map(|output| vec![output]).ok_or_else(|| {
        let known: Vec<_> =
            job.outputs.iter().map(|output| format!("`{}`", output.alias)).collect();
        let remedy = format!("the job file has {}", known.join(", "));
        Refusal::bad("OUTPUT_NOT_FOUND", format!("there is no output `{alias}`"), remedy)
    })
}

async fn look<'a>(
    job: &Job,
    output: &'a Output,
    store: &Store,
    writer: Option<&str>,
) -> Report<'a> {
    if output.guarantee == Guarantee::BestEffort {
        return Report::new(&job.name, output, facts::Facts::default(), false);
    }
    match credentials(output, store).await {
        Ok(credentials) => {
            let scope = writer.map_or(Scope::All, Scope::Writer);
            let facts = facts::ask(job, output, &credentials, scope).await;
            Report::new(&job.name, output, facts, writer.is_some())
        }
        Err(refusal) => Report::without(&job.name, output, refusal.finding, refusal.exit),
    }
}

fn store(job: &Job) -> Result<Store, Refusal> {
    Store::new(job.identity.clone()).map_err(refused)
}

async fn credentials(output: &Output, store: &Store) -> Result<Credentials, Refusal> {
    let resolved = resolve(store, &output.security, &mut Issuers::default()).await;
    resolved.map(|(credentials, _)| credentials).map_err(refused)
}

/// A secret that cannot be had.
fn refused(error: keyvault::Error) -> Refusal {
    let exit = match error.retry {
        Retry::Never => Exit::BadInput,
        Retry::Later(_) => Exit::Unreachable,
    };
    Refusal::new(exit, error.into())
}

fn no_writer(writer: &str) -> Refusal {
    let text = format!(
        "nothing is stored of a writer `{}`, and no coordinator knows its transactional id",
        words::clean(writer)
    );
    Refusal::bad("WRITER_NOT_FOUND", text, "without --writer all writers are listed")
}
