//! The gRPC interface for operators, generated from `branchline/admin/v1/admin.proto` at build time.
//!
//! Read the .proto file, not this: it says what each message and field is for.

pub mod admin {
    #[expect(clippy::too_many_lines, reason = "generated")]
    pub mod v1 {
        tonic::include_proto!("branchline.admin.v1");
    }
}

/// Every .proto file of this crate as an encoded `FileDescriptorSet`: what gRPC reflection answers from.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
