//! The schema as every format sees it: types checked, fields numbered, depth bounded.

use std::collections::HashSet;

use arrow_schema::{DataType, Field, Fields, TimeUnit};

use crate::avro::AvroDifference;

/// How deep lists, structs, maps and dictionaries may be nested. Walking them recurses.
pub const DEPTH_MAX: usize = 64;

/// Why a schema cannot be encoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A type that no record can hold.
    #[error(
        "column `{column}` has type {data_type}, which cannot be written: cast it to another type"
    )]
    TypeUnsupported {
        /// The column, such as `a.b[]`.
        column: String,
        /// Its Arrow type.
        data_type: String,
    },
    /// A map whose keys have no text.
    #[error(
        "column `{column}` is a map with keys of type {data_type}: \
         keys must be text, integers or booleans"
    )]
    MapKeyUnsupported {
        /// The map's column.
        column: String,
        /// The Arrow type of its keys.
        data_type: String,
    },
    /// Two columns, or two fields of a struct, with one name.
    #[error("two columns are named `{column}`: rename one of them")]
    NameDuplicate {
        /// The name, with the path to it.
        column: String,
    },
    /// A schema without columns, in a format whose rows are nothing then.
    #[error("the rows have no columns, and a line of CSV needs one at least")]
    NoColumns,
    /// Nesting beyond [`DEPTH_MAX`].
    #[error("column `{column}` is nested deeper than {DEPTH_MAX} levels")]
    TooDeep {
        /// The column, down to the level that is too deep.
        column: String,
    },
    /// An Avro schema, or the name of one, that is not valid.
    #[error("the Avro schema is not valid at {at}: {reason}")]
    AvroSchemaInvalid {
        /// Where in the schema: `fields[2].type.items`.
        at: String,
        /// What is wrong there.
        reason: String,
    },
    /// A given Avro schema that the columns do not fit.
    #[error("the columns do not fit the Avro schema: {}", list(differences))]
    AvroSchemaMismatch {
        /// All differences.
        differences: Vec<AvroDifference>,
    },
}

/// How many differences an error's text lists. Nobody reads more, and protocols bound it.
const DIFFERENCES_TOLD_MAX: usize = 20;

fn list(differences: &[AvroDifference]) -> String {
    let one = |d: &AvroDifference| format!("column `{}` {}", d.column, d.reason);
    let mut told: Vec<_> = differences.iter().take(DIFFERENCES_TOLD_MAX).map(one).collect();
    if let Some(more @ 1..) = differences.len().checked_sub(DIFFERENCES_TOLD_MAX) {
        told.push(format!("and {more} more"));
    }
    told.join("; ")
}

impl PlanError {
    /// The code for programs; it never changes.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TypeUnsupported { .. } => "TYPE_UNSUPPORTED",
            Self::MapKeyUnsupported { .. } => "MAP_KEY_UNSUPPORTED",
            Self::NameDuplicate { .. } => "NAME_DUPLICATE",
            Self::NoColumns => "NO_COLUMNS",
            Self::TooDeep { .. } => "TOO_DEEP",
            Self::AvroSchemaInvalid { .. } => "AVRO_SCHEMA_INVALID",
            Self::AvroSchemaMismatch { .. } => "AVRO_SCHEMA_MISMATCH",
        }
    }
}

/// What a column is made of.
#[derive(Debug)]
pub(crate) enum Shape {
    /// One value, as its Arrow type says.
    Scalar,
    /// Text that is JSON.
    Json,
    /// Lists of all kinds.
    List(Box<Shape>),
    /// A struct.
    Struct(Members),
    /// A map: keys and values.
    Map(Box<Shape>, Box<Shape>),
    /// A dictionary: the values that its keys stand for.
    Dictionary(Box<Shape>),
}

/// The fields of a struct, or the columns of the schema.
#[derive(Debug)]
pub(crate) struct Members {
    /// The number of the first field; the others follow. What a format prepares for every field
    /// stands in a list under these numbers.
    pub(crate) first: usize,
    pub(crate) shapes: Vec<Shape>,
}

/// A checked schema.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) root: Members,
    /// The name of every field, by number.
    pub(crate) names: Vec<String>,
}

impl Tree {
    /// Checks and numbers `fields`.
    pub(crate) fn build(fields: &Fields) -> Result<Self, PlanError> {
        let mut builder = Builder { names: Vec::new(), path: String::new() };
        let root = builder.members(fields, 0)?;
        Ok(Self { root, names: builder.names })
    }
}

struct Builder {
    names: Vec<String>,
    /// Where we are, for errors.
    path: String,
}

