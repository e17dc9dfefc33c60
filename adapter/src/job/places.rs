//! Where each key of the job file has its place, to help with a key in a wrong one.

use std::sync::LazyLock;

use super::{schema::Shape, tree::join, walk::hides_wrong, words};

/// The places of a key that is known somewhere.
pub(super) struct Places {
    /// In words: `` `outputs[].batching.linger` ``.
    pub(super) words: String,
    /// Whether its value is a reference in one of them, so that another one may be a secret.
    pub(super) hold_references: bool,
}

/// The places of a key, if it is known somewhere.
pub(super) fn of(key: &str) -> Option<Places> {
    let places = PLACES.iter().filter(|place| place.key == key);
    let words = places.clone().map(|place| match place.path == place.key {
        true => "at the top of the file".to_owned(),
        false => format!("`{}`", place.path),
    });
    let words = words.collect::<Vec<_>>();
    let words = words.iter().map(String::as_str).collect::<Vec<_>>();
    (!words.is_empty()).then(|| Places {
        words: words::either(&words),
        hold_references: places.clone().any(|place| place.holds_reference),
    })
}

/// One key and its place.
struct Place {
    key: &'static str,
    path: String,
    holds_reference: bool,
}

/// Every key and its path.
static PLACES: LazyLock<Vec<Place>> = LazyLock::new(|| {
    let mut places = Vec::new();
    gather_places(Shape::root(), "", &mut places);
    places
});

fn gather_places(shape: Shape, path: &str, places: &mut Vec<Place>) {
    for (key, shape) in shape.properties() {
        let path = join(path, key);
        if matches!(key, "defaults" | "librdkafka") {
            continue;
        }
        gather_places(shape, &path, places);
        if let Some(items) = shape.items() {
            gather_places(items, &format!("{path}[]"), places);
        }
        places.push(Place { key, path, holds_reference: hides_wrong(shape) });
    }
}
