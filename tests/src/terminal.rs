//! A program in a terminal of its own, whose screen is read by a terminal emulator that others wrote
//! (`pyte`, driven by `tests/python/terminal.py`).

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{ChildStdin, ChildStdout, Stdio},
};

use crate::{
    process::{self, Process},
    tools,
};

/// The terminal; the program ends with it.
#[derive(Debug)]
pub struct Terminal {
    _process: Process,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Terminal {
    /// Runs a program on a screen of 140 columns and 24 lines.
    ///
    /// # Panics
    /// When there is no Python.
    pub fn start(program: &[&str]) -> Self {
        let mut command = process::command(tools::python());
        command.arg(tools::repository().join("tests/python/terminal.py")).args(program);
        command.env("TERM", "xterm-256color");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut process = Process::spawn(command);
        let (to, from) = process.pipes().expect("they are asked for");
        Self { _process: process, to, from: BufReader::new(from) }
    }

    /// Waits until the screen shows a text.
    ///
    /// # Panics
    /// When it does not; the screen is on standard error then.
    pub fn see(&mut self, text: &str) {
        assert_eq!(self.ask(&format!("see {text}")), "ok", "`{text}` is not on the screen");
    }

    /// Presses a key.
    ///
    /// # Panics
    /// When the terminal is gone.
    pub fn key(&mut self, name: &str) {
        assert_eq!(self.ask(&format!("key {name}")), "ok");
    }

    /// Makes the screen another size.
    ///
    /// # Panics
    /// When the terminal is gone.
    pub fn size(&mut self, columns: u16, lines: u16) {
        assert_eq!(self.ask(&format!("size {columns} {lines}")), "ok");
    }

    /// Waits for the program to end, and for its terminal to be as it was; returns its exit code.
    ///
    /// # Panics
    /// When it does not.
    pub fn end(mut self) -> i32 {
        let code = self.ask("end");
        code.parse().unwrap_or_else(|_| panic!("the program should have ended: {code}"))
    }

    fn ask(&mut self, line: &str) -> String {
        writeln!(self.to, "{line}").expect("the terminal listens");
        let mut answer = String::new();
        self.from.read_line(&mut answer).expect("the terminal answers in text");
        answer.trim_end().to_owned()
    }
}
