//! What the topic takes is known before rows are encoded.
use super::{World, all_numbers, numbers, rows};

/// One row as JSON.
const ROW_BYTES: usize = r#"{"w":"w","n":1,"pad":""}"#.len();

#[test]
fn a_record_is_as_long_as_the_topic_takes_and_not_longer_by_a_byte() {
    for (format, around) in [("LineSeparated", 0), ("Array", 2)] {
        // Two rows of 500 bytes and what is between them.
        let most = 2 * 500 + 1 + around;
        for (record_bytes_max, records) in [(most, 2), (most - 1, 4)] {
            let more = format!(
                "serialization: {{ type: Json, format: {format} }}, packing: {{ rows: 2 }}"
            );
            let world = World::start("boundary", 1, record_bytes_max, &more);
            let mut stream = world.open(&world.topic);
            stream.send(rows("w", 1..5, &"x".repeat(500 - ROW_BYTES)));
            stream.wait_durable();
            let written = world.records();
            assert_eq!(written.len(), records, "{format}, {record_bytes_max} bytes");
            let longest = written.iter().map(|of| of.value.as_ref().unwrap().len()).max();
            assert_eq!(longest, Some(if records == 2 { most } else { 500 + around }));
            assert_eq!(all_numbers(&written), [1, 2, 3, 4]);
        }
    }
}

#[test]
fn a_row_that_is_too_large_alone_goes_the_way_of_the_error_policy() {
    let world = World::start("alone", 1, 1_000, "errorPolicy: Drop, packing: { rows: 10 }");
    let mut stream = world.open(&world.topic);
    let large = rows("w", 3..4, &"x".repeat(2_000));
    stream.send(rows("w", 0..3, "") + &large + &rows("w", 4..10, ""));
    stream.wait_durable();
    let rejected: Vec<_> = stream.rejected.iter().map(|row| (row.row, &*row.code)).collect();
    assert_eq!(rejected, [(3, "ROW_TOO_LARGE")]);
    let reason = &stream.rejected[0].reason;
    assert!(reason.contains("bytes or more, and 1000 are allowed"), "{reason}");
    let written = world.records();
    let records: Vec<_> = written.iter().map(numbers).collect();
    assert_eq!(records, [vec![0, 1, 2], vec![4, 5, 6, 7, 8, 9]]);
}

#[test]
fn records_that_must_stay_whole_go_the_way_of_the_error_policy() {
    let packing = "packing: { rows: 4, tooLarge: ErrorPolicy }";
    let lines = || rows("w", 0..4, "") + &rows("w", 4..8, &"x".repeat(400)) + &rows("w", 8..9, "");
    let world = World::start("whole-drop", 1, 1_000, &format!("errorPolicy: Drop, {packing}"));
    let mut stream = world.open(&world.topic);
    stream.send(lines());
    stream.wait_durable();
    let rejected: Vec<_> = stream.rejected.iter().map(|row| (row.row, &*row.code)).collect();
    assert_eq!(rejected, [4, 5, 6, 7].map(|row| (row, "ROW_TOO_LARGE")));
    let bytes = 4 * (ROW_BYTES + 400) + 3;
    let reason = &stream.rejected[0].reason;
    assert!(reason.contains(&format!("needs {bytes} bytes, and 1000 are allowed")), "{reason}");
    let written = world.records();
    assert_eq!(written.iter().map(numbers).collect::<Vec<_>>(), [vec![0, 1, 2, 3], vec![8]]);

    let world = World::start("whole-stop", 1, 1_000, packing);
    let mut stream = world.open(&world.topic);
    stream.send(lines());
    let refused = stream.wait_refused();
    assert_eq!((refused.code.as_str(), refused.rows_total), ("BAD_ROWS", 4));
    assert_eq!(world.records().len(), 0, "nothing of a refused batch is written");
}
