//! When batches that share records have enough of them.
use super::Read;
use crate::{credit::CREDIT_BATCHES, job::Packing};

/// How full a record is of batches that wait for others.
#[derive(Clone, Copy, Debug)]
pub struct Fill {
    packing: Packing,
    batches: u32,
    rows: u64,
    bytes: u64,
}

impl Fill {
    /// Nothing waits yet.
    pub fn new(packing: Packing) -> Self {
        Self { packing, batches: 0, rows: 0, bytes: 0 }
    }

    /// Whether a record has room for a batch behind those that wait: a record that ends with a
    /// batch is better than two, of which the second holds what did not fit.
    pub fn has_room(&self, read: &Read) -> bool {
        let Packing { limits, .. } = &self.packing;
        self.batches == 0
            || self.rows + read.rows() <= u64::from(limits.rows_max)
                && self.bytes + read.bytes <= limits.bytes_max as u64
    }

    /// Another batch waits.
    pub fn add(&mut self, read: &Read) {
        self.batches += 1;
        self.rows += read.rows();
        self.bytes += read.bytes;
    }

    /// Whether those that wait need no others: batches wait for none at all, their record is full
    /// or none is needed, or the engine cannot send much more before it hears of them.
    pub fn is_enough(&self) -> bool {
        let Packing { limits, time } = &self.packing;
        time.is_zero()
            || self.rows == 0
            || self.rows >= u64::from(limits.rows_max)
            || self.bytes >= limits.bytes_max as u64
            || self.batches >= CREDIT_BATCHES / 2
    }
}

impl Read {
    /// How many rows can be written.
    fn rows(&self) -> u64 {
        self.decoded.batch.num_rows() as u64
    }
}
