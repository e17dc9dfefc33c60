//! The cost table: CPU for a row at full speed, beside the floor's of the same format.
use tests::flights;

use self::By::{Floor, Packed, Service};
use super::{
    floor::{Order, Task},
    measure::spread,
    series::{Bench, MEMORY, PARTITIONS, Run},
    throughput::{BATCH_ROWS, through_service},
    work::Format::{self, Avro, Csv, Json},
};

/// Streams of a run that is not about them.
const WRITERS: usize = 2;

/// Rows of a record that holds several; every batch but a pass's last one is whole records.
const PACKED_ROWS: usize = 100;
const _: () = assert!(BATCH_ROWS.is_multiple_of(PACKED_ROWS));

/// One row of the cost table.
struct Case {
    name: &'static str,
    by: By,
    format: Format,
    turn: usize,
    codec: &'static str,
    /// The most that it may cost, in floors A of its format.
    must: Option<f64>,
}

#[derive(Clone, Copy, PartialEq)]
enum By {
    Floor,
    /// A row a record.
    Service,
    /// [`PACKED_ROWS`] rows a record.
    Packed,
}

/// The first case of a format is floor A: what the others of the format are compared with.
const CASES: [Case; 17] = [
    case("JSON, floor A, turn 1", Floor, Json, 1, "None", None),
    case("JSON, service, turn 1", Service, Json, 1, "None", Some(2.0)),
    case("JSON, floor A', turn 1000", Floor, Json, 1_000, "None", None),
    case("JSON, service, default", Service, Json, 1_000, "None", Some(1.35)),
    case("JSON, service, 100 rows a record", Packed, Json, 1_000, "None", None),
    case("JSON, floor A, turn 1, lz4", Floor, Json, 1, "Lz4", None),
    case("JSON, service, default, lz4", Service, Json, 1_000, "Lz4", None),
    case("JSON, floor A, turn 1, zstd", Floor, Json, 1, "Zstd", None),
    case("JSON, service, default, zstd", Service, Json, 1_000, "Zstd", None),
    case("CSV, floor A, turn 1", Floor, Csv, 1, "None", None),
    case("CSV, service, turn 1", Service, Csv, 1, "None", Some(1.8)),
    case("CSV, floor A', turn 1000", Floor, Csv, 1_000, "None", None),
    case("CSV, service, default", Service, Csv, 1_000, "None", Some(1.8)),
    case("Avro, floor A, turn 1", Floor, Avro, 1, "None", None),
    case("Avro, service, turn 1", Service, Avro, 1, "None", Some(1.5)),
    case("Avro, floor A', turn 1000", Floor, Avro, 1_000, "None", None),
    case("Avro, service, default", Service, Avro, 1_000, "None", Some(1.5)),
];

const fn case(
    name: &'static str,
    by: By,
    format: Format,
    turn: usize,
    codec: &'static str,
    must: Option<f64>,
) -> Case {
    Case { name, by, format, turn, codec, must }
}

/// The cost table.
pub fn cost(bench: &Bench) {
    println!("\nOne record a row, {PARTITIONS} partitions, memory {MEMORY}, batches of");
    println!(
        "{BATCH_ROWS} rows on {WRITERS} streams, default linger; the floor sends the same bytes,"
    );
    println!(
        "lingers for 20 ms, up to 10,000 records a batch; × A compares with floor A of the format,"
    );
    println!("and `must` is the most that it may be; median (least to most)\n");
    let wanted: Vec<bool> = (0..CASES.len()).map(|index| wanted(bench, index)).collect();
    let mut runs: Vec<Vec<Run>> = CASES.iter().map(|_| Vec::new()).collect();
    for _ in 0..bench.rounds {
        for index in (0..CASES.len()).filter(|index| wanted[*index]) {
            runs[index].push(one(bench, &CASES[index]));
        }
    }
    table(&runs);
}

/// Whether a case is to be run: floor A is, if any of its format is.
fn wanted(bench: &Bench, index: usize) -> bool {
    CASES.iter().enumerate().any(|(other, case)| {
        bench.wants(case.name) && (other == index || floor_a(case.format) == index)
    })
}

/// The case that all others of a format are compared with.
fn floor_a(format: Format) -> usize {
    CASES.iter().position(|case| case.format == format).expect("every format has cases")
}

fn table(runs: &[Vec<Run>]) {
    println!(
        "{:<32} {:>22} {:>6} {:>6} {:>9} {:>7} {:>7} {:>5} {:>7}",
        "case", "CPU s/M rows", "× A", "must", "rows/s", "broker", "rec/b", "MiB", "others"
    );
    for (case, of_case) in CASES.iter().zip(runs).filter(|(_, runs)| !runs.is_empty()) {
        let (cost, least, most) = spread(of_case.iter().map(Run::cost));
        let floors = of_case.iter().zip(&runs[floor_a(case.format)]);
        let ratios = floors.map(|(run, floor)| run.cost() / floor.cost());
        let of = |value: fn(&Run) -> f64| spread(of_case.iter().map(value));
        println!(
            "{:<32} {cost:>7.3} ({least:.3} to {most:.3}) {:>6.2} {:>6} {:>9.0} {:>7.2} {:>7.0} \
             {:>5.0} {:>6.0}%",
            case.name,
            spread(ratios).0,
            case.must.map_or_else(String::new, |must| format!("{must:.2}")),
            of(|run| run.rows as f64 / run.seconds).0,
            of(|run| run.broker_cpu_seconds * 1e6 / run.rows as f64).0,
            of(|run| run.records_per_batch).0,
            of(|run| run.peak_mib).2,
            of(|run| run.others_percent).2,
        );
    }
    // The floor of a service with a codec stands before it.
    for (cases, runs) in CASES.windows(2).zip(runs.windows(2)) {
        let pairs = runs[1].iter().zip(&runs[0]);
        if cases[1].by == Floor || cases[1].codec == "None" || pairs.len() == 0 {
            continue;
        }
        let on_top = spread(pairs.map(|(service, floor)| service.cost() - floor.cost()));
        println!("{}: {:+.3} s/M on top of the floor", cases[1].name, on_top.0);
    }
}

fn one(bench: &Bench, case: &Case) -> Run {
    let topics = [bench.topic(PARTITIONS)];
    let run = match case.by {
        Floor => bench.floor(&Order {
            bootstrap: bench.broker.bootstrap(),
            topics: vec![topics[0].name.clone()],
            partitions: PARTITIONS as usize,
            format: case.format,
            codec: case.codec.to_lowercase(),
            linger_ms: "20".to_owned(),
            task: Task::Send { passes: bench.passes, batch_rows: BATCH_ROWS, turn: case.turn },
        }),
        Service | Packed => {
            let mut more = format!(
                "{}, partitioning: {{ turn: {{ rows: {} }} }}, compression: {{ type: {} }}",
                case.format.key(),
                case.turn,
                case.codec
            );
            if case.by == Packed {
                more += &format!(", packing: {{ rows: {PACKED_ROWS} }}");
            }
            through_service(bench, &topics, WRITERS, MEMORY, &more, bench.passes).0
        }
    };
    let rows_of_record = if case.by == Packed { PACKED_ROWS } else { 1 };
    let records_of_pass = flights::ROWS.div_ceil(rows_of_record as u64);
    // One pass goes before those that count.
    Run { records_per_batch: topics[0].check((bench.passes + 1) * records_of_pass), ..run }
}
