//! SCRAM (RFC 5802 and 7677) as a client: a password is proven without being sent.
//!
//! With OpenSSL, which is there anyway. Kafka takes names and passwords as they are, without the
//! preparation that the RFC asks for (SASLprep), and so does librdkafka; libraries of SCRAM prepare
//! them, and would refuse what the service's own producers are let in with.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use keyvault::Secret;
use openssl::{
    error::ErrorStack, hash::MessageDigest, hash::hash, memcmp, pkcs5::pbkdf2_hmac, pkey::PKey,
    rand::rand_bytes, sign::Signer,
};
use zeroize::Zeroizing;

use super::target::Mechanism;

/// No channel binding, no other user to act for.
const HEADER: &str = "n,,";
/// The header in base64, as the last message repeats it.
const HEADER_AGAIN: &str = "biws";

/// The fewest rounds of hashing, as Kafka's own clients ask for: less would help a server that is
/// none to guess the password.
const ROUNDS_MIN: usize = 4096;
/// The most rounds, about a second.
const ROUNDS_MAX: usize = 1_000_000;

/// A login that is under way.
pub(super) struct Scram {
    digest: MessageDigest,
    bare: String,
    nonce: String,
    /// What the server must prove in the end.
    expected: Vec<u8>,
}

/// Why a login does not go on: what the server said is not what the RFC asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// A message that cannot be read, or a nonce that does not continue ours.
    Message,
    /// A number of rounds beyond what is reasonable.
    Rounds(usize),
    /// The server does not know the password either.
    Unproven,
    /// OpenSSL refuses.
    Unable(String),
}

impl Scram {
    /// A login of this user.
    pub(super) fn new(mechanism: Mechanism, username: &Secret) -> Result<Self, Wrong> {
        let mut random = [0; 24];
        rand_bytes(&mut random)?;
        Self::with_nonce(mechanism, username, STANDARD.encode(random))
    }

    #[expect(clippy::disallowed_methods, reason = "the broker wants the name itself")]
    fn with_nonce(mechanism: Mechanism, username: &Secret, nonce: String) -> Result<Self, Wrong> {
        let digest = match mechanism {
            Mechanism::ScramSha256 => MessageDigest::sha256(),
            Mechanism::ScramSha512 => MessageDigest::sha512(),
            Mechanism::Plain => return Err(Wrong::Message),
        };
        let name = username.expose_text().ok_or(Wrong::Message)?;
        let name = name.replace('=', "=3D").replace(',', "=2C");
        let bare = format!("n={name},r={nonce}");
        Ok(Self { digest, bare, nonce, expected: Vec::new() })
    }

    /// The first message.
    pub(super) fn first(&self) -> String {
        format!("{HEADER}{}", self.bare)
    }

    /// The last message, which proves the password.
    pub(super) fn last(&mut self, challenge: &[u8], password: &Secret) -> Result<String, Wrong> {
        let challenge = std::str::from_utf8(challenge).map_err(|_| Wrong::Message)?;
        let mut fields = challenge.split(',');
        let mut field = |name: &str| fields.next().and_then(|field| field.strip_prefix(name));
        let (nonce, salt, rounds) = (field("r="), field("s="), field("i="));
        let (Some(nonce), Some(salt), Some(rounds)) = (nonce, salt, rounds) else {
            return Err(Wrong::Message);
        };
        // Ours, and something of the server's behind it.
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err(Wrong::Message);
        }
        let salt = STANDARD.decode(salt).map_err(|_| Wrong::Message)?;
        let rounds: usize = rounds.parse().map_err(|_| Wrong::Message)?;
        if !(ROUNDS_MIN..=ROUNDS_MAX).contains(&rounds) {
            return Err(Wrong::Rounds(rounds));
        }
        let without_proof = format!("c={HEADER_AGAIN},r={nonce}");
        let told = format!("{},{challenge},{without_proof}", self.bare);
        let salted = self.salted(password, &salt, rounds)?;
        let key = Zeroizing::new(self.hmac(&salted, b"Client Key")?);
        let stored = hash(self.digest, &key)?;
        let signature = self.hmac(&stored, told.as_bytes())?;
        let proof: Vec<u8> = key.iter().zip(&signature).map(|(key, sign)| key ^ sign).collect();
        let server_key = Zeroizing::new(self.hmac(&salted, b"Server Key")?);
        self.expected = self.hmac(&server_key, told.as_bytes())?;
        Ok(format!("{without_proof},p={}", STANDARD.encode(proof)))
    }

    /// Whether the server has proven that it knows the password, too.
    pub(super) fn verify(&self, end: &[u8]) -> Result<(), Wrong> {
        let end = std::str::from_utf8(end).map_err(|_| Wrong::Message)?;
        let signature = end.split(',').next().and_then(|field| field.strip_prefix("v="));
        let signature = signature.ok_or(Wrong::Message)?;
        let signature = STANDARD.decode(signature).map_err(|_| Wrong::Message)?;
        let is_proven = !self.expected.is_empty()
            && signature.len() == self.expected.len()
            && memcmp::eq(&signature, &self.expected);
        if is_proven { Ok(()) } else { Err(Wrong::Unproven) }
    }

    #[expect(clippy::disallowed_methods, reason = "what is proven is the password itself")]
    fn salted(
        &self,
        password: &Secret,
        salt: &[u8],
        rounds: usize,
    ) -> Result<Zeroizing<Vec<u8>>, Wrong> {
        let mut salted = Zeroizing::new(vec![0; self.digest.size()]);
        pbkdf2_hmac(password.expose(), salt, rounds, self.digest, &mut salted)?;
        Ok(salted)
    }

    fn hmac(&self, key: &[u8], data: &[u8]) -> Result<Vec<u8>, ErrorStack> {
        let key = PKey::hmac(key)?;
        Signer::new(self.digest, &key)?.sign_oneshot_to_vec(data)
    }
}

