//! Input that lies or is damaged: nothing panics out of the decoder, and nothing allocates more
//! than its bound.
//!
//! Each test counts what its own thread allocates, so they run side by side.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use arrow_array::{Array, RecordBatch};
use arrow_ipc::writer::StreamWriter;
use arrow_ipc::{
    Field as IpcField, FieldBuilder, FieldNode, KeyValueBuilder, MessageBuilder, MessageHeader,
    MetadataVersion, SchemaBuilder, Struct_Builder, Type,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use bytes::Bytes;
use flatbuffers::{FlatBufferBuilder, WIPOffset};
use kafka_output::rows::{Carrier, DecodeError, Decoder, Limits, schema_from_ipc};

use super::craft::Claim;
use super::samples::*;

const MIB: usize = 1 << 20;
const LIMITS: Limits = Limits { rows_max: 10_000, bytes_max: 256 << 10 };
/// Mutants of each carrier, shared out among the seeds.
const MUTANTS: usize = 102_000;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

/// The system's allocator, and how much of it each thread has in use.
struct Counting;

fn count(bytes: isize) {
    // A thread that ends has no counters any more.
    let _ = LIVE.try_with(|live| {
        live.set(live.get() + bytes);
        PEAK.with(|peak| peak.set(peak.get().max(live.get())));
    });
}

// SAFETY: every call is passed on to the system's allocator as it is; counting neither allocates
// (the counters are constants at first and have no destructor) nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Old and new are in use together while the bytes are copied.
        count(size as isize);
        // SAFETY: the caller keeps the contract, which is the same.
        let new = unsafe { System.realloc(pointer, layout, size) };
        count(-(layout.size() as isize));
        new
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What `work` returns, and the most bytes that it had in use at once.
fn measure<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = LIVE.get();
    PEAK.set(before);
    let result = work();
    (result, (PEAK.get() - before) as usize)
}

struct Random(u64);

