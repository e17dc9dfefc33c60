//! Where each key of the job file has its place, to help with a key in a wrong one.

use std::sync::LazyLock;

use super::{schema::Shape, tree::join};

/// The place of a key that is known somewhere, in words: `` `outputs[].batching.linger` ``.
pub(super) fn place_of(key: &str) -> Option<String> {
    let places = PLACES.iter().filter(|(name, _)| *name == key);
    let places = places.map(|(name, place)| match place == name {
        true => "at the top of the file".to_owned(),
        false => format!("`{place}`"),
    });
    let places = places.collect::<Vec<_>>();
    (!places.is_empty()).then(|| places.join(" or "))
}

/// Every key and its path.
static PLACES: LazyLock<Vec<(&'static str, String)>> = LazyLock::new(|| {
    let mut places = Vec::new();
    gather_places(Shape::root(), "", &mut places);
    places
});

fn gather_places(shape: Shape, path: &str, places: &mut Vec<(&'static str, String)>) {
    for (key, shape) in shape.properties() {
        let path = join(path, key);
        if matches!(key, "defaults" | "librdkafka") {
            continue;
        }
        gather_places(shape, &path, places);
        if let Some(items) = shape.items() {
            gather_places(items, &format!("{path}[]"), places);
        }
        places.push((key, path));
    }
}
