//! What a JSON value looks like, and what holds two of them.
use std::fmt;

use arrow_schema::{DataType, Field, Fields};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Integers up to here are exact as float64.
const EXACT_MAX: u64 = 1 << 53;

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
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShapeVisitor)
    }
}

struct ShapeVisitor;

impl<'de> Visitor<'de> for ShapeVisitor {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Shape, E> {
        Ok(Shape::Null)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Shape, E> {
        Ok(Shape::Bool)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Shape, E> {
        Ok(Shape::Int { wide: number.unsigned_abs() > EXACT_MAX })
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Shape, E> {
        match i64::try_from(number) {
            Ok(number) => self.visit_i64(number),
            Err(_) => Ok(Shape::Mixed), // as JSON it keeps its digits
        }
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Shape, E> {
        Ok(Shape::Float)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Shape, E> {
        Ok(Shape::Text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Shape, A::Error> {
        let mut shape = Shape::Null;
        while let Some(item) = items.next_element::<Shape>()? {
            shape = shape.merge(item);
        }
        Ok(Shape::List(Box::new(shape)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Shape, A::Error> {
        let mut fields: Vec<(String, Shape)> = Vec::new();
        while let Some((name, shape)) = entries.next_entry::<String, Shape>()? {
            if fields.iter().any(|(known, _)| *known == name) {
                return Err(A::Error::custom(format_args!("the key `{name}` is there twice")));
            }
            fields.push((name, shape));
        }
        Ok(Shape::Record(fields))
    }
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
}
