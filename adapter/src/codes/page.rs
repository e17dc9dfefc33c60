//! The catalogue as the page `docs/errors.md`.
use super::{AREAS, Entry, Place, Retry, RowsWritten, all};

/// What stands above the codes.
const HEAD: &str = "\
# Errors: every code, its cause and its remedy

Whatever goes wrong has a stable code: in the details of a gRPC status, in answers on a stream, in
`GetOutput`, in the log, in `check` and in `transactions`. `kafka-output explain CODE` prints what
stands here. Codes may be added; none changes its meaning.

This page is made of the catalogue in `adapter/src/codes`: `KAFKA_OUTPUT_UPDATE_DOCS=1 cargo test
--release --test codes` writes it anew.
";

/// The page.
pub fn page() -> String {
    let mut page = HEAD.to_owned();
    page += "\n## How to read it\n\n| told | by |\n| --- | --- |\n";
    page.extend(Place::ALL.map(|place| format!("| {} | {} |\n", place.words(), place.fields())));
    page += "\n| rows written | |\n| --- | --- |\n";
    page.extend(
        RowsWritten::ALL.map(|rows| format!("| {} | {} |\n", rows.words(), rows.meaning())),
    );
    page += "\n| trying again | |\n| --- | --- |\n";
    page.extend(Retry::ALL.map(|retry| format!("| {} | {} |\n", retry.words(), retry.meaning())));
    page += "\n## The codes by what they are told of\n";
    for area in AREAS {
        let mut links: Vec<_> = area.entries.iter().map(|entry| link(entry.code)).collect();
        // Of a batch and of a call a code may mean something else.
        links.dedup();
        page += &format!("\n**{}**: {}\n", area.title, links.join(", "));
    }
    page += "\n## The codes\n";
    for (code, entries) in all() {
        page += &format!("\n### {code}\n");
        page.extend(entries.into_iter().map(meaning));
    }
    page
}

/// To the heading of a code, whose anchor is made of lower case.
fn link(code: &str) -> String {
    format!("[`{code}`](#{})", code.to_lowercase())
}

fn meaning(entry: &Entry) -> String {
    let Entry { places, rows_written, retry, cause, remedy, stream_analytics, .. } = entry;
    let places = places.iter().map(|place| place.words()).collect::<Vec<_>>().join(", ");
    let azure =
        stream_analytics.map_or(String::new(), |name| format!(" In Stream Analytics: `{name}`."));
    format!(
        "\n{cause} **Remedy:** {remedy}\n\n\
         Told: {places}. Rows written: {}. Trying again: {}.{azure}\n",
        rows_written.words(),
        retry.words()
    )
}
