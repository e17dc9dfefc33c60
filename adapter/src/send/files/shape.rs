//! What a JSON value looks like, and what holds two of them.
use arrow_schema::{DataType, Field, Fields};
use serde::de::{Deserialize, Deserializer, Error};
use serde_json::value::RawValue;

use super::{
    entries::{Entries, Text},
    guess::{Number, json_number},
};

/// Deeper values are taken for an attack on the stack. It is the limit of `serde_json`.
const DEPTH_MAX: usize = 128;

/// The shape of a JSON value, or of all values of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// Nothing but null.
    Null,
    /// true or false.
    Bool,
    /// Integers of 64 bits. `wide`: one of them is not exact as a float64.
    Int {
        /// See above.
        wide: bool,
    },
    /// Numbers.
    Float,
    /// Text.
    Text,
    /// Arrays of one shape.
    List(Box<Shape>),
    /// Objects; their fields in order of appearance.
    Record(Vec<(String, Shape)>),
    /// Values that no one type holds: they stay JSON.
    Mixed,
}

impl Shape {
    /// The shape that holds both.
    pub fn merge(self, other: Self) -> Self {
        match (self, other) {
            (Self::Null, shape) | (shape, Self::Null) => shape,
            (Self::Bool, Self::Bool) => Self::Bool,
            (Self::Text, Self::Text) => Self::Text,
            (Self::Int { wide: one }, Self::Int { wide: other }) => {
                Self::Int { wide: one || other }
            }
            (Self::Float, Self::Float | Self::Int { wide: false })
            | (Self::Int { wide: false }, Self::Float) => Self::Float,
            (Self::List(one), Self::List(other)) => Self::List(Box::new(one.merge(*other))),
            (Self::Record(one), Self::Record(other)) => Self::Record(merge_fields(one, other)),
            _ => Self::Mixed,
        }
    }

    /// The Arrow type; none if it has to stay JSON.
    pub fn data_type(&self) -> Option<DataType> {
        Some(match self {
            Self::Null | Self::Text => DataType::Utf8,
            Self::Bool => DataType::Boolean,
            Self::Int { .. } => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::List(item) => DataType::new_list(item.data_type()?, true),
            Self::Record(fields) if fields.is_empty() => return None,
            Self::Record(fields) => {
                let fields = fields
                    .iter()
                    .map(|(name, shape)| Some(Field::new(name, shape.data_type()?, true)));
                DataType::Struct(fields.collect::<Option<Fields>>()?)
            }
            Self::Mixed => return None,
        })
    }
}

/// Merges the fields of two records.
pub fn merge_fields(
    mut one: Vec<(String, Shape)>,
    other: Vec<(String, Shape)>,
) -> Vec<(String, Shape)> {
    for (index, (name, shape)) in other.into_iter().enumerate() {
        // Most records have the same fields in the same order.
        let same = one.get(index).is_some_and(|(known, _)| *known == name);
        let place = match same {
            true => Some(index),
            false => one.iter().position(|(known, _)| *known == name),
        };
        match place {
            Some(place) => {
                let known = std::mem::replace(&mut one[place].1, Shape::Null);
                one[place].1 = known.merge(shape);
            }
            None => one.push((name, shape)),
        }
    }
    one
}

impl<'de> Deserialize<'de> for Shape {
    /// By the text of each value: a parsed number has lost the digits that do not fit.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        shape(raw.get(), DEPTH_MAX).map_err(D::Error::custom)
    }
}

/// The shape of a value, by its text, which is JSON.
fn shape(text: &str, depth: usize) -> Result<Shape, String> {
    let deeper = || depth.checked_sub(1).ok_or_else(|| "it is nested too deeply".to_owned());
    let fault = |error: serde_json::Error| error.to_string();
    Ok(match text.as_bytes().first() {
        Some(b'n') => Shape::Null,
        Some(b't' | b'f') => Shape::Bool,
        Some(b'"') => {
            // A raw value may have escapes that stand for no text.
            if text.contains('\\') {
                serde_json::from_str::<Text<'_>>(text).map_err(fault)?;
            }
            Shape::Text
        }
        Some(b'[') => {
            let (depth, items) = (deeper()?, serde_json::from_str::<Vec<&RawValue>>(text));
            let items = items.map_err(fault)?;
            let all = items.into_iter().try_fold(Shape::Null, |all, item| {
                Ok::<_, String>(all.merge(shape(item.get(), depth)?))
            });
            Shape::List(Box::new(all?))
        }
        Some(b'{') => {
            let (depth, entries) = (deeper()?, serde_json::from_str::<Entries<'_>>(text));
            let entries = entries.map_err(fault)?.0.into_iter();
            let fields =
                entries.map(|(name, value)| Ok((name.into_owned(), shape(value.get(), depth)?)));
            Shape::Record(fields.collect::<Result<_, String>>()?)
        }
        _ => match json_number(text) {
            Some(Number::Int { wide }) => Shape::Int { wide },
            Some(Number::Float) => Shape::Float,
            None => Shape::Mixed, // as JSON it keeps its digits
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[&str], expected: Option<&str>) {
        let shapes = values.iter().map(|value| serde_json::from_str::<Shape>(value).unwrap());
        let shape = shapes.reduce(Shape::merge).unwrap();
        let shown = shape.data_type().map(|data_type| data_type.to_string());
        assert_eq!(shown.as_deref(), expected, "{values:?}");
    }

    #[test]
    fn shapes_widen_only_where_nothing_is_lost() {
        check(&["null"], Some("Utf8"));
        check(&["1", "null", "-2"], Some("Int64"));
        check(&["1", "2.5"], Some("Float64"));
        check(&["9007199254740993", "2.5"], None);
        check(&["18446744073709551615"], None);
        check(&["1", "100000000000000000000000000001"], None);
        check(&["-9223372036854775809"], None);
        check(&["[18446744073709551616]"], None);
        check(&["0.12345678901234567890"], None);
        check(&["1e400"], None);
        check(&["1e30", "-0", "1.50"], Some("Float64"));
        check(&["1", "\"1\""], None);
        check(&["true", "1"], None);
        check(&["[1, 2.5]", "[]", "null"], Some("List(Float64)"));
        check(&["[1, \"a\"]"], None);
        check(&["{}"], None);
        check(
            &[r#"{"b": 1}"#, r#"{"a": "x", "b": 2.5}"#],
            Some(r#"Struct("b": Float64, "a": Utf8)"#),
        );
        check(&[r#"{"b": 1}"#, r#"{"b": "x"}"#], None);
    }

    #[test]
    fn a_key_that_is_there_twice_is_an_error() {
        let error = serde_json::from_str::<Shape>(r#"{"a": {"b": 1, "b": 2}}"#).unwrap_err();
        assert!(error.to_string().contains("the key `b` is there twice"), "{error}");
    }

    #[test]
    fn an_escape_that_stands_for_no_text_is_an_error() {
        assert!(serde_json::from_str::<Shape>(r#"["\ud83d\ude00"]"#).is_ok());
        let error = serde_json::from_str::<Shape>(r#"[{"a": "\ud83d"}]"#).unwrap_err();
        assert!(error.to_string().contains("hex escape"), "{error}");
    }

    #[test]
    fn a_value_that_is_nested_too_deeply_is_an_error() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(serde_json::from_str::<Shape>(&nested(128)).is_ok());
        let error = serde_json::from_str::<Shape>(&nested(100_000)).unwrap_err();
        assert!(error.to_string().contains("nested too deeply"), "{error}");
    }
}
