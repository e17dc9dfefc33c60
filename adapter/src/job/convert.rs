//! From the file as it is written to the job as it is used: ranges, names, and keys that must
//! agree with each other.

use std::{collections::HashMap, path::Path, time::Duration};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{
    collect::Collector,
    listen,
    merge::merge,
    model::{Job, MEMORY_PER_BATCH, Output},
    names, output,
    raw::{RawJob, RawOutput, default},
    raw_values::{RawBytes, RawDuration},
    security::{self, Callers, Use, Vaults},
    serialization::Packing,
    telemetry,
    text::{self, InvalidText, show_bytes, show_duration},
    topics,
    tree::{Mark, Node, join},
    words,
};

const MEMORY_BYTES_MIN: u64 = 16 << 20;
const BATCH_BYTES_MIN: u64 = 1 << 10;
const BATCH_BYTES_MAX: u64 = 64 << 20;
const SHUTDOWN_TIMEOUT: (Duration, Duration) =
    (Duration::from_millis(100), Duration::from_secs(3600));

/// A part of the file under conversion: where its values stand, and what is wrong with them.
pub(super) struct Section<'a> {
    /// The map itself.
    own: &'a Node,
    /// The map that lends it what it lacks.
    defaults: Option<&'a Node>,
    /// Where relative paths begin.
    pub(super) folder: &'a Path,
    pub(super) faults: &'a mut Collector,
}

impl<'a> Section<'a> {
    pub(super) fn new(
        own: &'a Node,
        defaults: Option<&'a Node>,
        folder: &'a Path,
        faults: &'a mut Collector,
    ) -> Self {
        Self { own, defaults, folder, faults }
    }

    /// The value at a path, in the map itself or in what it is lent.
    pub(super) fn node(&self, path: &str) -> Option<&'a Node> {
        self.own.find(path).or_else(|| self.defaults?.find(path))
    }

    /// The map itself.
    pub(super) fn whole(&self) -> &'a Node {
        self.own
    }

    /// Whether the value at a path is known to be wrong, so that nothing can be said about how it
    /// agrees with others.
    pub(super) fn is_wrong(&self, path: &str) -> bool {
        let meant = |map: &Node| self.faults.is_meant(&join(&map.path, path));
        self.node(path).is_some_and(|node| self.faults.touches(node))
            || meant(self.own)
            || self.defaults.is_some_and(meant)
    }

    /// Reports a fault of the value at a path, or of the map itself if it is not there.
    pub(super) fn fault(&mut self, code: &'static str, path: &str, message: String, help: &str) {
        let node = self.node(path).unwrap_or(self.own);
        self.faults.add(code, node.place(), &node.path, message, help);
    }

    /// Reports a fault of the map itself.
    pub(super) fn fault_here(&mut self, code: &'static str, message: String, help: &str) {
        self.faults.add(code, self.own.place(), &self.own.path, message, help);
    }

    /// Reports that the key at a path is missing in its map.
    pub(super) fn missing(&mut self, path: &str, message: String, help: &str) {
        let (map, key) = match path.rsplit_once('.') {
            Some((map, key)) => (self.node(map).unwrap_or(self.own), key),
            None => (self.own, path),
        };
        self.faults.add("MISSING_KEY", map.place(), &join(&map.path, key), message, help);
    }

    /// Reports a fault of a raw setting of librdkafka, whose name has dots of its own.
    pub(super) fn setting_fault(
        &mut self,
        code: &'static str,
        name: &str,
        message: String,
        help: &str,
    ) {
        let settings = |map: &'a Node| map.get("librdkafka")?.get(name);
        let node = settings(self.own).or_else(|| settings(self.defaults?)).unwrap_or(self.own);
        self.faults.add(code, node.place(), &node.path, message, help);
    }

    /// Takes a value that was read, or reports why it could not be.
    pub(super) fn take<T>(&mut self, path: &str, read: Result<T, InvalidText>) -> Option<T> {
        read.map_err(|error| {
            let name = path.rsplit('.').next().unwrap_or(path);
            match self.node(path) {
                // The reason or the help may hold a part of the value.
                Some(node) if node.hidden => {
                    let message = format!("`{name}` has a value that does not fit");
                    let help = "the JSON Schema says what belongs there";
                    self.fault("INVALID_VALUE", path, message, help);
                }
                _ => {
                    let message = format!("`{name}` {error}");
                    self.fault("INVALID_VALUE", path, message, error.help());
                }
            }
        })
        .ok()
    }

    /// A duration within its range.
    pub(super) fn duration(
        &mut self,
        path: &str,
        raw: Option<&RawDuration>,
        default: &str,
        (min, max): (Duration, Duration),
    ) -> Option<Duration> {
        let text = raw.map_or(default, |RawDuration(text)| text);
        let duration = self.take(path, text::duration(text))?;
        let show = show_duration;
        self.in_range(path, duration, (min, max), |duration| show(*duration))
    }

    /// A byte size within its range.
    pub(super) fn bytes(
        &mut self,
        path: &str,
        raw: Option<&RawBytes>,
        default: &str,
        range: (u64, u64),
    ) -> Option<u64> {
        let bytes = match raw {
            Some(RawBytes::Number(bytes)) => *bytes,
            Some(RawBytes::Text(text)) => self.take(path, text::bytes(text))?,
            None => self.take(path, text::bytes(default))?,
        };
        self.in_range(path, bytes, range, |bytes| show_bytes(*bytes))
    }

    fn in_range<T: PartialOrd>(
        &mut self,
        path: &str,
        value: T,
        (min, max): (T, T),
        show: impl Fn(&T) -> String,
    ) -> Option<T> {
        if (&min..=&max).contains(&&value) {
            return Some(value);
        }
        let name = path.rsplit('.').next().unwrap_or(path);
        let hidden = self.node(path).is_some_and(|node| node.hidden);
        let shown = if hidden { "a value".to_owned() } else { show(&value) };
        let message = format!("`{name}` is {shown}, which is out of its range");
        let help = match value < min {
            true => format!("write at least {}", show(&min)),
            false => format!("write at most {}", show(&max)),
        };
        self.fault("OUT_OF_RANGE", path, message, &help);
        None
    }
}

