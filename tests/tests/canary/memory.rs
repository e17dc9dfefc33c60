//! The memory of the service, and what the kernel shows of it to others of the same user.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    process::Command,
};

use rustix::process::geteuid;
use tests::{
    cache,
    engine::job::job,
    process::{self, Process},
    service::{Service, ServiceOptions, program},
};

/// What a process without the rights of root is run by. Root itself may read everything, so it is
/// taken all its capabilities; it stays the same user.
fn unprivileged() -> Vec<&'static str> {
    match geteuid().is_root() {
        true => vec!["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--"],
        false => Vec::new(),
    }
}

/// Whether another process of the same user opens this file of `/proc/PID`. The kernel looks at
/// whether one may trace the other before it opens them.
fn opens(pid: u32, file: &str) -> bool {
    let script = format!(": < /proc/{pid}/{file}");
    let words = [&unprivileged()[..], &["sh", "-c", &script]].concat();
    Command::new(words[0]).args(&words[1..]).output().unwrap().status.success()
}

#[test]
fn another_process_of_the_same_user_reads_nothing() {
    let dir = cache::run_dir("canary-memory-");
    let wrapper = dir.path().join("unprivileged");
    let words = [&unprivileged()[..], &[program().to_str().unwrap()]].concat().join(" ");
    fs::write(&wrapper, format!("#!/bin/sh\nexec {words} \"$@\"\n")).unwrap();
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).unwrap();
    let options = ServiceOptions::default().program(&wrapper);
    let service = Service::start_with(&job("localhost:1", "t", ""), &options);
    // A process that does not protect itself is read: the look is one that may succeed.
    let words = [&unprivileged()[..], &["sleep", "1000"]].concat();
    let mut sleeping = process::command(words[0]);
    sleeping.args(&words[1..]);
    let sleeping = Process::spawn(sleeping);
    tests::wait::wait_until("`sleep` runs", tests::wait::DEADLINE, || {
        fs::read(format!("/proc/{}/comm", sleeping.id())).is_ok_and(|name| name == b"sleep\n")
    });
    // (Its `mem` need not be, where the system lets nobody trace but parents.)
    assert!(opens(sleeping.id(), "environ"));
    for file in ["environ", "mem", "maps", "auxv"] {
        assert!(!opens(service.pid(), file), "/proc/PID/{file} of the service is opened");
    }
    // Of a process that is not dumpable, root owns these (proc(5)).
    let owner = fs::metadata(format!("/proc/{}/environ", service.pid())).unwrap().uid();
    assert_eq!(owner, 0);
    let limits = fs::read_to_string(format!("/proc/{}/limits", service.pid())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{core}");
}
