//! Generates the code of the contract from the `.proto` files, without protoc.
use std::{env, error::Error, fs, path::PathBuf};

use prost::Message as _;
use prost_types::{DescriptorProto, FileDescriptorSet, field_descriptor_proto::Type};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=kafkaoutput");
    let mut files = protox::compile(["kafkaoutput/v1/service.proto"], ["."])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    // Reflection shows the contract as it is written.
    fs::write(out.join("kafkaoutput.v1.bin"), files.encode_to_vec())?;
    // The generated code keeps the typed rows of a batch as the bytes they are on the wire (a
    // message and a `bytes` field look alike there), so that a value goes straight into its
    // column instead of through a tree of `Value`s, which costs 25 to 60 times as much.
    typed_rows_as_bytes(&mut files);
    tonic_prost_build::configure()
        .bytes(".kafkaoutput.v1.Batch")
        .bytes(".kafkaoutput.v1.Schema.arrow_ipc")
        .compile_fds(files)?;
    Ok(())
}

fn typed_rows_as_bytes(files: &mut FileDescriptorSet) {
    let batch: &mut DescriptorProto = files
        .file
        .iter_mut()
        .flat_map(|file| &mut file.message_type)
        .find(|message| message.name() == "Batch")
        .expect("service.proto has the message Batch");
    let field = batch
        .field
        .iter_mut()
        .find(|field| field.name() == "typed_rows")
        .expect("Batch has the field typed_rows");
    field.set_type(Type::Bytes);
    field.type_name = None;
}
