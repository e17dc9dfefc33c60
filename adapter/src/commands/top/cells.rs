//! The columns of the table, in words; and the table as text.
use std::time::Duration;

use super::model::{OutputView, View};
use crate::commands::transactions::words::span;

/// A column: its name, its least width on a screen, whether it holds numbers, and how soon it is left
/// out where the screen is too narrow; 0 is never.
pub(super) struct Column {
    pub(super) name: &'static str,
    width_min: usize,
    pub(super) is_number: bool,
    pub(super) leaves: u8,
    cell: fn(&OutputView) -> String,
}

const fn column(
    name: &'static str,
    width_min: usize,
    is_number: bool,
    leaves: u8,
    cell: fn(&OutputView) -> String,
) -> Column {
    Column { name, width_min, is_number, leaves, cell }
}

/// What is not known.
const UNKNOWN: &str = "-";

pub(super) const COLUMNS: [Column; 13] = [
    column("OUTPUT", 12, false, 0, |output| output.alias.clone()),
    column("STATE", 11, false, 0, |output| output.state.clone()),
    column("CODE", 4, false, 0, |output| output.code.clone().unwrap_or_else(|| UNKNOWN.to_owned())),
    column("ROWS/S", 9, true, 0, |output| number(output.rows_per_second)),
    column("MB/S", 6, true, 3, |output| {
        output.bytes_per_second.map_or_else(unknown, |bytes| format!("{:.1}", bytes / 1e6))
    }),
    column("BATCH/S", 7, true, 5, |output| number(output.batches_per_second)),
    column("IN FLIGHT", 9, true, 4, |output| output.records_in_flight.to_string()),
    column("OLDEST", 7, true, 0, |output| seconds(output.oldest_unacknowledged_seconds)),
    column("HELD", 4, true, 6, |output| {
        output.backpressure_share.map_or_else(unknown, |share| format!("{:.0}%", share * 100.0))
    }),
    column("WRITERS", 7, true, 7, |output| output.writers_live.to_string()),
    column("NO LEADER", 9, true, 8, |output| {
        format!("{}/{}", output.partitions_without_leader, output.partitions)
    }),
    column("ASIDE", 7, true, 9, |output| output.set_aside.to_string()),
    column("LETTERS", 7, true, 10, |output| output.dead_letters.to_string()),
];

impl Column {
    /// How wide it is for these outputs: no code is cut.
    pub(super) fn width(&self, outputs: &[OutputView]) -> u16 {
        let cells = outputs.iter().map(|output| self.cell(output).chars().count());
        let width = cells.chain([self.width_min]).max().unwrap_or(0);
        u16::try_from(width).unwrap_or(u16::MAX)
    }

    /// What stands there for an output.
    pub(super) fn cell(&self, output: &OutputView) -> String {
        (self.cell)(output)
    }
}

fn unknown() -> String {
    UNKNOWN.to_owned()
}

fn number(number: Option<f64>) -> String {
    number.map_or_else(unknown, |number| match number {
        0.0 => "0".to_owned(),
        small if small < 10.0 => format!("{small:.1}"),
        large => format!("{large:.0}"),
    })
}

/// A time in one unit.
pub(super) fn seconds(seconds: Option<f64>) -> String {
    let time = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    time.map_or_else(unknown, span)
}

/// The service in a line.
pub(super) fn headline(view: &View) -> String {
    let state = match (view.draining, view.ready) {
        (true, _) => "ends",
        (false, true) => "ready",
        (false, false) => "not ready",
    };
    format!(
        "{}: {state}, kafka-output {}, up {}, memory {} of {} MiB, {} sessions",
        view.job,
        view.version,
        seconds(Some(view.uptime_seconds)),
        view.memory_used_bytes >> 20,
        view.memory_budget_bytes >> 20,
        view.sessions,
    )
}

/// All of it as text: a line for the service, a table of its outputs, and their troubles below.
pub(super) fn text(view: &View) -> String {
    let mut rows = vec![COLUMNS.iter().map(|column| column.name.to_owned()).collect::<Vec<_>>()];
    rows.extend(
        view.outputs
            .iter()
            .map(|output| COLUMNS.iter().map(|column| column.cell(output)).collect()),
    );
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..COLUMNS.len()).map(width).collect();
    let mut text = headline(view) + "\n\n";
    for row in &rows {
        let cells = row.iter().zip(&COLUMNS).zip(&widths);
        let cells = cells.map(|((cell, column), width)| match column.is_number {
            true => format!("{cell:>width$}"),
            false => format!("{cell:<width$}"),
        });
        text += cells.collect::<Vec<_>>().join("  ").trim_end();
        text.push('\n');
    }
    for output in &view.outputs {
        let troubles = [&output.trouble, &output.credentials.trouble];
        for trouble in troubles.into_iter().flatten() {
            text += &format!("\n{}: {}: {}\n", output.alias, trouble.code, trouble.text);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{
        super::model::tests::{output, status, waiting},
        *,
    };

    #[test]
    fn the_table_has_a_line_for_each_output_and_says_what_is_wrong() {
        let before = status(10.0, &[output("delays", 1_000)]);
        let outputs = [output("delays", 5_000), waiting("away", "Unavailable", 65.0)];
        let shown = text(&status(3_600.0 * 5.0, &outputs).view(Some(&before)));
        let expected = "\
flights: ready, kafka-output 0.1.0, up 5 h, memory 64 of 256 MiB, 3 sessions

OUTPUT  STATE        CODE             ROWS/S  MB/S  BATCH/S  IN FLIGHT  OLDEST  HELD  WRITERS  \
NO LEADER  ASIDE  LETTERS
away    Unavailable  TOPIC_NOT_FOUND       -     -        -         12    65 s     -        2  \
      0/6      4        2
delays  Ready        -                   0.2   0.0      0.0         12   0.2 s    0%        2  \
      0/6      4        2

away: TOPIC_NOT_FOUND: topic `t` does not exist. Create the topic
";
        assert_eq!(shown, expected, "\n{shown}");
    }
}
