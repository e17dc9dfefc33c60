//! CSV to the byte: what is quoted, what null is, headers, packing, every option.
#![expect(clippy::unwrap_used, reason = "a test's helpers may fail it as the test itself may")]

mod common;

use std::{collections::HashMap, sync::Arc};

use arrow_array::{builder::*, *};
use arrow_schema::{DataType, Field, Schema, TimeUnit, extension::EXTENSION_TYPE_NAME_KEY};
use common::{WIDE, batch_of, encode, texts};
use serializers::{
    CsvOptions, Delimiter, Encoder, Format, Limits, NonFinite, NullText, NullTextError, Packing,
    PlanError, Records, RowErrorCode, TimestampFormat,
};

fn csv() -> CsvOptions {
    CsvOptions::default()
}

fn null_text(text: &str) -> CsvOptions {
    CsvOptions { null_text: text.parse().unwrap(), ..csv() }
}

fn lines(batch: &RecordBatch, options: &CsvOptions) -> Vec<String> {
    texts(&encode(&Format::Csv(options.clone()), &WIDE, batch))
}

/// What stands for every value of an array, in a table that has a second column.
fn values(array: ArrayRef, options: &CsvOptions) -> Vec<String> {
    let field = Field::new("v", array.data_type().clone(), true);
    values_of(array, field, options)
}

fn values_of(array: ArrayRef, field: Field, options: &CsvOptions) -> Vec<String> {
    let one: ArrayRef = Arc::new(Int8Array::from(vec![1; array.len()]));
    let schema = Schema::new(vec![field, Field::new("one", DataType::Int8, true)]);
    let batch = RecordBatch::try_new(Arc::new(schema), vec![array, one]).unwrap();
    let behind = format!("{}1", char::from(options.delimiter.as_byte()));
    let lines = lines(&batch, options);
    lines.iter().map(|line| line.strip_suffix(&behind).unwrap().to_owned()).collect()
}

#[track_caller]
fn check_texts(options: &CsvOptions, cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        // The long texts of a column are looked at in words, the short ones as one, and the last
        // of a column byte by byte.
        let after = "a text behind it";
        for texts in [vec![*text, after], vec![*text]] {
            let read = [
                values(Arc::new(StringArray::from(texts.clone())), options),
                values(Arc::new(LargeStringArray::from(texts.clone())), options),
                values(Arc::new(StringViewArray::from(texts.clone())), options),
            ];
            for lines in read {
                assert_eq!(lines[0], *expected, "{text:?}");
            }
        }
    }
}

#[test]
fn texts_are_quoted_where_readers_need_it_and_nowhere_else() {
    check_texts(
        &csv(),
        &[
            ("plain", "plain"),
            ("a b", "a b"),
            (
                "a longer text in which nothing is special, ",
                "\"a longer text in which nothing is special, \"",
            ),
            (
                "a longer text; in which | nothing\tis special",
                "a longer text; in which | nothing\tis special",
            ),
            ("a,b", "\"a,b\""),
            ("say \"no\"", "\"say \"\"no\"\"\""),
            ("\"", "\"\"\"\""),
            ("\"\"", "\"\"\"\"\"\""),
            ("first\nsecond", "\"first\nsecond\""),
            ("first\rsecond", "\"first\rsecond\""),
            ("first\r\nsecond", "\"first\r\nsecond\""),
            (" before", "\" before\""),
            ("behind ", "\"behind \""),
            ("\tbefore", "\"\tbefore\""),
            ("behind\t", "\"behind\t\""),
            (" ", "\" \""),
            ("", "\"\""),
            ("\u{feff}mark", "\"\u{feff}mark\""),
            ("\u{f000}", "\u{f000}"),
            ("mark\u{feff}", "mark\u{feff}"),
            ("=1+1", "=1+1"),
            ("'", "'"),
            ("\\N", "\\N"),
            ("#comment", "#comment"),
            ("\u{0}\u{1f}\u{7f}", "\u{0}\u{1f}\u{7f}"),
            ("é😀\u{10ffff}", "é😀\u{10ffff}"),
        ],
    );
}

