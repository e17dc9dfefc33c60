//! How much work an object may cause: keys are derived from passwords in rounds, and the object
//! says how many.

use super::fault::Fault;

/// The most rounds of one derivation: about a second. OpenSSL and Java write up to 10 000, and
/// those who follow OWASP 600 000.
const ROUNDS_MAX: u64 = 1_000_000;

/// The most rounds of all derivations of an object, those with further passwords included. A PFX
/// has three of them, some programs make one more for each certificate.
const ROUNDS_OF_ALL_MAX: u64 = 5_000_000;
const _: () = assert!(ROUNDS_MAX <= ROUNDS_OF_ALL_MAX);

/// What an object may still cost.
pub(super) struct Effort(u64);

impl Default for Effort {
    fn default() -> Self {
        Self(ROUNDS_OF_ALL_MAX)
    }
}

impl Effort {
    /// Asked before each derivation.
    pub(super) fn spend(&mut self, rounds: u64) -> Result<(), Fault> {
        if rounds > ROUNDS_MAX {
            return Err(too_many(format!("is encrypted with more than {ROUNDS_MAX} rounds")));
        }
        self.0 = self.0.checked_sub(rounds).ok_or_else(|| {
            too_many(format!("takes more than {ROUNDS_OF_ALL_MAX} rounds to decrypt, in all"))
        })?;
        Ok(())
    }
}

fn too_many(what: String) -> Fault {
    let remedy = "encrypt it anew with fewer, by `-iter 100000` of `openssl pkcs8 -topk8` or \
                  `openssl pkcs12 -export`";
    Fault::unsupported(what, remedy)
}
