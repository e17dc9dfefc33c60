//! The gRPC contract of the Kafka output service: package `kafkaoutput.v1`.
//!
//! The `.proto` files beside this crate are the contract and explain it; here is the code that is
//! generated from them, and nothing else. One thing differs from plain generated code:
//! [`v1::batch::Rows::TypedRows`] holds the encoded bytes of a [`v1::TypedRows`] message, not the
//! message (`build.rs` says why). On the wire the two are the same.

/// Messages, client and server of `kafkaoutput.v1`.
#[allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated code")]
pub mod v1 {
    tonic::include_proto!("kafkaoutput.v1");
}

/// The contract as an encoded `google.protobuf.FileDescriptorSet`, for gRPC reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] =
    include_bytes!(concat!(env!("OUT_DIR"), "/kafkaoutput.v1.bin"));

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::v1::{Batch, Row, TypedRows, Value, batch::Rows, value::Kind};

    /// `kafkaoutput.v1.Batch` as plain generated code would have it.
    #[derive(Clone, PartialEq, prost::Message)]
    struct PlainBatch {
        #[prost(uint64, tag = "1")]
        sequence: u64,
        #[prost(message, optional, tag = "4")]
        typed_rows: Option<TypedRows>,
    }

    #[test]
    fn typed_rows_as_bytes_are_the_same_on_the_wire() {
        let value = Value { kind: Some(Kind::Int64(-7)) };
        let rows = TypedRows { rows: vec![Row { values: vec![value] }] };
        let ours = Batch {
            sequence: 3,
            rows: Some(Rows::TypedRows(rows.encode_to_vec().into())),
            ..Default::default()
        };
        let plain = PlainBatch { sequence: 3, typed_rows: Some(rows) };
        assert_eq!(ours.encode_to_vec(), plain.encode_to_vec());
    }
}
