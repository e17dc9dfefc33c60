//! Compiles a schema into the plan that builds its columns, or says why it cannot be served.

use std::collections::HashMap;

use arrow_schema::{DataType, Field, Fields, Schema, TimeUnit, extension::EXTENSION_TYPE_NAME_KEY};

use super::SchemaError;
use super::fault::Step;

/// Most fields of a schema, those inside records, lists and maps counted.
pub(super) const FIELDS_MAX: usize = 4096;
/// Deepest nesting; a column is at depth 1.
const DEPTH_MAX: usize = 64;
/// Longest name of a column.
/// Longest name of a field, in bytes.
pub const NAME_BYTES_MAX: usize = 1024;
/// Largest fixed-size list or fixed-size binary, and largest product of nested fixed-size lists:
/// a null in such a column takes the room of all its elements.
const FIXED_SIZE_MAX: i32 = 1 << 20;
/// What a distinct value of a dictionary takes while it is looked for, apart from its bytes.
const DICTIONARY_SLOT_BYTES: usize = 48;

/// A column (or field, or element) and how its values are taken.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) name: String,
    pub(super) data_type: DataType,
    pub(super) required: bool,
    pub(super) kind: Kind,
    /// Memory of one slot, null or not; texts, bytes and elements of lists come on top.
    pub(super) slot_bytes: usize,
}

/// What a column takes.
#[derive(Debug)]
pub(super) enum Kind {
    Null,
    Bool,
    Int(Range),
    Float { width: usize },
    Decimal { width: usize, precision: u8, scale: i8 },
    Text,
    Json,
    Binary,
    FixedBinary { size: usize },
    Time { range: Range, form: TimeForm },
    Record { fields: Vec<Plan>, lookup: HashMap<String, usize> },
    List(Box<Plan>),
    FixedList { item: Box<Plan>, size: usize },
    Map { key: Box<Plan>, value: Box<Plan> },
    Dictionary(Box<Plan>),
}

/// The integers that a column of `width` bytes holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    pub(super) width: usize,
    pub(super) min: i64,
    pub(super) max: u64,
}

impl Range {
    fn signed(width: usize) -> Self {
        let bits = 64 - width * 8;
        Self { width, min: i64::MIN >> bits, max: (i64::MAX >> bits) as u64 }
    }

    fn unsigned(width: usize) -> Self {
        Self { width, min: 0, max: u64::MAX >> (64 - width * 8) }
    }
}

/// How a column of days, times or spans is written as text.
#[derive(Clone, Copy, Debug)]
pub(super) enum TimeForm {
    /// `2013-01-01`, counted in days.
    Days,
    /// `2013-01-01`, counted in milliseconds.
    DayMillis,
    /// `05:00:00`.
    TimeOfDay(TimeUnit),
    /// `2013-01-01T05:00:00Z`; without the `Z` where the column has no zone.
    Timestamp { unit: TimeUnit, zoned: bool },
    /// Not as text.
    Duration,
}

/// Compiles the columns of `schema` as the fields of one record.
pub(super) fn compile(schema: &Schema) -> Result<Plan, SchemaError> {
    if schema.fields().is_empty() {
        return Err(SchemaError::Columns { reason: "the schema has no columns".to_owned() });
    }
    let mut compiler = Compiler { fields: 0 };
    let kind = compiler.record(schema.fields(), 0, 1).map_err(Refusal::into_error)?;
    let data_type = DataType::Struct(schema.fields().clone());
    let slot_bytes = slot_bytes(&kind, &data_type);
    Ok(Plan { name: String::new(), data_type, required: true, kind, slot_bytes })
}

/// True if the field's extension type is `arrow.json`.
fn is_json(field: &Field) -> bool {
    field.metadata().get(EXTENSION_TYPE_NAME_KEY).is_some_and(|name| name == "arrow.json")
}

/// Why a field is refused, and the way to it from the inside out.
struct Refusal {
    reason: String,
    path: Vec<Step>,
}

impl Refusal {
    fn new<T>(reason: impl Into<String>) -> Result<T, Self> {
        Err(Self { reason: reason.into(), path: Vec::new() })
    }

    fn inside(mut self, name: &str) -> Self {
        self.path.push(Step::Field(name.to_owned()));
        self
    }

    fn into_error(self) -> SchemaError {
        if self.path.is_empty() {
            return SchemaError::Columns { reason: self.reason };
        }
        SchemaError::Column { column: super::fault::column(&self.path), reason: self.reason }
    }
}

struct Compiler {
    fields: usize,
}

impl Compiler {
    fn record(&mut self, fields: &Fields, depth: usize, spread: i32) -> Result<Kind, Refusal> {
        let mut plans = Vec::with_capacity(fields.len().min(FIELDS_MAX));
        let mut lookup = HashMap::with_capacity(fields.len().min(FIELDS_MAX));
        for (index, field) in fields.iter().enumerate() {
            let name = field.name();
            if name.is_empty() {
                return Refusal::new(format!("field {} has no name", index + 1));
            }
            if name.len() > NAME_BYTES_MAX {
                let start = super::fault::excerpt(name);
                return Refusal::new(format!(
                    "the name of field {} (`{start}`) is {} bytes long, at most {NAME_BYTES_MAX} \
                     are allowed",
                    index + 1,
                    name.len()
                ));
            }
            if lookup.insert(name.clone(), index).is_some() {
                return Refusal::new("the name is used twice; names are unique among siblings")
                    .map_err(|refusal: Refusal| refusal.inside(name));
            }
            plans.push(self.field(field, depth + 1, spread).map_err(|r| r.inside(name))?);
        }
        Ok(Kind::Record { fields: plans, lookup })
    }

