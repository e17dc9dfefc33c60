//! The crate `keyvault`, and with it the official Azure crates, against a strict stand-in of Azure:
//! what is read, by whom, what each fault is called, and that no secret is in any text.
#![expect(clippy::unwrap_used, reason = "what goes wrong fails the test")]

mod asker;
mod challenges;
mod emulators;
mod foreign;
mod identities;
mod issuers;
mod keys;
mod reading;
mod refusals;
mod tokens;
mod toxic;
mod ways;
mod worlds;

/// The other half of [`asker::Asker`]: does something only in the processes that it starts.
#[test]
fn child_answers() {
    asker::serve();
}
