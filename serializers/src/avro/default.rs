//! The default of a field, as the bytes that a row without it gets.

use serde_json::Value;

use super::{
    schema::{Definition, Plain, Schema, Type},
    varint,
};

/// How deep defaults may go: a record that is its own field's default never ends.
const DEPTH_MAX: usize = 64;

/// Appends `value` as the type `of` writes it. Fails with what is wrong.
pub(super) fn encode(
    schema: &Schema,
    of: &Type,
    value: &Value,
    bytes: &mut Vec<u8>,
) -> Result<(), String> {
    Defaults { schema }.encode(of, value, bytes, 0)
}

struct Defaults<'a> {
    schema: &'a Schema,
}

impl Defaults<'_> {
    fn encode(
        &self,
        of: &Type,
        value: &Value,
        bytes: &mut Vec<u8>,
        depth: usize,
    ) -> Result<(), String> {
        if depth > DEPTH_MAX {
            return Err(format!("the default is nested deeper than {DEPTH_MAX} levels"));
        }
        let wrong = || format!("the default {value} is no {}", self.schema.describe(of));
        match of {
            Type::Plain(plain, _) => encode_plain(*plain, value, bytes).ok_or_else(wrong),
            Type::Array(items) => {
                let list = value.as_array().ok_or_else(wrong)?;
                if !list.is_empty() {
                    varint::append(bytes, list.len() as i64);
                }
                for item in list {
                    self.encode(items, item, bytes, depth + 1)?;
                }
                bytes.push(0);
                Ok(())
            }
            Type::Map(values) => {
                let entries = value.as_object().ok_or_else(wrong)?;
                if !entries.is_empty() {
                    varint::append(bytes, entries.len() as i64);
                }
                for (key, value) in entries {
                    append_text(bytes, key.as_bytes());
                    self.encode(values, value, bytes, depth + 1)?;
                }
                bytes.push(0);
                Ok(())
            }
            // Avro 1.12: the first branch that the value is of; before, that had to be the first.
            Type::Union(branches) => {
                let len = bytes.len();
                for (at, branch) in branches.iter().enumerate() {
                    varint::append(bytes, at as i64);
                    if self.encode(branch, value, bytes, depth + 1).is_ok() {
                        return Ok(());
                    }
                    bytes.truncate(len);
                }
                Err(wrong())
            }
            Type::Named(number) => match &self.schema.named[*number].definition {
                Definition::Record(_) => {
                    self.record(*number, value.as_object().ok_or_else(wrong)?, bytes, depth)
                }
                Definition::Enum(symbols) => {
                    let symbol = symbols.iter().position(|s| Some(s.as_str()) == value.as_str());
                    varint::append(bytes, symbol.ok_or_else(wrong)? as i64);
                    Ok(())
                }
                Definition::Fixed(size, _) => {
                    let value = byte_text(value).filter(|b| b.len() == *size).ok_or_else(wrong)?;
                    bytes.extend(value);
                    Ok(())
                }
            },
        }
    }

    fn record(
        &self,
        number: usize,
        members: &serde_json::Map<String, Value>,
        bytes: &mut Vec<u8>,
        depth: usize,
    ) -> Result<(), String> {
        let fields = self.schema.fields(number);
        if let Some(name) = members.keys().find(|name| fields.iter().all(|f| f.name != **name)) {
            return Err(format!("the default has a member `{name}`, the record no such field"));
        }
        for field in fields {
            let value = members.get(&field.name).or(field.default.as_ref());
            let value = value.ok_or_else(|| format!("the default has no `{}`", field.name))?;
            self.encode(&field.of, value, bytes, depth + 1)?;
        }
        Ok(())
    }
}

fn encode_plain(plain: Plain, value: &Value, bytes: &mut Vec<u8>) -> Option<()> {
    match plain {
        Plain::Null => value.as_null(),
        Plain::Boolean => value.as_bool().map(|value| bytes.push(value.into())),
        Plain::Int => {
            let value = i32::try_from(value.as_i64()?).ok()?;
            varint::append(bytes, value.into());
            Some(())
        }
        Plain::Long => value.as_i64().map(|value| varint::append(bytes, value)),
        Plain::Float => {
            let value = Some(value.as_f64()? as f32).filter(|value| value.is_finite())?;
            bytes.extend(value.to_le_bytes());
            Some(())
        }
        Plain::Double => value.as_f64().map(|value| bytes.extend(value.to_le_bytes())),
        Plain::Bytes => byte_text(value).map(|value| append_text(bytes, &value)),
        Plain::String => value.as_str().map(|value| append_text(bytes, value.as_bytes())),
    }
}

/// Bytes stand in JSON as the characters U+0000 to U+00FF.
fn byte_text(value: &Value) -> Option<Vec<u8>> {
    value.as_str()?.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect()
}

pub(super) fn append_text(bytes: &mut Vec<u8>, text: &[u8]) {
    varint::append(bytes, text.len() as i64);
    bytes.extend(text);
}
