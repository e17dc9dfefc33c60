//! Samples of what a batch becomes, for those who look at the output.
use super::{Plan, Read};
use crate::{
    kafka::{Encoded, Mark},
    tap::{Batch, Drawn, Source, Taps},
};

/// Samples of these records; the batches of which they are made go together, so one writer has sent
/// them.
pub(super) fn draw(
    taps: &Taps,
    plan: &Plan,
    encoded: &Encoded,
    batches: &[Read],
    marks: &[Mark],
    offsets: &[u32],
) -> Drawn {
    if !taps.is_open() {
        return Drawn::default();
    }
    let sources = batches.iter().zip(marks).zip(offsets).map(|((read, mark), offset)| Batch {
        sequence: mark.sequence,
        offset: *offset,
        rows: &read.decoded.batch,
        row_map: read.decoded.row_map.as_deref(),
    });
    let (batches, schema) = (sources.collect(), plan.avro_schema());
    taps.draw(&Source { encoded, writer: &marks[0].writer, batches, schema })
}
