//! Whatever the file holds, reading it ends soon, with a job or with faults that fit the file.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{
    super::{FILE_BYTES_MAX, parse},
    FULL, FULL_FILE, faults, with_output,
};

/// Reads a text and checks what must hold of any faults.
fn read(text: &str) {
    let Err(faults) = parse(FULL_FILE, text) else { return };
    assert!(!faults.list.is_empty());
    // YAML knows line ends that `str::lines` does not.
    let lines = text.lines().count() + text.matches('\r').count() + 1;
    for fault in &faults.list {
        assert!(fault.line as usize <= lines, "{fault:?}\n{text}");
        assert!(!fault.message.is_empty() && !fault.help.is_empty(), "{fault:?}");
        assert!(!fault.message.contains("though the schema allows it"), "{fault:?}\n{text}");
    }
    let ordered = faults.list.is_sorted_by_key(|fault| (fault.line, fault.column));
    assert!(ordered, "{faults}");
    faults.to_string();
}

#[test]
fn any_value_in_any_place_is_a_job_or_a_fault() {
    let values = [
        "",
        "~",
        "true",
        "5",
        "-1",
        "1.5",
        ".nan",
        "99999999999999999999",
        "text",
        "''",
        "[]",
        "{}",
        "[a]",
        "[1, {}]",
        "{ a: 1 }",
        "{ type: Zstd }",
        "{ env: X }",
        "{ secret: x, version: 5 }",
        "{ certificate: x, vault: shared }",
        "{ type: workload }",
        "[{ role: x }, { subject: x, prefix: 5 }]",
        "5s",
        "5 MiB",
        "Null",
        "/dev/zero",
        "*x",
        "!x y",
    ];
    let lines = FULL.lines().collect::<Vec<_>>();
    let mut keys = 0;
    for (index, line) in lines.iter().enumerate() {
        let Some((key, _)) = line.split_once(':') else { continue };
        keys += 1;
        for value in values {
            let mut changed = lines.clone();
            let line = format!("{key}: {value}");
            changed[index] = &line;
            read(&changed.join("\n"));
        }
    }
    assert!(keys > 90, "{keys}");
}

#[test]
fn every_line_may_be_missing_or_twice() {
    let lines = FULL.lines().collect::<Vec<_>>();
    for index in 0..lines.len() {
        let mut changed = lines.clone();
        changed.remove(index);
        read(&changed.join("\n"));
        changed.insert(index, lines[index]);
        changed.insert(index, lines[index]);
        read(&changed.join("\n"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_without_panic(text in ".{0,400}") {
        read(&text);
    }

    #[test]
    fn any_lines_are_read_without_panic(
        lines in prop::collection::vec(
            "[ ]{0,6}(- )?[a-z<&*!\"'{}#|>]{0,6}(: )?[ -~ä]{0,12}",
            0..20,
        ),
    ) {
        read(&lines.join("\n"));
    }

    #[test]
    fn a_damaged_job_is_read_without_panic(
        at in 0..FULL.len(),
        with in "[ -~\n\tä]{0,4}",
        cut in 0..20_usize,
    ) {
        let mut text = FULL.as_bytes().to_vec();
        let end = (at + cut).min(text.len());
        text.splice(at..end, with.bytes());
        read(&String::from_utf8_lossy(&text));
    }
}

/// How long the debug build may take for a hostile file, on a machine with other things to do.
const SOON: Duration = Duration::from_secs(20);

#[test]
fn an_alias_bomb_is_refused_at_once() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..30 {
        let below = format!("*a{}", level - 1);
        let items = [below.as_str(); 9].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{items}]\n"));
    }
    let start = Instant::now();
    let shown = faults(&text);
    assert!(start.elapsed() < SOON);
    assert!(shown.contains("error[YAML_TOO_COMPLEX]: the file unfolds into more than"), "{shown}");
    assert!(shown.contains("help: say under `defaults` what outputs have in common"), "{shown}");
}

#[test]
fn deep_nesting_is_refused() {
    for (open, close) in [("[", "]"), ("{a: ", "}")] {
        let text = format!("name: {}{}", open.repeat(5_000), close.repeat(5_000));
        read(&text);
        assert!(parse("job.yaml", &text).is_err());
    }
}

#[test]
fn a_file_full_of_faults_shows_the_first_hundred() {
    let keys = (0..20_000).map(|key| format!("key{key}: 1")).collect::<Vec<_>>();
    for text in [keys.join("\n"), format!("{{ {} }}", keys.join(", "))] {
        let start = Instant::now();
        let faults = parse("job.yaml", &text).unwrap_err();
        let shown = faults.to_string();
        assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
        assert_eq!(faults.list.len(), 100);
        assert!(shown.ends_with("20002 faults in job.yaml, the first 100 shown\n"), "{shown}");
        assert_eq!(faults.to_json()["omitted"], 19_902);
    }
}

#[test]
fn the_largest_job_is_read() {
    let output =
        |index| format!("  - {{ alias: a{index}, topic: t, compression: {{ type: Lz4 }} }}\n");
    let outputs = |count| (0..count).map(output).collect::<String>();
    let head = "name: j\ndefaults: { bootstrapServers: k:9092, acks: One }\noutputs:\n";
    let job = parse("job.yaml", &format!("{head}{}", outputs(1000))).unwrap();
    assert_eq!(job.outputs.len(), 1000);
    let shown = faults(&format!("{head}{}", outputs(1001)));
    assert!(shown.contains("`outputs` has 1001 items, more than 1000"), "{shown}");
    let padding = " ".repeat(FILE_BYTES_MAX - with_output("").len());
    assert!(parse("job.yaml", &format!("{}{padding}", with_output(""))).is_ok());
    assert!(parse("job.yaml", &format!("{}{padding} ", with_output(""))).is_err());
}

/// What a program and a terminal are given, once in full.
#[test]
fn faults_are_told_to_programs_and_terminals() {
    let faults = parse("job.yaml", &with_output("acks: Two")).unwrap_err();
    assert_eq!(
        faults.to_json(),
        serde_json::json!({
            "file": "job.yaml",
            "faults": [{
                "code": "UNKNOWN_VALUE",
                "line": 6,
                "column": 11,
                "path": "outputs[0].acks",
                "message": "`Two` is not a value of `acks`",
                "help": "the values are `All`, `One` and `Zero`",
            }],
            "omitted": 0,
        })
    );
    assert_eq!(
        faults.render(true),
        "\x1b[1mjob.yaml:6:11:\x1b[0m \x1b[1;31merror[UNKNOWN_VALUE]\x1b[0m: \
         `Two` is not a value of `acks`\n\
         \x20\x1b[34m6 |\x1b[0m     acks: Two\n\
         \x20  \x1b[34m|\x1b[0m           \x1b[1;31m^^^\x1b[0m\n   \
         \x1b[34m=\x1b[0m \x1b[1;36mhelp\x1b[0m: the values are `All`, `One` and `Zero`\n"
    );
}
