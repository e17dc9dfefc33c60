//! The walk of a reference: a map that says where a secret or a certificate stands. Nothing of it
//! is ever repeated.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Map, Value};

use super::{
    super::{
        schema::Shape,
        tree::{Node, Tree},
    },
    Walk,
};

const SECRET_HELP: &str = "write `{ secret: NAME }` for a secret in Key Vault, `{ file: PATH }` for \
    a file or `{ env: NAME }` for an environment variable; `{ clearTextForTests: VALUE }` is for \
    tests on this machine alone";

const CERTIFICATE_HELP: &str = "write `{ certificate: NAME }` or `{ secret: NAME }` for what is in \
    Key Vault, `{ file: PATH }` for a file or `{ env: NAME }` for an environment variable";

/// Whether a value of this shape is a reference, or may be one.
pub(super) fn is_reference(shape: Shape) -> bool {
    hides_wrong(shape) || shape.is("Username")
}

/// Whether a value of this shape is a reference, so that what stands there instead may be secret.
pub(in crate::job) fn hides_wrong(shape: Shape) -> bool {
    ["Secret", "Certificate"].iter().any(|name| shape.is(name))
}

/// A key that says where to look, and the map that it stands in.
struct Way {
    key: &'static str,
    map: Shape,
}

/// The ways to say where to look.
fn ways(shape: Shape) -> Vec<Way> {
    match shape.alternatives().as_slice() {
        [_] => shape.required().first().map(|key| Way { key, map: shape }).into_iter().collect(),
        several => several.iter().flat_map(|shape| ways(*shape)).collect(),
    }
}

impl Walk<'_> {
    /// A map with exactly one of the keys that say where to look; some of them take details.
    pub(super) fn reference(&mut self, node: &Node, shape: Shape) -> Option<Value> {
        let is_certificate = shape.is("Certificate");
        let help = if is_certificate { CERTIFICATE_HELP } else { SECRET_HELP };
        let Tree::Map(entries) = &node.value else {
            self.no_reference(node, is_certificate, help);
            return None;
        };
        let ways = ways(shape);
        let keys = ways.iter().flat_map(|way| way.map.properties()).map(|(key, _)| key);
        let details =
            keys.filter(|key| ways.iter().all(|way| way.key != *key)).collect::<BTreeSet<_>>();
        let before = self.faults.len();
        let mut found: Option<&Way> = None;
        let mut seen: HashMap<_, &Node> = HashMap::with_capacity(entries.len());
        for (key, child) in entries {
            if let Some(first) = seen.get(key) {
                self.duplicate(child, first);
                continue;
            }
            seen.insert(key, child);
            match (ways.iter().find(|way| way.key == key), found) {
                (Some(way), None) => found = Some(way),
                (Some(way), Some(first)) => {
                    let message =
                        format!("`{}` has both `{}` and `{}`", node.name, first.key, way.key);
                    let mark = child.key.unwrap_or(child.mark);
                    self.faults.add("CONFLICT", mark, &child.path, message, "keep one of the two");
                }
                (None, _) if details.contains(key.as_str()) => {}
                (None, _) if key == "certificate" => {
                    let message = format!("`{}` is no certificate", node.name);
                    let mark = child.key.unwrap_or(child.mark);
                    let help = "write `{ secret: NAME }`: the certificate of a vault brings its \
                        key, and is named where certificates are";
                    self.faults.add("CONFLICT", mark, &child.path, message, help);
                }
                (None, _) => {
                    let known = ways.iter().map(|way| way.key).chain(details.iter().copied());
                    self.unknown_key(node, key, child, &known.collect::<Vec<_>>(), shape);
                }
            }
        }
        let Some(way) = found else {
            if self.faults.len() == before {
                let message =
                    format!("`{}` does not say where {}", node.name, what(is_certificate));
                self.faults.add("MISSING_KEY", node.place(), &node.path, message, help);
            }
            return None;
        };
        self.taken(node, way, &details)
    }

    /// The key that says where to look with its details, each at most once.
    fn taken(&mut self, node: &Node, way: &Way, details: &BTreeSet<&'static str>) -> Option<Value> {
        let mut map = Map::new();
        for key in std::iter::once(way.key).chain(details.iter().copied()) {
            let Some(child) = node.get(key) else { continue };
            match way.map.property(key) {
                Some(shape) => _ = map.insert(key.to_owned(), self.value(child, shape)?),
                None => {
                    let message = format!(
                        "`{key}` belongs to a vault, but `{}` has `{}`",
                        node.name, way.key
                    );
                    let mark = child.key.unwrap_or(child.mark);
                    let help = format!("take `{key}` out");
                    self.faults.add("CONFLICT", mark, &child.path, message, help);
                }
            }
        }
        Some(Value::Object(map))
    }

    /// Reports what is no map.
    fn no_reference(&mut self, node: &Node, is_certificate: bool, help: &str) {
        self.faults.hide(node);
        let (code, mark, message) = match &node.value {
            Tree::Null | Tree::List(_) | Tree::Map(_) => {
                let what = what(is_certificate);
                let message = format!("`{}` does not say where {what}", node.name);
                ("WRONG_TYPE", node.place(), message)
            }
            _ if is_certificate => {
                let kind = node.value.kind();
                let message =
                    format!("`{}` must say where certificates stand, but is {kind}", node.name);
                ("WRONG_TYPE", node.mark, message)
            }
            Tree::Bool(_) | Tree::Integer(_) | Tree::Float(_) | Tree::Text(_) => {
                let message = format!("`{}` holds a secret in clear text", node.name);
                ("SECRET_IN_CLEAR", node.mark, message)
            }
        };
        self.faults.add(code, mark, &node.path, message, help);
    }
}

/// What stands somewhere.
fn what(is_certificate: bool) -> &'static str {
    if is_certificate { "certificates stand" } else { "the secret stands" }
}
