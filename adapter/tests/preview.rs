//! `preview` as a person sees it: the built binary in a folder with a job file and some rows.
#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test")]
use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Command, Output, Stdio},
    sync::Arc,
};

use arrow_array::{ArrayRef, Float64Array, RecordBatch};
use arrow_ipc::writer::StreamWriter;
use tempfile::TempDir;

const DONE: Option<i32> = Some(0);
const WRONG_USAGE: Option<i32> = Some(2);
const BAD_INPUT: Option<i32> = Some(3);

/// Three rows with what each format writes in its own way: a null, quotes, a letter beyond ASCII.
const ROWS: &str = "n,name\n1,\"a \"\"b\"\"\"\n2,\n3,é\n";

/// Rows of which the second and the fourth cannot be written where NaN is an error.
const BAD_ROWS: &str = "n,x\n1,1.5\n2,NaN\n3,2\n4,inf\n5,6\n";

/// The Avro schema of [`ROWS`].
const SCHEMA: &str = r#"{"type":"record","name":"Row","fields":[{"name":"n","type":["null","long"],"default":null},{"name":"name","type":["null","string"],"default":null}]}"#;

/// A folder with a job file of one output, `out`, and the file `rows.csv`.
struct Folder(TempDir);

impl Folder {
    fn new(keys: &str, rows: &str) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        let output = format!("  - alias: out\n    topic: rows\n    {SERVERS}\n");
        let keys: String = keys.lines().map(|line| format!("    {line}\n")).collect();
        folder.write("job.yaml", &format!("name: t\noutputs:\n{output}{keys}"));
        folder.write("rows.csv", rows);
        folder
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.path().join(name), text).unwrap();
    }

    fn command(&self, args: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kafka-output"));
        command.args(args.split(' ')).current_dir(self.0.path()).env_remove("KAFKA_OUTPUT_LOG");
        command
    }

    fn run(&self, args: &str) -> Output {
        self.command(args).output().unwrap()
    }

    /// What a preview prints that finds nothing wrong.
    fn preview(&self, more: &str) -> Vec<u8> {
        let output = self.run(format!("preview job.yaml rows.csv {more}").trim_end());
        assert_eq!((text(&output.stderr), output.status.code()), ("", DONE));
        output.stdout
    }

    /// The same as text, without its first line, which is the same for all.
    fn shown(&self, more: &str) -> String {
        let shown = String::from_utf8(self.preview(more)).unwrap();
        let rest = shown.strip_prefix(FIRST_LINE).unwrap_or_else(|| panic!("{shown}"));
        rest.to_owned()
    }
}

const SERVERS: &str = "bootstrapServers: nowhere.invalid:9092";

const FIRST_LINE: &str =
    "Output `out` writes to topic `rows`, here with 3 partitions. Nothing was connected to.\n";

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap()
}

#[test]
fn json_is_shown_as_it_is_with_its_partitions() {
    let folder = Folder::new("partitioning: { turn: { rows: 2 } }", ROWS);
    let expected = r#"
record 1: partition 0, no key, 24 bytes, row 1
{"n":1,"name":"a \"b\""}

record 2: partition 0, no key, 19 bytes, row 2
{"n":2,"name":null}

record 3: partition 1, no key, 19 bytes, row 3
{"n":3,"name":"é"}

3 records of 3 rows.
"#;
    assert_eq!(folder.shown(""), expected);
}

#[test]
fn packed_records_name_their_rows() {
    let keys = "packing: { rows: 2 }\nserialization: { type: Json, format: Array }";
    let folder = Folder::new(keys, ROWS);
    let expected = r#"
record 1: partition 0, no key, 46 bytes, rows 1 to 2
[{"n":1,"name":"a \"b\""},{"n":2,"name":null}]

record 2: partition 0, no key, 21 bytes, row 3
[{"n":3,"name":"é"}]

2 records of 3 rows.
"#;
    assert_eq!(folder.shown(""), expected);
    let expected = "\n2 records of 3 rows; 0 shown (--records, --all).\n";
    assert_eq!(folder.shown("--records 0"), expected);
    let raw =
        "[{\"n\":1,\"name\":\"a \\\"b\\\"\"},{\"n\":2,\"name\":null}][{\"n\":3,\"name\":\"é\"}]";
    assert_eq!(text(&folder.preview("--raw")), raw);
}

