//! Unions of given schemas: which branch is taken, and that finding it ends.

use std::sync::Arc;

use arrow_array::{types::*, *};
use arrow_schema::{DataType, Field, Schema};
use serializers::{Encoder, PlanError};

use crate::{
    given,
    given::{INT, LONG, check, refused},
};

#[test]
fn the_best_branch_of_a_union_is_taken() {
    let union = r#"["null","string","double","long","int"]"#;
    check(Int64Array::from(vec![Some(1), None]), union, &["0602", "00"]);
    check(Int32Array::from(vec![1]), union, &["0802"]);
    check(UInt64Array::from(vec![1]), union, &["04000000000000f03f"]);
    check(Float32Array::from(vec![1.0]), union, &["04000000000000f03f"]);
    check(NullArray::new(1), union, &["00"]);
    refused(
        BooleanArray::from(vec![true]),
        union,
        "v is Boolean, which no branch of the schema's [null, string, double, long, int] takes",
    );
    // Of one branch its own difference is told.
    refused(
        BooleanArray::from(vec![true]),
        r#"["null","int"]"#,
        "v is Boolean and the schema's int",
    );
    // A branch number of two bytes.
    let fixed = |n: usize| format!(r#"{{"type":"fixed","name":"F{n}","size":{n}}}"#);
    let many: Vec<String> = (0..100).map(fixed).collect();
    let bytes = FixedSizeBinaryArray::try_from_iter([[9_u8; 70]].iter()).unwrap();
    check(bytes, &format!("[{}]", many.join(",")), &[&format!("8c01{}", "09".repeat(70))]);
}

#[test]
fn a_branch_fits_as_its_worst_part_does() {
    let of = |name: &str, of: &str| {
        format!(r#"{{"type":"record","name":"{name}","fields":[{{"name":"x","type":{of}}}]}}"#)
    };
    let structs = || {
        let x: ArrayRef = Arc::new(Int64Array::from(vec![5_000_000_000]));
        StructArray::new(vec![Field::new("x", DataType::Int64, true)].into(), vec![x], None)
    };
    let value = "80c8afa025";
    let union = format!(r#"["null",{},{}]"#, of("A", INT), of("B", LONG));
    check(structs(), &union, &[&format!("04{value}")]);
    // Of equals the first.
    let union = format!(r#"["null",{},{}]"#, of("A", LONG), of("B", LONG));
    check(structs(), &union, &[&format!("02{value}")]);
    // Through unions, arrays and maps.
    let in_union = |name: &str, branches: &str| of(name, branches);
    let union =
        format!("[{},{}]", in_union("A", r#"["null","int"]"#), in_union("B", r#"["null","long"]"#));
    check(structs(), &union, &[&format!("0202{value}")]);
    let list = ListArray::from_iter_primitive::<Int64Type, _, _>([Some([Some(5_000_000_000)])]);
    let field = Field::new("x", list.data_type().clone(), true);
    let lists = StructArray::new(vec![field].into(), vec![Arc::new(list)], None);
    let array = |of: &str| format!(r#"{{"type":"array","items":{of}}}"#);
    let union = format!("[{},{}]", of("A", &array(INT)), of("B", &array(LONG)));
    check(lists, &union, &[&format!("0202{value}00")]);
    let mut maps =
        builder::MapBuilder::new(None, builder::StringBuilder::new(), builder::Int64Builder::new());
    maps.keys().append_value("k");
    maps.values().append_value(5_000_000_000);
    maps.append(true).unwrap();
    let maps = maps.finish();
    let field = Field::new("x", maps.data_type().clone(), true);
    let maps = StructArray::new(vec![field].into(), vec![Arc::new(maps)], None);
    let map = |of: &str| format!(r#"{{"type":"map","values":{of}}}"#);
    let union = format!("[{},{}]", of("A", &map(INT)), of("B", &map(LONG)));
    check(maps, &union, &[&format!("0202026b{value}00")]);
}

#[test]
fn seconds_take_milliseconds_first() {
    let logical =
        |of: &str, logical: &str| format!(r#"{{"type":"{of}","logicalType":"{logical}"}}"#);
    let (millis, micros) = (logical("int", "time-millis"), logical("long", "time-micros"));
    let seconds = Time32SecondArray::from(vec![1]);
    check(seconds, &format!(r#"["null",{micros},{millis}]"#), &["04d00f"]);
}

#[test]
fn records_that_refer_to_one_another_are_planned_in_time() {
    // Both fit on every level, or neither does, which only the lowest tells.
    let depth = 60;
    let mut of = DataType::Int64;
    for _ in 0..depth {
        of = DataType::Struct(vec![Field::new("a", of, true)].into());
    }
    let columns = Schema::new(vec![Field::new("a", of, true)]);
    let schema = |lowest: &str| {
        let inner = format!(
            r#"{{"type":"record","name":"B","fields":[{{"name":"a","type":["A","B",{lowest}]}}]}}"#
        );
        let outer = format!(r#"{{"name":"a","type":["A",{inner},{lowest}]}}"#);
        format!(r#"{{"type":"record","name":"A","fields":[{outer}]}}"#)
    };
    let compile = |lowest| Encoder::compile(&given(&schema(lowest)), &columns);
    compile(INT).unwrap();
    let PlanError::AvroSchemaMismatch { differences } = compile("\"string\"").unwrap_err() else {
        panic!("the columns fit")
    };
    assert_eq!(differences.len(), 1);
    assert_eq!(differences[0].column, "a");
}
