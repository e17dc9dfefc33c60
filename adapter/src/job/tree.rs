//! The job file as a tree that remembers where everything stands.

use std::{collections::HashSet, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::{DuplicateKeyPolicy, Error, Location, NonFiniteFloatPolicy, Options, Spanned};

use super::secrecy;

/// A place in the file. Lines and columns count from 1, the rest in bytes from 0.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mark {
    pub(super) line: u32,
    pub(super) column: u32,
    pub(super) start: usize,
    pub(super) len: usize,
}

/// One value of the file.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) value: Tree,
    /// Where the value is written; of an alias, where its anchor is.
    pub(super) mark: Mark,
    /// Where the key stands that the value belongs to.
    pub(super) key: Option<Mark>,
    /// Such as `outputs[0].batching.linger`; empty for the root.
    pub(super) path: String,
    /// The last part of the path, such as `linger` or `outputs[0]`.
    pub(super) name: String,
    /// Whether the value may be a secret, so that it must not be shown.
    pub(super) hidden: bool,
}

/// What a value is.
#[derive(Debug)]
pub(super) enum Tree {
    Null,
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    /// In the order of the file. A key that is there twice is here twice.
    Map(Vec<(String, Node)>),
}

// What a job file may hold at most: a thousand outputs that each give every key, and no more.
pub(super) const NODES_MAX: usize = 100_000;
pub(super) const DEPTH_MAX: usize = 16;
pub(super) const ALIASES_MAX: usize = 1_000;

/// Reads YAML. A key given twice is kept twice, so that the walk can report it with the rest.
pub(super) fn parse(text: &str) -> Result<Node, Error> {
    let node = serde_saphyr::from_str_with_options::<Spanned<Tree>>(text, options())?;
    let mut root = Node::from(node);
    root.settle_in(None, false, &HashSet::new());
    // An alias shows what its anchor holds: where one place hides it, every place must.
    let mut hidden = HashSet::new();
    root.each(&mut |node| {
        if node.hidden && node.is_scalar() {
            hidden.insert(node.mark.start);
        }
    });
    root.settle_in(None, false, &hidden);
    Ok(root)
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: 3 * NODES_MAX,
            max_nodes: NODES_MAX,
            max_depth: DEPTH_MAX,
            flow_nesting_limit: DEPTH_MAX,
            max_aliases: ALIASES_MAX,
            max_anchors: ALIASES_MAX,
            max_merge_keys: ALIASES_MAX,
            max_recorded_anchor_events: NODES_MAX,
            max_recorded_anchor_bytes: 1 << 20,
            // The second one is refused by what says so.
            max_documents: 2,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: NODES_MAX,
            max_replay_stack_depth: DEPTH_MAX,
            max_alias_expansions_per_anchor: ALIASES_MAX,
        },
        duplicate_keys: DuplicateKeyPolicy::LastWins,
        strict_booleans: true,
        reject_unsupported_tags: true,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        // Its snippets show neighbouring lines, and with them secrets.
        with_snippet: false,
    }
}

