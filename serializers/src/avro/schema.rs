//! An Avro schema: what its JSON means, its canonical form and its fingerprint.

use std::{collections::HashSet, fmt, sync::Arc};

use arrow_schema::TimeUnit;
use serde_json::Value;

/// A checked schema, whose top level is a record.
#[derive(Debug)]
pub(super) struct Schema {
    /// Every named type, in the order of definition.
    pub(super) named: Vec<Named>,
    /// The number of the row's record.
    pub(super) root: usize,
}

/// A type that has a name and may be referred to.
#[derive(Debug)]
pub(super) struct Named {
    /// With the namespace.
    pub(super) name: String,
    pub(super) definition: Definition,
}

#[derive(Debug)]
pub(super) enum Definition {
    Record(Vec<Field>),
    /// The symbols.
    Enum(Vec<String>),
    /// The size in bytes.
    Fixed(usize, Option<Logical>),
}

/// A field of a record.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) aliases: Vec<String>,
    /// The name of its column, if it is not the field's.
    pub(super) arrow_name: Option<String>,
    pub(super) of: Type,
    pub(super) default: Option<Value>,
    /// The default as it is written.
    pub(super) default_bytes: Option<Arc<[u8]>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Plain(Plain, Option<Logical>),
    Array(Box<Type>),
    Map(Box<Type>),
    Union(Vec<Type>),
    /// By number.
    Named(usize),
}

/// The types without a name and without parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plain {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
}

impl Plain {
    const ALL: [Self; 8] = [
        Self::Null,
        Self::Boolean,
        Self::Int,
        Self::Long,
        Self::Float,
        Self::Double,
        Self::Bytes,
        Self::String,
    ];

    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|plain| plain.name() == name)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Int => "int",
            Self::Long => "long",
            Self::Float => "float",
            Self::Double => "double",
            Self::Bytes => "bytes",
            Self::String => "string",
        }
    }
}

/// What a type's values mean. Others than these do not count, as the specification says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Logical {
    Decimal { precision: u32, scale: u32 },
    Uuid,
    Date,
    TimeMillis,
    TimeMicros,
    Timestamp { unit: TimeUnit, local: bool },
}

impl fmt::Display for Logical {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self {
            Self::Decimal { precision, scale } => {
                return write!(f, "decimal({precision}, {scale})");
            }
            Self::Uuid => return f.write_str("uuid"),
            Self::Date => return f.write_str("date"),
            Self::TimeMillis => return f.write_str("time-millis"),
            Self::TimeMicros => return f.write_str("time-micros"),
            Self::Timestamp { unit, local } => {
                f.write_str(if *local { "local-" } else { "" })?;
                unit
            }
        };
        f.write_str(match unit {
            TimeUnit::Nanosecond => "timestamp-nanos",
            TimeUnit::Microsecond => "timestamp-micros",
            TimeUnit::Millisecond | TimeUnit::Second => "timestamp-millis",
        })
    }
}

impl Schema {
    /// The fields of the record with this number.
    pub(super) fn fields(&self, record: usize) -> &[Field] {
        match &self.named[record].definition {
            Definition::Record(fields) => fields,
            Definition::Enum(_) | Definition::Fixed(..) => &[],
        }
    }

    /// A type as a person may call it.
    pub(super) fn describe(&self, of: &Type) -> String {
        match of {
            Type::Plain(plain, None) => plain.name().to_owned(),
            Type::Plain(plain, Some(logical)) => format!("{} ({logical})", plain.name()),
            Type::Array(items) => format!("array of {}", self.describe(items)),
            Type::Map(values) => format!("map of {}", self.describe(values)),
            Type::Union(branches) => {
                let branches: Vec<String> = branches.iter().map(|b| self.describe(b)).collect();
                format!("[{}]", branches.join(", "))
            }
            Type::Named(number) => {
                let Named { name, definition } = &self.named[*number];
                match definition {
                    Definition::Record(_) => format!("record {name}"),
                    Definition::Enum(_) => format!("enum {name}"),
                    Definition::Fixed(size, None) => format!("fixed {name} of {size} bytes"),
                    Definition::Fixed(size, Some(logical)) => {
                        format!("fixed {name} of {size} bytes ({logical})")
                    }
                }
            }
        }
    }