impl From<ErrorStack> for Wrong {
    fn from(error: ErrorStack) -> Self {
        Self::Unable(error.to_string())
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message => f.write_str("what it answers is not SCRAM"),
            Self::Rounds(rounds) => write!(
                f,
                "it asks for {rounds} iterations, and {ROUNDS_MIN} to {ROUNDS_MAX} are taken"
            ),
            Self::Unproven => f.write_str("it has not proven that it knows the password"),
            Self::Unable(why) => write!(f, "OpenSSL cannot do it: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        text.to_owned().into()
    }

    /// RFC 7677, 3: user `user`, password `pencil`.
    #[test]
    fn the_exchange_of_the_rfc() {
        let nonce = "rOprNGfwEbeRWgbNEkqO";
        let user = secret("user");
        let mut scram = Scram::with_nonce(Mechanism::ScramSha256, &user, nonce.to_owned()).unwrap();
        assert_eq!(scram.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let challenge = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                          s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        let last = scram.last(challenge, &secret("pencil")).unwrap();
        assert_eq!(
            last,
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        let end = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
        assert_eq!(scram.verify(end), Ok(()));
        let other = b"v=6rriTRBi23WpRR/wtup+mMhVZUn/dB5nLTJRsjl95G4=";
        assert_eq!(scram.verify(other), Err(Wrong::Unproven), "one bit is another");
        let short = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95A==";
        assert_eq!(scram.verify(short), Err(Wrong::Unproven), "a byte is missing");
        let broken = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5=";
        assert_eq!(scram.verify(broken), Err(Wrong::Message), "no base64");
        assert_eq!(scram.verify(b"e=invalid-proof"), Err(Wrong::Message));
    }

    #[test]
    fn what_a_false_server_says_is_not_followed() {
        let challenged = |challenge: &str| {
            let user = secret("u");
            let scram = Scram::with_nonce(Mechanism::ScramSha512, &user, "abc".to_owned());
            scram.unwrap().last(challenge.as_bytes(), &secret("p"))
        };
        assert_eq!(challenged("r=abd1,s=AAAA,i=4096"), Err(Wrong::Message), "another nonce");
        assert_eq!(challenged("r=abc,s=AAAA,i=4096"), Err(Wrong::Message), "no nonce of its own");
        assert_eq!(challenged("r=abc1,s=AAAA,i=1"), Err(Wrong::Rounds(1)));
        assert_eq!(challenged("r=abc1,s=AAAA,i=99000000"), Err(Wrong::Rounds(99_000_000)));
        assert_eq!(challenged("m=x,r=abc1,s=AAAA,i=4096"), Err(Wrong::Message));
        assert!(challenged("r=abc1,s=AAAA,i=4096").is_ok());
        let untold = Scram::with_nonce(Mechanism::ScramSha512, &secret("u"), "abc".to_owned());
        assert_eq!(untold.unwrap().verify(b"v="), Err(Wrong::Unproven), "nothing was proven");
    }

    #[test]
    fn names_with_signs_of_the_protocol_are_escaped() {
        let user = secret("a=b,c");
        let scram = Scram::with_nonce(Mechanism::ScramSha256, &user, "n".to_owned()).unwrap();
        assert_eq!(scram.first(), "n,,n=a=3Db=2Cc,r=n");
    }
}
