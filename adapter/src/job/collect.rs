//! Gathers the faults of a job file, so that all of them are reported in one go.

use std::collections::{BTreeSet, HashSet};

use super::{
    fault::{Fault, Faults},
    source::Source,
    tree::{Mark, Node},
};

/// The most faults that are reported of one file: nobody reads on.
pub(super) const FAULTS_MAX: usize = 100;

/// The faults found so far.
#[derive(Default)]
pub(super) struct Collector {
    found: Vec<(Fault, Mark)>,
    /// What has been said of which place: a value in `defaults` is looked at once per output.
    said: BTreeSet<(u32, u32, String)>,
    /// Paths of keys that a misspelled key most likely means, so that they are not missing.
    meant: BTreeSet<String>,
    /// Where values stand that nobody knows the meaning of, so that they may be secrets.
    unknown: HashSet<usize>,
}

impl Collector {
    /// A fault of a value or of its key.
    pub(super) fn add(
        &mut self,
        code: &'static str,
        mark: Mark,
        path: &str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let (message, help) = (message.into(), help.into());
        let Mark { line, column, .. } = mark;
        if self.said.insert((line, column, message.clone())) {
            self.found
                .push((Fault { code, line, column, path: path.to_owned(), message, help }, mark));
        }
    }

    /// Remembers that the key at this path is written, though misspelled.
    pub(super) fn meant(&mut self, path: String) {
        self.meant.insert(path);
    }

    /// Keeps a value, and the keys and values below it, from being shown.
    pub(super) fn hide(&mut self, node: &Node) {
        let mut places = Vec::new();
        node.each(&mut |node| places.extend([Some(node.mark), node.key]));
        // The first key is that of the value itself.
        let own = node.key.map(|mark| mark.start);
        let places = places.into_iter().flatten().map(|mark| mark.start);
        self.unknown.extend(places.filter(|start| Some(*start) != own));
    }

    /// Whether what is written there is not to be shown.
    pub(super) fn hides(&self, mark: Mark) -> bool {
        self.unknown.contains(&mark.start)
    }

    /// Whether a misspelled key means the one at this path.
    pub(super) fn is_meant(&self, path: &str) -> bool {
        self.meant.contains(path)
    }

    /// Whether anything is wrong with this value or with what is below it.
    pub(super) fn touches(&self, node: &Node) -> bool {
        self.found.iter().any(|(fault, _)| {
            let rest = fault.path.strip_prefix(node.path.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        })
    }

    /// Whether a fault is about this path itself.
    pub(super) fn is_about(&self, path: &str) -> bool {
        self.found.iter().any(|(fault, _)| fault.path == path)
    }

    /// How many faults there are.
    pub(super) fn len(&self) -> usize {
        self.found.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// The faults in the order of the file, each with its line.
    pub(super) fn finish(mut self, file: &str, source: &Source<'_>) -> Faults {
        self.found.sort_by_key(|(fault, _)| (fault.line, fault.column));
        let omitted = self.found.len().saturating_sub(FAULTS_MAX);
        self.found.truncate(FAULTS_MAX);
        let with_snippet = |(fault, mark)| (fault, source.snippet(mark));
        Faults::new(file, self.found.into_iter().map(with_snippet).collect(), omitted)
    }
}