impl Builder {
    fn members(&mut self, fields: &Fields, depth: usize) -> Result<Members, PlanError> {
        let first = self.names.len();
        let mut seen = HashSet::new();
        for field in fields {
            if !seen.insert(field.name()) {
                let column = join(&self.path, field.name());
                return Err(PlanError::NameDuplicate { column });
            }
            self.names.push(field.name().clone());
        }
        let mut shapes = Vec::with_capacity(fields.len());
        for field in fields {
            let len = self.path.len();
            self.path = join(&self.path, field.name());
            shapes.push(self.field(field, depth)?);
            self.path.truncate(len);
        }
        Ok(Members { first, shapes })
    }

    fn field(&mut self, field: &Field, depth: usize) -> Result<Shape, PlanError> {
        let json = field.extension_type_name() == Some("arrow.json");
        self.shape(field.data_type(), json, depth)
    }

    fn shape(&mut self, of: &DataType, json: bool, depth: usize) -> Result<Shape, PlanError> {
        if depth >= DEPTH_MAX {
            return Err(PlanError::TooDeep { column: self.path.clone() });
        }
        let deeper = depth + 1;
        Ok(match of {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View if json => Shape::Json,
            of if is_scalar(of) => Shape::Scalar,
            DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
                Shape::List(Box::new(self.below("[]", |b| b.field(item, deeper))?))
            }
            DataType::Struct(fields) => Shape::Struct(self.members(fields, deeper)?),
            DataType::Map(entries, _) => match entries.data_type() {
                DataType::Struct(fields) if fields.len() == 2 => {
                    let (key, value) = (&fields[0], &fields[1]);
                    self.map_key(key.data_type())?;
                    // A key is text, even if that text is JSON.
                    let key = self.below("[].key", |b| b.shape(key.data_type(), false, deeper))?;
                    let value = self.below("[].value", |b| b.field(value, deeper))?;
                    Shape::Map(Box::new(key), Box::new(value))
                }
                _ => return Err(self.unsupported(of)),
            },
            DataType::Dictionary(key, value) if key.is_dictionary_key_type() => {
                Shape::Dictionary(Box::new(self.shape(value, json, deeper)?))
            }
            _ => return Err(self.unsupported(of)),
        })
    }

    fn below(
        &mut self,
        step: &str,
        build: impl FnOnce(&mut Self) -> Result<Shape, PlanError>,
    ) -> Result<Shape, PlanError> {
        let len = self.path.len();
        self.path.push_str(step);
        let shape = build(self)?;
        self.path.truncate(len);
        Ok(shape)
    }

    fn map_key(&self, key: &DataType) -> Result<(), PlanError> {
        let inner = without_dictionary(key);
        if is_text(inner) || inner.is_integer() || *inner == DataType::Boolean {
            return Ok(());
        }
        Err(PlanError::MapKeyUnsupported { column: self.path.clone(), data_type: key.to_string() })
    }

    fn unsupported(&self, of: &DataType) -> PlanError {
        PlanError::TypeUnsupported { column: self.path.clone(), data_type: of.to_string() }
    }
}

/// The path of a field of what `path` names.
pub(crate) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// The type of the values that a dictionary's keys stand for, at last; any other type as it is.
pub(crate) fn without_dictionary(mut of: &DataType) -> &DataType {
    while let DataType::Dictionary(_, value) = of {
        of = value;
    }
    of
}

/// Whether a timestamp's zone is one: empty text is none.
pub(crate) fn has_zone(zone: Option<&str>) -> bool {
    zone.is_some_and(|zone| !zone.is_empty())
}

/// Whether values of this type are text.
pub(crate) fn is_text(of: &DataType) -> bool {
    matches!(of, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// Whether this type holds single values that can be written.
fn is_scalar(of: &DataType) -> bool {
    match of {
        DataType::Null
        | DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32
        | DataType::UInt64
        | DataType::Float16
        | DataType::Float32
        | DataType::Float64
        | DataType::Timestamp(..)
        | DataType::Date32
        | DataType::Date64
        | DataType::Duration(_)
        | DataType::Binary
        | DataType::FixedSizeBinary(_)
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => true,
        // Arrow knows no other units for these two.
        DataType::Time32(unit) => matches!(unit, TimeUnit::Second | TimeUnit::Millisecond),
        DataType::Time64(unit) => matches!(unit, TimeUnit::Microsecond | TimeUnit::Nanosecond),
        DataType::Interval(_)
        | DataType::List(_)
        | DataType::ListView(_)
        | DataType::FixedSizeList(..)
        | DataType::LargeList(_)
        | DataType::LargeListView(_)
        | DataType::Struct(_)
        | DataType::Union(..)
        | DataType::Dictionary(..)
        | DataType::Map(..)
        | DataType::RunEndEncoded(..) => false,
    }
}
