//! The command line of the Kafka output service.
use std::process::ExitCode;

use clap::Parser as _;
use kafka_output::{cli::Cli, hardening};

// librdkafka allocates for every record, and jemalloc does so for less than glibc's allocator; it
// replaces malloc for C as well.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    hardening::keep_memory_private();
    hardening::take_all_files();
    Cli::parse().run().into()
}
