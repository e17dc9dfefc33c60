//! The container of the image, run hardened by runc through podman.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// The image that scripts/image has built.
const IMAGE: &str = "kafka-output:local";

/// No rights, nothing to write to.
const HARDENED: [&str; 7] = [
    "--pull=never",
    "--read-only",
    "--read-only-tmpfs=false",
    "--cap-drop",
    "all",
    "--security-opt",
    "no-new-privileges",
];

/// What the job declares, in as far as a container's limits follow from it: deploy/README.md, under
/// "How large", says how. Here without writers that have transactions of their own.
#[derive(Clone, Copy)]
pub struct Declared {
    pub memory_mib: u64,
    pub writers_max: u64,
    pub outputs: u64,
    pub brokers: u64,
}

impl Declared {
    pub fn memory_mib_max(self) -> u64 {
        (self.memory_mib * 115).div_ceil(100) + 40
    }

    pub fn threads_max(self) -> u64 {
        let cores = std::thread::available_parallelism().unwrap().get();
        u64::try_from(cores).unwrap() + 32 + 4 * self.outputs * (self.brokers + 4)
    }

    pub fn files_max(self) -> u64 {
        ((2 * self.writers_max + 1024) * 8).div_ceil(5)
    }
}

/// A container; dropping it removes it.
pub struct Container {
    name: String,
}

/// The folder of scripts/image.
pub fn work() -> PathBuf {
    env::var_os("KAFKA_OUTPUT_IMAGE").expect("scripts/image says where").into()
}

/// podman with the store of scripts/image.
pub fn podman(args: &[&str]) -> Output {
    let work = work();
    let mut command = Command::new("podman");
    command.arg("--root").arg(work.join("store")).arg("--runroot").arg(work.join("run"));
    command.args(["--storage-driver", "overlay", "--runtime", "/usr/sbin/runc"]);
    // The cgroups of a machine without systemd.
    command.args(["--cgroup-manager", "cgroupfs", "--events-backend", "none"]).args(args);
    let output = command.output().unwrap();
    println!(
        "$ podman {}\n{}{}[{}]",
        args.join(" "),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
        output.status
    );
    output
}

impl Container {
    /// Runs the image's own command, without rights and without room beyond what is declared.
    pub fn start(name: &str, declared: Declared, options: &[&str]) -> Self {
        let memory = format!("{}m", declared.memory_mib_max());
        let threads = declared.threads_max();
        let files = format!("nofile={0}:{0}", declared.files_max());
        let limits = [
            &format!("--memory={memory}"),
            &format!("--memory-swap={memory}"),
            &format!("--pids-limit={threads}"),
            &format!("--ulimit={files}"),
            &format!("--ulimit=nproc={threads}:{threads}"),
        ];
        let limits = limits.map(String::as_str);
        let run = ["run", "--detach", "--replace", "--name", name];
        let run = [&run[..], &HARDENED, &limits, options, &[IMAGE]].concat();
        let container = Self { name: name.to_owned() };
        assert!(podman(&run).status.success());
        container
    }

    /// Runs the program once more inside. Returns its exit code, and what it printed.
    pub fn run(&self, args: &[&str]) -> (i32, String) {
        let output = podman(&[&["exec", &self.name, "/usr/bin/kafka-output"], args].concat());
        let said = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8_lossy(&said).into_owned())
    }

    /// Has the image's own health command run.
    pub fn assert_healthy(&self) {
        assert!(podman(&["healthcheck", "run", &self.name]).status.success());
    }

    /// What it has logged.
    pub fn logs(&self) -> String {
        let output = podman(&["logs", &self.name]);
        let said = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&said).into_owned()
    }

    /// What the kernel says of its first process: a file of `/proc/PID`.
    pub fn proc(&self, file: &str) -> String {
        let pid = self.inspect("{{.State.Pid}}");
        fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap()
    }

    /// A fact of its cgroup, which has another place and sometimes another name in the newer kind.
    pub fn cgroup(&self, tree: &str, files: [&str; 2]) -> String {
        let of = self.proc("cgroup");
        let path = |prefix: &str| {
            let line = of.lines().find(|line| line.split_once(':').unwrap().1.starts_with(prefix));
            line.map(|line| line.rsplit_once(':').unwrap().1.trim_start_matches('/').to_owned())
        };
        let file = match path(&format!("{tree}:")) {
            Some(path) => Path::new("/sys/fs/cgroup").join(tree).join(path).join(files[0]),
            None => Path::new("/sys/fs/cgroup").join(path(":").unwrap()).join(files[1]),
        };
        fs::read_to_string(file).unwrap().trim().to_owned()
    }

    /// A fact of it, as podman's format says.
    pub fn inspect(&self, format: &str) -> String {
        let output = podman(&["inspect", "--format", format, &self.name]);
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Sends SIGTERM, and SIGKILL after so many seconds.
    pub fn stop(&self, grace_s: u32) {
        assert!(podman(&["stop", "--time", &grace_s.to_string(), &self.name]).status.success());
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.logs();
        }
        podman(&["rm", "--force", "--time", "1", &self.name]);
    }
}

/// Facts of the image.
pub fn image(format: &str) -> String {
    let output = podman(&["image", "inspect", "--format", format, IMAGE]);
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
