//! What a row costs on the whole way from gRPC into a real broker, beside what it costs when a bare
//! librdkafka producer sends the same bytes.
//!
//! `cargo build --release --workspace --bins && cargo bench -p tests --bench whole_way` prints all
//! series; `… -- cost latency` prints some, `--rounds N` takes the median of N rounds (3) and
//! `--passes N` sends the table N times in each run (9; 3,030,984 rows). `--only TEXT` runs the
//! cases whose name holds the text, or one of several: `… -- cost --only CSV --only Avro`.
//!
//! The figures to trust are CPU seconds per million rows, as the operating system accounts for the
//! service's process alone, and ratios to floor A of the same round: cases take turns, so that
//! a slow minute of the machine meets all of them. The column `others` shows what everything else
//! on the machine used meanwhile, in percent of one core: a series with high figures there is
//! a bad one.
mod cost;
mod exact;
mod flat;
mod floor;
mod headers;
mod latency;
mod measure;
mod metrics;
mod replicas;
mod sender;
mod series;
mod slow;
mod throughput;
mod work;

use std::env;

type Series = fn(&series::Bench);

/// The series, in the order in which they run.
const SERIES: [(&str, Series); 8] = [
    ("cost", cost::cost),
    ("exact", exact::exact),
    ("flat", flat::flat),
    ("headers", headers::headers),
    ("latency", latency::latency),
    ("slow", slow::slow),
    ("metrics", metrics::metrics),
    ("replicas", replicas::replicas),
];

fn main() {
    // cargo itself adds `--bench`.
    let args: Vec<String> = env::args().skip(1).filter(|arg| arg != "--bench").collect();
    if let [role, order] = args.as_slice()
        && role == "--floor"
    {
        return floor::run(order);
    }
    let (mut rounds, mut passes, mut only, mut names) = (3, 9, Vec::new(), Vec::new());
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        let mut number = || args.next().and_then(|n| n.parse().ok()).expect("a number follows");
        match arg.as_str() {
            "--rounds" => rounds = number(),
            "--passes" => passes = number(),
            "--only" => only.push(args.next().expect("a text follows")),
            name if SERIES.iter().any(|(known, _)| *known == name) => names.push(arg),
            _ => {
                let known = SERIES.map(|(name, _)| name).join(" ");
                eprintln!(
                    "arguments: [{known}] [--rounds N] [--passes N] [--only TEXT]…, not {arg}"
                );
                std::process::exit(2);
            }
        }
    }
    let bench = series::Bench::prepare(rounds as usize, passes, only);
    for (name, run) in SERIES {
        if names.is_empty() || names.iter().any(|wanted| wanted == name) {
            run(&bench);
        }
    }
}
