//! Arrow IPC messages with whatever lengths and offsets a test likes.

use arrow_ipc::{
    BodyCompressionBuilder, Buffer, DictionaryBatchBuilder, FieldNode, MessageBuilder,
    MessageHeader, MetadataVersion, RecordBatch, RecordBatchBuilder,
};
use flatbuffers::{FlatBufferBuilder, WIPOffset};

/// A record batch message as it claims to be.
pub struct Claim<'a> {
    pub rows: i64,
    /// Length and null count of each.
    pub nodes: &'a [(i64, i64)],
    /// Offset and length of each.
    pub buffers: &'a [(i64, i64)],
    pub variadic: &'a [i64],
    pub body: &'a [u8],
    pub body_len: i64,
    pub version: MetadataVersion,
    pub compressed: bool,
}

impl<'a> Claim<'a> {
    pub fn new(
        rows: i64,
        nodes: &'a [(i64, i64)],
        buffers: &'a [(i64, i64)],
        body: &'a [u8],
    ) -> Self {
        let (variadic, body_len) = (&[][..], body.len() as i64);
        let version = MetadataVersion::V5;
        Self { rows, nodes, buffers, variadic, body, body_len, version, compressed: false }
    }

    fn write<'b>(&self, builder: &mut FlatBufferBuilder<'b>) -> WIPOffset<RecordBatch<'b>> {
        let nodes = self.nodes.iter().map(|(len, nulls)| FieldNode::new(*len, *nulls));
        let nodes = builder.create_vector(&nodes.collect::<Vec<_>>());
        let buffers = self.buffers.iter().map(|(start, len)| Buffer::new(*start, *len));
        let buffers = builder.create_vector(&buffers.collect::<Vec<_>>());
        let variadic = builder.create_vector(self.variadic);
        let compression = self.compressed.then(|| BodyCompressionBuilder::new(builder).finish());
        let mut batch = RecordBatchBuilder::new(builder);
        batch.add_length(self.rows);
        batch.add_nodes(nodes);
        batch.add_buffers(buffers);
        if !self.variadic.is_empty() {
            batch.add_variadicBufferCounts(variadic);
        }
        if let Some(compression) = compression {
            batch.add_compression(compression);
        }
        batch.finish()
    }

    fn frame(
        &self,
        header: MessageHeader,
        write: impl FnOnce(
            &mut FlatBufferBuilder<'static>,
            &mut dyn FnMut(&mut FlatBufferBuilder<'static>) -> WIPOffset<RecordBatch<'static>>,
        ) -> WIPOffset<flatbuffers::UnionWIPOffset>,
    ) -> Vec<u8> {
        let mut builder = FlatBufferBuilder::new();
        let table = write(&mut builder, &mut |builder| self.write(builder));
        let mut message = MessageBuilder::new(&mut builder);
        message.add_version(self.version);
        message.add_header_type(header);
        message.add_header(table);
        message.add_bodyLength(self.body_len);
        let root = message.finish();
        builder.finish(root, None);
        let metadata = builder.finished_data();
        let padding = metadata.len().next_multiple_of(8) - metadata.len();
        let len = (metadata.len() + padding) as i32;
        [&[0xff; 4], &len.to_le_bytes()[..], metadata, &vec![0; padding], self.body].concat()
    }

    /// The message.
    pub fn batch(&self) -> Vec<u8> {
        self.frame(MessageHeader::RecordBatch, |builder, write| write(builder).as_union_value())
    }

    /// The message of a dictionary whose values are claimed.
    pub fn dictionary(&self, id: i64, delta: bool) -> Vec<u8> {
        self.frame(MessageHeader::DictionaryBatch, |builder, write| {
            let values = write(builder);
            let mut dictionary = DictionaryBatchBuilder::new(builder);
            dictionary.add_id(id);
            dictionary.add_data(values);
            dictionary.add_isDelta(delta);
            dictionary.finish().as_union_value()
        })
    }
}