#[test]
fn a_special_character_is_found_at_every_place_of_texts_of_every_length() {
    for len in 1..80 {
        for at in 0..len {
            for special in [',', '"', '\r', '\n'] {
                let mut text = vec!['x'; len];
                text[at] = special;
                let text: String = text.into_iter().collect();
                let quoted = format!("\"{}\"", text.replace('"', "\"\""));
                let read = values(Arc::new(StringArray::from(vec![&*text, "behind it"])), &csv());
                assert_eq!(read, [&*quoted, "behind it"]);
            }
        }
    }
}

#[test]
fn every_delimiter_is_quoted_in_its_own_tables_only() {
    use Delimiter::{Comma, Semicolon, Space, Tab, VerticalBar};
    let text = StringArray::from(vec![Some("a,b;c d\te|f"), Some("a.b"), None]);
    let batch = RecordBatch::try_from_iter([
        ("a name", Arc::new(text) as ArrayRef),
        ("n", Arc::new(Float64Array::from(vec![0.5, -1.0, 2e300])) as ArrayRef),
        ("last", Arc::new(NullArray::new(3)) as ArrayRef),
    ])
    .unwrap();
    for delimiter in [Comma, Semicolon, Space, Tab, VerticalBar] {
        let of = char::from(delimiter.as_byte());
        let options = CsvOptions { delimiter, header: true, ..csv() };
        let name = if delimiter == Space { "\"a name\"" } else { "a name" };
        let head = format!("{name}{of}n{of}last\r\n");
        let expected = [
            format!("{head}\"a,b;c d\te|f\"{of}0.5{of}"),
            format!("{head}a.b{of}-1.0{of}"),
            format!("{head}{of}2e+300{of}"),
        ];
        assert_eq!(lines(&batch, &options), expected);
    }
    for (delimiter, text) in [
        (Comma, "a;b c\td|e"),
        (Semicolon, "a,b c\td|e"),
        (Space, "a,b;c\td|e"),
        (Tab, "a,b;c d|e"),
        (VerticalBar, "a,b;c d\te"),
    ] {
        check_texts(&CsvOptions { delimiter, ..csv() }, &[(text, text)]);
    }
}

#[test]
fn null_is_unquoted_and_the_empty_text_is_not() {
    let array = || Arc::new(StringArray::from(vec![None, Some("")])) as ArrayRef;
    assert_eq!(values(array(), &csv()), ["", "\"\""]);
    assert_eq!(values(array(), &null_text("NULL")), ["NULL", "\"\""]);
    let bytes = Arc::new(BinaryArray::from(vec![None, Some(&b""[..])]));
    assert_eq!(values(bytes, &csv()), ["", "\"\""]);
    assert_eq!(values(Arc::new(NullArray::new(1)), &null_text("\\N")), ["\\N"]);
    let longest = "0123456789abcdef0123456789abcdef";
    assert_eq!(values(array(), &null_text(longest)), [longest, "\"\""]);
    let lists = ListArray::new_null(Arc::new(Field::new("item", DataType::Int8, true)), 1);
    assert_eq!(values(Arc::new(lists), &null_text("-")), ["-"]);
}

#[test]
fn values_that_read_as_the_null_text_are_quoted_whatever_their_type() {
    check_texts(
        &null_text("NULL"),
        &[("NULL", "\"NULL\""), ("NULLS", "NULLS"), ("NUL", "NUL"), ("null", "null")],
    );
    let check = |text: &str, array: ArrayRef, expected: &[&str]| {
        assert_eq!(values(array, &null_text(text)), expected, "{text}");
    };
    check("0", Arc::new(Int64Array::from(vec![Some(0), None, Some(10)])), &["\"0\"", "0", "10"]);
    check("true", Arc::new(BooleanArray::from(vec![Some(true), None])), &["\"true\"", "true"]);
    check("1.5", Arc::new(Float64Array::from(vec![Some(1.5), None])), &["\"1.5\"", "1.5"]);
    check("AAAA", Arc::new(BinaryArray::from(vec![&[0; 3][..]])), &["\"AAAA\""]);
    check(
        "1970-01-01",
        Arc::new(Date32Array::from(vec![Some(0), None])),
        &["\"1970-01-01\"", "1970-01-01"],
    );
    let long = "1970-01-01T00:00:00Z";
    let times = TimestampSecondArray::from(vec![Some(0), None]).with_timezone("UTC");
    check(long, Arc::new(times), &[&format!("\"{long}\""), long]);
    // A name is not the lack of one.
    let batch = RecordBatch::try_from_iter([
        ("NULL", Arc::new(Int8Array::from(vec![None])) as ArrayRef),
        ("", Arc::new(Int8Array::from(vec![1])) as ArrayRef),
    ])
    .unwrap();
    let options = CsvOptions { header: true, ..null_text("NULL") };
    assert_eq!(lines(&batch, &options), ["\"NULL\",\"\"\r\nNULL,1"]);
}