impl Random {
    /// Marsaglia's xorshift.
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

/// Damages `bytes` in one to three ways, mostly in the first 2 KiB, where the lengths are.
fn mutate(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    const LIES: [i64; 8] = [-1, i64::MIN, 1 << 62, 1 << 40, i32::MAX as i64, 1 << 20, 0, 7];
    let mut mutant = bytes.to_vec();
    for _ in 0..=random.below(3) {
        let reach = if random.below(4) == 0 { mutant.len() } else { mutant.len().min(2048) };
        let at = random.below(reach);
        let len = random.below(16).min(mutant.len() - at);
        match random.below(8) {
            0 => mutant.truncate(at),
            1 => mutant[at..at + len].fill(0xff),
            2 => mutant[at..at + len].fill(0x7f),
            3 => mutant[at..at + len].fill(0),
            4 if at + 8 <= mutant.len() => {
                let at = at / 8 * 8;
                mutant[at..at + 8].copy_from_slice(&LIES[random.below(8)].to_le_bytes());
            }
            5 => {
                let part = mutant[at..at + len].to_vec();
                let to = random.below(mutant.len());
                mutant.splice(to..to, part);
            }
            _ if at < mutant.len() => mutant[at] ^= 1 << random.below(8),
            _ => {}
        }
    }
    mutant
}

/// Sees that a decoded batch can be walked.
fn walk(batch: &RecordBatch) -> usize {
    batch
        .columns()
        .iter()
        .map(|column| {
            column.to_data().validate_full().expect("a decoded column is valid");
            column.len()
        })
        .sum()
}

fn seeds() -> Vec<RecordBatch> {
    let deep = ["list of dictionary", "record of dictionary", "map", "utf8_view", "list of nulls"];
    let some = |keep: fn(&str, &[&str]) -> bool| {
        let columns = every_type().into_iter().filter(|(field, _)| keep(field.name(), &deep));
        columns.collect::<Vec<_>>()
    };
    let mut records = some(|name, _| name.contains("record"));
    records.push(required("r", arrow_array::Int64Array::from(vec![1, 2, 3, 4])));
    let nested = some(|name, deep| deep.contains(&name));
    vec![batch(every_type()), batch(nested), batch(records), flights(20)]
}

fn fuzz(
    carrier: Carrier,
    encode: fn(&RecordBatch) -> Vec<u8>,
    mutants: usize,
    seed: u64,
    peak_max: fn(usize) -> usize,
) {
    let mut random = Random(seed);
    let (mut good, mut panics, mut worst) = (0, 0, 0.0_f64);
    let seeds = seeds();
    for seed in &seeds {
        let decoder = Decoder::compile(seed.schema()).unwrap();
        let bytes = encode(seed);
        // What is allocated once, such as a panic's backtrace cache, is not the decoder's.
        decoder.decode(carrier, &Bytes::from(bytes.clone()), &LIMITS).unwrap();
        for _ in 0..mutants / seeds.len() {
            let mutant = Bytes::from(mutate(&bytes, &mut random));
            let (result, peak) = measure(|| decoder.decode(carrier, &mutant, &LIMITS));
            let max = peak_max(mutant.len());
            assert!(peak <= max, "{peak} bytes in use for {} ({max})", mutant.len());
            worst = worst.max(peak as f64 / max as f64);
            match result {
                Ok(decoded) => {
                    good += usize::from(walk(&decoded.batch) > 0);
                    assert_eq!(
                        decoded.batch.num_rows() + decoded.rejected_total,
                        decoded.rows_total
                    );
                }
                Err(DecodeError::BadCarrier { reason }) if reason.contains("reader panicked") => {
                    panics += 1;
                }
                Err(_) => {}
            }
        }
    }
    println!(
        "{carrier}: {good} mutants have rows, {panics} panics caught, peak {worst:.3} of its bound"
    );
    assert!(good > mutants / 100, "the mutants are too harsh to reach the depths: {good}");
}

/// Twice the message, and a little.
fn ipc_peak_max(len: usize) -> usize {
    2 * len + MIB / 8
}

/// What columns may take while they grow.
fn built_peak_max(len: usize) -> usize {
    2 * LIMITS.bytes_max + 2 * len + MIB
}

#[test]
fn damaged_ipc_streams_are_refused_or_valid() {
    fuzz(Carrier::ArrowIpc, ipc_stream, MUTANTS / 2, 0x9e37_79b9_7f4a_7c15, ipc_peak_max);
}

#[test]
fn damaged_ipc_batches_are_refused_or_valid() {
    fuzz(Carrier::ArrowIpc, ipc_bare, MUTANTS / 2, 0xd1b5_4a32_d192_ed03, ipc_peak_max);
}

#[test]
fn damaged_typed_rows_are_refused_or_valid() {
    fuzz(Carrier::TypedRows, typed_bytes, MUTANTS, 0x94d0_49bb_1331_11eb, built_peak_max);
}

#[test]
fn damaged_json_lines_are_refused_or_valid() {
    fuzz(Carrier::JsonLines, json_lines, MUTANTS, 0xbf58_476d_1ce4_e5b9, built_peak_max);
}

#[test]
fn damaged_schemas_are_refused_or_served() {
    let mut bytes = Vec::new();
    StreamWriter::try_new(&mut bytes, &batch(every_type()).schema()).unwrap().finish().unwrap();
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let mut served = 0;
    for _ in 0..20_000 {
        let mutant = Bytes::from(mutate(&bytes, &mut random));
        let (schema, peak) = measure(|| schema_from_ipc(&mutant));
        assert!(peak <= 16 * mutant.len() + MIB, "{peak} bytes in use for {}", mutant.len());
        served += usize::from(schema.is_ok_and(|schema| Decoder::compile(schema).is_ok()));
    }
    assert!(served > 100, "the mutants are too harsh: {served}");
}

fn field(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, true)
}

/// Sees the claim refused within its bound.
fn refuse(schema: Schema, claim: &Claim<'_>) {
    refuse_bytes(schema, &claim.batch().into());
}

