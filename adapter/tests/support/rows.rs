//! Schemas, rows and batches as an engine would make them.
use prost::Message as _;
use proto::v1::{
    Batch, Column, Columns, DataType, Primitive, Row, Schema, TypedRows, Value, batch::Rows,
    data_type, schema, value::Kind,
};

/// A schema of nullable columns.
pub fn schema(id: u32, columns: &[(&str, Primitive)]) -> Schema {
    let columns = columns.iter().map(|(name, primitive)| Column {
        name: (*name).to_owned(),
        r#type: Some(DataType { kind: Some(data_type::Kind::Primitive((*primitive).into())) }),
        required: false,
    });
    let columns = schema::Columns::Typed(Columns { columns: columns.collect() });
    Schema { id, columns: Some(columns) }
}

/// The schema of [`batch`]: one column `n`, under id 0.
pub fn numbers() -> Schema {
    schema(0, &[("n", Primitive::Int64)])
}

/// A batch of one row, `{"n":SEQUENCE}`.
pub fn batch(sequence: u64) -> Batch {
    json(sequence, format!("{{\"n\":{sequence}}}\n"))
}

/// A batch whose one row is no number.
pub fn bad_batch(sequence: u64) -> Batch {
    json(sequence, "{\"n\":\"many\"}\n")
}

/// JSON lines under schema 0.
pub fn json(sequence: u64, lines: impl Into<String>) -> Batch {
    let rows = Some(Rows::JsonLines(lines.into().into_bytes().into()));
    Batch { sequence, rows, ..Batch::default() }
}

/// Typed rows under schema 0.
pub fn typed(sequence: u64, rows: &[&[Option<Kind>]]) -> Batch {
    let rows = rows.iter().map(|values| Row {
        values: values.iter().map(|kind| Value { kind: kind.clone() }).collect(),
    });
    let rows = TypedRows { rows: rows.collect() }.encode_to_vec();
    Batch { sequence, rows: Some(Rows::TypedRows(rows.into())), ..Batch::default() }
}

/// The one record of [`batch`].
pub fn record(sequence: u64) -> String {
    format!("{{\"n\":{sequence}}}")
}
