//! The format of an output's records: `serialization` and `packing` of the job file.
//!
//! `raw` is `serialization` as it is written, `kind` says which of its keys go together, `convert`
//! makes of it what the serializers take. Here is what comes out, and how it is shown again.

mod convert;
mod kind;
mod raw;

use std::{path::PathBuf, time::Duration};

use serde_json::{Value, json};
use serializers::{
    AvroFraming, AvroOptions, AvroSchema, CsvOptions, Decimals, Format, Integers64, JsonLayout,
    JsonOptions, NonFinite, Nulls, TimestampFormat,
};

pub(super) use self::{
    convert::{check_defaults, packing, serialization},
    kind::lend,
    raw::RawSerialization,
};
use super::text::{show_bytes, show_duration};

/// How a row becomes the value of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Serialization {
    /// The format with its options.
    pub format: Format,
    /// Where the schema was read from, if one is given to Avro.
    pub schema_file: Option<PathBuf>,
}

/// How many rows share a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packing {
    /// What fits into a record.
    pub limits: serializers::Packing,
    /// The longest the first row of a record waits for rows of later batches. With zero rows are
    /// packed with those of their own batch.
    pub time: Duration,
}

impl Serialization {
    /// As the job file would write it, with every default filled in.
    pub(super) fn to_json(&self) -> Value {
        match &self.format {
            Format::Json(options) => json_options(options),
            Format::Csv(options) => csv_options(options),
            Format::Avro(options) => self.avro_options(options),
        }
    }

    fn avro_options(&self, options: &AvroOptions) -> Value {
        let mut map = json!({ "type": "Avro" });
        map["framing"] = match options.framing {
            AvroFraming::Container { codec } => {
                map["codec"] = format!("{codec:?}").into();
                "Container".into()
            }
            AvroFraming::SingleObject => "SingleObject".into(),
            AvroFraming::Confluent { schema_id } => {
                map["schemaId"] = schema_id.into();
                "Confluent".into()
            }
            AvroFraming::Raw => "Raw".into(),
        };
        if let Some(file) = &self.schema_file {
            map["schemaFile"] = file.display().to_string().into();
        }
        if let AvroSchema::Derived { name, namespace } = &options.schema {
            map["name"] = name.as_str().into();
            if let Some(namespace) = namespace {
                map["namespace"] = namespace.as_str().into();
            }
        }
        map
    }
}

fn json_options(options: &JsonOptions) -> Value {
    let JsonOptions { layout, nulls, timestamps, integers64, decimals, non_finite } = options;
    json!({
        "type": "Json",
        "format": match layout {
            JsonLayout::LineSeparated => "LineSeparated",
            JsonLayout::Array => "Array",
        },
        "nulls": match nulls {
            Nulls::Written => "Write",
            Nulls::Omitted => "Omit",
        },
        "timestamps": timestamp_format(*timestamps),
        "integers64": match integers64 {
            Integers64::Number => "Number",
            Integers64::String => "String",
        },
        "decimals": match decimals {
            Decimals::Number => "Number",
            Decimals::String => "String",
        },
        "nonFinite": non_finite_value(*non_finite),
    })
}

fn csv_options(options: &CsvOptions) -> Value {
    let CsvOptions { delimiter, header, null_text, timestamps, non_finite, formula_guard } =
        options;
    json!({
        "type": "Csv",
        "delimiter": format!("{delimiter:?}"),
        "header": header,
        "nullText": null_text.as_str(),
        "timestamps": timestamp_format(*timestamps),
        "nonFinite": non_finite_value(*non_finite),
        "formulaGuard": formula_guard,
    })
}

fn timestamp_format(format: TimestampFormat) -> &'static str {
    match format {
        TimestampFormat::Iso => "Iso8601",
        TimestampFormat::Iso7 => "Iso8601Ticks",
        TimestampFormat::EpochSeconds => "EpochSeconds",
        TimestampFormat::EpochMilliseconds => "EpochMilliseconds",
        TimestampFormat::EpochMicroseconds => "EpochMicroseconds",
    }
}

fn non_finite_value(non_finite: NonFinite) -> &'static str {
    match non_finite {
        NonFinite::Null => "Null",
        NonFinite::String => "String",
        NonFinite::Error => "Error",
    }
}

impl Packing {
    /// Every row is a record.
    pub const NONE: Self = Self { limits: serializers::Packing::NONE, time: Duration::ZERO };

    /// As the job file would write it.
    pub(super) fn to_json(self) -> Value {
        if self == Self::NONE {
            return json!({ "rows": 1 });
        }
        json!({
            "rows": self.limits.rows_max,
            "bytes": show_bytes(self.limits.bytes_max as u64),
            "time": show_duration(self.time),
            "tooLarge": match self.limits.whole {
                true => "ErrorPolicy",
                false => "Split",
            },
        })
    }
}