#[test]
fn csv_is_shown_as_it_is() {
    let keys = "packing: { rows: 2 }\n\
                serialization: { type: Csv, header: true, delimiter: Semicolon }";
    let folder = Folder::new(keys, ROWS);
    let first = "n;name\r\n1;\"a \"\"b\"\"\"\r\n2;";
    let second = "n;name\r\n3;é";
    let expected = format!(
        "\nrecord 1: partition 0, no key, 23 bytes, rows 1 to 2\n{first}\n\n\
         record 2: partition 0, no key, 12 bytes, row 3\n{second}\n\n2 records of 3 rows.\n"
    );
    assert_eq!(folder.shown(""), expected);
    assert_eq!(text(&folder.preview("--raw --records 1")), first);
}

#[test]
fn avro_is_dumped_with_its_schema() {
    for (framing, whose, dumped, bytes) in [
        (
            "framing: Raw",
            "which readers must know",
            "00000000  02 02 02 0a 61 20 22 62  22                       |....a \"b\"|",
            9,
        ),
        (
            "framing: Confluent, schemaId: 258",
            "which must be registered with the id 258",
            "00000000  00 00 00 01 02 02 02 02  0a 61 20 22 62 22        |.........a \"b\"|",
            14,
        ),
        (
            "framing: SingleObject",
            "which records name by its CRC-64-AVRO fingerprint 414b0cec27e27099, little \
             endian: 9970e227ec0c4b41",
            "00000000  c3 01 99 70 e2 27 ec 0c  4b 41 02 02 02 0a 61 20  |...p.'..KA....a |\n\
             00000010  22 62 22                                          |\"b\"|",
            19,
        ),
    ] {
        let folder = Folder::new(&format!("serialization: {{ type: Avro, {framing} }}"), ROWS);
        let expected = format!(
            "\nAvro schema, {whose}:\n{SCHEMA}\n\n\
             record 1: partition 0, no key, {bytes} bytes, row 1\n{dumped}\n\n\
             3 records of 3 rows; 1 shown (--records, --all).\n"
        );
        assert_eq!(folder.shown("--records 1"), expected);
        assert_eq!(folder.preview("--raw --records 1").len(), bytes);
    }
}

#[test]
fn of_containers_only_what_differs_is_dumped_again() {
    let folder = Folder::new("serialization: { type: Avro }", ROWS);
    let shown = folder.shown("--all");
    assert!(shown.starts_with(&format!("\nAvro schema, which every record brings:\n{SCHEMA}\n")));
    let (_, second) = shown.split_once("\nrecord 2: ").unwrap();
    let (second, _) = second.split_once("\n\n").unwrap();
    let raw = folder.preview("--raw");
    let starts: Vec<_> = raw.windows(4).enumerate().filter(|(_, w)| w == b"Obj\x01").collect();
    let &[(0, _), (one, _), (two, _)] = &starts[..] else { panic!("not three containers") };
    let container = &raw[one..two];
    let alike = raw[..one].iter().zip(container).take_while(|(a, b)| a == b).count() / 16 * 16;
    let len = container.len();
    let lines: Vec<_> = second.lines().collect();
    assert_eq!(lines[0], format!("partition 0, no key, {len} bytes, row 2"));
    assert_eq!(lines[1], format!("          the first {alike} bytes are those of record 1"));
    let dumped: Vec<u8> = lines[2..]
        .iter()
        .flat_map(|line| line[9..58].split_whitespace())
        .map(|byte| u8::from_str_radix(byte, 16).unwrap())
        .collect();
    assert_eq!(dumped, container[alike..]);
    assert!(lines[2].starts_with(&format!("{alike:08x} ")));
}

#[test]
fn long_text_is_cut_behind_a_line_or_else_behind_a_character() {
    let rows: String = (0..1_000).map(|n| format!("{n},name {n}\n")).collect();
    let folder = Folder::new("packing: { rows: 1000 }", &format!("n,name\n{rows}"));
    let record = folder.preview("--raw");
    let end = record[..4096].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    let rest = record.len() - end;
    let told =
        format!("\n          {},{:03} more bytes (--all shows them)\n", rest / 1000, rest % 1000);
    let shown = folder.shown("");
    assert!(shown.contains(&format!("{}{}", text(&record[..end]).trim_end(), told)), "{shown}");
    assert!(folder.shown("--all").contains(text(&record)));

    let folder = Folder::new("", &format!("t\nx{}\n", "é".repeat(3_000)));
    let told = format!("\"x{}\n          1,9", "é".repeat((4096 - 7) / 2));
    assert!(folder.shown("").contains(&told), "{}", folder.shown(""));
}

