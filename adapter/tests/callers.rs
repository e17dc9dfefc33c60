//! Who may call: TLS, client certificates, tokens, the rules of outputs; and what a caller and the
//! log are told where something is missing.
#![expect(clippy::unwrap_used, reason = "a test panics where something is not as it says")]

#[allow(dead_code, reason = "other tests of the boundary use the rest")]
mod support;

#[path = "callers/caller.rs"]
mod caller;
#[path = "callers/client.rs"]
mod client;
#[path = "callers/denials.rs"]
mod denials;
#[path = "callers/health.rs"]
mod health;
#[path = "callers/issuer.rs"]
mod issuer;
#[path = "callers/renewal.rs"]
mod renewal;
#[path = "callers/rules.rs"]
mod rules;
#[path = "callers/tls.rs"]
mod tls;
#[path = "callers/tokens.rs"]
mod tokens;