#[test]
fn a_null_alone_in_its_line_is_the_empty_text_and_not_an_empty_line() {
    let batch = batch_of(Arc::new(StringArray::from(vec![None, Some(""), Some("x")])));
    assert_eq!(lines(&batch, &csv()), ["\"\"", "\"\"", "x"]);
    assert_eq!(lines(&batch, &null_text("NULL")), ["NULL", "\"\"", "x"]);
    let batch = batch_of(Arc::new(Float64Array::from(vec![f64::NAN, 1.0])));
    assert_eq!(lines(&batch, &csv()), ["\"\"", "1.0"]);
}

#[test]
fn null_texts_that_would_need_quotes_are_refused() {
    for text in [" ", "not available", "a,b", "a;b", "a|b", "a\tb", "\"\"", "\n", "a\r", "\u{feff}"]
    {
        let error = text.parse::<NullText>().unwrap_err();
        let first = text.chars().find(|c| !c.is_alphabetic()).unwrap();
        assert_eq!(error, NullTextError::Character { character: first });
    }
    let long = "x".repeat(33);
    assert_eq!(long.parse::<NullText>(), Err(NullTextError::TooLong { bytes: 33 }));
    assert_eq!(
        "a,".parse::<NullText>().unwrap_err().to_string(),
        "a null text must not contain ',': it is never quoted, so quotes, line breaks, commas, \
         semicolons, spaces, tabs and vertical bars would be misread"
    );
    for text in ["", "NULL", "\\N", "NaN", "n/a", "-", "é"] {
        assert_eq!(text.parse::<NullText>().unwrap().as_str(), text);
    }
}

#[test]
fn single_values_are_the_texts_of_json_without_quotes() {
    let check = |array: ArrayRef, expected: &[&str]| assert_eq!(values(array, &csv()), expected);
    check(
        Arc::new(BooleanArray::from(vec![Some(true), Some(false), None])),
        &["true", "false", ""],
    );
    check(Arc::new(Int8Array::from(vec![i8::MIN, 0])), &["-128", "0"]);
    check(Arc::new(UInt64Array::from(vec![u64::MAX])), &["18446744073709551615"]);
    check(Arc::new(Float32Array::from(vec![0.1, -0.0, 1e-45])), &["0.1", "-0.0", "1e-45"]);
    check(Arc::new(Float64Array::from(vec![0.1, 1e21, 5e-324])), &["0.1", "1e+21", "5e-324"]);
    let decimal = Decimal128Array::from(vec![-150]).with_data_type(DataType::Decimal128(38, 2));
    check(Arc::new(decimal), &["-1.50"]);
    check(Arc::new(Date32Array::from(vec![15_706])), &["2013-01-01"]);
    check(Arc::new(Date64Array::from(vec![-86_400_000])), &["1969-12-31"]);
    check(Arc::new(Time32MillisecondArray::from(vec![1])), &["00:00:00.001"]);
    check(Arc::new(Time64NanosecondArray::from(vec![1])), &["00:00:00.000000001"]);
    check(Arc::new(TimestampMillisecondArray::from(vec![1])), &["1970-01-01T00:00:00.001"]);
    check(
        Arc::new(TimestampSecondArray::from(vec![1]).with_timezone("+02:00")),
        &["1970-01-01T00:00:01Z"],
    );
    check(Arc::new(DurationSecondArray::from(vec![-5])), &["-5"]);
    check(Arc::new(BinaryArray::from(vec![&[0xfb, 0xff][..]])), &["+/8="]);
    let keys = Int8Array::from(vec![Some(0), Some(1), None]);
    let texts = StringArray::from(vec![Some("a,b"), None]);
    check(Arc::new(DictionaryArray::new(keys, Arc::new(texts))), &["\"a,b\"", "", ""]);
}

