//! Child processes that cannot outlive the test process, even when that is killed with SIGKILL.
//!
//! The kernel kills each child when its parent dies (`PR_SET_PDEATHSIG`). Two traps are closed:
//! "parent" means the *thread* that started the child, so one thread that lives as long as the
//! process starts them all; and a parent that dies before the child has asked for the signal is
//! noticed by comparing process ids afterwards.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io,
    path::Path,
    process::{self, Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio},
    sync::{OnceLock, mpsc},
    thread,
    time::{Duration, Instant},
};

pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process};

/// A child process; dropping it kills and reaps it.
#[derive(Debug)]
pub struct Process {
    child: Child,
}

/// A command that, started by [`Process::spawn`], runs `program` tied to this process's life.
///
/// `setpriv` and `sh` replace themselves, so the child's id is the program's own.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]);
    command.args(["sh", "-c", r#"[ "$PPID" = "$0" ] && exec "$@""#, &process::id().to_string()]);
    command.arg(program).stdin(Stdio::null());
    command
}

/// Sends standard output and standard error of `command` to the end of one file.
///
/// # Panics
/// When the file cannot be opened.
pub fn log_to(command: &mut Command, path: &Path) {
    let open = || {
        let file = File::options().create(true).append(true).open(path);
        file.unwrap_or_else(|e| panic!("cannot write {}: {e}", path.display()))
    };
    command.stdout(open()).stderr(open());
}

/// The last `lines` lines of a file; empty if there is none.
pub fn tail(path: &Path, lines: usize) -> String {
    let text = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

impl Process {
    /// Starts a command made by [`command`].
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn spawn(command: Command) -> Self {
        let shown = format!("{command:?}");
        let (reply, answer) = mpsc::sync_channel(1);
        let sent = starter().send(Request { command, reply });
        sent.expect("the starting thread lives as long as the process");
        let child = answer.recv().expect("the starting thread answers every request");
        Self { child: child.unwrap_or_else(|e| panic!("cannot start {shown}: {e}")) }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The end of the pipe that it reads, if the command was told to have one; handed out once.
    pub fn stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// The ends of its pipes, if the command was told to have some; they are handed out once.
    pub fn pipes(&mut self) -> Option<(ChildStdin, ChildStdout)> {
        self.child.stdin.take().zip(self.child.stdout.take())
    }

    /// Sends a signal; a process that has ended already is left alone.
    ///
    /// # Panics
    /// When the signal cannot be sent.
    pub fn signal(&mut self, signal: Signal) {
        // Not reaped yet, so the id is still this child's own.
        if self.exited().is_none() {
            let sent = kill_process(Pid::from_child(&self.child), signal);
            sent.unwrap_or_else(|e| panic!("cannot send {signal:?} to {}: {e}", self.id()));
        }
    }

    /// How the process ended, if it has.
    ///
    /// # Panics
    /// When the operating system does not tell.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child of ours can be waited for")
    }

    /// Waits for the end of the process; `None` if it still runs after `deadline`.
    pub fn wait(&mut self, deadline: Duration) -> Option<ExitStatus> {
        let start = Instant::now();
        loop {
            match self.exited() {
                None if start.elapsed() < deadline => thread::sleep(Duration::from_millis(5)),
                status => return status,
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only if the child has ended and was reaped already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Request {
    command: Command,
    reply: mpsc::SyncSender<io::Result<Child>>,
}

/// The one thread that starts all children. Its sender is static, so it never ends by itself.
fn starter() -> &'static mpsc::Sender<Request> {
    static STARTER: OnceLock<mpsc::Sender<Request>> = OnceLock::new();
    STARTER.get_or_init(|| {
        let (sender, requests) = mpsc::channel::<Request>();
        let run = move || {
            for Request { mut command, reply } in requests {
                // Nobody listens only if the asking thread has panicked meanwhile; then the
                // child inside the unsent answer must not stay behind.
                if let Err(mpsc::SendError(Ok(child))) = reply.send(command.spawn()) {
                    drop(Process { child });
                }
            }
        };
        let thread = thread::Builder::new().name("starts children".to_owned()).spawn(run);
        thread.expect("a thread can be started");
        sender
    })
}
