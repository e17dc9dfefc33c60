//! The command against files of every kind and a service that checks and misbehaves.
use std::{
    future::pending,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use arrow_array::{
    ArrayRef, DictionaryArray, Float64Array, Int64Array, LargeStringArray, RecordBatch,
    cast::AsArray as _, types::Int32Type, types::Int64Type,
};
use arrow_cast::display::array_value_to_string;
use arrow_ipc::writer::{FileWriter, StreamWriter};
use arrow_select::concat::concat_batches;
use clap::Parser;
use parquet::arrow::ArrowWriter;
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::{
    Interrupted, SendArgs,
    args::ProgressMode,
    files::{ChunkSize, Files, TextOptions},
    outcome::{Ended, Outcome},
    report::Report,
    send,
};
use crate::{
    client::{
        Credit, Limits, RejectedRow,
        fake::{Act, Code, Fake, Opening, Script, status},
    },
    exit::Exit,
    output_format::OutputFormat,
};

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    send: SendArgs,
}

/// A folder and a service.
struct Bench {
    folder: TempDir,
    fake: Fake,
    /// What the person was told.
    said: Mutex<Vec<String>>,
}

impl Bench {
    fn new(scripts: impl IntoIterator<Item = Script>) -> Self {
        let (folder, fake) = (tempfile::tempdir().unwrap(), Fake::start(scripts));
        Self { folder, fake, said: Mutex::default() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        std::fs::write(self.path(name), content).unwrap();
        self.path(name).to_str().unwrap().to_owned()
    }

    async fn send(&self, files: &[&str], flags: &[&str]) -> Outcome {
        self.send_until(files, flags, Box::pin(pending())).await
    }

    async fn send_until(&self, files: &[&str], flags: &[&str], end: Interrupted) -> Outcome {
        self.send_after(files, flags, || Ok(end)).await
    }

    /// `looked` is called when the files have been looked through.
    async fn send_after(
        &self,
        files: &[&str],
        flags: &[&str],
        looked: impl FnOnce() -> io::Result<Interrupted>,
    ) -> Outcome {
        let url = self.fake.url();
        let fixed = ["send", "--into", "delays", "--to", &url];
        let words = fixed.iter().chain(files).chain(flags);
        let args = Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{error}")).send;
        let mut report = Report::new(ProgressMode::Never, OutputFormat::Text);
        let outcome = send(args, &mut report, looked).await;
        *self.said.lock().unwrap() = std::mem::take(&mut report.said.lock().unwrap());
        outcome
    }

    /// Whether the person was told so in the last run.
    fn said(&self, text: &str) -> bool {
        self.said.lock().unwrap().iter().any(|said| said.contains(text))
    }

    /// What is in the topic, as one batch.
    fn rows(&self) -> RecordBatch {
        let log = self.fake.log();
        assert_eq!(log.violations, Vec::<String>::new());
        let rows = log.rows();
        concat_batches(&rows[0].schema(), &rows).unwrap()
    }

    /// The types and rows in the topic, as text.
    fn shown(&self) -> Vec<String> {
        let rows = self.rows();
        let schema = rows.schema();
        let fields = schema.fields().iter();
        let head = fields.map(|f| format!("{}:{}", f.name(), f.data_type())).collect::<Vec<_>>();
        let mut lines = vec![head.join(" ")];
        for row in 0..rows.num_rows() {
            let values = rows.columns().iter().map(|column| match column.is_null(row) {
                true => "null".to_owned(),
                false => array_value_to_string(column, row).unwrap(),
            });
            lines.push(values.collect::<Vec<_>>().join(" "));
        }
        lines
    }
}

fn numbers(rows: i64) -> String {
    (0..rows).fold("n\n".to_owned(), |file, n| format!("{file}{n}\n"))
}

/// The numbers in the topic are 0, 1, 2 … each once and in order.
fn assert_counted(bench: &Bench, rows: i64) {
    let sent = bench.rows();
    let column = sent.column(0).as_primitive::<Int64Type>();
    assert_eq!(column.values(), &(0..rows).collect::<Vec<_>>()[..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn csv_types_are_found_and_nulls_are_null() {
    let bench = Bench::new([]);
    let file = bench.file(
        "flights.csv",
        "\u{FEFF}year,dep,tail,rate,time_hour,late\r\n\
         2013,NA,N14228,1.5,2013-01-01T10:00:00Z,true\r\n\
         2013,517,\"a, \"\"b\"\"\nc\",2,2013-01-01T11:00:00Z,false\r\n",
    );
    let outcome = bench.send(&[&file], &["--null-text", "NA,"]).await;
    assert_eq!((outcome.ended, outcome.rows_durable), (Ended::Done, 2));
    let rows = bench.rows();
    let types: Vec<_> =
        rows.schema().fields().iter().map(|field| field.data_type().to_string()).collect();
    assert_eq!(types, ["Int64", "Int64", "Utf8", "Float64", "Timestamp(s, \"UTC\")", "Boolean"]);
    assert!(rows.column(1).is_null(0));
    assert_eq!(rows.column(2).as_string::<i32>().value(1), "a, \"b\"\nc");
    assert_eq!(rows.schema().field(0).name(), "year", "without the byte order mark");

    // Years that nanoseconds do not reach are no fault of the other units.
    let bench = Bench::new([]);
    let file = bench.file("until.csv", "t\n9999-12-31T00:00:00\n2013-01-31T05:00:00.123456\n");
    assert_eq!(bench.send(&[&file], &[]).await.ended, Ended::Done);
    assert_eq!(bench.shown()[..2], ["t:Timestamp(µs)", "9999-12-31T00:00:00"]);
    let bench = Bench::new([]);
    let file = bench.file("mixed.csv", "t\n9999-12-31T00:00:00\n2013-01-31T05:00:00.1234567\n");
    assert_eq!(bench.send(&[&file], &[]).await.ended, Ended::Done);
    assert_eq!(bench.shown()[..2], ["t:Utf8", "9999-12-31T00:00:00"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn csv_types_may_be_given() {
    let bench = Bench::new([]);
    let file = bench.file("x.tsv", "2013\t1.50\t{\"a\":1}\n2014\t2.25\t[]\n");
    let types = "column_1=utf8,column_2=decimal(10,2),column_3=json";
    let outcome = bench.send(&[&file], &["--no-header", "--types", types]).await;
    assert_eq!(outcome.ended, Ended::Done);
    let shown = bench.shown();
    assert_eq!(shown[0], "column_1:Utf8 column_2:Decimal128(10, 2) column_3:Utf8");
    assert_eq!(shown[1..], ["2013 1.50 {\"a\":1}", "2014 2.25 []"]);
    let schema = bench.rows().schema();
    assert_eq!(schema.field(2).metadata()["ARROW:extension:name"], "arrow.json");
}

#[tokio::test(flavor = "multi_thread")]
async fn json_lines_keep_what_one_type_cannot_hold() {
    let bench = Bench::new([]);
    let file = bench.file(
        "x.jsonl",
        r#"{"id": 1, "x": 1, "mixed": {"k": [1]}, "list": [1, null], "rec": {"a": "\u00e9", "b": 1}}

{"id": 2, "x": 2.5, "mixed": "text", "rec": {"b": 2.5}, "late": "2013-01-01"}
"#,
    );
    let outcome = bench.send(&[&file], &["--types", "late=date"]).await;
    assert_eq!((outcome.ended, outcome.rows_durable), (Ended::Done, 2));
    let shown = bench.shown();
    assert_eq!(
        shown[0],
        "id:Int64 x:Float64 mixed:Utf8 list:List(Int64) \
         rec:Struct(\"a\": Utf8, \"b\": Float64) late:Date32"
    );
    assert_eq!(shown[1], "1 1.0 {\"k\": [1]} [1, ] {a: é, b: 1.0} null");
    assert_eq!(shown[2], "2 2.5 \"text\" null {a: , b: 2.5} 2013-01-01");
    assert_eq!(bench.rows().schema().field(2).metadata()["ARROW:extension:name"], "arrow.json");
}

fn batch(rows: std::ops::Range<i64>) -> RecordBatch {
    let carrier: DictionaryArray<Int32Type> =
        rows.clone().map(|row| if row % 2 == 0 { "UA" } else { "AA" }).collect();
    let names = rows.clone().map(|row| format!("row {row}"));
    RecordBatch::try_from_iter([
        ("n", Arc::new(Int64Array::from_iter_values(rows.clone())) as ArrayRef),
        ("x", Arc::new(Float64Array::from_iter_values(rows.map(|row| row as f64 / 8.0)))),
        ("name", Arc::new(LargeStringArray::from_iter_values(names))),
        ("carrier", Arc::new(carrier)),
    ])
    .unwrap()
}

/// 2,500 rows as a Parquet file or an Arrow file or stream of three batches.
fn write(path: &Path) {
    let file = std::fs::File::create(path).unwrap();
    let all = batch(0..2500); // an Arrow file has one dictionary for all its batches
    let batches = [all.slice(0, 7), all.slice(7, 2000), all.slice(2007, 493)];
    let schema = batches[0].schema();
    match path.extension().unwrap().to_str().unwrap() {
        "parquet" => {
            let mut writer = ArrowWriter::try_new(file, schema, None).unwrap();
            batches.iter().for_each(|batch| writer.write(batch).unwrap());
            writer.close().unwrap();
        }
        "arrow" => {
            let mut writer = FileWriter::try_new(file, &schema).unwrap();
            batches.iter().for_each(|batch| writer.write(batch).unwrap());
            writer.finish().unwrap();
        }
        _ => {
            let mut writer = StreamWriter::try_new(file, &schema).unwrap();
            batches.iter().for_each(|batch| writer.write(batch).unwrap());
            writer.finish().unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn arrow_and_parquet_arrive_in_batches_of_the_wanted_size() {
    for name in ["x.parquet", "x.arrow", "x.arrows"] {
        let bench = Bench::new([]);
        write(&bench.path(name));
        let file = bench.path(name).to_str().unwrap().to_owned();
        let outcome = bench.send(&[&file], &["--batch-rows", "1000", "--limit", "1500"]).await;
        assert_eq!((outcome.ended, outcome.rows_durable), (Ended::Done, 1500), "{name}");
        let outcome = bench.send(&[&file], &["--batch-rows", "600"]).await;
        assert_eq!((outcome.ended, outcome.rows_before), (Ended::Done, 1500), "{name}");
        assert_counted(&bench, 2500);
        let sizes: Vec<_> = bench.fake.log().rows().iter().map(RecordBatch::num_rows).collect();
        assert_eq!(sizes, [1000, 500, 600, 400], "{name}");
        let rows = bench.rows();
        assert_eq!(rows.schema().field(2).data_type().to_string(), "Utf8", "{name}: not large");
        assert_eq!(rows.column(2).as_string::<i32>().value(2499), "row 2499");
        let carrier = arrow_cast::cast(rows.column(3), &arrow_schema::DataType::Utf8).unwrap();
        assert_eq!(carrier.as_string::<i32>().value(2499), "AA");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_file_is_not_sent_twice_unless_under_another_name() {
    let bench = Bench::new([]);
    let file = bench.file("x.csv", numbers(30));
    let first = bench.send(&[&file], &["--batch-rows", "10"]).await;
    assert_eq!((first.ended, first.batches, first.rows_durable), (Ended::Done, 3, 30));
    let moved = bench.file("y.csv", numbers(30));
    let second = bench.send(&[&moved], &[]).await;
    assert_eq!((second.ended, second.ended.exit()), (Ended::AlreadyThere, Exit::Done));
    assert_eq!((second.batches, second.rows_durable, &second.writer), (0, 30, &first.writer));
    assert!(second.text().contains("--writer NAME"), "{}", second.text());
    let other = bench.send(&[&moved], &["--null-text", "NA"]).await;
    assert_ne!(other.writer, first.writer, "other options may give other rows");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_run_tells_where_it_stopped_and_the_next_goes_on() {
    let ack_after = Duration::from_millis(60);
    let bench = Bench::new([Script { ack_after, ..Script::default() }]);
    let files = [bench.file("a.csv", numbers(75)), {
        let rest = (75..200).fold("n\n".to_owned(), |file, n| format!("{file}{n}\n"));
        bench.file("b.csv", rest)
    }];
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let end = Box::pin(tokio::time::sleep(Duration::from_millis(150)));
    let first = bench.send_until(&files, &["--batch-rows", "10"], end).await;
    assert_eq!(first.ended, Ended::Unsettled, "{:?}", first.error);
    assert!(first.rows_durable > 0 && first.rows_durable < 200, "{}", first.rows_durable);
    assert!(first.error.unwrap().contains("everything sent is acknowledged"));
    let second = bench.send(&files, &["--batch-rows", "10"]).await;
    assert_eq!((second.ended, second.rows_before), (Ended::Done, first.rows_durable));
    assert_counted(&bench, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_run_does_not_wait_for_an_output_that_is_held() {
    let hold = Act::Hold("BROKER_UNREACHABLE", Duration::from_secs(600));
    let bench = Bench::new([Script::default().at(1, hold)]);
    let file = bench.file("x.csv", numbers(10));
    let end = Box::pin(tokio::time::sleep(Duration::from_millis(300)));
    let start = Instant::now();
    let outcome = bench.send_until(&[&file], &[], end).await;
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
    assert_eq!((outcome.ended.exit(), outcome.rows_durable), (Exit::Unsettled, 0));
    assert!(outcome.text().contains("10 rows behind them were on their way"), "{outcome:?}");
    assert_eq!(outcome.rows_unknown, 10);
    assert!(outcome.error.unwrap().contains("not acknowledged: 1;"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_connection_costs_no_row_and_doubles_none() {
    let ack_after = Duration::from_millis(10);
    let script = Script { ack_after, ..Script::default() };
    let bench = Bench::new([
        script.clone().at(4, Act::StoreAndBreak),
        script.clone().at(2, Act::Break),
        script.at(3, Act::Drain),
    ]);
    let file = bench.file("x.csv", numbers(300));
    let outcome = bench.send(&[&file], &["--batch-rows", "10"]).await;
    assert_eq!((outcome.ended, outcome.reconnects), (Ended::Done, 3));
    assert_eq!(outcome.repeated_rows, 0, "the service remembers");
    assert_counted(&bench, 300);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_service_that_forgot_it_goes_on_and_tells_what_may_be_there_twice() {
    let ack_after = Duration::from_millis(20);
    let script = Script { ack_after, ..Script::default() };
    let bench = Bench::new([script.clone().at(7, Act::StoreAndForget), script]);
    let file = bench.file("x.csv", numbers(200));
    let outcome = bench.send(&[&file], &["--batch-rows", "10"]).await;
    assert_eq!((outcome.ended, outcome.rows_durable), (Ended::Done, 200));
    assert_counted(&bench, 200);
    let copies = 10 * bench.fake.log().copies;
    assert!(copies > 0 && copies <= outcome.repeated_rows, "{copies}: {outcome:?}");
    let said = format!("at most {} rows are there twice", outcome.repeated_rows);
    assert!(outcome.text().contains(&said), "{}", outcome.text());
    let json = serde_json::to_value(&outcome).unwrap();
    assert_eq!(json["repeated_rows"], outcome.repeated_rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_knows_nothing_of_the_rows_is_not_taken_for_one_that_does() {
    let bench = Bench::new([]);
    let file = bench.file("x.csv", numbers(30));
    let nothing = "the service knows nothing of these rows: starting at row 1";
    bench.send(&[&file], &["--batch-rows", "10"]).await;
    assert!(bench.said(nothing));
    let again = bench.send(&[&file], &["--batch-rows", "10"]).await;
    assert!(again.ended == Ended::AlreadyThere && !bench.said(nothing));
    bench.fake.log().forget();
    let after = bench.send(&[&file], &["--batch-rows", "10"]).await;
    assert_eq!((after.ended, after.rows_before, bench.fake.log().copies), (Ended::Done, 0, 3));
    assert!(bench.said(nothing));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_without_a_position_is_not_gone_on_with() {
    let bench = Bench::new([]);
    bench.fake.log().durable_through = 5;
    let file = bench.file("x.csv", numbers(30));
    let outcome = bench.send(&[&file], &["--writer", "w"]).await;
    assert_eq!(outcome.ended, Ended::BadInput);
    let error = outcome.error.unwrap();
    assert!(error.contains("the writer `w` is at batch 5, but without the position"), "{error}");
    assert!(error.contains("--writer NAME, sends all rows: those of 5 batches would"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_of_another_sender_ends_the_run() {
    let slow = Script { ack_after: Duration::from_secs(60), ..Script::default() };
    let bench = Bench::new([slow.at(3, Act::Break)]);
    let file = bench.file("x.csv", numbers(90));
    let other = async {
        while bench.fake.log().arrivals.len() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let mut log = bench.fake.log();
        (log.durable_through, log.position) = (2, Some("rows=77 content=".into()));
    };
    let files = [&*file];
    let (outcome, ()) = tokio::join!(bench.send(&files, &["--batch-rows", "10"]), other);
    assert_eq!((outcome.ended, outcome.rows_durable), (Ended::Unsettled, 0), "{outcome:?}");
    assert!((30..=40).contains(&outcome.rows_unknown), "those that were given: {outcome:?}");
    assert!(outcome.error.as_ref().unwrap().contains("run the same command again"), "{outcome:?}");
}

/// The outcome is unknown, and the next call is refused: nobody knows what became of the rows.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_call_after_a_reconnect_leaves_rows_unknown_and_the_next_run_counts_them() {
    let unknown = status(Code::Unavailable, "DELIVERY_UNKNOWN", "yes", "yes");
    let gone = status(Code::NotFound, "OUTPUT_NOT_FOUND", "no", "no");
    let slow = Script { ack_after: Duration::from_secs(60), ..Script::default() };
    let refused = Script { opening: Opening::Fail(gone), ..Script::default() };
    let bench = Bench::new([slow.at(3, Act::Fail(unknown)), refused]);
    let file = bench.file("x.csv", numbers(30));
    let first = bench.send(&[&file], &["--batch-rows", "10"]).await;
    assert_eq!((first.ended.exit(), first.rows_unknown), (Exit::Unsettled, 30), "{first:?}");
    assert!(bench.said("the service ended the stream: DELIVERY_UNKNOWN"));
    let second = bench.send(&[&file], &["--batch-rows", "10"]).await;
    assert_eq!((second.ended, second.repeated_rows), (Ended::Done, 30));
    assert!(bench.said("what became of 3 batches of an earlier run"));
    assert_counted(&bench, 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changes_while_it_is_read_is_a_fault() {
    for (rows, what) in [(20, "fewer"), (40, "more")] {
        let bench = Bench::new([]);
        let file = bench.file("x.csv", numbers(30));
        let change = || {
            std::fs::write(bench.path("x.csv"), numbers(rows)).unwrap();
            Ok(Box::pin(pending()) as Interrupted)
        };
        let outcome = bench.send_after(&[&file], &["--batch-rows", "10"], change).await;
        assert_eq!(outcome.ended, Ended::BadInput, "{outcome:?}");
        let expected = format!("it had 30 rows before, and {what} now");
        assert!(outcome.error.as_ref().unwrap().contains(&expected), "{outcome:?}");
        assert_eq!(outcome.rows_durable, rows.min(30) as u64);
    }
    // Whoever wants fewer rows than there are does not read on.
    let bench = Bench::new([]);
    let file = bench.file("x.csv", numbers(30));
    let outcome = bench.send(&[&file], &["--limit", "12"]).await;
    assert_eq!((outcome.ended, outcome.rows_durable), (Ended::Done, 12));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_the_service_refuses_as_too_large_goes_in_parts() {
    let row = RejectedRow { row: 3, code: "NON_FINITE".to_owned(), ..Default::default() };
    let script = Script { ack_after: Duration::from_millis(20), ..Script::default() };
    let script = script.at(2, Act::Refuse("BATCH_TOO_LARGE", Vec::new()));
    let bench = Bench::new([script
        .at(3, Act::Refuse("BATCH_TOO_LARGE", Vec::new()))
        .at(7, Act::Reject(vec![row]))]);
    let file = bench.file("x.csv", numbers(60));
    let outcome = bench.send(&[&file], &["--batch-rows", "10"]).await;
    assert_eq!((outcome.ended, outcome.rows_durable), (Ended::Done, 60), "{outcome:?}");
    assert_counted(&bench, 60);
    let sizes: Vec<_> = bench.fake.log().rows().iter().map(RecordBatch::num_rows).collect();
    assert_eq!((&sizes[..4], outcome.batches), (&[10, 2, 3, 5][..], sizes.len() as u64));
    // Batches behind the parts have other numbers than they were sent under first.
    let rejected = &outcome.rejected[0];
    assert_eq!(rejected.line.map(|line| line - 2), rejected.row.map(|row| row - 1));
    assert_eq!(rejected.row, Some(24));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_the_service_refuses_as_too_large_is_named() {
    let script = Script::default().at(2, Act::Refuse("BATCH_TOO_LARGE", Vec::new()));
    let bench = Bench::new([script]);
    let file = bench.file("x.csv", numbers(3));
    let outcome = bench.send(&[&file], &["--batch-rows", "1"]).await;
    assert_eq!((outcome.ended, outcome.rows_durable), (Ended::BadInput, 1));
    let error = outcome.error.unwrap();
    assert!(error.contains("x.csv:3: row 2 is refused as too large: refused by scr"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_stall_the_rate_is_kept_and_nothing_is_made_up_for() {
    let credit = Credit { bytes: 1 << 20, batches: 1 };
    let hold = Act::Hold("BROKER_SLOW", Duration::from_millis(1500));
    let bench = Bench::new([Script { credit, ..Script::default() }.at(1, hold)]);
    let file = bench.file("x.csv", numbers(100));
    let start = Instant::now();
    let outcome = bench.send(&[&file], &["--rate", "100", "--batch-rows", "20"]).await;
    assert_eq!(outcome.ended, Ended::Done);
    // Three more of 0.2 s behind the batch that waited, less what a timer may be late.
    assert!(start.elapsed() >= Duration::from_millis(1950), "{:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_brings_only_what_it_uses_of_a_dictionary() {
    let bench = Bench::new([]);
    let names: DictionaryArray<Int32Type> =
        (0..200).map(|n| format!("name {n}")).collect::<Vec<_>>().iter().map(|n| &**n).collect();
    let batch = RecordBatch::try_from_iter([("name", Arc::new(names) as ArrayRef)]).unwrap();
    let file = std::fs::File::create(bench.path("x.arrow")).unwrap();
    let mut writer = FileWriter::try_new(file, &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    let file = bench.path("x.arrow").to_str().unwrap().to_owned();
    let outcome = bench.send(&[&file], &["--batch-rows", "10"]).await;
    assert_eq!((outcome.ended, outcome.batches), (Ended::Done, 20));
    for (at, batch) in bench.fake.log().rows().iter().enumerate() {
        let dictionary = batch.column(0).as_dictionary::<Int32Type>();
        assert_eq!(dictionary.values().len(), 10);
        let first = array_value_to_string(batch.column(0), 0).unwrap();
        assert_eq!(first, format!("name {}", at * 10));
    }
}

/// However many rows are wanted at once.
#[test]
fn a_chunk_ends_where_it_has_enough_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let text: Vec<String> = (0..40).map(|n| format!("{n:0>99}x")).collect();
    let column: ArrayRef = Arc::new(arrow_array::StringArray::from(text.clone()));
    let batch = RecordBatch::try_from_iter([("t", column)]).unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("x.csv"), format!("t\n{}\n", text.join("\n"))).unwrap();
    let lines: Vec<_> = text.iter().map(|text| format!("{{\"t\":\"{text}\"}}\n")).collect();
    std::fs::write(path("x.jsonl"), lines.concat()).unwrap();
    let mut writer = ArrowWriter::try_new(
        std::fs::File::create(path("x.parquet")).unwrap(),
        batch.schema(),
        None,
    )
    .unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let file = std::fs::File::create(path("x.arrow")).unwrap();
    let mut writer = FileWriter::try_new(file, &batch.schema()).unwrap();
    (0..40).for_each(|row| writer.write(&batch.slice(row, 1)).unwrap());
    writer.finish().unwrap();
    for name in ["x.csv", "x.jsonl", "x.parquet", "x.arrow"] {
        let options = TextOptions {
            delimiter: b',',
            header: true,
            null_text: vec![String::new()],
            types: Vec::new(),
        };
        let files = Files::survey(&[path(name)], None, options).unwrap();
        let chunk = ChunkSize { rows: 1_000_000, bytes: 1000 };
        let (mut reader, _) = files.open(0, 0, chunk).unwrap();
        let mut rows = 0;
        while let Some(chunk) = reader.next_chunk().unwrap() {
            let of_chunk = chunk.batch.num_rows();
            assert!((1..=13).contains(&of_chunk), "{name}: {of_chunk} rows in a chunk");
            rows += of_chunk;
        }
        assert_eq!(rows, 40, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_and_rejected_rows_are_named_by_file_and_line() {
    let row = |row, column: &str| RejectedRow {
        row,
        code: "NON_FINITE".to_owned(),
        column: column.to_owned(),
        reason: "NaN is no JSON number".to_owned(),
        ..Default::default()
    };
    let bench = Bench::new([Script::default()
        .at(1, Act::Reject(vec![row(2, "x")]))
        .at(3, Act::Refuse("BAD_ROWS", vec![row(1, "n")]))]);
    let first = bench.file("a.csv", numbers(10));
    let second = bench.file("b.csv", "n\n\"10\"\n\n11\n12\n");
    let outcome = bench.send(&[&first, &second], &["--batch-rows", "5"]).await;
    assert_eq!((outcome.ended.exit(), outcome.rows_durable), (Exit::Refused, 10));
    let rejected = &outcome.rejected[0];
    assert!(rejected.file.ends_with("a.csv"), "{rejected:?}");
    assert_eq!((rejected.line, rejected.row, &*rejected.column), (Some(4), Some(3), "x"));
    let refused = &outcome.refused[0];
    assert!(refused.file.ends_with("b.csv"), "{refused:?}");
    assert_eq!((refused.line, refused.row), (Some(4), Some(2)));
    assert!(outcome.text().contains("a.csv:4: column x: NON_FINITE: NaN"), "{}", outcome.text());
    assert!(outcome.error.as_ref().unwrap().contains("BAD_ROWS"), "{:?}", outcome.error);
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_are_halved_until_the_service_takes_them() {
    let limits = Limits { message_bytes_max: 3000, batch_rows_max: 90, ..Script::default().limits };
    let bench = Bench::new(vec![Script { limits, ..Script::default() }; 2]);
    let file = bench.file("x.csv", numbers(1000));
    let outcome = bench.send(&[&file], &["--batch-rows", "5000"]).await;
    assert_eq!(outcome.ended, Ended::Done);
    assert_counted(&bench, 1000);
    assert!(bench.fake.log().rows().iter().all(|batch| batch.num_rows() <= 90));

    let long = format!("n\nshort\n{}\n", "x".repeat(4000));
    let file = bench.file("y.csv", long);
    let outcome = bench.send(&[&file], &["--writer", "y"]).await;
    assert_eq!(outcome.ended, Ended::BadInput);
    assert!(outcome.error.as_ref().unwrap().contains("has sent other rows"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_no_message_can_carry_is_named() {
    let limits = Limits { message_bytes_max: 3000, ..Script::default().limits };
    let bench = Bench::new([Script { limits, ..Script::default() }]);
    let file = bench.file("y.csv", format!("n\nshort\n{}\nshort\n", "x".repeat(4000)));
    let outcome = bench.send(&[&file], &[]).await;
    assert_eq!((outcome.ended, outcome.rows_durable), (Ended::BadInput, 1));
    let error = outcome.error.unwrap();
    assert!(error.contains("y.csv:3: row 2 needs a message of"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rate_is_kept() {
    let bench = Bench::new([]);
    let file = bench.file("x.csv", numbers(60));
    let start = Instant::now();
    let outcome = bench.send(&[&file], &["--rate", "100", "--batch-rows", "20"]).await;
    assert_eq!(outcome.ended, Ended::Done);
    assert!(start.elapsed() >= Duration::from_millis(400), "{:?}", start.elapsed());
    assert_counted(&bench, 60);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_alone_is_no_rows_and_needs_no_service() {
    let bench = Bench::new([]);
    let file = bench.file("x.csv", "a,b\n");
    let outcome = bench.send(&[&file], &[]).await;
    assert_eq!((outcome.ended, outcome.ended.exit()), (Ended::NoRows, Exit::Done));
    assert!(bench.fake.log().opens.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_absent_service_and_a_wrong_output_have_exit_codes_of_their_own() {
    let gone = status(Code::NotFound, "OUTPUT_NOT_FOUND", "no", "no");
    let opening = Opening::Fail(gone);
    let bench = Bench::new([Script { opening, ..Script::default() }]);
    let file = bench.file("x.csv", numbers(3));
    let outcome = bench.send(&[&file], &[]).await;
    assert_eq!(outcome.ended.exit(), Exit::Refused);
    assert!(outcome.error.unwrap().contains("OUTPUT_NOT_FOUND"));
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}");
    let args = ["send", &file, "--into", "delays", "--to", &url, "--wait", "300ms"];
    let args = Cli::try_parse_from(args).unwrap().send;
    let mut report = Report::new(ProgressMode::Never, OutputFormat::Json);
    let outcome = send(args, &mut report, || Ok(Box::pin(pending()))).await;
    assert_eq!(outcome.ended.exit(), Exit::Unreachable);
    let error = outcome.error.unwrap();
    assert!(error.contains(&url) && error.contains("check that the service runs"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sending_that_is_taken_over_ends() {
    let taken = status(Code::Aborted, "TAKEN_OVER", "no", "yes");
    let bench = Bench::new([Script::default().at(2, Act::Fail(taken))]);
    let file = bench.file("x.csv", numbers(40));
    let outcome = bench.send(&[&file], &["--batch-rows", "10"]).await;
    assert_eq!(outcome.ended, Ended::Unsettled);
    assert!(outcome.rows_unknown >= 10, "{outcome:?}");
    let json = serde_json::to_value(&outcome).unwrap();
    assert_eq!(json["rows_unknown"], outcome.rows_unknown);
    assert!(outcome.error.unwrap().contains("another `send` of the same rows"));
    assert_eq!(bench.fake.log().opens.len(), 1);
}

/// Every file fault is told before anything is sent, with the place and the remedy.
#[tokio::test(flavor = "multi_thread")]
async fn faults_in_files_say_what_where_and_what_to_do() {
    let json = r#"{"a": 1}"#;
    let cases: &[(&str, &[u8], &[&str], &str)] = &[
        ("a.csv", b"", &[], "a.csv: is empty (0 bytes)"),
        ("b.csv", b"a,b\n1,2\n3\n", &[], "b.csv:3: the row has 1 field, the header has 2"),
        (
            "c.csv",
            b"a,b\r\n\"x\r\ny\",2\r\n3,4,5\r\n",
            &[],
            "c.csv:4: the row has 3 fields, the header has 2",
        ),
        (
            "d.csv",
            b"a,b\n1,2\nabc,3\n",
            &["--types", "a=int64"],
            "d.csv:3: column a: `abc` is not a value of type int64; give --types a=utf8 or mend",
        ),
        (
            "e.csv",
            b"a,b\n1,2\n",
            &["--types", "c=int64"],
            "--types names the column `c`, which is not there; the columns are a, b",
        ),
        ("f.csv", b"a,a\n1,2\n", &[], "f.csv:1: the header names the column `a` twice"),
        ("g.csv", b"a,\n1,2\n", &[], "g.csv:1: column 2 has no name"),
        ("h.csv", b"a\n1\n\xFF\xFE\n", &[], "h.csv:3: field 1 is not UTF-8"),
        (
            "i.jsonl",
            b"{\"a\": 1}\n\n{\"a\": }\n",
            &[],
            "i.jsonl:3: the line is not a JSON object (character 7): expected value",
        ),
        ("j.jsonl", b"{\"a\": 1}\n[1]\n", &[], "j.jsonl:2: the line is not a JSON object"),
        ("k.jsonl", b"{\"a\": 1, \"a\": 2}\n", &[], "the key `a` is there twice"),
        (
            "l.jsonl",
            b"{\"a\": 1}\n{\"a\": \"x\"}\n",
            &["--types", "a=int8"],
            "l.jsonl:2: column a: `x` is not a value of type int8; give --types a=json or mend",
        ),
        ("m.parquet", b"a,b\n1,2\n", &[], "m.parquet: is not a Parquet file"),
        (
            "n.arrow",
            b"a,b\n1,2\nand more of it\n",
            &[],
            "n.arrow: is not Arrow IPC, neither file nor stream",
        ),
        ("o.arrow", b"ARROW1\0\0and nothing else", &[], "o.arrow: is a broken Arrow IPC file"),
        ("p.txt", b"x", &[], "its name does not tell its format; say --format csv"),
        ("q.csv.gz", b"x", &[], "q.csv.gz: is compressed; unpack it first"),
        ("r.jsonl", json.as_bytes(), &["--no-header"], "--no-header is for CSV files"),
    ];
    let bench = Bench::new([]);
    for (name, content, flags, expected) in cases {
        let file = bench.file(name, content);
        let outcome = bench.send(&[&file], flags).await;
        let error = outcome.error.unwrap();
        assert!(error.contains(expected), "{name}: {error}");
        assert_eq!(outcome.ended.exit(), Exit::BadInput, "{name}");
    }
    let folder = bench.folder.path().to_str().unwrap().to_owned();
    let error = bench.send(&[&folder], &[]).await.error.unwrap();
    assert!(error.contains("is a directory"), "{error}");
    let error = bench.send(&["/nowhere/x.csv"], &[]).await.error.unwrap();
    assert_eq!(error, "/nowhere/x.csv: there is no such file");
    assert!(bench.fake.log().opens.is_empty(), "nothing was sent");
}

/// Arrow's reader stops at the mark that ends the first stream.
#[tokio::test(flavor = "multi_thread")]
async fn two_arrow_streams_in_one_file_are_not_taken_for_one() {
    let bench = Bench::new([]);
    write(&bench.path("x.arrows"));
    let stream = std::fs::read(bench.path("x.arrows")).unwrap();
    let file = bench.file("two.arrows", [&stream[..], &stream].concat());
    let error = bench.send(&[&file], &[]).await.error.unwrap();
    let expected = "two.arrows: is broken: bytes follow the end of the stream; if it holds several \
                    streams, save each as a file of its own";
    assert!(error.contains(expected), "{error}");
}

/// Arrow's reader takes up to three bytes of a next message for the end.
#[tokio::test(flavor = "multi_thread")]
async fn an_arrow_stream_that_is_cut_off_is_not_taken_for_a_whole_one() {
    let bench = Bench::new([]);
    write(&bench.path("x.arrows"));
    let stream = std::fs::read(bench.path("x.arrows")).unwrap();
    let one = stream.len() - 8; // the end mark, which may be missing
    for cut in [one - 1, one + 1, one + 3, one + 4, one + 7] {
        let bench = Bench::new([]);
        let file = bench.file("cut.arrows", &stream[..cut]);
        let error = bench.send(&[&file], &[]).await.error.unwrap();
        let expected = "cut.arrows: is broken: it ends in the middle of a message";
        assert!(error.contains(expected), "{cut}: {error}");
    }
    let file = bench.file("cut.arrows", &stream[..one]);
    assert_eq!(bench.send(&[&file], &[]).await.ended, Ended::Done);
}

/// What the footer calls a record batch is none: Arrow's reader ends there.
#[tokio::test(flavor = "multi_thread")]
async fn an_arrow_file_does_not_end_at_a_block_without_a_batch() {
    let bench = Bench::new([]);
    let input = include_bytes!("../../../fuzz/corpus/arrow/block-without-a-message");
    let file = bench.file("x.arrow", input);
    let error = bench.send(&[&file], &[]).await.error.unwrap();
    let expected = "x.arrow: is broken: block 1 of its footer is no record batch";
    assert!(error.contains(expected), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_files_must_have_the_same_columns() {
    let bench = Bench::new([]);
    let one = bench.file("one.csv", "a,b\n1,2\n");
    let two = bench.file("two.csv", "a,c\n1,2\n");
    let error = bench.send(&[&one, &two], &[]).await.error.unwrap();
    assert!(error.contains("two.csv: its columns are not those of"), "{error}");
    assert!(error.contains("one.csv: a, b there, a, c here"), "{error}");
    let lines = bench.file("three.jsonl", r#"{"a": 1, "b": "x"}"#);
    let error = bench.send(&[&one, &lines], &[]).await.error.unwrap();
    assert!(error.contains("column `b` is Int64 there, Utf8 here"), "{error}");
    // Types are found over all files together: the second one makes `b` a float in both.
    let float = bench.file("four.csv", "a,b\n3,2.5\n");
    let outcome = bench.send(&[&one, &float], &[]).await;
    assert_eq!((outcome.ended, outcome.rows_durable), (Ended::Done, 2));
    assert_eq!(bench.shown(), ["a:Int64 b:Float64", "1 2.0", "3 2.5"]);
}

#[test]
fn flags_are_checked_when_they_are_read() {
    let parse = |flags: &[&str]| {
        let words = ["send", "x.csv", "--into", "delays"];
        Cli::try_parse_from(words.iter().chain(flags)).map(|cli| cli.send)
    };
    let plain = parse(&[]).unwrap();
    assert_eq!(plain.input.null_text, [""]);
    assert_eq!((plain.wait, plain.input.batch_rows.get()), (Duration::from_secs(30), 1000));
    assert_eq!(parse(&["--wait", "1h30m"]).unwrap().wait, Duration::from_secs(5400));
    assert_eq!(parse(&["--delimiter", "tab"]).unwrap().input.delimiter, Some(b'\t'));
    assert_eq!(parse(&["--null-text", "NA,"]).unwrap().input.null_text, ["NA", ""]);
    for wrong in [
        ["--wait", "soon"],
        ["--to", "localhost:7070"],
        ["--to", "http://user:hidden@localhost:7070"],
        ["--types", "a=float"],
        ["--delimiter", "ab"],
        ["--batch-rows", "0"],
        ["--rate", "0"],
    ] {
        let error = parse(&wrong).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{wrong:?}");
        assert!(!error.to_string().contains("hidden"), "{error}");
    }
}

#[test]
fn the_result_for_a_script_is_one_flat_object() {
    let outcome = Outcome::new(Ended::AlreadyThere, "delays");
    let json = serde_json::to_value(&outcome).unwrap();
    assert_eq!(json["ended"], "already_there");
    assert_eq!((&json["output"], &json["rows_durable"]), (&"delays".into(), &0.into()));
}
