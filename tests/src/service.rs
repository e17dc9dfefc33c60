//! The service as a child process: `kafka-output serve JOB`.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    thread,
    time::Duration,
};

use serde::Deserialize;
use tempfile::TempDir;

use crate::{
    admin::Admin,
    cache,
    process::{self, Process, Signal},
    wait::{DEADLINE, wait_for},
};

const SHOWN_LINES: usize = 100;

/// How to run the service.
#[derive(Clone, Debug, Default)]
pub struct ServiceOptions {
    program: Option<PathBuf>,
    args: Vec<String>,
    env: Vec<(String, String)>,
}

impl ServiceOptions {
    /// Runs another program than the one that was built.
    #[must_use]
    pub fn program(mut self, path: impl Into<PathBuf>) -> Self {
        self.program = Some(path.into());
        self
    }

    /// Adds a command line argument.
    #[must_use]
    pub fn arg(mut self, arg: &str) -> Self {
        self.args.push(arg.to_owned());
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// The built binary: `KAFKA_OUTPUT_BIN`, else `kafka-output` beside the tests' own directory.
///
/// # Panics
/// When there is none.
pub fn program() -> PathBuf {
    let path = env::var_os("KAFKA_OUTPUT_BIN").map_or_else(
        || {
            // target/release/deps/TEST: the binary is two levels up.
            let test = env::current_exe().expect("a running program has a path");
            test.ancestors()
                .nth(2)
                .expect("a test lies in target/PROFILE/deps")
                .join("kafka-output")
        },
        PathBuf::from,
    );
    let hint = "build it with `cargo build --release`, or set KAFKA_OUTPUT_BIN";
    assert!(path.exists(), "{} is not there; {hint}", path.display());
    path
}

/// A running service; dropping it kills it and removes its files.
#[derive(Debug)]
pub struct Service {
    // In this order: the process has to end before its directory goes.
    process: Process,
    dir: TempDir,
    address: String,
    admin: Option<String>,
}

/// A service that ended by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// All of standard output.
    pub stdout: String,
    /// All of standard error.
    pub stderr: String,
}

/// The one line that the service prints when it takes calls.
#[derive(Deserialize)]
struct Listening {
    event: String,
    address: String,
    admin: Option<String>,
}

impl Service {
    /// Runs the built binary with this job (YAML) and waits until it listens.
    ///
    /// # Panics
    /// When it ends instead, or says something else first; the text holds what it printed.
    pub fn start(job: &str) -> Self {
        Self::start_with(job, &ServiceOptions::default())
    }

    /// Like [`Service::start`], with options.
    ///
    /// # Panics
    /// As [`Service::start`].
    pub fn start_with(job: &str, options: &ServiceOptions) -> Self {
        let started = Self::try_start(job, options);
        started.unwrap_or_else(|ended| panic!("the service ended instead of listening: {ended:#?}"))
    }

    /// Like [`Service::start_with`]; a service that ends before it listens is returned.
    ///
    /// # Errors
    /// With the exit code and everything that was printed.
    ///
    /// # Panics
    /// When it neither listens nor ends, or its first line says something else.
    pub fn try_start(job: &str, options: &ServiceOptions) -> Result<Self, Ended> {
        let mut service = Self::launch(job, options);
        let line = wait_for("the service listens", DEADLINE, || {
            let exited = service.process.exited();
            let stdout = service.stdout();
            match (stdout.split_once('\n'), exited) {
                (Some((line, _)), _) => Some(Ok(line.to_owned())),
                (None, Some(status)) => Some(Err(service.ended(status))),
                (None, None) => None,
            }
        })?;
        match serde_json::from_str(&line) {
            Ok(Listening { event, address, admin }) if event == "listening" => {
                (service.address, service.admin) = (address, admin);
            }
            _ => panic!("the service should say that it listens, not: {line}"),
        }
        Ok(service)
    }

    fn launch(job: &str, options: &ServiceOptions) -> Self {
        let dir = cache::run_dir("service-");
        let path = |name: &str| dir.path().join(name);
        let create = |name: &str| fs::File::create(path(name)).expect("a new directory is ours");
        fs::write(path("job.yaml"), job).expect("a new directory is ours");
        let program = options.program.clone().unwrap_or_else(program);
        let mut command = process::command(program);
        command.arg("serve").arg(path("job.yaml")).args(["--output", "json"]).args(&options.args);
        command.envs(options.env.iter().map(|(name, value)| (name, value)));
        // Files instead of pipes: nobody has to read them for the service to go on.
        command.stdin(Stdio::null()).stdout(create("stdout")).stderr(create("stderr"));
        Self { process: Process::spawn(command), dir, address: String::new(), admin: None }
    }

    /// Host and port of the gRPC listener.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The admin port.
    ///
    /// # Panics
    /// When the job file has none.
    pub fn admin(&self) -> Admin {
        Admin::at(self.admin.as_deref().expect("the job has `listen.admin`"))
    }

    /// The gRPC listener as a client's URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The service's own directory, with `job.yaml`; gone when the service is dropped.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Everything on standard output so far.
    pub fn stdout(&self) -> String {
        self.file("stdout")
    }

    /// Everything on standard error so far: the log.
    pub fn stderr(&self) -> String {
        self.file("stderr")
    }

    /// Sends a signal.
    pub fn signal(&mut self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Sends SIGTERM and waits for the end.
    ///
    /// # Panics
    /// When the service still runs after `deadline`.
    pub fn terminate(mut self, deadline: Duration) -> Ended {
        self.process.signal(Signal::TERM);
        self.wait(deadline)
    }

    /// Waits for the service to end by itself.
    ///
    /// # Panics
    /// When it still runs after `deadline`.
    pub fn wait(mut self, deadline: Duration) -> Ended {
        match self.process.wait(deadline) {
            Some(status) => self.ended(status),
            None => panic!("the service still runs after {deadline:?}"),
        }
    }

    /// Ends the service with SIGKILL, like a crash.
    pub fn kill(self) {
        drop(self);
    }

    fn ended(&self, status: ExitStatus) -> Ended {
        Ended { code: status.code(), stdout: self.stdout(), stderr: self.stderr() }
    }

    fn file(&self, name: &str) -> String {
        let bytes = fs::read(self.dir.path().join(name)).expect("the file was made at the start");
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if thread::panicking() {
            let tail = process::tail(&self.dir.path().join("stderr"), SHOWN_LINES);
            eprintln!("--- standard error of the service ---\n{tail}");
        }
    }
}