/// What of the job concerns its outputs.
pub(super) struct Surroundings<'a> {
    folder: &'a Path,
    /// The memory, if that is known.
    memory: Option<u64>,
    pub(super) vaults: Vaults,
    /// What callers show, if that is known.
    pub(super) callers: Option<Callers>,
}

/// Makes the job of what the walk let through. Nothing comes back only if a fault was reported.
pub(super) fn job(
    root: &Node,
    folder: &Path,
    mut value: Value,
    faults: &mut Collector,
) -> Option<Job> {
    let file = value.as_object_mut()?;
    let lent = match file.remove("defaults") {
        Some(Value::Object(defaults)) => defaults,
        _ => Map::new(),
    };
    let written = file.remove("outputs");
    let raw = typed::<RawJob>(value, root, faults);
    let mut section = Section::new(root, None, folder, faults);
    let Some(raw) = raw else {
        // The outputs still have faults of their own to tell.
        let job = Surroundings { folder, memory: None, vaults: Vaults::unknown(), callers: None };
        outputs(root, &job, &lent, written, faults);
        return None;
    };
    let grpc_raw = raw.listen.as_ref().and_then(|listen| listen.grpc.as_ref());
    let range = (MEMORY_BYTES_MIN, u64::MAX);
    let memory_bytes = section.bytes("memory", raw.memory.as_ref(), default::MEMORY, range);
    let identity = security::identity(&mut section, raw.identity.as_ref());
    let vaults = Vaults::read(&mut section, &raw);
    let callers = Callers::read(&section, grpc_raw);
    let grpc = listen::grpc(&mut section, grpc_raw, &vaults);
    let admin_raw = raw.listen.as_ref().and_then(|listen| listen.admin.as_ref());
    let admin = listen::admin(&mut section, admin_raw, grpc.as_ref());
    let traces = telemetry::traces(&mut section, raw.telemetry.as_ref());
    // Misspelled, it is not what it seems.
    let memory = memory_bytes.filter(|_| !section.is_wrong("memory"));
    let job = Surroundings { folder, memory, vaults, callers };
    let outputs = outputs(root, &job, &lent, written, faults);
    let mut section = Section::new(root, None, folder, faults);
    let name = raw.name.as_deref().and_then(|name| {
        let read = names::plain_name(name, "a name for a job", names::JOB_NAME_CHARS_MAX);
        section.take("name", read).map(|()| name.to_owned())
    });
    let secret_refresh = security::secret_refresh(&mut section, &raw);
    let batch_bytes_max = batch_bytes_max(&mut section, &raw, memory_bytes);
    let shutdown_timeout = section.duration(
        "shutdownTimeout",
        raw.shutdown_timeout.as_ref(),
        default::SHUTDOWN_TIMEOUT,
        SHUTDOWN_TIMEOUT,
    );
    Some(Job {
        name: name?,
        grpc: grpc?,
        admin: admin?,
        traces: traces?,
        identity: identity?,
        secret_refresh: secret_refresh?,
        memory_bytes: memory_bytes?,
        shutdown_timeout: shutdown_timeout?,
        batch_bytes_max: batch_bytes_max?,
        outputs: outputs?,
    })
}

