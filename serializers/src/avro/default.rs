//! The default of a field, as the bytes that a row without it gets.

use std::collections::HashSet;

use serde_json::Value;

use super::{
    schema::{Definition, Plain, Schema, Type},
    varint,
};

/// How deep defaults may go: a record that is its own field's default never ends.
const DEPTH_MAX: usize = 64;

/// How much may be read and written for all defaults of a schema: few characters can stand for
/// any number of values, as every `{}` for a record brings the defaults of its fields.
const WORK_MAX: usize = 1 << 22;

/// Writes the defaults of a schema.
pub(super) struct Defaults<'a> {
    schema: &'a Schema,
    bytes: Vec<u8>,
    /// What is left of [`WORK_MAX`].
    work_left: usize,
}

/// Why a default cannot be written.
enum Wrong<'a> {
    /// It is none of its type: a union goes on with its next branch.
    Mismatch(Mismatch<'a>),
    /// What no other branch mends.
    Endless(String),
}

/// What is told only if no branch of a union takes the value.
enum Mismatch<'a> {
    Value(&'a Value, &'a Type),
    SurplusMember(&'a str),
    MissingMember(&'a str),
}

impl<'a> Defaults<'a> {
    pub(super) fn new(schema: &'a Schema) -> Self {
        Self { schema, bytes: Vec::new(), work_left: WORK_MAX }
    }

    /// `value` as the type `of` writes it. Fails with what is wrong.
    pub(super) fn write(&mut self, of: &'a Type, value: &'a Value) -> Result<Vec<u8>, String> {
        self.bytes.clear();
        match self.value(of, value, 0) {
            Ok(()) => Ok(self.bytes.clone()),
            Err(Wrong::Endless(reason)) => Err(reason),
            Err(Wrong::Mismatch(mismatch)) => Err(match mismatch {
                Mismatch::Value(value, of) => {
                    format!("the default {value} is no {}", self.schema.describe(of))
                }
                Mismatch::SurplusMember(name) => {
                    format!("the default has a member `{name}`, the record no such field")
                }
                Mismatch::MissingMember(name) => format!("the default has no `{name}`"),
            }),
        }
    }

    fn work(&mut self, amount: usize) -> Result<(), Wrong<'a>> {
        let left = self.work_left.checked_sub(amount);
        self.work_left = left.ok_or_else(|| {
            Wrong::Endless("the defaults, and those within them, become too large".to_owned())
        })?;
        Ok(())
    }

    fn value(&mut self, of: &'a Type, value: &'a Value, depth: usize) -> Result<(), Wrong<'a>> {
        if depth > DEPTH_MAX {
            let reason = format!("the default is nested deeper than {DEPTH_MAX} levels");
            return Err(Wrong::Endless(reason));
        }
        self.work(1 + value.as_str().map_or(0, str::len))?;
        let wrong = || Wrong::Mismatch(Mismatch::Value(value, of));
        match of {
            Type::Plain(plain, _) => {
                encode_plain(*plain, value, &mut self.bytes).ok_or_else(wrong)?;
            }
            Type::Array(items) => {
                let list = value.as_array().ok_or_else(wrong)?;
                if !list.is_empty() {
                    varint::append(&mut self.bytes, list.len() as i64);
                }
                for item in list {
                    self.value(items, item, depth + 1)?;
                }
                self.bytes.push(0);
            }
            Type::Map(values) => {
                let entries = value.as_object().ok_or_else(wrong)?;
                if !entries.is_empty() {
                    varint::append(&mut self.bytes, entries.len() as i64);
                }
                for (key, value) in entries {
                    self.work(key.len())?;
                    append_text(&mut self.bytes, key.as_bytes());
                    self.value(values, value, depth + 1)?;
                }
                self.bytes.push(0);
            }
            // Avro 1.12: the first branch that the value is of; before, that had to be the first.
            Type::Union(branches) => {
                let len = self.bytes.len();
                for (at, branch) in branches.iter().enumerate() {
                    varint::append(&mut self.bytes, at as i64);
                    match self.value(branch, value, depth + 1) {
                        Err(Wrong::Mismatch(_)) => self.bytes.truncate(len),
                        done => return done,
                    }
                }
                return Err(wrong());
            }
            Type::Named(number) => match &self.schema.named[*number].definition {
                Definition::Record(_) => {
                    self.record(*number, value.as_object().ok_or_else(wrong)?, depth)?;
                }
                Definition::Enum(symbols) => {
                    self.work(symbols.len())?;
                    let symbol = symbols.iter().position(|s| Some(s.as_str()) == value.as_str());
                    varint::append(&mut self.bytes, symbol.ok_or_else(wrong)? as i64);
                }
                Definition::Fixed(size, _) => {
                    let value = byte_text(value).filter(|b| b.len() == *size).ok_or_else(wrong)?;
                    self.bytes.extend(value);
                }
            },
        }
        Ok(())
    }

    fn record(
        &mut self,
        number: usize,
        members: &'a serde_json::Map<String, Value>,
        depth: usize,
    ) -> Result<(), Wrong<'a>> {
        let fields = self.schema.fields(number);
        self.work(fields.len() + members.len())?;
        let names: HashSet<&str> = fields.iter().map(|field| field.name.as_str()).collect();
        if let Some(name) = members.keys().find(|name| !names.contains(name.as_str())) {
            return Err(Wrong::Mismatch(Mismatch::SurplusMember(name)));
        }
        for field in fields {
            let value = members.get(&field.name).or(field.default.as_ref());
            let missing = || Wrong::Mismatch(Mismatch::MissingMember(&field.name));
            self.value(&field.of, value.ok_or_else(missing)?, depth + 1)?;
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
