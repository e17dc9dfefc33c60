//! The container of the image, run hardened by runc through podman.

use std::{
    env,
    path::PathBuf,
    process::{Command, Output},
};

/// The image that scripts/image has built.
const IMAGE: &str = "kafka-output:local";

/// No rights and no room beyond what it declares. `memory: 64 MiB` of rows, 15 % and 40 MiB beside.
const HARDENED: [&str; 17] = [
    "--pull=never",
    "--read-only",
    "--read-only-tmpfs=false",
    "--cap-drop",
    "all",
    "--security-opt",
    "no-new-privileges",
    "--memory",
    "114m",
    "--memory-swap",
    "114m",
    "--pids-limit",
    "64",
    "--ulimit",
    "nofile=1024:1024",
    "--ulimit",
    "nproc=1000:1000",
];

/// A container; dropping it removes it.
pub struct Container {
    name: String,
}

/// podman with the store of scripts/image.
pub fn podman(args: &[&str]) -> Output {
    let work = PathBuf::from(env::var_os("KAFKA_OUTPUT_IMAGE").expect("scripts/image says where"));
    let driver = env::var("KAFKA_OUTPUT_STORAGE").unwrap_or_else(|_| "overlay".to_owned());
    let mut command = Command::new("podman");
    command.arg("--root").arg(work.join("store")).arg("--runroot").arg(work.join("run"));
    command.args(["--storage-driver", &driver, "--runtime", "/usr/sbin/runc"]);
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
    /// Runs the image's own command.
    pub fn start(name: &str, options: &[&str]) -> Self {
        let run = [&["run", "--detach", "--name", name], &HARDENED[..], options, &[IMAGE]].concat();
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

    /// What it has logged.
    pub fn logs(&self) -> String {
        let output = podman(&["logs", &self.name]);
        let said = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&said).into_owned()
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
