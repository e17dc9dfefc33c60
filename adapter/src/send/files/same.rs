//! Whether files have the same columns.
use std::path::Path;

use arrow_schema::{Schema, SchemaRef};

use super::{FileError, Survey};

/// The columns of all files, if they are the same.
pub(super) fn same_schema(surveys: &[Survey]) -> Result<SchemaRef, FileError> {
    let [first, others @ ..] = surveys else {
        return Err(FileError::new(Path::new(""), "no file is named"));
    };
    if first.schema.fields().is_empty() {
        return Err(FileError::new(&first.path, "has no columns"));
    }
    for other in others {
        if let Some(difference) = difference(&first.schema, &other.schema) {
            return Err(other_columns(&other.path, &first.path, &difference));
        }
    }
    Ok(first.schema.clone())
}

/// What is wrong with a file whose columns are not those of the first.
pub(super) fn other_columns(path: &Path, first: &Path, difference: &str) -> FileError {
    let first = first.display();
    FileError::new(
        path,
        format!("its columns are not those of {first}: {difference}; send them apart"),
    )
}

fn difference(one: &Schema, other: &Schema) -> Option<String> {
    if one.fields() == other.fields() {
        return None;
    }
    let names = |schema: &Schema| {
        schema.fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>()
    };
    if names(one) != names(other) {
        return Some(format!("{} there, {} here", names(one).join(", "), names(other).join(", ")));
    }
    let mut both = one.fields().iter().zip(other.fields());
    let (there, here) = both.find(|(there, here)| there != here)?;
    Some(match there.data_type() == here.data_type() {
        true if there.is_nullable() != here.is_nullable() => {
            format!("column `{}` may be null in one of them only", there.name())
        }
        true => format!("column `{}` has other metadata", there.name()),
        false => {
            let (name, there, here) = (there.name(), there.data_type(), here.data_type());
            format!("column `{name}` is {there} there, {here} here")
        }
    })
}
