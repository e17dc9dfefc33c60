//! One target, driven by libFuzzer; `scripts/fuzz` builds it and names the target.
#![no_main]

use std::{env, fs, panic, path::Path, sync::OnceLock};

use fuzz::{Target, seeds};

static TARGET: OnceLock<Target> = OnceLock::new();

libfuzzer_sys::fuzz_target!(init: begin(), |data: &[u8]| {
    (TARGET.get().expect("it is set at the beginning").run)(data);
});

/// Takes `FUZZ_TARGET`, and writes its seeds into the folder `FUZZ_SEEDS`.
fn begin() {
    let name = env::var("FUZZ_TARGET").expect("FUZZ_TARGET names the target");
    let target = *TARGET.get_or_init(|| fuzz::target(&name));
    if let Some(folder) = env::var_os("FUZZ_SEEDS") {
        for (name, input) in seeds::of(target.name) {
            fs::write(Path::new(&folder).join(name), input).expect("the seeds can be written");
        }
    }
    // Arrow's readers panic on some broken files, and the service catches that. The hook that is
    // set would end the process at once; a panic that nobody catches ends it without the hook.
    drop(panic::take_hook());
}