fn refuse_bytes(schema: Schema, bytes: &Bytes) {
    let decoder = Decoder::compile(Arc::new(schema)).unwrap();
    let limits = Limits { rows_max: 1 << 20, bytes_max: 1 << 30 };
    let (result, peak) = measure(|| decoder.decode(Carrier::ArrowIpc, bytes, &limits));
    assert_eq!(result.unwrap_err().code(), "BAD_CARRIER");
    assert!(peak <= ipc_peak_max(bytes.len()), "{peak} bytes in use for {}", bytes.len());
}

#[test]
fn few_bytes_do_not_claim_much_memory() {
    let item = |data_type| Arc::new(field("item", data_type));
    let body = vec![0; 1 << 16];
    let (huge, len) = (1_i64 << 62, 1 << 16);
    // 4,000 columns of the same unaligned bytes: each would be copied.
    let same =
        (0..4_000).map(|index| field(&format!("c{index}"), DataType::Int64)).collect::<Vec<_>>();
    let nodes = vec![(100, 0); 4_000];
    let buffers = [(0, 0), (1, len - 1)].repeat(4_000);
    refuse(Schema::new(same), &Claim::new(100, &nodes, &buffers, &body));
    let list = |data_type| Schema::new(vec![field("a", DataType::List(item(data_type)))]);
    for nodes in [[(1, 0), (huge, huge)], [(1, 1), (huge, huge)]] {
        refuse(list(DataType::Null), &Claim::new(1, &nodes, &[(0, 1), (8, 8)], &body));
    }
    for data_type in [DataType::Int64, DataType::Boolean] {
        let nodes = [(1, 0), (1 << 40, 0)];
        let buffers = [(0, 0), (0, 8), (0, 0), (8, len - 8)];
        refuse(list(data_type), &Claim::new(1, &nodes, &buffers, &body));
    }
    let fixed = DataType::FixedSizeList(item(DataType::Null), 1 << 20);
    let nodes = [(1 << 20, 0), (1 << 40, 1 << 40)];
    let schema = Schema::new(vec![field("a", fixed)]);
    refuse(schema, &Claim::new(1 << 20, &nodes, &[(0, 0)], &[]));
    let nodes = [(1, 1)];
    let schema = || Schema::new(vec![field("a", DataType::Int8)]);
    refuse(schema(), &Claim::new(1, &nodes, &[(0, 0), (0, 1)], &body));
    refuse(schema(), &Claim::new(1, &[(1, i64::MIN)], &[(0, 0), (0, 1)], &body));
    refuse(schema(), &Claim::new(1, &[(1, 0)], &[(0, 0), (i64::MAX, i64::MAX)], &body));
}

#[test]
fn dictionaries_do_not_claim_much_memory_either() {
    let dictionary = DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8));
    let schema = || Schema::new(vec![field("a", dictionary.clone())]);
    let (nodes, body) = ([(1 << 40, 0)], [0; 64]);
    let values = Claim::new(1 << 40, &nodes, &[(0, 0), (0, 32), (32, 32)], &body);
    refuse_bytes(schema(), &values.dictionary(0, false).into());
    let values = Claim::new(1, &[(1, 0)], &[(0, 0), (0, 8), (8, 8)], &body);
    let keys = Claim::new(64, &[(64, 0)], &[(0, 0), (0, 64)], &[0x7f; 64]);
    let messages = [values.dictionary(0, false), keys.batch()].concat();
    refuse_bytes(schema(), &messages.into());
}

