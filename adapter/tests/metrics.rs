//! The page of metrics is the catalogue.

use std::{env, fs, path::Path};

use kafka_output::observe::metrics;

#[test]
fn the_page_of_metrics_is_the_catalogue() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operation/metrics.md");
    let page = metrics::page();
    if env::var_os("KAFKA_OUTPUT_UPDATE_DOCS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    let differs = written.lines().zip(page.lines()).find(|(written, made)| written != made);
    assert!(
        written == page,
        "docs/operation/metrics.md is not what the catalogue says, first here: {differs:?}; \
         KAFKA_OUTPUT_UPDATE_DOCS=1 cargo test --release --test metrics writes it anew"
    );
}
