//! What is written at once, what is counted, and what a line says.
use std::{
    io,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tracing_subscriber::layer::SubscriberExt as _;

use super::{
    line::{Form, Line},
    lines::Lines,
    recent::{Last, Recent},
    repeats::{Repeats, WINDOW},
};

/// A log that is kept.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is written of what `say` says, with what is counted at the end.
fn written(form: Form, say: impl FnOnce()) -> Vec<String> {
    let kept = Kept::default();
    let to = kept.clone();
    let lines = Lines::new(form, move || to.clone());
    let writing = lines.writing();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), say);
    writing.end();
    let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
    text.lines().map(ToOwned::to_owned).collect()
}

/// The lines of what `say` says.
fn lines(say: impl FnOnce()) -> Vec<Line> {
    struct Taken(Arc<Mutex<Vec<Line>>>);
    impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Taken {
        fn on_event(
            &self,
            event: &tracing::Event<'_>,
            _: tracing_subscriber::layer::Context<'_, S>,
        ) {
            self.0.lock().unwrap().push(Line::of(event));
        }
    }
    let taken = Arc::new(Mutex::new(Vec::new()));
    let layer = Taken(taken.clone());
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), say);
    std::mem::take(&mut taken.lock().unwrap())
}

fn wait(output: &str, code: &str, partition: u32) {
    tracing::warn!(output, code, partition, "rows wait: number {partition}");
}

const TEXT: Form = Form::Text { colours: false };

#[test]
fn the_same_is_written_once_and_counted_and_nothing_else_is() {
    let said = written(TEXT, || {
        for partition in 0..100 {
            wait("a", "BROKER_SLOW", partition);
        }
        wait("b", "BROKER_SLOW", 0);
        wait("a", "NO_LEADER", 0);
        for number in 0..3 {
            tracing::info!(output = "a", code = "BROKER_SLOW", "told {number}");
        }
        tracing::warn!(output = "a", code = "BROKER_SLOW", "at another place");
    });
    let of = |part: &str| said.iter().filter(|line| line.contains(part)).count();
    assert_eq!(of("rows wait"), 4, "{said:#?}");
    assert_eq!(of("rows wait: number 99 … 99 times more in the last "), 1, "{said:#?}");
    assert_eq!((of("told"), of("another place")), (3, 1), "{said:#?}");
    assert_eq!(said.len(), 8, "{said:#?}");
}

#[test]
fn a_count_is_told_when_its_time_is_over_and_the_next_is_told_at_once() {
    let (mut repeats, start) = (Repeats::default(), Instant::now());
    let say = |repeats: &mut Repeats, seconds| {
        let mut line = lines(|| wait("a", "BROKER_SLOW", 7));
        repeats.admit(line.remove(0), start + Duration::from_secs(seconds)).is_some()
    };
    assert!(say(&mut repeats, 0));
    assert_eq!(repeats.next_end(), None, "there is no count to tell");
    assert!(!say(&mut repeats, 1) && !say(&mut repeats, 29));
    assert_eq!(repeats.next_end(), Some(start + WINDOW));
    assert!(repeats.ended(start + WINDOW - Duration::from_millis(1), false).is_empty());
    // One that comes before the count is told belongs to it.
    assert!(!say(&mut repeats, 31));
    let ended = repeats.ended(start + Duration::from_secs(32), false);
    assert_eq!(ended.iter().map(|line| line.repeated).collect::<Vec<_>>(), [Some((3, 32))]);
    assert!(say(&mut repeats, 32) && !say(&mut repeats, 33));
    assert_eq!(repeats.ended(start + Duration::from_secs(34), true).len(), 1);
    // Once alone is not counted, and is forgotten when its time is over.
    assert!(say(&mut repeats, 40) && say(&mut repeats, 70));
}