/// A schema message, written by hand.
fn schema_message<'b>(
    builder: &mut FlatBufferBuilder<'b>,
    fields: &[WIPOffset<IpcField<'b>>],
    repeated_metadata: usize,
) -> Bytes {
    let text = builder.create_string(&"x".repeat(1 << 16));
    let pair = {
        let mut pair = KeyValueBuilder::new(builder);
        pair.add_key(text);
        pair.add_value(text);
        pair.finish()
    };
    let metadata = builder.create_vector(&vec![pair; repeated_metadata]);
    let fields = builder.create_vector(fields);
    let mut schema = SchemaBuilder::new(builder);
    schema.add_fields(fields);
    schema.add_custom_metadata(metadata);
    let schema = schema.finish().as_union_value();
    let mut message = MessageBuilder::new(builder);
    message.add_version(MetadataVersion::V5);
    message.add_header_type(MessageHeader::Schema);
    message.add_header(schema);
    let message = message.finish();
    builder.finish(message, None);
    let bytes = builder.finished_data();
    [&(bytes.len() as i32).to_le_bytes()[..], bytes].concat().into()
}

#[test]
fn what_a_schema_refers_to_twice_is_counted_twice() {
    for (depth, repeated) in [(2, 1), (30, 1), (2, 20_000)] {
        let mut builder = FlatBufferBuilder::new();
        let name = builder.create_string("n");
        let kind = Struct_Builder::new(&mut builder).finish().as_union_value();
        let mut leaf: Option<WIPOffset<IpcField<'_>>> = None;
        for _ in 0..depth {
            let children = leaf.map_or(Vec::new(), |leaf| vec![leaf; 2]);
            let children = builder.create_vector(&children);
            let mut field = FieldBuilder::new(&mut builder);
            field.add_name(name);
            field.add_type_type(Type::Struct_);
            field.add_type_(kind);
            field.add_children(children);
            leaf = Some(field.finish());
        }
        let message = schema_message(&mut builder, &[leaf.unwrap()], repeated);
        let (result, peak) = measure(|| schema_from_ipc(&message));
        assert_eq!(result.is_ok(), (depth, repeated) == (2, 1), "{depth} {repeated}");
        assert!(peak <= 16 * message.len() + MIB, "{peak} bytes in use for {}", message.len());
    }
}

/// A node takes 16 bytes on the wire, an array some hundred in memory: within the schema's size.
#[test]
fn wide_schemas_keep_to_their_columns() {
    assert_eq!(size_of::<FieldNode>(), 16);
    let columns =
        (0..4_000).map(|index| column(&format!("c{index}"), arrow_array::NullArray::new(1)));
    let rows = batch(columns.collect());
    let decoder = Decoder::compile(rows.schema()).unwrap();
    let bytes = Bytes::from(ipc_bare(&rows));
    let (decoded, peak) = measure(|| decoder.decode(Carrier::ArrowIpc, &bytes, &LIMITS));
    assert_eq!(decoded.unwrap().batch, rows);
    assert!(peak <= ipc_peak_max(bytes.len()) + 1024 * rows.num_columns(), "{peak} bytes in use");
}

#[test]
fn many_bad_rows_cost_no_more_than_good_ones() {
    let schema: SchemaRef = Arc::new(Schema::new(vec![Field::new("a", DataType::Int8, false)]));
    let decoder = Decoder::compile(schema).unwrap();
    let limits = Limits { rows_max: 1 << 20, bytes_max: 64 * MIB };
    for (carrier, line) in [(Carrier::TypedRows, &b"\x0a\x00"[..]), (Carrier::JsonLines, b"{}\n")] {
        let bytes = Bytes::from(line.repeat(1 << 20));
        let (decoded, peak) = measure(|| decoder.decode(carrier, &bytes, &limits).unwrap());
        assert_eq!(decoded.rejected_total, 1 << 20);
        assert!(peak <= 4 * bytes.len(), "{carrier}: {peak} bytes in use for {}", bytes.len());
    }
}

#[test]
fn a_fixed_list_of_nulls_is_not_free() {
    let item = Arc::new(field("item", DataType::Null));
    let decoder = super::decoder(vec![field("a", DataType::FixedSizeList(item, 1 << 20))]);
    let limits = Limits { rows_max: 1_000_000, bytes_max: 16 << 20 };
    let lines = Bytes::from("{}\n".repeat(1_000));
    let error = decoder.decode(Carrier::JsonLines, &lines, &limits).unwrap_err();
    assert_eq!(error.code(), "BATCH_TOO_LARGE");
}
