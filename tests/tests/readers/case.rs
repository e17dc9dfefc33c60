//! A case: records, how they are to be read, and what they mean.

use arrow_array::RecordBatch;
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use serializers::{
    AvroCodec, AvroFraming, AvroOptions, AvroSchema, CsvOptions, Encoder, Format, JsonLayout,
    JsonOptions, Limits, Packing, Records,
};

use crate::meaning::Meaning;

const LIMITS: Limits = Limits { record_bytes_max: 256 << 20, batch_bytes_max: 256 << 20 };

/// What a reader needs to know, in the form in which it is told.
#[derive(Clone, Debug)]
pub struct Case(Value);

impl Case {
    /// A case of records that were encoded here, one by one or packed.
    ///
    /// # Panics
    /// When the batch cannot be encoded as a whole.
    pub fn encoded(name: &str, format: &Format, batch: &RecordBatch, packing: Packing) -> Self {
        let meaning = Meaning::of(format);
        let rows = (0..batch.num_rows()).map(|row| meaning.row(batch, row)).collect();
        Self::of_rows(name, format, batch, packing, rows)
    }

    /// The same, of rows whose meaning is not that of [`Meaning`].
    ///
    /// # Panics
    /// When the batch cannot be encoded as a whole.
    pub fn of_rows(
        name: &str,
        format: &Format,
        batch: &RecordBatch,
        packing: Packing,
        rows: Vec<Value>,
    ) -> Self {
        let encoder = Encoder::compile(format, batch.schema_ref())
            .unwrap_or_else(|e| panic!("{name}: {}: {e}", e.code()));
        let mut records = Records::new();
        let batches = std::slice::from_ref(batch);
        encoder.encode_all(batches, packing, &LIMITS, &mut records).expect("a batch is small");
        assert_eq!(records.rejected(), [], "{name}: every row is a record or part of one");
        let columns = Meaning::of(format).names(batch.schema_ref().fields());
        let records: Vec<&[u8]> = (0..records.len()).map(|at| records.record(at)).collect();
        let schema = encoder.avro_schema();
        Self::of_records(name, format, schema, &columns, &records, rows)
    }

    /// A case of records from anywhere.
    pub fn of_records(
        name: &str,
        format: &Format,
        schema: Option<&str>,
        columns: &[String],
        records: &[&[u8]],
        rows: Vec<Value>,
    ) -> Self {
        let records: Vec<String> = records.iter().map(|r| BASE64_STANDARD.encode(r)).collect();
        let options = match format {
            Format::Json(options) => json_options(options),
            Format::Csv(options) => csv_options(options),
            Format::Avro(options) => avro_options(options, schema),
        };
        let mut case = json!({ "name": name, "columns": columns, "options": options });
        case["records"] = records.into();
        case["rows"] = rows.into();
        Self(case)
    }

    /// Timestamps are compared as the integers that they are, also beyond the years that a reader
    /// has dates for.
    #[must_use]
    pub fn without_logical_types(mut self) -> Self {
        self.0["options"]["logical"] = false.into();
        self
    }

    /// Only this reader is asked.
    #[must_use]
    pub fn only(mut self, reader: &str) -> Self {
        self.0["only"] = reader.into();
        self
    }

    /// The same records, of which is meant that one column's value stands in another row; nothing
    /// if all its values are equal.
    pub fn wrong(&self, column: usize) -> Option<Self> {
        let of = |row: &Value| row[column][1].clone();
        let rows = self.0["rows"].as_array().expect("rows are an array");
        let other = (1..rows.len()).find(|other| of(&rows[*other]) != of(&rows[0]))?;
        let mut wrong = self.clone();
        wrong.0["rows"][0][column][1] = of(&rows[other]);
        wrong.0["rows"][other][column][1] = of(&rows[0]);
        Some(wrong)
    }

    pub fn name(&self) -> &str {
        self.0["name"].as_str().expect("every case has a name")
    }

    pub fn is_avro(&self) -> bool {
        self.0["options"]["format"] == "avro"
    }

    /// The one reader that is asked, if it is not all of them.
    pub fn only_reader(&self) -> Option<&str> {
        self.0["only"].as_str()
    }

    /// One line of JSON.
    pub fn line(&self) -> String {
        self.0.to_string()
    }
}

fn json_options(options: &JsonOptions) -> Value {
    json!({ "format": "json", "array": options.layout == JsonLayout::Array })
}

fn csv_options(options: &CsvOptions) -> Value {
    json!({
        "format": "csv",
        "delimiter": char::from(options.delimiter.as_byte()),
        "header": options.header,
        "null_text": options.null_text.as_str(),
    })
}

fn avro_options(options: &AvroOptions, schema: Option<&str>) -> Value {
    let (framing, id, codec) = match options.framing {
        AvroFraming::Container { codec } => ("container", None, Some(codec)),
        AvroFraming::SingleObject => ("single_object", None, None),
        AvroFraming::Confluent { schema_id } => ("confluent", Some(schema_id), None),
        AvroFraming::Raw => ("raw", None, None),
    };
    let codec = codec.map(|codec| match codec {
        AvroCodec::Null => "null",
        AvroCodec::Deflate => "deflate",
        AvroCodec::Snappy => "snappy",
        AvroCodec::Zstandard => "zstandard",
    });
    json!({
        "format": "avro",
        "framing": framing,
        "schema_id": id,
        "codec": codec,
        "schema": schema,
        "logical": true,
    })
}

/// Every framing, containers with every codec.
pub fn framings() -> Vec<AvroFraming> {
    let codecs = [AvroCodec::Null, AvroCodec::Deflate, AvroCodec::Snappy, AvroCodec::Zstandard];
    let mut all = codecs.map(|codec| AvroFraming::Container { codec }).to_vec();
    let confluent = |schema_id| AvroFraming::Confluent { schema_id };
    all.extend([AvroFraming::SingleObject, confluent(1), confluent(0x7fff_fffe), AvroFraming::Raw]);
    all
}

/// Avro in this framing, by the schema that is derived from the columns or by a given one.
pub fn avro(framing: AvroFraming, given: Option<&str>) -> Format {
    let schema = given.map_or_else(AvroSchema::default, |text| AvroSchema::Given(text.to_owned()));
    Format::Avro(AvroOptions { framing, schema })
}
