//! Random schemas, batches and options: what readers find in the lines is what a slow walk over
//! the Arrow arrays finds in the rows.
#![expect(clippy::unwrap_used, reason = "a test's helpers may fail it as the test itself may")]

mod common;

use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;
use common::{
    WIDE, csv_reader,
    meaning::{Json, meant, parse, same},
    random::{self, data_type},
};
use proptest::{prelude::*, sample::select};
use serializers::{
    CsvOptions, Delimiter, Encoder, Format, JsonOptions, Packing, Records, TimestampFormat,
};

fn options() -> impl Strategy<Value = CsvOptions> {
    use Delimiter::{Comma, Semicolon, Space, Tab, VerticalBar};
    use TimestampFormat::{EpochSeconds, Iso, Iso7};
    let delimiters = vec![Comma, Semicolon, Space, Tab, VerticalBar];
    // Among them texts of values of every type.
    let null_texts = vec!["", "", "", "NULL", "a", "0", "-1", "true", "=", "1970-01-01", "AA=="];
    let chosen = (select(delimiters), select(null_texts), select(vec![Iso, Iso7, EpochSeconds]));
    (chosen, any::<[bool; 2]>()).prop_map(|(chosen, [header, formula_guard])| {
        let (delimiter, null_text, timestamps) = chosen;
        let null_text = null_text.parse().unwrap();
        CsvOptions { delimiter, null_text, timestamps, header, formula_guard, ..Default::default() }
    })
}

/// The type of a column's values, whatever dictionaries are around them.
fn value_type(of: &DataType) -> &DataType {
    match of {
        DataType::Dictionary(_, value) => value_type(value),
        of => of,
    }
}

fn is_text(of: &DataType) -> bool {
    matches!(value_type(of), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// Whether values of this type are written as base64.
fn is_binary(of: &DataType) -> bool {
    use DataType::{Binary, BinaryView, FixedSizeBinary, LargeBinary};
    matches!(value_type(of), Binary | LargeBinary | BinaryView | FixedSizeBinary(_))
}

fn guarded(text: &str, options: &CsvOptions) -> String {
    const ASCII: [char; 8] = ['=', '+', '-', '@', '\t', '\r', '\n', '\0'];
    let formula = text.starts_with(ASCII) || text.starts_with(['＝', '＋', '－', '＠']);
    if options.formula_guard && formula { format!("'{text}") } else { text.to_owned() }
}

/// Whether a value that is not null must be in quotes, by the rules as they are documented.
fn must_quote(text: &str, of: &DataType, options: &CsvOptions) -> bool {
    let delimiter = char::from(options.delimiter.as_byte());
    // What stands behind the guard is looked at, too.
    let bare = text.strip_prefix('\'').filter(|_| options.formula_guard).unwrap_or(text);
    value_type(of).is_nested()
        || text.is_empty()
        || text == options.null_text.as_str()
        || text.contains([delimiter, '"', '\r', '\n'])
        || bare.starts_with([' ', '\t', '\u{feff}'])
        || bare.ends_with([' ', '\t'])
}

/// Compares one value with what was read.
fn check(
    read: &csv_reader::Field,
    array: &dyn Array,
    row: usize,
    alone: bool,
    options: &CsvOptions,
) -> Result<(), TestCaseError> {
    let json = JsonOptions { timestamps: options.timestamps, ..JsonOptions::default() };
    let of = array.data_type();
    let text = &read.text;
    match meant(array, row, &json) {
        null if null == Json::null() => {
            prop_assert_eq!(text, options.null_text.as_str());
            prop_assert_eq!(read.quoted, alone && text.is_empty());
            return Ok(());
        }
        meant @ (Json::Array(_) | Json::Object(_)) => prop_assert!(same(&parse(text), &meant)),
        meant @ (Json::Float(_) | Json::Single(_)) => {
            prop_assert!(same(&Json::Bare(text.clone()), &meant), "{} {:?}", text, meant);
        }
        Json::Text(meant) if is_text(of) || is_binary(of) => {
            prop_assert_eq!(text, &guarded(&meant, options));
        }
        Json::Text(meant) | Json::Bare(meant) => prop_assert_eq!(text, &meant),
    }
    prop_assert_eq!(read.quoted, must_quote(text, of, options), "{:?} as {}", text, of);
    Ok(())
}

fn encode(batch: &RecordBatch, options: &CsvOptions, rows_max: u32) -> Records {
    let encoder = Encoder::compile(&Format::Csv(options.clone()), batch.schema_ref()).unwrap();
    let mut records = Records::new();
    let packing = Packing { rows_max, bytes_max: usize::MAX, whole: false };
    encoder.encode_all(std::slice::from_ref(batch), packing, &WIDE, &mut records).unwrap();
    records
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]
    #[test]
    fn the_lines_say_what_the_rows_mean(
        options in options(),
        of in prop::collection::vec(data_type(), 1..6),
        rows in 0_usize..12,
        rows_max in 1_u32..4,
        seed in any::<u64>(),
    ) {
        let batch = random::batch(of, rows, seed);
        let records = encode(&batch, &options, rows_max);
        prop_assert_eq!(records.rejected_total(), 0);
        prop_assert_eq!(records.len(), rows.div_ceil(rows_max as usize));
        let mut row = 0;
        for at in 0..records.len() {
            let record = std::str::from_utf8(records.record(at)).unwrap();
            let mut lines = csv_reader::read(record, options.delimiter.as_byte());
            prop_assert_eq!(
                csv_reader::read_with_crate(record, options.delimiter.as_byte()),
                csv_reader::texts(&lines)
            );
            if options.header {
                let names = lines.remove(0);
                let names: Vec<_> = names.iter().map(|field| field.text.as_str()).collect();
                let fields = batch.schema_ref().fields().iter();
                prop_assert_eq!(names, fields.map(|f| f.name().as_str()).collect::<Vec<_>>());
            }
            prop_assert_eq!(lines.len(), records.rows_of(at).count());
            for line in lines {
                prop_assert_eq!(line.len(), batch.num_columns());
                for (read, column) in line.iter().zip(batch.columns()) {
                    check(read, column, row, batch.num_columns() == 1, &options)?;
                }
                row += 1;
            }
        }
        prop_assert_eq!(row, rows);
    }
}

#[test]
fn the_comparison_notices_a_difference() {
    let field = |text: &str, quoted| csv_reader::Field { text: text.into(), quoted };
    let fails = |text: &str, quoted, array: &dyn Array| {
        check(&field(text, quoted), array, 0, false, &CsvOptions::default()).is_err()
    };
    let text = arrow_array::StringArray::from(vec!["a"]);
    assert!(!fails("a", false, &text));
    assert!(fails("a", true, &text) && fails("b", false, &text) && fails("", false, &text));
    let null = arrow_array::StringArray::from(vec![None::<&str>]);
    assert!(!fails("", false, &null) && fails("", true, &null));
    let empty = arrow_array::BinaryArray::from(vec![&b""[..]]);
    assert!(!fails("", true, &empty) && fails("", false, &empty));
}
