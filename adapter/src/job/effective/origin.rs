//! Where an effective value comes from: a line of the file, what outputs have in common, a profile,
//! another key, or the program.

use std::fmt;

use serde_json::{Map, Value, json};

use super::{
    super::{
        Collector,
        merge::merge,
        tree::{self, Node, Tree},
        walk,
    },
    Step,
};

/// Who decided about a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// It is written there.
    Line(u32),
    /// It is written there, for all outputs.
    Defaults(u32),
    /// What Event Hubs demands.
    EventHubs,
    /// It follows from what this key says.
    Follows(&'static str),
    /// The program.
    Default,
}

/// What is written, and where.
#[derive(Debug)]
pub(super) struct Origins {
    root: Option<Node>,
    /// The outputs as they are written, each with what `defaults` lends it.
    outputs: Vec<Value>,
}

/// Keys of an output that Event Hubs decides about unless they are written.
const OF_EVENT_HUBS: [&str; 5] = [
    "securityProtocol",
    "socketTimeout",
    "transactions.timeout",
    "sasl.username",
    "sasl.token.scope",
];

/// Keys that follow from others unless they are written.
const FOLLOWING: [(&str, &str); 5] = [
    ("profile", "bootstrapServers"),
    ("idempotence", "acks"),
    ("guarantee", "acks"),
    ("listen.grpc.tokens.issuer", "tenant"),
    ("listen.grpc.tokens.keysUrl", "tenant"),
];

impl Origins {
    /// What is written in the text of a job file that has no faults.
    pub(super) fn of(text: &str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let root = tree::parse(text).ok();
        let written = root.as_ref().and_then(|root| walk::walk(root, &mut Collector::default()));
        let lent = match written.as_ref().and_then(|written| written.get("defaults")) {
            Some(Value::Object(lent)) => lent.clone(),
            _ => Map::new(),
        };
        let outputs = written.as_ref().and_then(|written| written.get("outputs")?.as_array());
        let outputs = outputs.into_iter().flatten().map(|own| match own {
            Value::Object(own) => Value::Object(merge(&lent, own.clone())),
            other => other.clone(),
        });
        Self { outputs: outputs.collect(), root }
    }

    /// Who decided about the value at a path of the effective job.
    pub(super) fn of_value(&self, path: &[Step<'_>], job: &Value) -> Origin {
        let written = match path {
            [Step::Key("outputs"), Step::Item(index), rest @ ..] => self.of_output(*index, rest),
            path => self.root.as_ref().and_then(|root| line(root, path)).map(Origin::Line),
        };
        written.unwrap_or_else(|| unwritten(path, job))
    }

    fn of_output(&self, index: usize, path: &[Step<'_>]) -> Option<Origin> {
        // What `defaults` has and the output does not take is not in the merged one.
        if !is_there(self.outputs.get(index)?, path) {
            return None;
        }
        let root = self.root.as_ref()?;
        let own = root.get("outputs").and_then(|outputs| outputs.item(index));
        let own = own.and_then(|own| line(own, path)).map(Origin::Line);
        let lent = || line(root.get("defaults")?, path).map(Origin::Defaults);
        own.or_else(lent)
    }
}

/// The line in which a value is written, if it is. What the file has in one word, as a list of
/// brokers, stands for all of its parts.
fn line(node: &Node, path: &[Step<'_>]) -> Option<u32> {
    let [step, rest @ ..] = path else {
        return Some(node.key.unwrap_or(node.mark).line);
    };
    match (&node.value, *step) {
        (Tree::Map(_), Step::Key(key)) => line(node.get(key)?, rest),
        (Tree::List(_), Step::Item(index)) => line(node.item(index)?, rest),
        (Tree::Map(_) | Tree::List(_), _) => None,
        _ => line(node, &[]),
    }
}

fn is_there(written: &Value, path: &[Step<'_>]) -> bool {
    let [step, rest @ ..] = path else { return true };
    match (written, *step) {
        (Value::Object(map), Step::Key(key)) => map.get(key).is_some_and(|at| is_there(at, rest)),
        (Value::Array(items), Step::Item(at)) => items.get(at).is_some_and(|at| is_there(at, rest)),
        (Value::Object(_) | Value::Array(_), _) => false,
        _ => true,
    }
}

/// Who decided about a value that is not written.
fn unwritten(path: &[Step<'_>], job: &Value) -> Origin {
    let output = match path {
        [Step::Key("outputs"), Step::Item(index), rest @ ..] => Some((*index, rest)),
        _ => None,
    };
    let key = super::text(output.map_or(path, |(_, rest)| rest));
    let is_event_hubs =
        || output.is_some_and(|(index, _)| job["outputs"][index]["profile"] == "EventHubs");
    if OF_EVENT_HUBS.contains(&key.as_str()) && is_event_hubs() {
        return Origin::EventHubs;
    }
    if let Some((_, of)) = FOLLOWING.iter().find(|(following, _)| *following == key) {
        return Origin::Follows(of);
    }
    match path {
        // Of a reference: the vault of those that name none.
        [_, .., Step::Key("vault")] => Origin::Follows("vault"),
        [Step::Key("maxBatchSize")]
            if job["maxBatchSize"] != super::super::raw::default::BATCH_SIZE_MAX =>
        {
            Origin::Follows("memory")
        }
        _ => Origin::Default,
    }
}

impl Origin {
    pub(super) fn to_json(self) -> Value {
        match self {
            Self::Line(line) => json!({ "from": "file", "line": line }),
            Self::Defaults(line) => json!({ "from": "defaults", "line": line }),
            Self::EventHubs => json!({ "from": "profile", "profile": "EventHubs" }),
            Self::Follows(key) => json!({ "from": "key", "key": key }),
            Self::Default => json!({ "from": "default" }),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Defaults(line) => write!(f, "line {line}, in `defaults`"),
            Self::EventHubs => f.write_str("of the profile EventHubs"),
            Self::Follows(key) => write!(f, "follows from `{key}`"),
            Self::Default => f.write_str("default"),
        }
    }
}