    fn field(&mut self, field: &Field, depth: usize, spread: i32) -> Result<Plan, Refusal> {
        self.fields += 1;
        if self.fields > FIELDS_MAX {
            return Refusal::new(format!(
                "the schema has more than {FIELDS_MAX} fields, those inside others counted"
            ));
        }
        if depth > DEPTH_MAX {
            return Refusal::new(format!("fields nest deeper than {DEPTH_MAX}"));
        }
        let kind = self.kind(field, field.data_type(), depth, spread)?;
        if matches!(kind, Kind::Null) && !field.is_nullable() {
            return Refusal::new("a column of type null cannot be required: it holds only nulls");
        }
        let slot_bytes = slot_bytes(&kind, field.data_type());
        let plan = Plan {
            name: field.name().clone(),
            data_type: field.data_type().clone(),
            required: !field.is_nullable(),
            kind,
            slot_bytes,
        };
        Ok(plan)
    }

    fn kind(
        &mut self,
        field: &Field,
        data_type: &DataType,
        depth: usize,
        spread: i32,
    ) -> Result<Kind, Refusal> {
        use DataType as D;
        let json = is_json(field);
        let kind = match data_type {
            D::Utf8 | D::LargeUtf8 | D::Utf8View if json => Kind::Json,
            D::Utf8 | D::LargeUtf8 | D::Utf8View => Kind::Text,
            D::Dictionary(_, value) => self.dictionary(field, value, depth, spread)?,
            _ if json => return Refusal::new("the extension type arrow.json is for text columns"),
            D::Null => Kind::Null,
            D::Boolean => Kind::Bool,
            D::Int8 | D::Int16 | D::Int32 | D::Int64 => Kind::Int(Range::signed(width(data_type))),
            D::UInt8 | D::UInt16 | D::UInt32 | D::UInt64 => {
                Kind::Int(Range::unsigned(width(data_type)))
            }
            D::Float16 | D::Float32 | D::Float64 => Kind::Float { width: width(data_type) },
            D::Decimal32(p, s) => decimal(4, 9, *p, *s)?,
            D::Decimal64(p, s) => decimal(8, 18, *p, *s)?,
            D::Decimal128(p, s) => decimal(16, 38, *p, *s)?,
            D::Decimal256(p, s) => decimal(32, 76, *p, *s)?,
            D::Binary | D::LargeBinary | D::BinaryView => Kind::Binary,
            D::FixedSizeBinary(size) => {
                let size = fixed_size(*size, spread)?;
                Kind::FixedBinary { size: size as usize }
            }
            D::Struct(fields) => self.record(fields, depth, spread)?,
            D::List(item) | D::LargeList(item) => {
                Kind::List(Box::new(self.field(item, depth + 1, 1)?))
            }
            D::FixedSizeList(item, size) => {
                let spread = fixed_size(*size, spread)?;
                let item = Box::new(self.field(item, depth + 1, spread)?);
                Kind::FixedList { item, size: *size as usize }
            }
            D::Map(entries, _) => self.map(entries, depth)?,
            _ => match time(data_type) {
                Some(kind) => kind,
                None => return Refusal::new(unsupported(data_type)),
            },
        };
        Ok(kind)
    }

    fn map(&mut self, entries: &Field, depth: usize) -> Result<Kind, Refusal> {
        let DataType::Struct(fields) = entries.data_type() else {
            return Refusal::new("the entries of a map must be a struct of key and value");
        };
        let [key, value] = fields.as_ref() else {
            return Refusal::new("the entries of a map must be a struct of key and value");
        };
        if entries.is_nullable() || key.is_nullable() {
            return Refusal::new("the entries and the keys of a map must not be nullable");
        }
        self.fields += 1;
        let key_plan = self.field(key, depth + 2, 1).map_err(|r| r.inside(key.name()))?;
        if !key_plan.kind.is_scalar() {
            return Refusal::new("the keys of a map must be text, numbers or another plain type");
        }
        let value = self.field(value, depth + 2, 1).map_err(|r| r.inside(value.name()))?;
        Ok(Kind::Map { key: Box::new(key_plan), value: Box::new(value) })
    }

    fn dictionary(
        &mut self,
        field: &Field,
        value: &DataType,
        depth: usize,
        spread: i32,
    ) -> Result<Kind, Refusal> {
        let kind = self.kind(field, value, depth, spread)?;
        if !kind.is_scalar() || matches!(kind, Kind::Dictionary(_) | Kind::Null) {
            return Refusal::new(
                "a dictionary's values must be text, numbers or another plain type",
            );
        }
        let slot_bytes = slot_bytes(&kind, value);
        let (name, data_type) = (field.name().clone(), value.clone());
        Ok(Kind::Dictionary(Box::new(Plan { name, data_type, required: true, kind, slot_bytes })))
    }
}