fn batch_bytes_max(section: &mut Section<'_>, raw: &RawJob, memory: Option<u64>) -> Option<u32> {
    let path = "maxBatchSize";
    let range = (BATCH_BYTES_MIN, BATCH_BYTES_MAX);
    let mut bytes =
        section.bytes(path, raw.max_batch_size.as_ref(), default::BATCH_SIZE_MAX, range)?;
    if let Some(memory) = memory {
        let share = memory / MEMORY_PER_BATCH;
        if raw.max_batch_size.is_none() {
            bytes = bytes.min(share);
        } else if bytes > share && !section.is_wrong("memory") {
            let message = format!(
                "`maxBatchSize` is {}, more than an eighth of `memory`, {}",
                show_bytes(bytes),
                show_bytes(memory)
            );
            let help = format!("write at most {}, or raise `memory`", show_bytes(share));
            section.fault("CONFLICT", path, message, &help);
        }
    }
    u32::try_from(bytes).ok()
}

/// Reports a record that no batch has room for.
fn check_packing(section: &mut Section<'_>, output: &Output, memory: Option<u64>) {
    let Some((packing, memory)) = output.packing.zip(memory) else { return };
    let (bytes, share) = (packing.limits.bytes_max as u64, memory / MEMORY_PER_BATCH);
    if packing != Packing::NONE && bytes > share {
        let message = format!(
            "`bytes` is {}, more than an eighth of `memory`, {}: no batch has so many bytes of \
             records",
            show_bytes(bytes),
            show_bytes(memory)
        );
        let help = format!("write at most {}, or raise `memory`", show_bytes(share));
        section.fault("CONFLICT", "packing.bytes", message, &help);
    }
}

/// Makes the outputs, each with what `defaults` lends it.
fn outputs(
    root: &Node,
    job: &Surroundings<'_>,
    lent: &Map<String, Value>,
    written: Option<Value>,
    faults: &mut Collector,
) -> Option<Vec<Output>> {
    let defaults = root.get("defaults");
    if let Some(node) = defaults {
        let raw = typed::<RawOutput>(Value::Object(lent.clone()), node, faults);
        output::check_defaults(&mut Section::new(node, None, job.folder, faults), &raw?, job);
    }
    let Some(Value::Array(written)) = written else { return None };
    let mut made = Vec::with_capacity(written.len());
    let mut lines_by_alias = HashMap::new();
    let mut used = Use::default();
    for (index, value) in written.into_iter().enumerate() {
        let node = root.find("outputs").and_then(|outputs| outputs.item(index));
        let (Value::Object(own), Some(node)) = (value, node) else {
            made.push(None);
            continue;
        };
        let merged = merge(lent, own);
        used = used.or(Use::of(&merged));
        let raw = typed::<RawOutput>(Value::Object(merged), node, faults);
        made.push(raw.and_then(|raw| {
            let mut section = Section::new(node, defaults, job.folder, faults);
            unique_alias(&mut section, &raw, &mut lines_by_alias);
            let output = output::output(&mut section, &raw, job)?;
            check_packing(&mut section, &output, job.memory);
            Some(output)
        }));
    }
    topics::check_topics(root, &made, faults);
    if let Some(defaults) = defaults
        && !faults.touches(root.get("outputs")?)
        && !faults.touches(defaults)
    {
        for (key, node) in defaults.entries().filter(|(key, _)| !used.takes(key)) {
            let message =
                format!("`{key}` is given, but no output has a `securityProtocol` that uses it");
            let help = "add a `securityProtocol` that uses it, such as `SASL_SSL`, or take it out";
            faults.add("CONFLICT", node.place(), &node.path, message, help);
        }
    }
    made.into_iter().collect()
}

fn unique_alias(section: &mut Section<'_>, raw: &RawOutput, lines: &mut HashMap<String, u32>) {
    let Some(alias) = &raw.alias else { return };
    let Mark { line, .. } = section.node("alias").unwrap_or(section.whole()).mark;
    if let Some(first) = lines.get(alias) {
        let message = match section.node("alias") {
            Some(node) if !node.hidden => format!(
                "`{}` is already the alias of the output on line {first}",
                words::excerpt(alias)
            ),
            _ => format!("`alias` is the same as that of the output on line {first}"),
        };
        section.fault("DUPLICATE_ALIAS", "alias", message, "give each output an alias of its own");
    } else {
        lines.insert(alias.clone(), line);
    }
}

/// Reads what the walk let through. Should serde take less than the schema does, the reader
/// still gets a fault and a place, and never the value.
fn typed<T: DeserializeOwned>(value: Value, node: &Node, faults: &mut Collector) -> Option<T> {
    serde_json::from_value(value)
        .map_err(|_| {
            let message = "this part cannot be read, though the schema allows it";
            let help = "this is a mistake in kafka-output; please report it with this part";
            faults.add("INVALID_VALUE", node.place(), &node.path, message, help);
        })
        .ok()
}