impl Node {
    /// The value of a key, if this is a map that has it.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Tree::Map(entries) => {
                entries.iter().find(|(name, _)| name == key).map(|(_, node)| node)
            }
            _ => None,
        }
    }

    /// The keys of a map and their values, in the order of the file.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&str, &Node)> {
        let entries = match &self.value {
            Tree::Map(entries) => entries.as_slice(),
            _ => &[],
        };
        entries.iter().map(|(key, node)| (key.as_str(), node))
    }

    /// An item, if this is a list that has so many.
    pub(super) fn item(&self, index: usize) -> Option<&Node> {
        match &self.value {
            Tree::List(items) => items.get(index),
            _ => None,
        }
    }

    /// The value at a path of keys, such as `batching.linger`.
    pub(super) fn find(&self, path: &str) -> Option<&Node> {
        path.split('.').try_fold(self, |node, key| node.get(key))
    }

    /// Where to point for a fault of this value: a map, a list or nothing has no place of its own
    /// that a reader would recognise, so its key stands for it.
    pub(super) fn place(&self) -> Mark {
        match (&self.value, self.key) {
            (Tree::Null | Tree::List(_) | Tree::Map(_), Some(key)) => key,
            _ => self.mark,
        }
    }

    /// Whether something is written for the value, and be it a word that YAML reads as nothing.
    pub(super) fn is_written(&self) -> bool {
        self.mark.len > 0
    }

    /// Calls `visit` with every node of the tree, this one first.
    pub(super) fn each<'a>(&'a self, visit: &mut impl FnMut(&'a Node)) {
        visit(self);
        match &self.value {
            Tree::List(items) => items.iter().for_each(|item| item.each(visit)),
            Tree::Map(entries) => entries.iter().for_each(|(_, node)| node.each(visit)),
            Tree::Null | Tree::Bool(_) | Tree::Integer(_) | Tree::Float(_) | Tree::Text(_) => {}
        }
    }

    /// Gives all nodes below this one their paths, and says which may be secrets: by their keys,
    /// by themselves, or by where they are written.
    fn settle_in(&mut self, key: Option<&str>, inside_hidden: bool, places: &HashSet<usize>) {
        self.hidden = inside_hidden
            || secrecy::hides(key, &self.value)
            || (self.is_scalar() && places.contains(&self.mark.start));
        match &mut self.value {
            Tree::List(items) => {
                let hidden = inside_hidden || key.is_some_and(secrecy::hides_all_below);
                for (index, item) in items.iter_mut().enumerate() {
                    item.path = format!("{}[{index}]", self.path);
                    item.name = format!("{}[{index}]", self.name);
                    item.settle_in(key, hidden, places);
                }
            }
            Tree::Map(entries) => {
                for (inside, node) in entries {
                    let hidden =
                        inside_hidden || key.is_some_and(|key| secrecy::hides_inside(key, inside));
                    let foreign = node.key.is_some_and(|mark| places.contains(&mark.start));
                    node.name = secrecy::show_key(inside, hidden || foreign).into_owned();
                    node.path = join(&self.path, &node.name);
                    node.settle_in(Some(inside.as_str()), hidden, places);
                }
            }
            Tree::Null | Tree::Bool(_) | Tree::Integer(_) | Tree::Float(_) | Tree::Text(_) => {}
        }
    }

    fn is_scalar(&self) -> bool {
        !matches!(self.value, Tree::List(_) | Tree::Map(_))
    }
}

/// The path of a key below the path of its map.
pub(super) fn join(path: &str, key: &str) -> String {
    match path {
        "" => key.to_owned(),
        _ => format!("{path}.{key}"),
    }
}

impl Tree {
    /// What this is, in words.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "a boolean",
            Self::Integer(_) | Self::Float(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

impl From<Location> for Mark {
    fn from(location: Location) -> Self {
        let number = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
        let bytes = |value: Option<u64>| value.and_then(|value| usize::try_from(value).ok());
        Self {
            line: number(location.line()),
            column: number(location.column()),
            start: bytes(location.span().byte_offset()).unwrap_or(0),
            len: bytes(location.span().byte_len()).unwrap_or(0),
        }
    }
}

impl From<Spanned<Tree>> for Node {
    fn from(spanned: Spanned<Tree>) -> Self {
        Self {
            value: spanned.value,
            mark: spanned.defined.into(),
            key: None,
            path: String::new(),
            name: String::new(),
            hidden: false,
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_none<E: de::Error>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Integer(value.into()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Integer(value.into()))
    }

    fn visit_i128<E: de::Error>(self, value: i128) -> Result<Tree, E> {
        Ok(Tree::Integer(value))
    }

    fn visit_u128<E: de::Error>(self, value: u128) -> Result<Tree, E> {
        Ok(Tree::Integer(value.try_into().unwrap_or(i128::MAX)))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Float(value))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Text(value.to_owned()))
    }

    fn visit_string<E: de::Error>(self, value: String) -> Result<Tree, E> {
        Ok(Tree::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element::<Spanned<Tree>>()? {
            list.push(item.into());
        }
        Ok(Tree::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Tree, A::Error> {
        let mut map = Vec::new();
        while let Some((key, value)) = entries.next_entry::<Spanned<String>, Spanned<Tree>>()? {
            let node = Node { key: Some(key.defined.into()), ..Node::from(value) };
            map.push((key.value, node));
        }
        Ok(Tree::Map(map))
    }
}