#[test]
fn long_dumps_are_cut_unless_all_is_wanted() {
    let rows: String = (0..2_000).map(|n| format!("{n},name {n}\n")).collect();
    let keys = "packing: { rows: 1000 }\nserialization: { type: Avro }";
    let folder = Folder::new(keys, &format!("n,name\n{rows}"));
    let record = folder.preview("--raw --records 1");
    let rest = record.len() - 4096;
    let told =
        format!("\n          {},{:03} more bytes (--all dumps them)\n", rest / 1000, rest % 1000);
    assert!(folder.shown("--records 1").contains(&told));
    let whole = folder.shown("--all");
    assert!(!whole.contains("more bytes"));
    assert!(whole.contains("rows 1,001 to 2,000\n"), "{whole}");
    assert!(whole.lines().count() > 2 * rest / 16);
}

#[test]
fn under_stop_bad_rows_are_named_and_what_is_behind_them_is_not_shown() {
    let folder = Folder::new("serialization: { nonFinite: Error }", BAD_ROWS);
    let output = folder.run("preview job.yaml rows.csv --batch-rows 1");
    let reason = "the value is NaN or infinite, for which the format has no number";
    let expected = format!(
        "2 rows cannot be written:\n  \
         rows.csv:3: column x: NON_FINITE: {reason}\n  \
         rows.csv:5: column x: NON_FINITE: {reason}\n\
         error: rows.csv: the batch of row 2 is refused, and `send` ends with it: errorPolicy is \
         Stop; mend the rows, or choose Drop\n"
    );
    assert_eq!((text(&output.stderr), output.status.code()), (&*expected, BAD_INPUT));
    let expected = "\nrecord 1: partition 0, no key, 15 bytes, row 1\n{\"n\":1,\"x\":1.5}\n\n\
                    1 record of 1 row, up to the batch that is refused.\n";
    assert_eq!(text(&output.stdout), format!("{FIRST_LINE}{expected}"));
    let raw = folder.run("preview job.yaml rows.csv --batch-rows 1 --raw");
    assert_eq!((text(&raw.stdout), raw.status.code()), ("{\"n\":1,\"x\":1.5}", BAD_INPUT));
}

#[test]
fn under_drop_bad_rows_are_named_and_the_others_shown() {
    let keys = "errorPolicy: Drop\npacking: { rows: 3 }\nserialization: { nonFinite: Error }";
    let folder = Folder::new(keys, BAD_ROWS);
    let output = folder.run("preview job.yaml rows.csv");
    assert_eq!(output.status.code(), DONE);
    let said = text(&output.stderr);
    assert!(
        said.starts_with("2 rows cannot be written and are left out:\n  rows.csv:3: "),
        "{said}"
    );
    assert_eq!(said.lines().count(), 3, "{said}");
    let expected = "\nrecord 1: partition 0, no key, 47 bytes, 3 rows, from row 1 to row 5\n\
                    {\"n\":1,\"x\":1.5}\n{\"n\":3,\"x\":2.0}\n{\"n\":5,\"x\":6.0}\n\n\
                    1 record of 3 rows.\n";
    assert_eq!(text(&output.stdout), format!("{FIRST_LINE}{expected}"));
}

#[test]
fn a_row_that_the_topic_does_not_take_is_named() {
    let folder = Folder::new("", ROWS);
    let output = folder.run("preview job.yaml rows.csv --max-message-bytes 120");
    assert_eq!(output.status.code(), BAD_INPUT);
    let said = text(&output.stderr);
    assert!(said.starts_with("1 row cannot be written:\n  rows.csv:2: ROW_TOO_LARGE: "), "{said}");
}

