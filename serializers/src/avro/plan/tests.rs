//! Columns without a given schema are paired by the table of types.
use arrow_schema::{Field, TimeUnit};

use super::*;
use crate::{avro::derive::derive, shape::Tree};

#[test]
fn derived_types_fit_best() {
    use TimeUnit::{Microsecond, Millisecond, Nanosecond, Second};
    let units = [Second, Millisecond, Microsecond, Nanosecond];
    let mut types = vec![
        DataType::Null,
        DataType::Boolean,
        DataType::Int8,
        DataType::Int16,
        DataType::Int32,
        DataType::Int64,
        DataType::UInt8,
        DataType::UInt16,
        DataType::UInt32,
        DataType::UInt64,
        DataType::Float16,
        DataType::Float32,
        DataType::Float64,
        DataType::Decimal32(9, 2),
        DataType::Decimal64(18, -2),
        DataType::Decimal128(5, 9),
        DataType::Decimal256(76, 0),
        DataType::Utf8,
        DataType::LargeUtf8,
        DataType::Utf8View,
        DataType::Binary,
        DataType::LargeBinary,
        DataType::BinaryView,
        DataType::FixedSizeBinary(3),
        DataType::Date32,
        DataType::Date64,
        DataType::Time32(Second),
        DataType::Time32(Millisecond),
        DataType::Time64(Microsecond),
        DataType::Time64(Nanosecond),
    ];
    types.extend(units.map(DataType::Duration));
    types.extend(units.map(|unit| DataType::Timestamp(unit, None)));
    types.extend(units.map(|unit| DataType::Timestamp(unit, Some("UTC".into()))));
    let member = Field::new("m", DataType::Time32(Second), true);
    types.push(DataType::Struct(vec![member].into()));
    types.push(DataType::new_large_list(DataType::UInt64, true));
    types.push(DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8)));
    for of in types {
        let fields = Fields::from(vec![Field::new("v", of.clone(), true)]);
        let tree = Tree::build(&fields).unwrap();
        let schema = Schema::parse(&derive(&fields, "Row", None).unwrap()).unwrap();
        let mut planner = Planner::new(&schema);
        let (_, fit) = planner.record(&fields, &tree.root, schema.fields(schema.root));
        assert_eq!((fit, planner.differences), (Fit::Own, vec![]), "{of}");
    }
}
