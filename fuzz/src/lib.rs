//! Everything that reads bytes from outside, fed with bytes that nobody meant to write.
//!
//! A target is a plain function of bytes that panics where a property is broken: what is taken is
//! valid and reads back the same, what is refused says where, and memory stays within its bounds.
//! The kept inputs in `corpus` and damaged ones run with the other tests (`tests/corpus.rs`);
//! `scripts/fuzz` gives the same functions to libFuzzer (`bin/libfuzzer`) for as long as you like.

mod files;
mod job;
mod material;
mod memory;
pub mod mutate;
mod rows;
mod schemas;
pub mod seeds;
mod types;

#[path = "../../adapter/tests/rows/samples.rs"]
#[expect(clippy::unwrap_used, reason = "it belongs to tests, which use all of it")]
mod samples;

/// A reader of bytes from outside.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The name of its folder of inputs, and of its libFuzzer binary.
    pub name: &'static str,
    /// Reads an input; panics if something is wrong with what comes of it.
    pub run: fn(&[u8]),
}

macro_rules! targets {
    ($($module:ident::$name:ident,)*) => {
        [$(Target { name: stringify!($name), run: $module::$name },)*]
    };
}

/// All of them.
pub const TARGETS: [Target; 11] = targets![
    rows::ipc,
    rows::typed,
    rows::json_lines,
    schemas::ipc_schema,
    schemas::columns,
    job::job,
    material::material,
    files::csv,
    files::jsonl,
    files::arrow,
    files::parquet,
];

/// The target of a name.
///
/// # Panics
/// If there is none.
pub fn target(name: &str) -> Target {
    let found = TARGETS.into_iter().find(|target| target.name == name);
    found.unwrap_or_else(|| panic!("there is no target {name}"))
}