#[test]
fn batches_share_records_with_those_that_come_within_the_time() {
    let rows = |keys: &str| {
        let folder = Folder::new(keys, ROWS);
        let shown = folder.shown("--batch-rows 1");
        let lines = shown.lines().filter(|line| line.starts_with("record "));
        lines.map(|line| line.split_once("bytes, ").unwrap().1.to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(rows("packing: { rows: 2 }"), ["row 1", "row 2", "row 3"]);
    assert_eq!(rows("packing: { rows: 2, time: 1s }"), ["rows 1 to 2", "row 3"]);
}

/// The rows of each record, as a preview shows them.
fn rows_of(shown: &str) -> Vec<&str> {
    let lines = shown.lines().filter(|line| line.starts_with("record "));
    lines.map(|line| line.split_once("bytes, ").unwrap().1).collect()
}

/// A service does not read a batch again that has no room: it expects of it what it knew before the
/// others were sent, and so waits for fewer behind it.
#[test]
fn records_are_those_of_a_service_that_learns_how_large_rows_become() {
    let rows: String = (1..=240).map(|n| format!("{n},{}\n", "x".repeat(100))).collect();
    let keys = "packing: { rows: 100000, bytes: 20 KB, time: 2s }";
    let folder = Folder::new(keys, &format!("n,text\n{rows}"));
    let shown = folder.shown("--batch-rows 20 --all");
    assert_eq!(rows_of(&shown), ["rows 1 to 60", "rows 61 to 200", "rows 201 to 240"]);
}

/// What could not go together goes batch by batch.
#[test]
fn batches_that_become_too_large_together_go_one_by_one() {
    let (plain, escaped) = ("x".repeat(500_000), "\u{1}".repeat(100_000));
    let keys = "packing: { bytes: 2 MiB, time: 1s }";
    let folder = Folder::new(keys, &format!("t\n{plain}\n{}", format!("{escaped}\n").repeat(4)));
    let job = fs::read_to_string(folder.0.path().join("job.yaml")).unwrap();
    folder.write("job.yaml", &format!("memory: 16 MiB\n{job}"));
    let shown = folder.shown("--batch-rows 1 --max-message-bytes 10000000");
    assert_eq!(rows_of(&shown), ["rows 1 to 2", "row 3", "row 4", "row 5"]);
}

#[test]
fn batches_that_wait_are_shown_though_the_next_is_refused() {
    let long = "x".repeat(1_100_000);
    for (time, records) in [("0ms", 3), ("1s", 1)] {
        let folder = Folder::new(&format!("packing: {{ time: {time} }}"), "");
        let job = fs::read_to_string(folder.0.path().join("job.yaml")).unwrap();
        folder.write("job.yaml", &format!("maxBatchSize: 1 MiB\n{job}"));
        folder.write("rows.csv", &format!("t\na\nb\nc\n{long}\nd\n"));
        let output = folder.run("preview job.yaml rows.csv --batch-rows 1");
        let plural = if records == 1 { "" } else { "s" };
        let total = format!("{records} record{plural} of 3 rows, up to the batch that is refused.");
        assert!(text(&output.stdout).ends_with(&format!("\n\n{total}\n")), "{output:?}");
        assert_eq!(output.status.code(), BAD_INPUT);
        let said = "error: rows.csv: the batch of row 4 is refused, ";
        assert!(text(&output.stderr).starts_with(said), "{output:?}");
    }
}

/// The bad row waits, and it is what the writer ends with.
#[test]
fn of_batches_that_wait_the_first_at_fault_is_named() {
    let keys = "packing: { time: 1s }\nserialization: { nonFinite: Error }";
    let folder = Folder::new(keys, "");
    let job = fs::read_to_string(folder.0.path().join("job.yaml")).unwrap();
    folder.write("job.yaml", &format!("maxBatchSize: 1 MiB\n{job}"));
    let long = "x".repeat(1_100_000);
    folder.write("rows.csv", &format!("x,t\n1.5,a\nNaN,b\n2,c\n3,{long}\n"));
    let output = folder.run("preview job.yaml rows.csv --batch-rows 1");
    let total =
        "\n{\"x\":1.5,\"t\":\"a\"}\n\n1 record of 1 row, up to the batch that is refused.\n";
    assert!(text(&output.stdout).ends_with(total), "{output:?}");
    let said = text(&output.stderr);
    assert!(said.starts_with("1 row cannot be written:\n  rows.csv:3: column x: "), "{said}");
    assert!(said.contains("\nerror: rows.csv: the batch of row 2 is refused, "), "{said}");
    assert_eq!(output.status.code(), BAD_INPUT);
}

#[test]
fn what_is_before_rows_that_cannot_be_read_is_shown() {
    let keys = "errorPolicy: Drop\npacking: { time: 1s }\nserialization: { nonFinite: Error }";
    let folder = Folder::new(keys, "");
    let rows = [1.5, f64::NAN, 2.0, 3.0].map(|x| {
        let column: ArrayRef = Arc::new(Float64Array::from(vec![x]));
        RecordBatch::try_from_iter([("x", column)]).unwrap()
    });
    let mut writer = StreamWriter::try_new(Vec::new(), &rows[0].schema()).unwrap();
    rows.iter().for_each(|row| writer.write(row).unwrap());
    let stream = writer.get_ref();
    fs::write(folder.0.path().join("cut.arrows"), &stream[..stream.len() - 1]).unwrap();
    let output = folder.run("preview job.yaml cut.arrows --batch-rows 1");
    let expected = "\nrecord 1: partition 0, no key, 19 bytes, 2 rows, from row 1 to row 3\n\
                    {\"x\":1.5}\n{\"x\":2.0}\n\n\
                    1 record of 2 rows, up to where the rows cannot be read.\n";
    assert_eq!(text(&output.stdout), format!("{FIRST_LINE}{expected}"));
    let reason = "the value is NaN or infinite, for which the format has no number";
    let expected = format!(
        "1 row cannot be written and is left out:\n  \
         cut.arrows: row 2: column x: NON_FINITE: {reason}\n\
         error: cut.arrows: is broken: it ends in the middle of a message\n"
    );
    assert_eq!((text(&output.stderr), output.status.code()), (&*expected, BAD_INPUT));
}

#[test]
fn a_row_that_becomes_too_large_is_told_what_helps() {
    let folder = Folder::new("", &format!("t\n{}\n", "\u{1}".repeat(1_000_000)));
    let job = fs::read_to_string(folder.0.path().join("job.yaml")).unwrap();
    folder.write("job.yaml", &format!("memory: 16 MiB\n{job}"));
    let output = folder.run("preview job.yaml rows.csv --max-message-bytes 10000000");
    let expected = "error: rows.csv: the batch of row 1 is refused, and `send` ends with it: \
                    BATCH_TOO_LARGE: it becomes more than 2097152 bytes, an eighth of `memory`: \
                    shorten it, or raise that\n";
    assert_eq!((text(&output.stderr), output.status.code()), (expected, BAD_INPUT));
}

#[test]
fn batches_larger_than_the_service_takes_go_in_parts() {
    let folder = Folder::new("packing: { rows: 4 }", "");
    let job = fs::read_to_string(folder.0.path().join("job.yaml")).unwrap();
    folder.write("job.yaml", &format!("maxBatchSize: 1 MiB\n{job}"));
    let long = |bytes: usize| "x".repeat(bytes);
    let row = long(400_000);
    // A chunk ends with the row that reaches 1 MiB, here the third, and goes in halves.
    folder.write("rows.csv", &format!("t\n{row}\n{row}\n{row}\n"));
    let more = "--max-message-bytes 10000000";
    let shown = folder.shown(more);
    let records: Vec<_> = shown.lines().filter(|line| line.starts_with("record ")).collect();
    let rows: Vec<_> = records.iter().map(|line| line.rsplit_once("bytes, ").unwrap().1).collect();
    assert_eq!(rows, ["row 1", "rows 2 to 3"]);
    folder.write("rows.csv", &format!("t\nshort\n{}\n", long(1_100_000)));
    let output = folder.run(&format!("preview job.yaml rows.csv {more} --raw"));
    assert_eq!((text(&output.stdout), output.status.code()), ("{\"t\":\"short\"}", BAD_INPUT));
    let said = text(&output.stderr);
    let expected = "error: rows.csv: the batch of row 2 is refused, and `send` ends with it: \
                    BATCH_TOO_LARGE: it needs a message of ";
    assert!(said.starts_with(expected), "{said}");
    assert!(
        said.ends_with(" bytes, and `maxBatchSize` is 1048576: shorten it, or raise that\n"),
        "{said}"
    );
}

#[test]
fn rows_of_several_files_are_named_with_their_file() {
    let folder = Folder::new("packing: { rows: 5, time: 1s }", ROWS);
    folder.write("more.csv", "n,name\n4,x\n5,y\n6,z\n");
    let shown = folder.shown("more.csv --batch-rows 2");
    let records: Vec<_> = shown.lines().filter(|line| line.starts_with("record ")).collect();
    assert_eq!(records.len(), 2, "{shown}");
    assert!(
        records[0].ends_with(" 5 rows, from row 1 of rows.csv to row 2 of more.csv"),
        "{shown}"
    );
    assert!(records[1].ends_with(" row 3 of more.csv"), "{shown}");
}

#[test]
fn rows_are_read_as_send_reads_them() {
    let folder = Folder::new("", "1|NA\n2|b\n");
    let more = "--delimiter | --no-header --null-text NA --types column_1=utf8 --limit 1";
    let expected = "\nrecord 1: partition 0, no key, 32 bytes, row 1\n\
                    {\"column_1\":\"1\",\"column_2\":null}\n\n1 record of 1 row.\n";
    assert_eq!(folder.shown(more), expected);
    folder.write("rows.jsonl", "{\"a\":[1]}\n");
    let shown = folder.run("preview job.yaml --into out rows.jsonl --raw");
    assert_eq!(text(&shown.stdout), "{\"a\":[1]}");
}

#[test]
fn an_output_is_chosen_by_name_where_there_are_several() {
    let folder = Folder::new("", ROWS);
    let second = format!("  - alias: second\n    topic: t2\n    {SERVERS}\n");
    let job = fs::read_to_string(folder.0.path().join("job.yaml")).unwrap();
    folder.write("two.yaml", &(job + &second));
    let chosen = folder.run("preview two.yaml --output second rows.csv");
    assert!(text(&chosen.stdout).starts_with("Output `second` writes to topic `t2`, "));
    for (args, said) in [
        ("", "error: two.yaml has several outputs; say which with --output: `out`, `second`\n"),
        (
            " --output json",
            "error: two.yaml has no output `json`; those there are: `out`, `second`; `--output` of \
             `preview` names an output of the job\n",
        ),
    ] {
        let output = folder.run(&format!("preview two.yaml rows.csv{args}"));
        assert_eq!((text(&output.stderr), output.status.code()), (said, BAD_INPUT));
    }
    let output = folder.run("--output json preview job.yaml rows.csv");
    assert_eq!(output.status.code(), WRONG_USAGE);
    assert!(text(&output.stderr).starts_with("error: `preview` prints records as text"));
}

#[test]
fn faults_of_job_and_files_are_told_and_secrets_are_not_asked_for() {
    let login = "securityProtocol: SASL_PLAINTEXT\n\
                 sasl: { mechanism: PLAIN, username: u, password: { env: NO_SUCH_SECRET } }";
    let folder = Folder::new(login, ROWS);
    assert!(folder.shown("").ends_with("3 records of 3 rows.\n"));
    let output = folder.run("preview job.yaml none.csv");
    let said = "error: none.csv: there is no such file\n";
    assert_eq!((text(&output.stderr), output.status.code()), (said, BAD_INPUT));
    folder.write("job.yaml", "name: t\noutputs: []\n");
    let output = folder.run("preview job.yaml rows.csv");
    let checked = folder.run("check --offline job.yaml");
    assert_eq!(output.status.code(), BAD_INPUT);
    assert_eq!(text(&output.stderr), text(&checked.stderr));
}

#[test]
fn the_form_of_results_is_said_before_or_behind_a_command() {
    let folder = Folder::new("", ROWS);
    let behind = folder.run("check --offline job.yaml --output json");
    let before = folder.run("--output json check --offline job.yaml");
    assert!(text(&behind.stdout).starts_with("{\"job\":"), "{behind:?}");
    assert_eq!(behind.stdout, before.stdout);
}

#[test]
fn a_closed_pipe_is_a_quiet_end() {
    let rows: String = (0..200_000).map(|n| format!("{n}\n")).collect();
    let folder = Folder::new("", &format!("n\n{rows}"));
    let mut command = folder.command("preview job.yaml rows.csv --all");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(line, FIRST_LINE);
    assert_eq!((text(&output.stderr), output.status.code()), ("", DONE));
}