#[test]
fn timestamps_follow_their_option_also_within_json() {
    use TimestampFormat::{EpochMilliseconds, Iso7};
    let of = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let column = || {
        let times = TimestampMicrosecondArray::from(vec![-1]).with_timezone("UTC");
        Arc::new(times) as ArrayRef
    };
    let option = |timestamps| CsvOptions { timestamps, ..csv() };
    assert_eq!(values(column(), &option(Iso7)), ["1969-12-31T23:59:59.9999990Z"]);
    assert_eq!(values(column(), &option(EpochMilliseconds)), ["-1"]);
    let list = || {
        let item = Arc::new(Field::new("item", of.clone(), true));
        let offsets = arrow_buffer::OffsetBuffer::from_lengths([1]);
        Arc::new(ListArray::new(item, offsets, column(), None))
    };
    assert_eq!(values(list(), &option(Iso7)), [r#""[""1969-12-31T23:59:59.9999990Z""]""#]);
    assert_eq!(values(list(), &option(EpochMilliseconds)), [r#""[-1]""#]);
}

#[test]
fn what_is_no_number_follows_its_option() {
    let array = || Arc::new(Float64Array::from(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY]));
    assert_eq!(values(array(), &csv()), ["", "", ""]);
    let named = CsvOptions { non_finite: NonFinite::String, ..csv() };
    assert_eq!(values(array(), &named), ["NaN", "Infinity", "-Infinity"]);
    let null = CsvOptions { null_text: "NaN".parse().unwrap(), ..csv() };
    assert_eq!(values(array(), &null), ["NaN"; 3]);
    let both = CsvOptions { non_finite: NonFinite::String, ..null };
    assert_eq!(values(array(), &both), ["\"NaN\"", "Infinity", "-Infinity"]);
    let error = CsvOptions { non_finite: NonFinite::Error, ..csv() };
    let records = encode(&Format::Csv(error), &WIDE, &batch_of(array()));
    assert_eq!((records.len(), records.rejected_total()), (0, 3));
    assert_eq!(records.rejected()[0].code, RowErrorCode::NonFinite);
    let text = records.rejected()[0].to_string();
    assert!(text.starts_with("row 0, column `v`: the value is NaN or infinite"), "{text}");
}

#[test]
fn nested_values_are_json_in_quotes() {
    let mut lists = ListBuilder::new(StringBuilder::new());
    lists.append_value([Some("a,\"b\"\n"), None]);
    lists.append_value(Vec::<Option<&str>>::new());
    lists.append_null();
    let expected = [r#""[""a,\""b\""\n"",null]""#, "\"[]\"", ""];
    assert_eq!(values(Arc::new(lists.finish()), &csv()), expected);
    let mut maps = MapBuilder::new(None, StringBuilder::new(), Float64Builder::new());
    maps.keys().append_value("k");
    maps.values().append_value(f64::NAN);
    maps.append(true).unwrap();
    assert_eq!(values(Arc::new(maps.finish()), &csv()), [r#""{""k"":null}""#]);
    let parts = StructArray::from(vec![
        (
            Arc::new(Field::new("id", DataType::Int64, true)),
            Arc::new(Int64Array::from(vec![i64::MAX])) as ArrayRef,
        ),
        (
            Arc::new(Field::new("Ä \"", DataType::Int8, true)),
            Arc::new(Int8Array::from(vec![None])) as ArrayRef,
        ),
    ]);
    let expected = r#""{""id"":9223372036854775807,""Ä \"""":null}""#;
    assert_eq!(values(Arc::new(parts), &csv()), [expected]);
}

#[test]
fn json_columns_stay_json_and_are_always_quoted() {
    let texts = [r#" { "a" : [1, null] } "#, "null", "-1", r#""=x""#, "1"];
    let array = Arc::new(StringArray::from(texts.to_vec()));
    let extension = (EXTENSION_TYPE_NAME_KEY.to_owned(), "arrow.json".to_owned());
    let field = || {
        let field = Field::new("v", DataType::Utf8, true);
        field.with_metadata(HashMap::from([extension.clone()]))
    };
    let expected = [r#""{""a"":[1,null]}""#, r#""null""#, r#""-1""#, r#""""=x""""#, r#""1""#];
    for options in [csv(), null_text("null"), CsvOptions { formula_guard: true, ..csv() }] {
        assert_eq!(values_of(array.clone(), field(), &options), expected);
    }
    let schema = Arc::new(Schema::new(vec![field()]));
    let bad = RecordBatch::try_new(schema, vec![Arc::new(StringArray::from(vec!["{"]))]).unwrap();
    let records = encode(&Format::Csv(csv()), &WIDE, &bad);
    assert_eq!(records.rejected()[0].code, RowErrorCode::InvalidJson);
}

#[test]
fn texts_that_begin_like_formulas_are_guarded_and_numbers_are_not() {
    let guarded = CsvOptions { formula_guard: true, ..csv() };
    check_texts(
        &guarded,
        &[
            ("=1+1", "'=1+1"),
            ("+49 30", "'+49 30"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\tx", "\"'\tx\""),
            ("\rx", "\"'\rx\""),
            ("\nx", "\"'\nx\""),
            ("\0x", "'\0x"),
            ("\u{ff1d}1+1", "'\u{ff1d}1+1"),
            ("\u{ff0b}1", "'\u{ff0b}1"),
            ("\u{ff0d}1", "'\u{ff0d}1"),
            ("\u{ff20}SUM(A1)", "'\u{ff20}SUM(A1)"),
            // Neighbours of these, and what begins with the same bytes.
            ("\u{ff0c}1", "\u{ff0c}1"),
            ("\u{ff1e}1", "\u{ff1e}1"),
            ("\u{f11d}1", "\u{f11d}1"),
            ("=HYPERLINK(\"http://x\",1)", "\"'=HYPERLINK(\"\"http://x\"\",1)\""),
            ("a=b", "a=b"),
            ("'=1", "'=1"),
            (" =1", "\" =1\""),
            ("", "\"\""),
            ("\u{feff}=", "\"\u{feff}=\""),
            ("a long text that is not like a formula", "a long text that is not like a formula"),
            ("-a long text that is like a formula", "'-a long text that is like a formula"),
        ],
    );
    let check = |array: ArrayRef, expected: &[&str]| {
        assert_eq!(values(array, &guarded), expected);
    };
    check(Arc::new(Int64Array::from(vec![-1])), &["-1"]);
    check(Arc::new(Float64Array::from(vec![-0.5, f64::NEG_INFINITY])), &["-0.5", ""]);
    let bytes: Vec<&[u8]> = vec![&[0xf8], &[0xfb, 0xff], &[0xf7], &[0xfc], b""];
    let expected = ["'+A==", "'+/8=", "9w==", "/A==", "\"\""];
    check(Arc::new(BinaryArray::from_vec(bytes.clone())), &expected);
    check(Arc::new(LargeBinaryArray::from_vec(bytes.clone())), &expected);
    check(Arc::new(BinaryViewArray::from_iter_values(bytes)), &expected);
    let fixed = FixedSizeBinaryArray::try_from_iter([[0xfb]].iter()).unwrap();
    check(Arc::new(fixed), &["'+w=="]);
    // Within JSON nothing is guarded: a value in braces or brackets is no formula.
    let mut lists = ListBuilder::new(BinaryBuilder::new());
    lists.append_value([Some([0xfb])]);
    check(Arc::new(lists.finish()), &["\"[\"\"+w==\"\"]\""]);
    let values = Arc::new(StringArray::from(vec!["=1"]));
    check(Arc::new(DictionaryArray::new(Int8Array::from(vec![0]), values)), &["'=1"]);
    let batch = RecordBatch::try_from_iter([
        ("=a", Arc::new(StringArray::from(vec![Some("-"), None])) as ArrayRef),
        ("b", Arc::new(StringArray::from(vec!["-", "x"])) as ArrayRef),
    ])
    .unwrap();
    // What is guarded no longer reads as the null text.
    let options = CsvOptions { header: true, null_text: "-".parse().unwrap(), ..guarded };
    assert_eq!(lines(&batch, &options), ["'=a,b\r\n'-,'-", "'=a,b\r\n-,x"]);
}

#[test]
fn packed_lines_have_breaks_between_them_and_one_header() {
    let batch = RecordBatch::try_from_iter([
        ("a", Arc::new(Float64Array::from(vec![0.5, f64::NAN, 2.5, 3.5, 4.5])) as ArrayRef),
        ("b", Arc::new(StringArray::from(vec!["x", "y", "z", "", "\n"])) as ArrayRef),
    ])
    .unwrap();
    let packed = |header, rows_max, bytes_max| {
        let options = CsvOptions { header, non_finite: NonFinite::Error, ..csv() };
        let encoder = Encoder::compile(&Format::Csv(options), batch.schema_ref()).unwrap();
        let mut records = Records::new();
        let packing = Packing { rows_max, bytes_max, whole: false };
        encoder.encode_all(std::slice::from_ref(&batch), packing, &WIDE, &mut records).unwrap();
        texts(&records)
    };
    let all = "0.5,x\r\n2.5,z\r\n3.5,\"\"\r\n4.5,\"\n\"";
    assert_eq!(packed(false, 10, 1_000), [all]);
    assert_eq!(packed(true, 10, 1_000), [format!("a,b\r\n{all}")]);
    let [first, second] = ["a,b\r\n0.5,x\r\n2.5,z", "a,b\r\n3.5,\"\"\r\n4.5,\"\n\""];
    assert_eq!(packed(true, 2, 1_000), [first, second]);
    // The header counts to the bytes of a record.
    assert_eq!(packed(true, 10, second.len()), [first, second]);
    assert_eq!(packed(true, 10, first.len() - 1).len(), 4);
}

#[test]
fn a_record_is_limited_with_its_header_and_all_its_quotes() {
    let batch = RecordBatch::try_from_iter([
        ("name", Arc::new(StringArray::from(vec!["\"\"\"\"", "1234567890", "x"])) as ArrayRef),
        ("n", Arc::new(Int8Array::from(vec![1, 2, 3])) as ArrayRef),
    ])
    .unwrap();
    for header in [false, true] {
        let options = CsvOptions { header, ..csv() };
        let all = lines(&batch, &options);
        for record_bytes_max in 0..=all.iter().map(String::len).max().unwrap() {
            let limits = Limits { record_bytes_max, batch_bytes_max: 1 << 20 };
            let records = encode(&Format::Csv(options.clone()), &limits, &batch);
            let fit: Vec<_> = all.iter().filter(|line| line.len() <= record_bytes_max).collect();
            assert_eq!(texts(&records).iter().collect::<Vec<_>>(), fit, "{record_bytes_max}");
            assert_eq!(records.len() + records.rejected_total(), 3);
            let too_large = |code| code == RowErrorCode::RowTooLarge;
            assert!(records.rejected().iter().all(|error| too_large(error.code)));
        }
    }
}

#[test]
fn what_is_wrong_within_json_is_named_by_its_path() {
    let mut lists = ListBuilder::new(Float64Builder::new());
    lists.append_value([Some(1.0), Some(f64::NAN)]);
    let options = CsvOptions { non_finite: NonFinite::Error, ..csv() };
    let records = encode(&Format::Csv(options), &WIDE, &batch_of(Arc::new(lists.finish())));
    assert_eq!(records.rejected()[0].column, "v[1]");
}

#[test]
fn schemas_are_refused_as_for_json_and_without_columns() {
    let refused = |fields: Vec<Field>| {
        Encoder::compile(&Format::Csv(csv()), &Schema::new(fields)).unwrap_err()
    };
    assert_eq!(refused(vec![]), PlanError::NoColumns);
    let interval = DataType::Interval(arrow_schema::IntervalUnit::DayTime);
    let error = refused(vec![Field::new("i", interval, true)]);
    assert_eq!(error.code(), "TYPE_UNSUPPORTED");
    let twice = || Field::new("a", DataType::Int8, true);
    assert_eq!(refused(vec![twice(), twice()]).code(), "NAME_DUPLICATE");
}
