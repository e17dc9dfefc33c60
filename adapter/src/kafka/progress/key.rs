//! The names under which a writer is known in Kafka.

use xxhash_rust::xxh3::xxh3_64;

/// Partitions of the progress topic that are used. A constant, never the number that the topic has:
/// partitions that are added would hide what is stored.
pub const PARTITIONS: i32 = 16;

/// What all transactional ids begin with.
const OURS: &str = "kafka-output.";

/// The names of one writer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// Of its progress.
    pub progress: String,
    /// Of its claim: with the same key, compaction would keep the claim and drop the sequence.
    pub claim: String,
    /// `transactional.id` of its producer. All begin with `kafka-output.`, for access rules by
    /// prefix.
    pub transactional_id: String,
    /// The partition of the progress topic.
    pub partition: i32,
}

impl Keys {
    /// The names of a writer of a job's output. Another guarantee is another memory.
    pub fn of(job: &str, output: &str, guarantee: &str, writer: &str) -> Self {
        let parts = [job, output, guarantee, writer].map(escape);
        let progress = parts.join(".");
        let partition = (xxh3_64(progress.as_bytes()) % PARTITIONS as u64) as i32;
        let claim = format!("{progress}/claim");
        let transactional_id = format!("{OURS}{progress}");
        Self { progress, claim, transactional_id, partition }
    }
}

/// What a key of the progress topic is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// How far this writer has come.
    Progress(String),
    /// Who has opened this writer.
    Claim(String),
}

/// Whose a transactional id is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whose {
    /// The job.
    pub job: String,
    /// The output's alias.
    pub output: String,
    /// The writer.
    pub writer: String,
}

/// What all keys of an output's writers begin with.
pub fn prefix(job: &str, output: &str, guarantee: &str) -> String {
    [job, output, guarantee].map(|part| escape(part) + ".").concat()
}

/// What a key is about; `None` if it is none of a writer of this prefix.
pub fn about(prefix: &str, key: &[u8]) -> Option<About> {
    let rest = std::str::from_utf8(key).ok()?.strip_prefix(prefix)?;
    match rest.strip_suffix("/claim") {
        Some(writer) => writer_of(writer).map(About::Claim),
        None => writer_of(rest).map(About::Progress),
    }
}

/// A transactional id that begins as those of an output's writers, and that none of them has.
pub fn id_of_no_writer(job: &str, output: &str, guarantee: &str) -> String {
    // A writer's `/` would be escaped.
    format!("{OURS}{}/check", prefix(job, output, guarantee))
}

/// The writer of a transactional id; `None` if it is none of this prefix.
pub fn writer_of_id(prefix: &str, id: &str) -> Option<String> {
    writer_of(id.strip_prefix(OURS)?.strip_prefix(prefix)?)
}

/// Whose transactional id this is, of whatever job; `None` if it is none of ours.
pub fn whose_id(id: &str) -> Option<Whose> {
    let mut parts = id.strip_prefix(OURS)?.split('.');
    let mut part = || unescape(parts.next()?);
    let (job, output, _guarantee) = (part()?, part()?, part()?);
    let writer = writer_of(parts.next()?)?;
    parts.next().is_none().then_some(Whose { job, output, writer })
}

/// A writer by the last part of its names.
fn writer_of(escaped: &str) -> Option<String> {
    unescape(escaped).filter(|writer| escape(writer) == escaped)
}

/// A name whose parts cannot run into each other: output `a.b` with writer `c` is not output `a`
/// with writer `b.c`.
fn escape(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => escaped.push(byte as char),
            other => escaped.push_str(&format!("%{other:02X}")),
        }
    }
    escaped
}

/// The name that was escaped; `None` if it is no such name.
fn unescape(escaped: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(escaped.len());
    let mut rest = escaped.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        bytes.push(match first {
            b'%' => {
                let (digits, behind) = rest.split_at_checked(2)?;
                rest = behind;
                u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?
            }
            other => *other,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_do_not_run_into_each_other_and_come_back() {
        let one = Keys::of("j", "a.b", "exactlyOnce", "c");
        let other = Keys::of("j", "a", "exactlyOnce", "b.c");
        assert_ne!(one.progress, other.progress);
        assert_eq!(one.progress, "j.a%2Eb.exactlyOnce.c");
        assert_eq!(one.transactional_id, "kafka-output.j.a%2Eb.exactlyOnce.c");
        assert_eq!(one.claim, "j.a%2Eb.exactlyOnce.c/claim");
        for name in ["a/b.c%20", "Zürich", "%", "query-7/part_1"] {
            assert_eq!(unescape(&escape(name)).as_deref(), Some(name));
        }
        assert_eq!(unescape("%4"), None);
    }

    #[test]
    fn keys_tell_their_writer() {
        let keys = Keys::of("j", "a.b", "exactlyOnce", "query/1");
        let prefix = prefix("j", "a.b", "exactlyOnce");
        let writer = "query/1".to_owned();
        let about = |key: &str| about(&prefix, key.as_bytes());
        assert_eq!(about(&keys.progress), Some(About::Progress(writer.clone())));
        assert_eq!(about(&keys.claim), Some(About::Claim(writer.clone())));
        assert_eq!(writer_of_id(&prefix, &keys.transactional_id), Some(writer));
        let other = Keys::of("j", "a", "exactlyOnce", "w");
        assert_eq!(about(&other.progress), None);
        assert_eq!(about("j.a%2Eb.exactlyOnce.a.b"), None, "nobody is called so");
        assert_eq!(writer_of_id(&prefix, "another client's"), None);
        let whose = whose_id(&keys.transactional_id).unwrap();
        assert_eq!((whose.job.as_str(), whose.output.as_str()), ("j", "a.b"));
        assert_eq!(whose.writer, "query/1");
        assert_eq!(whose_id("kafka-output.j.o.exactlyOnce.w.x"), None);
        let nobodys = id_of_no_writer("j", "a.b", "exactlyOnce");
        assert_eq!(nobodys, "kafka-output.j.a%2Eb.exactlyOnce./check");
        assert_eq!((whose_id(&nobodys), writer_of_id(&prefix, &nobodys)), (None, None));
        assert_eq!(whose_id("another client's"), None);
    }

    #[test]
    fn the_partition_of_a_writer_never_changes() {
        // What is stored would be looked for elsewhere.
        assert_eq!(Keys::of("flights", "delays", "exactlyOnce", "query-1").partition, 3);
    }
}
