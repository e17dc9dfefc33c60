//! `completions` and `man`: what the command line can do, for shells and for readers of manuals.
use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use clap::Command;
use clap_complete::Shell;
use clap_mangen::{
    Man,
    roff::{Roff, roman},
};

use crate::exit::Exit;

/// The name that the binary is called by.
const NAME: &str = "kafka-output";

const COMPLETIONS_HELP: &str = "\
Examples:
  For this shell, and for each bash to come:
    source <(kafka-output completions bash)
    kafka-output completions bash > ~/.local/share/bash-completion/completions/kafka-output
  zsh, below a folder of $fpath; fish:
    kafka-output completions zsh > ~/.zfunc/_kafka-output
    kafka-output completions fish > ~/.config/fish/completions/kafka-output.fish

Exit codes: 0 printed; 1 it cannot be written";

const MAN_HELP: &str = "\
Examples:
  The page of a command:
    kafka-output man check | man -l -
  All pages, where `man` finds them:
    kafka-output man --to ~/.local/share/man/man1

Exit codes: 0 written; 1 it cannot be written; 2 there is no such command";

/// Print the completions of all commands for a shell
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = COMPLETIONS_HELP)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Print the manual page of a command, or write those of all
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = MAN_HELP)]
pub struct ManArgs {
    /// The command; without one the page about all of them
    #[arg(value_name = "COMMAND", conflicts_with = "to")]
    command: Vec<String>,
    /// Write the pages of all commands into this folder instead, which is made if need be
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
}

/// Prints completions.
pub fn completions(args: &CompletionsArgs, mut all: Command) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut all, NAME, &mut script);
    if args.shell == Shell::Bash {
        script = mended(&script);
    }
    written(io::stdout().write_all(&script))
}

/// clap_complete (4.6.11) has two names in bash for a command whose name has a hyphen: it sets the one
/// and looks for the other, so that nothing behind the first command would be completed.
fn mended(script: &[u8]) -> Vec<u8> {
    let [set, sought] = ["__", "__subcmd__"].map(|hyphen| NAME.replace('-', hyphen));
    String::from_utf8_lossy(script).replace(&sought, &set).into_bytes()
}

/// Prints a page, or writes all.
pub fn man(args: &ManArgs, all: Command) -> Exit {
    // The page of `help` would say nothing that the others do not.
    let mut all = all.disable_help_subcommand(true);
    all.build();
    if let Some(folder) = &args.to {
        let pages = fs::create_dir_all(folder).and_then(|()| write_all(&all, folder));
        return written(pages.map(|pages| println!("{pages} pages in {}", folder.display())));
    }
    let found = args.command.iter().try_fold(&all, |command, name| command.find_subcommand(name));
    let Some(command) = found else {
        let typed = args.command.join(" ");
        let error = format!("no command `{typed}`; `{NAME} --help` lists them");
        all.error(clap::error::ErrorKind::InvalidSubcommand, error).exit();
    };
    written(page(command).and_then(|page| io::stdout().write_all(&page)))
}

fn written(result: io::Result<()>) -> Exit {
    match result {
        Ok(()) => Exit::Done,
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
        Err(error) => {
            eprintln!("it cannot be written: {error}");
            Exit::Failure
        }
    }
}

fn write_all(command: &Command, folder: &Path) -> io::Result<usize> {
    fs::write(folder.join(Man::new(command.clone()).get_filename()), page(command)?)?;
    let mut pages = 1;
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
        pages += write_all(inner, folder)?;
    }
    Ok(pages)
}

/// A page. What stands behind the options is laid out in lines already, which are kept.
fn page(command: &Command) -> io::Result<Vec<u8>> {
    let notes = command.get_after_long_help().or(command.get_after_help()).map(ToString::to_string);
    let source = format!("{NAME} {}", env!("CARGO_PKG_VERSION"));
    let man = Man::new(command.clone()).manual(NAME).source(source);
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    if let Some(notes) = notes {
        let mut section = Roff::new();
        section.control("SH", ["NOTES"]).control("nf", []);
        for line in notes.lines() {
            section.text([roman(line)]);
        }
        section.control("fi", []);
        section.to_writer(&mut page)?;
    }
    if command.get_version().is_some() {
        man.render_version_section(&mut page)?;
    }
    Ok(page)
}
