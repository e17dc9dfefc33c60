//! What the process asks of the system before it begins: that its memory stays its own, with the
//! secrets in it, and as many open files as it may have.
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit,
};

/// Switches core dumps and tracing by others off, before anything secret is read. A system that
/// refuses is told of and goes on: nothing else depends on it.
pub fn keep_memory_private() {
    // Also closes `/proc/PID/mem` and `/proc/PID/environ` to the same user (proc(5), ptrace(2)).
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        eprintln!("the memory of this process is not private: prctl: {error}");
    }
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, none) {
        eprintln!("core dumps stay possible: setrlimit: {error}");
    }
}

/// Raises the limit of open files to what the system allows: each caller and each broker is one.
pub fn take_all_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        eprintln!("the limit of open files stays as it is: setrlimit: {error}");
    }
}
