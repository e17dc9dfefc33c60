//! The job file: its faults stand where they say, a good one is printed as one that is read the
//! same, and a password is never shown.

use kafka_output::job::{Faults, Job, parse};

/// Longer texts only cost time; the limit of the service has tests of its own.
const TEXT_BYTES_MAX: usize = 16 * 1024;

/// 100 characters of a line and some for its number and what is left out.
const POINTER_CHARS_MAX: usize = 115;

/// What is wrong, but neither the schema nor the reading of the job expects it.
const FORGOTTEN: &str = "though the schema allows it";

/// What a text is read as: the whole example names a file beside it.
const FILE: &str = "../examples/job-full.yaml";

/// Stands for a password wherever a text holds it.
const CANARY: &str = "canary";

/// The text of a job file.
pub fn job(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    if text.len() > TEXT_BYTES_MAX {
        return;
    }
    let result = parse(FILE, text);
    let shown = match &result {
        Ok(job) => {
            check_reads_back(job);
            format!("{job:?} {job:#?} {} {}", job.to_json(), job.to_yaml())
        }
        Err(faults) => {
            check_faults(faults, text);
            let (plain, color) = (faults.render(false), faults.render(true));
            check_snippets(&plain);
            format!("{plain}\n{color}\n{}\n{faults:?}", faults.to_json())
        }
    };
    if only_passwords(text) {
        assert!(!shown.contains(CANARY), "the password is shown: {shown}");
    }
}

/// What points into a line stays within the part of it that is shown.
fn check_snippets(shown: &str) {
    for line in shown.lines().filter(|line| line.ends_with('^')) {
        assert!(line.chars().count() <= POINTER_CHARS_MAX, "{line}");
    }
}

/// Whether the canary stands in lines of passwords alone.
fn only_passwords(text: &str) -> bool {
    text.lines().all(|line| {
        let line = line.trim_start().trim_start_matches("- ").trim_start();
        !line.contains(CANARY) || line.starts_with("password:") || line.starts_with("clearText")
    })
}

fn check_faults(faults: &Faults, text: &str) {
    assert!(!faults.list.is_empty());
    assert!(faults.list.is_sorted_by_key(|fault| (fault.line, fault.column)));
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = line_chars(text);
    for fault in &faults.list {
        assert!(!fault.message.is_empty() && !fault.help.is_empty(), "{fault:?}");
        // Unless the text itself says so.
        let forgotten = fault.message.contains(FORGOTTEN) && !text.contains(FORGOTTEN);
        assert!(!forgotten, "{fault:?}");
        if fault.line == 0 {
            assert_eq!((fault.column, fault.path.as_str()), (0, ""), "{fault:?}");
            continue;
        }
        let line = lines.get(fault.line as usize - 1);
        let columns = 1 + line.unwrap_or_else(|| panic!("there is no such line: {fault:?}"));
        assert!((1..=columns).contains(&(fault.column as usize)), "of {columns}: {fault:?}");
    }
}

/// The characters of each line of YAML; a lone carriage return ends one as well.
fn line_chars(text: &str) -> Vec<usize> {
    let lines = text.replace("\r\n", "\n");
    lines.split(['\n', '\r']).map(|line| line.chars().count()).collect()
}

/// The effective configuration is itself a job file: JSON is YAML.
fn check_reads_back(job: &Job) {
    let printed = job.to_json();
    let read = parse("printed.json", &printed.to_string());
    let read = read.unwrap_or_else(|faults| panic!("{printed}\n{faults}"));
    assert_eq!(read.to_json(), printed);
    let yaml = job.to_yaml();
    let read = parse("printed.yaml", &yaml);
    let read = read.unwrap_or_else(|faults| panic!("{yaml}\n{faults}"));
    assert_eq!(read.to_json(), printed, "{yaml}");
}
