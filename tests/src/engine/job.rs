//! Job files for tests.

use std::fmt::Write as _;

/// A job with one output, [`OUTPUT`], that listens on a free port and stops within five seconds.
/// `more` are further keys of the output, in YAML's flow style: `acks: One, turn: { rows: 1 }`.
pub fn job(bootstrap: &str, topic: &str, more: &str) -> String {
    job_of(&[output(OUTPUT, bootstrap, topic, more)])
}

/// The alias of the output of [`job`].
pub const OUTPUT: &str = "out";

/// How long the service of a [`job`] may take to stop, in seconds.
pub const SHUTDOWN_TIMEOUT_S: u64 = 5;

/// A job with outputs made by [`output`].
pub fn job_of(outputs: &[String]) -> String {
    job_within("128 MiB", outputs)
}

/// The same with so much memory for rows.
pub fn job_within(memory: &str, outputs: &[String]) -> String {
    let mut job = format!(
        "name: tests\n\
         listen: {{ grpc: {{ address: '127.0.0.1:0' }} }}\n\
         memory: {memory}\n\
         shutdownTimeout: {SHUTDOWN_TIMEOUT_S}s\n\
         outputs:\n"
    );
    for output in outputs {
        writeln!(job, "  - {output}").expect("a string can be written");
    }
    job
}

/// The job, with an admin port as well.
///
/// # Panics
/// When it is not one of those above.
pub fn with_admin(job: &str) -> String {
    let grpc = "grpc: { address: '127.0.0.1:0' }";
    assert!(job.contains(grpc), "{job}");
    job.replace(grpc, &format!("{grpc}, admin: {{ address: '127.0.0.1:0' }}"))
}

/// One output of a job, in YAML's flow style.
pub fn output(alias: &str, bootstrap: &str, topic: &str, more: &str) -> String {
    let comma = if more.is_empty() { "" } else { ", " };
    format!("{{ alias: {alias}, topic: {topic}, bootstrapServers: '{bootstrap}'{comma}{more} }}")
}
