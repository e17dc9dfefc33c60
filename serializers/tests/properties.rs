//! Random schemas and batches: what an independent reader finds in the records is what a slow
//! walk over the Arrow arrays finds in the rows.

mod common;

use common::{
    WIDE, encode,
    meaning::{Json, object, parse, same},
    random::{self, data_type},
    texts,
};
use proptest::prelude::*;
use serializers::{Decimals, Format, Integers64, JsonOptions, Nulls, TimestampFormat};

/// All options, in half of the cases the default ones.
fn options() -> impl Strategy<Value = JsonOptions> {
    use TimestampFormat::{EpochMicroseconds, EpochMilliseconds, EpochSeconds, Iso, Iso7};
    let timestamps = vec![Iso, Iso7, EpochSeconds, EpochMilliseconds, EpochMicroseconds];
    let chosen = (any::<[bool; 3]>(), prop::sample::select(timestamps));
    let chosen = chosen.prop_map(|([nulls, integers64, decimals], timestamps)| JsonOptions {
        nulls: if nulls { Nulls::Omitted } else { Nulls::Written },
        integers64: if integers64 { Integers64::String } else { Integers64::Number },
        decimals: if decimals { Decimals::String } else { Decimals::Number },
        timestamps,
        ..JsonOptions::default()
    });
    prop_oneof![Just(JsonOptions::default()), chosen]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]
    #[test]
    fn the_records_say_what_the_rows_mean(
        options in options(),
        of in prop::collection::vec(data_type(), 0..6),
        rows in 0_usize..12,
        seed in any::<u64>(),
    ) {
        let batch = random::batch(of, rows, seed);
        let records = encode(&Format::Json(options.clone()), &WIDE, &batch);
        prop_assert_eq!((records.len(), records.rejected_total()), (rows, 0));
        for (row, text) in texts(&records).iter().enumerate() {
            prop_assert!(!text.contains('\n'));
            let meant = object(batch.schema_ref().fields(), batch.columns(), row, &options);
            let read = parse(text);
            prop_assert!(same(&read, &meant), "row {}:\n{:?}\n{:?}", row, read, meant);
        }
    }
}

#[test]
fn the_comparison_notices_a_difference() {
    let read = parse(r#"{"a":[1,"x",0.5],"a":null}"#);
    let object = |number: &str, float| {
        let items = vec![Json::Bare(number.into()), Json::Text("x".into()), Json::Float(float)];
        let null = Json::Bare("null".into());
        Json::Object(vec![("a".into(), Json::Array(items)), ("a".into(), null)])
    };
    assert!(same(&read, &object("1", 0.5)));
    assert!(!same(&read, &object("2", 0.5)));
    assert!(!same(&read, &object("1", 0.25)));
    assert!(!same(&parse("-0.0"), &Json::Float(0.0)));
    assert!(!same(&parse("0.1"), &Json::Single(0.2)) && same(&parse("0.1"), &Json::Single(0.1)));
}
