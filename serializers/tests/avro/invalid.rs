//! Schemas that are none: what is wrong, and where.

use arrow_schema::Schema;
use serializers::{AvroFraming, AvroOptions, AvroSchema, Encoder, PlanError};

use crate::given;

/// A given schema is checked without columns, and compiled with the same result.
#[track_caller]
fn check(schema: &str, expected: &str) {
    let options =
        AvroOptions { framing: AvroFraming::Raw, schema: AvroSchema::Given(schema.to_owned()) };
    let error = options.check().unwrap_err();
    let PlanError::AvroSchemaInvalid { at, reason } = &error else { panic!("{error:?}") };
    assert_eq!(format!("{at}: {reason}"), expected);
    assert_eq!(error.code(), "AVRO_SCHEMA_INVALID");
    assert_eq!(Encoder::compile(&given(schema), &Schema::empty()).unwrap_err(), error);
}

/// A record with one field, `f`.
fn field(of: &str) -> String {
    format!(r#"{{"type":"record","name":"R","fields":[{{"name":"f","type":{of}}}]}}"#)
}

/// A record with one field, `f`, and its default.
fn with_default(of: &str, default: &str) -> String {
    let field = format!(r#"{{"name":"f","type":{of},"default":{default}}}"#);
    format!(r#"{{"type":"record","name":"R","fields":[{field}]}}"#)
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    check("{", "the top level: it is not JSON: EOF while parsing an object at line 1 column 1");
    check("\"long\"", "the top level: a row is a record, so the top level must be one");
    check(
        r#"{"type":"enum","name":"E","symbols":["A"]}"#,
        "the top level: a row is a record, so the top level must be one",
    );
    check("{}", "the top level: it has no `type`");
    check("7", "the top level: a type must be a name, an object or a list of types");
    check(r#"{"type":"record","fields":[]}"#, "the top level: it has no `name`");
    check(r#"{"type":"record","name":"R"}"#, "the top level: it has no list of `fields`");
    check(
        r#"{"type":"record","name":"a-b","fields":[]}"#,
        "the top level: `a-b` is no legal name: parts of A-Z, a-z, 0-9 and _, not beginning with \
         a digit",
    );
    check(
        r#"{"type":"record","name":"int","fields":[]}"#,
        "the top level: `int` is a type of Avro's: choose another name",
    );
    check(
        r#"{"type":"record","name":"R","namespace":5,"fields":[]}"#,
        "the top level: `namespace` must be a string",
    );
    check(
        r#"{"type":"record","name":"R","fields":[{"name":"f","type":"int","arrowName":5}]}"#,
        "fields[0]: `arrowName` must be a string",
    );
    check(&field("\"strnig\""), "fields[0].type: `strnig` is no type, nor a name defined before");
    check(
        &field(r#"{"type":"array","items":{"type":"map","values":["null",["int"]]}}"#),
        "fields[0].type.items.values[1]: a union must not hold a union",
    );
    check(&field(r#"["int","int"]"#), "fields[0].type[1]: the union holds this type already");
    check(&field("[]"), "fields[0].type: a union holds 1 to 8192 types");
    check(&field(r#"{"type":"array"}"#), "fields[0].type: it has no `items`");
    check(&field(r#"{"type":"map"}"#), "fields[0].type: it has no `values`");
    check(
        &field(r#"{"type":"enum","name":"E","symbols":["A","A"]}"#),
        "fields[0].type: symbol `A` is not legal or occurs twice",
    );
    check(
        &field(r#"{"type":"enum","name":"E","symbols":"A"}"#),
        "fields[0].type: `symbols` must be a list of strings",
    );
    check(&field(r#"{"type":"enum","name":"E"}"#), "fields[0].type: it has no `symbols`");
    for default in ["\"B\"", "0"] {
        let symbols = r#"{"type":"enum","name":"E","symbols":["A"],"default":"#;
        check(
            &field(&format!("{symbols}{default}}}")),
            &format!("fields[0].type: the default {default} is none of the symbols"),
        );
    }
    assert!(given_is_valid(&field(
        r#"{"type":"enum","name":"E","symbols":["A","B"],"default":"B"}"#
    )));
    check(
        &field(r#"{"type":"fixed","name":"F","size":-1}"#),
        "fields[0].type: it has no `size` of 0 to 1073741824",
    );
    check(
        &field(r#"{"type":"record","name":"R","fields":[]}"#),
        "fields[0].type: `R` is defined twice",
    );
    let twice = r#"{"name":"f","type":"int"},{"name":"f","type":"int"}"#;
    check(
        &format!(r#"{{"type":"record","name":"R","fields":[{twice}]}}"#),
        "fields[1]: `f` is defined twice",
    );
    check(
        r#"{"type":"record","name":"R","fields":[{"name":"f"}]}"#,
        "fields[0]: field `f` has no `type`",
    );
    check(
        r#"{"type":"record","name":"R","fields":[{"name":"9","type":"int"}]}"#,
        "fields[0]: `9` is no legal name",
    );
    check(r#"{"type":"record","name":"R","fields":[{}]}"#, "fields[0]: it has no `name`");
}

#[test]
fn decimals_must_be_possible() {
    let needs = "fields[0].type: a decimal needs a `precision` of at least 1 and a `scale` that is \
                 not larger";
    let decimal = |rest: &str| format!(r#"{{"type":"bytes","logicalType":"decimal"{rest}}}"#);
    check(&field(&decimal("")), needs);
    check(&field(&decimal(r#","precision":0"#)), needs);
    check(&field(&decimal(r#","precision":4,"scale":5"#)), needs);
    check(&field(&decimal(r#","precision":4,"scale":-1"#)), needs);
    let fixed = r#"{"type":"fixed","name":"F","size":4,"logicalType":"decimal","precision":10}"#;
    check(&field(fixed), "fields[0].type: 4 bytes cannot hold 10 digits");
}

#[test]
fn defaults_must_be_values_of_their_fields() {
    check(&with_default("\"int\"", "2147483648"), "R.f.default: the default 2147483648 is no int");
    check(&with_default("\"long\"", "1.5"), "R.f.default: the default 1.5 is no long");
    check(&with_default("\"float\"", "1e39"), "R.f.default: the default 1e+39 is no float");
    check(&with_default("\"string\"", "null"), "R.f.default: the default null is no string");
    check(&with_default("\"bytes\"", "\"\u{100}\""), "R.f.default: the default \"Ā\" is no bytes");
    check(
        &with_default(r#"["null","int"]"#, "\"x\""),
        "R.f.default: the default \"x\" is no [null, int]",
    );
    check(
        &with_default(r#"{"type":"enum","name":"E","symbols":["A"]}"#, "\"B\""),
        "R.f.default: the default \"B\" is no enum E",
    );
    check(
        &with_default(r#"{"type":"fixed","name":"F","size":2}"#, "\"x\""),
        "R.f.default: the default \"x\" is no fixed F of 2 bytes",
    );
    check(
        &with_default(r#"{"type":"array","items":"int"}"#, "[1,true]"),
        "R.f.default: the default true is no int",
    );
    check(
        &with_default(r#"{"type":"map","values":"int"}"#, "[]"),
        "R.f.default: the default [] is no map of int",
    );
    let record = r#"{"type":"record","name":"S","fields":[{"name":"g","type":"int"}]}"#;
    check(&with_default(record, "{}"), "R.f.default: the default has no `g`");
    check(
        &with_default(record, r#"{"g":1,"h":2}"#),
        "R.f.default: the default has a member `h`, the record no such field",
    );
    // It would never end.
    check(&with_default("\"R\"", "{}"), "R.f.default: the default is nested deeper than 64 levels");
}

#[test]
fn names_without_dots_are_of_the_namespace_around_them() {
    let schema = |reference: &str| {
        let inner = r#"{"type":"record","name":"net.S","fields":[{"name":"g","type":["null","#;
        field(&format!("{inner}\"{reference}\"]}}]}}"))
    };
    assert!(given_is_valid(&schema("S")));
    // `R` has no namespace.
    check(
        &schema("R"),
        "fields[0].type.fields[0].type[1]: `net.R` is no type, nor a name defined before",
    );
}

#[test]
fn defaults_within_defaults_have_an_end() {
    // Neither branch ends, and each has the other.
    let inner = r#"{"name":"a","type":["R","S"],"default":{}}"#;
    let inner = format!(r#"{{"type":"record","name":"S","fields":[{inner}]}}"#);
    let outer = format!(r#"{{"name":"a","default":{{}},"type":["R",{inner}]}}"#);
    check(
        &format!(r#"{{"type":"record","name":"R","fields":[{outer}]}}"#),
        "R.a.default: the default is nested deeper than 64 levels",
    );
    // Every level has the one below twice.
    let nested = |levels: usize| {
        let twice = |below: String, level: usize| {
            let first = format!(r#"{{"name":"a","type":{below},"default":{{}}}}"#);
            let second = format!(r#"{{"name":"b","type":"R{}","default":{{}}}}"#, level - 1);
            format!(r#"{{"type":"record","name":"R{level}","fields":[{first},{second}]}}"#)
        };
        let lowest = r#"{"type":"record","name":"R0","fields":[]}"#.to_owned();
        (1..=levels).fold(lowest, twice)
    };
    assert!(given_is_valid(&nested(10)));
    let options = |schema| AvroOptions { schema: AvroSchema::Given(schema), ..Default::default() };
    let error = options(nested(40)).check().unwrap_err().to_string();
    assert!(error.ends_with(": the defaults, and those within them, become too large"), "{error}");
    // Nor do large texts, tried for many types.
    let fixed = |at| format!(r#"{{"type":"fixed","name":"F{at}","size":{at}}}"#);
    let fixed: Vec<_> = (0..5_000).map(fixed).collect();
    check(
        &with_default(&format!("[{}]", fixed.join(",")), &format!("\"{}\"", "x".repeat(1 << 16))),
        "R.f.default: the defaults, and those within them, become too large",
    );
}

#[test]
fn nesting_has_an_end() {
    let array = r#"{"type":"array","items":"#;
    let deep = |levels| field(&format!("{}\"int\"{}", array.repeat(levels), "}".repeat(levels)));
    assert!(given_is_valid(&deep(120)));
    check(
        &deep(130),
        &format!("fields[0].type{}: it is nested deeper than 130 levels", ".items".repeat(129)),
    );
    check(&deep(100_000), "the top level: its JSON is nested deeper than 260 levels");
    // What stands in a string is no nesting.
    let text = "[".repeat(1_000) + "\\\"";
    assert!(given_is_valid(&with_default("\"string\"", &format!("\"{text}\""))));
}

fn given_is_valid(schema: &str) -> bool {
    AvroOptions { framing: AvroFraming::Raw, schema: AvroSchema::Given(schema.to_owned()) }
        .check()
        .is_ok()
}
