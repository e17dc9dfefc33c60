//! Where secrets come from, and what they must be before TLS or a login can use them.
//!
//! A [`Reference`] says where something stands: in Azure Key Vault, in a file, in the environment.
//! A [`Store`] reads it, by an [`Identity`] where a vault is asked, and gives [`Found`]: the bytes,
//! their version and how long they hold. [`material`] makes certificates, keys and trust stores of
//! it, checked and in the form that OpenSSL and rustls take. [`token`] has access tokens of the
//! identity or of an OIDC issuer; a [`KeySet`] has the keys that the tokens of callers are checked
//! with.
//!
//! Everything that holds a secret is a [`Secret`]: it shows itself to nobody and is wiped. An
//! [`Error`] names the object and the fault, never the content.
//!
//! This crate knows nothing of Kafka, of gRPC or of job files.

mod claims;
mod error;
mod failure;
mod files;
mod flight;
mod found;
mod http;
mod identity;
mod keys;
mod local;
pub mod material;
mod reference;
mod said;
mod secret;
mod store;
pub mod token;
mod transport;
mod vault;

pub use self::{
    error::{Error, Retry},
    found::Found,
    identity::{Identity, UserAssigned},
    keys::KeySet,
    local::{LOCAL_BYTES_MAX, read_local},
    reference::{ObjectKind, Reference, VaultObject, VaultUrl},
    secret::{REDACTED, Secret},
    store::Store,
};