#[test]
fn what_is_told_apart_is_bounded_and_the_rest_is_counted_together() {
    let said = written(Form::Json, || {
        for output in 0..1_000 {
            wait(&format!("o{output}"), "BROKER_SLOW", 0);
            wait(&format!("o{output}"), "BROKER_SLOW", 0);
        }
    });
    // 64 at once, each once more; the 65th for all others, and the count of all of them.
    assert_eq!(said.len(), 64 * 2 + 2, "{said:#?}");
    let parse = |line: &String| serde_json::from_str::<serde_json::Value>(line).unwrap();
    let told = said.iter().map(|line| parse(line)["repeated"].as_u64().unwrap_or(1));
    assert_eq!(told.sum::<u64>(), 2_000, "each is written or counted");
}

#[test]
fn peers_are_told_apart_by_their_host_and_not_by_their_port() {
    let said = written(TEXT, || {
        for port in 1_000..1_050 {
            for host in ["10.0.0.1", "10.0.0.2"] {
                tracing::warn!(code = "CONNECTION_FLOODED", peer = %format!("{host}:{port}"), "x");
            }
        }
    });
    assert_eq!(said.len(), 4, "{said:#?}");
}

#[test]
fn a_line_has_its_remedy_unless_it_says_so_itself() {
    let say = || {
        wait("a", "NO_LEADER", 3);
        tracing::error!(code = "STOPPED", unsettled = 7, "stopped");
        tracing::warn!(code = "STOPPED", "it. Open again when it is back, somewhere");
        tracing::warn!(code = "NOT_A_CODE", "unknown");
        tracing::info!(code = "STOPPED", "well");
    };
    let remedy =
        "Open again when it is back, or at another replica: `Opened` tells where to go on.";
    let said = written(TEXT, say);
    assert!(said[0].contains(" WARN rows wait: number 3. Remedy: "), "{}", said[0]);
    assert!(said[0].ends_with(" output=\"a\" code=\"NO_LEADER\" partition=3"), "{}", said[0]);
    assert!(said[1].contains(&format!("ERROR stopped. Remedy: {remedy} code=")), "{}", said[1]);
    assert!(said[2..].iter().all(|line| !line.contains("Remedy")), "{said:#?}");
    let said = written(Form::Json, say);
    let first: serde_json::Value = serde_json::from_str(&said[1]).unwrap();
    assert_eq!(first["remedy"], remedy);
    assert_eq!(first["unsettled"], 7);
    assert_eq!((&first["level"], &first["message"]), (&"ERROR".into(), &"stopped".into()));
    assert_eq!(first["target"], "kafka_output::logs::tests");
    assert!(first["timestamp"].as_str().unwrap().ends_with('Z'), "{first}");
    assert!(said[3..].iter().all(|line| !line.contains("remedy")), "{said:#?}");
}

/// What others send is in some lines: a terminal obeys none of it, and a line stays one.
#[test]
fn a_line_is_one_line_that_a_terminal_does_not_obey() {
    let evil = "\x1b[2Jgone\n2026 ERROR forged";
    for form in [TEXT, Form::Json] {
        let said = written(form, || {
            tracing::info!(text = evil, shown = %evil, "{evil}");
        });
        assert_eq!(said.len(), 1, "{said:#?}");
        assert!(!said[0].contains('\x1b') && said[0].contains("forged"), "{said:#?}");
    }
}

#[test]
fn the_last_errors_are_counted_and_bounded() {
    static LAST: Last = Last::new();
    let say = || {
        wait("first", "BROKER_SLOW", 0);
        for output in 0..60 {
            wait(&format!("o{output}"), "BROKER_SLOW", output);
        }
        for partition in 0..1_000 {
            wait("o20", "BROKER_SLOW", partition);
        }
    };
    let registry = tracing_subscriber::registry().with(Recent(&LAST));
    tracing::subscriber::with_default(registry, say);
    let told = LAST.told();
    assert_eq!(told.len(), 50);
    let newest = &told[0];
    assert_eq!((newest.output.as_deref(), newest.count), (Some("o20"), 1_001));
    assert_eq!(newest.message, "rows wait: number 999");
    assert!(newest.first <= newest.last && newest.remedy.is_some(), "{newest:?}");
    assert!(told.iter().all(|told| told.output.as_deref() != Some("first")), "{told:#?}");
}