    /// The *Parsing Canonical Form* of the specification.
    pub(super) fn canonical(&self) -> String {
        let mut text = String::new();
        self.write_canonical(&Type::Named(self.root), &mut HashSet::new(), &mut text);
        text
    }

    /// CRC-64-AVRO of the canonical form.
    pub(super) fn fingerprint(&self) -> u64 {
        rabin(self.canonical().as_bytes())
    }

    fn write_canonical(&self, of: &Type, defined: &mut HashSet<usize>, text: &mut String) {
        match of {
            Type::Plain(plain, _) => *text += &format!("\"{}\"", plain.name()),
            Type::Array(items) => {
                text.push_str("{\"type\":\"array\",\"items\":");
                self.write_canonical(items, defined, text);
                text.push('}');
            }
            Type::Map(values) => {
                text.push_str("{\"type\":\"map\",\"values\":");
                self.write_canonical(values, defined, text);
                text.push('}');
            }
            Type::Union(branches) => {
                text.push('[');
                for (at, branch) in branches.iter().enumerate() {
                    text.push_str(if at == 0 { "" } else { "," });
                    self.write_canonical(branch, defined, text);
                }
                text.push(']');
            }
            Type::Named(number) => {
                let Named { name, definition } = &self.named[*number];
                if !defined.insert(*number) {
                    *text += &format!("\"{name}\"");
                    return;
                }
                *text += &format!("{{\"name\":\"{name}\",\"type\":");
                self.write_definition(definition, defined, text);
                text.push('}');
            }
        }
    }

    fn write_definition(
        &self,
        definition: &Definition,
        defined: &mut HashSet<usize>,
        text: &mut String,
    ) {
        match definition {
            Definition::Record(fields) => {
                text.push_str("\"record\",\"fields\":[");
                for (at, field) in fields.iter().enumerate() {
                    text.push_str(if at == 0 { "" } else { "," });
                    *text += &format!("{{\"name\":\"{}\",\"type\":", field.name);
                    self.write_canonical(&field.of, defined, text);
                    text.push('}');
                }
                text.push(']');
            }
            Definition::Enum(symbols) => {
                *text += &format!("\"enum\",\"symbols\":[\"{}\"]", symbols.join("\",\""));
            }
            Definition::Fixed(size, _) => *text += &format!("\"fixed\",\"size\":{size}"),
        }
    }
}

/// CRC-64-AVRO, the specification's Rabin fingerprint.
pub(super) fn rabin(bytes: &[u8]) -> u64 {
    const EMPTY: u64 = 0xc15d_213a_a4d7_a795;
    static TABLE: [u64; 256] = {
        let mut table = [0; 256];
        let mut at = 0;
        while at < 256 {
            let mut value = at as u64;
            let mut bit = 0;
            while bit < 8 {
                value = (value >> 1) ^ (EMPTY & (value & 1).wrapping_neg());
                bit += 1;
            }
            table[at] = value;
            at += 1;
        }
        table
    };
    bytes.iter().fold(EMPTY, |crc, &byte| (crc >> 8) ^ TABLE[usize::from(crc as u8 ^ byte)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_those_of_the_specification() {
        // `share/test/data/schema-tests.txt` of Avro.
        let vectors = [
            (r#""null""#, 7_195_948_357_588_979_594),
            (r#""boolean""#, -6_970_731_678_124_411_036),
            (r#""int""#, 8_247_732_601_305_521_295),
            (r#""long""#, -3_434_872_931_120_570_953),
            (r#""float""#, 5_583_340_709_985_441_680),
            (r#""double""#, -8_181_574_048_448_539_266),
            (r#""bytes""#, 5_746_618_253_357_095_269),
            (r#""string""#, -8_142_146_995_180_207_161),
            ("[]", -1_241_056_759_729_112_623),
            (r#"["int"]"#, -5_232_228_896_498_058_493),
            (r#"["int","boolean"]"#, 5_392_556_393_470_105_090),
            (r#"{"name":"foo","type":"record","fields":[]}"#, -4_824_392_279_771_201_922),
        ];
        for (canonical, fingerprint) in vectors {
            assert_eq!(rabin(canonical.as_bytes()) as i64, fingerprint, "{canonical}");
        }
    }
}