impl Kind {
    fn is_scalar(&self) -> bool {
        match self {
            Self::Record { .. } | Self::List(_) | Self::FixedList { .. } | Self::Map { .. } => {
                false
            }
            Self::Null
            | Self::Bool
            | Self::Int(_)
            | Self::Float { .. }
            | Self::Decimal { .. }
            | Self::Text
            | Self::Json
            | Self::Binary
            | Self::FixedBinary { .. }
            | Self::Time { .. }
            | Self::Dictionary(_) => true,
        }
    }
}

impl Plan {
    /// The plan of the value itself: that of its values if the column is a dictionary.
    pub(super) fn plain(&self) -> &Self {
        match &self.kind {
            Kind::Dictionary(value) => value,
            _ => self,
        }
    }

    /// The fields of a record; nothing else has some.
    pub(super) fn fields(&self) -> &[Self] {
        match &self.kind {
            Kind::Record { fields, .. } => fields,
            _ => &[],
        }
    }
}

fn fixed_size(size: i32, spread: i32) -> Result<i32, Refusal> {
    match size.checked_mul(spread) {
        Some(all) if size > 0 && all <= FIXED_SIZE_MAX => Ok(all),
        _ => Refusal::new(format!(
            "a fixed size of {size} is not supported: it must be 1 to {FIXED_SIZE_MAX}, and so \
             must the product of fixed sizes inside each other"
        )),
    }
}

fn decimal(width: usize, precision_max: u8, precision: u8, scale: i8) -> Result<Kind, Refusal> {
    const SCALE_MIN: i8 = -76;
    if precision == 0 || precision > precision_max {
        return Refusal::new(format!(
            "a decimal{} has 1 to {precision_max} digits, not {precision}",
            width * 8
        ));
    }
    if scale < SCALE_MIN || i16::from(scale) > i16::from(precision) {
        return Refusal::new(format!(
            "a decimal of {precision} digits has a scale of {SCALE_MIN} to {precision}, not {scale}"
        ));
    }
    Ok(Kind::Decimal { width, precision, scale })
}

fn time(data_type: &DataType) -> Option<Kind> {
    use DataType as D;
    let form = match data_type {
        D::Date32 => TimeForm::Days,
        D::Date64 => TimeForm::DayMillis,
        D::Time32(unit @ (TimeUnit::Second | TimeUnit::Millisecond))
        | D::Time64(unit @ (TimeUnit::Microsecond | TimeUnit::Nanosecond)) => {
            TimeForm::TimeOfDay(*unit)
        }
        // Arrow: the values of a zone without a name are local times, as those of none.
        D::Timestamp(unit, zone) => TimeForm::Timestamp {
            unit: *unit,
            zoned: zone.as_deref().is_some_and(|zone| !zone.is_empty()),
        },
        D::Duration(_) => TimeForm::Duration,
        _ => return None,
    };
    let mut range = Range::signed(width(data_type));
    if let TimeForm::TimeOfDay(unit) = form {
        (range.min, range.max) = (0, 86_400 * super::time::per_second(unit) as u64 - 1);
    }
    Some(Kind::Time { range, form })
}

fn width(data_type: &DataType) -> usize {
    data_type.primitive_width().expect("the type is a number or a time")
}

fn unsupported(data_type: &DataType) -> String {
    let name = match data_type {
        DataType::Interval(_) => "interval",
        DataType::Union(_, _) => "union",
        DataType::RunEndEncoded(_, _) => "run-end encoded",
        DataType::ListView(_) | DataType::LargeListView(_) => "list view",
        other => return format!("the type {other} is not supported"),
    };
    format!("the type {name} is not supported: cast the column to a supported type")
}

fn slot_bytes(kind: &Kind, data_type: &DataType) -> usize {
    // Validity is one bit; a byte is near enough and keeps the sum simple.
    1 + match kind {
        // Its validity is a bit like any other's: a fixed-size list has one for each element.
        Kind::Null => 0,
        Kind::Bool => 1,
        Kind::Int(range) | Kind::Time { range, .. } => range.width,
        Kind::Float { width } | Kind::Decimal { width, .. } => *width,
        Kind::Text | Kind::Json | Kind::Binary => match data_type {
            // Built with offsets of 32 bits, then turned into what the column has.
            DataType::Utf8View | DataType::BinaryView => 4 + 16,
            DataType::LargeUtf8 | DataType::LargeBinary => 4 + 8,
            _ => 4,
        },
        Kind::FixedBinary { size } => *size,
        Kind::Record { fields, .. } => {
            fields.iter().fold(0, |sum: usize, field| sum.saturating_add(field.slot_bytes))
        }
        Kind::List(_) => 4 + 8,
        Kind::Map { .. } => 4,
        Kind::FixedList { item, size } => item.slot_bytes.saturating_mul(*size),
        Kind::Dictionary(value) => DICTIONARY_SLOT_BYTES + value.slot_bytes,
    }
}
