//! Security: what the job file says of identities, secrets, TLS, logins and callers.
//!
//! `raw` is what is written. `reference` finds out where each secret stands, `identity`, `listen`,
//! `brokers`, `login`, `token` and `writers` make the parts of `model` of it, `profile` says what
//! Event Hubs demands, `lend` which of these keys an output takes from `defaults`. `text` has the
//! checks of single values, `subject` the names of certificates, `show` writes the model as the job
//! file would.

mod brokers;
mod identity;
mod lend;
mod listen;
mod login;
mod model;
mod profile;
mod raw;
mod reference;
mod show;
mod subject;
mod text;
mod token;
mod writers;

pub(super) use self::{
    brokers::{Brokers, check_defaults, security},
    identity::{identity, secret_refresh},
    lend::{Use, is_merged, withhold},
    listen::{tls, tokens},
    profile::{EVENT_HUBS_ANSWER_MAX, EventHubs, profile},
    raw::{
        RawCertificate, RawIdentity, RawListenTls, RawProfile, RawProtocol, RawSasl, RawSecret,
        RawTokens, RawWriter, default,
    },
    reference::Vaults,
    show::identity_json,
    writers::{Callers, writers},
};
pub use self::{model::*, subject::Subject};
