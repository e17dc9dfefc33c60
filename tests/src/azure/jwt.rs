//! JSON Web Tokens signed with RS256: made and checked with OpenSSL, which the service does not
//! use for them.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use openssl::{
    hash::MessageDigest,
    pkey::{PKey, Private},
    rsa::Rsa,
    sign::{Signer, Verifier},
};
use serde_json::{Value, json};

use super::now;

/// A key that signs tokens.
#[derive(Clone, Debug)]
pub(super) struct SigningKey {
    kid: String,
    key: PKey<Private>,
}

impl SigningKey {
    pub(super) fn generate() -> Self {
        let key = Rsa::generate(2048).and_then(PKey::from_rsa).expect("a key");
        let digest = openssl::sha::sha256(&key.public_key_to_der().expect("a public key"));
        Self { kid: BASE64.encode(&digest[..12]), key }
    }

    pub(super) fn sign(&self, claims: &Value) -> String {
        let header = json!({ "alg": "RS256", "typ": "JWT", "kid": self.kid });
        let part = |value: &Value| BASE64.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(claims));
        let mut signer = Signer::new(MessageDigest::sha256(), &self.key).expect("a signer");
        let signature = signer.sign_oneshot_to_vec(signed.as_bytes()).expect("a signature");
        format!("{signed}.{}", BASE64.encode(signature))
    }

    pub(super) fn kid(&self) -> &str {
        &self.kid
    }

    /// The public half, as a JSON Web Key.
    pub(super) fn jwk(&self) -> Value {
        let rsa = self.key.rsa().expect("it is RSA");
        let number = |number: &openssl::bn::BigNumRef| BASE64.encode(number.to_vec());
        let (n, e) = (number(rsa.n()), number(rsa.e()));
        json!({ "kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.kid, "n": n, "e": e })
    }
}

/// The key set that a URL serves.
pub(super) fn jwks(keys: &[SigningKey]) -> String {
    json!({ "keys": keys.iter().map(SigningKey::jwk).collect::<Vec<_>>() }).to_string()
}

/// The claims of a token that one of `keys` has signed, or what is wrong with it.
pub(super) fn verify(token: &str, keys: &[SigningKey]) -> Result<Value, &'static str> {
    let parts: Vec<_> = token.split('.').collect();
    let [header, claims, signature] = parts[..] else { return Err("not a token") };
    let decode = |part: &str| BASE64.decode(part).map_err(|_| "not base64");
    let json = |part: &str| {
        decode(part).and_then(|bytes| serde_json::from_slice(&bytes).map_err(|_| "not JSON"))
    };
    let header: Value = json(header)?;
    if header["alg"] != "RS256" {
        return Err("not RS256");
    }
    let key = keys.iter().find(|key| header["kid"] == key.kid.as_str()).ok_or("unknown key")?;
    let (signed, _) = token.rsplit_once('.').expect("there are three parts");
    let mut verifier = Verifier::new(MessageDigest::sha256(), &key.key).expect("a verifier");
    let good = verifier.verify_oneshot(&decode(signature)?, signed.as_bytes());
    if good.unwrap_or(false) { json(claims) } else { Err("wrong signature") }
}

/// Whether a token's times hold by a clock that is ahead by so many seconds.
pub(super) fn is_in_time(claims: &Value, ahead_s: i64) -> bool {
    let now = now() + ahead_s;
    claims["exp"].as_i64().is_some_and(|exp| now < exp)
        && claims["nbf"].as_i64().is_none_or(|nbf| nbf <= now)
}

/// Whether a token is for `audience`.
pub(super) fn is_for(claims: &Value, audience: &str) -> bool {
    match &claims["aud"] {
        Value::Array(several) => several.iter().any(|one| one == audience),
        one => one == audience,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_known_key_has_signed_is_taken() {
        let (key, other) = (SigningKey::generate(), SigningKey::generate());
        let token = key.sign(&json!({ "sub": "me" }));
        assert_eq!(verify(&token, std::slice::from_ref(&key)).unwrap()["sub"], "me");
        assert_eq!(verify(&token, &[other]), Err("unknown key"));
        let (head, signature) = token.rsplit_once('.').unwrap();
        let (header, _) = head.split_once('.').unwrap();
        let forged = format!("{header}.{}.{signature}", BASE64.encode(r#"{"sub":"you"}"#));
        assert_eq!(verify(&forged, std::slice::from_ref(&key)), Err("wrong signature"));
        let none = BASE64.encode(r#"{"alg":"none"}"#);
        assert_eq!(verify(&format!("{none}.e30."), &[key]), Err("not RS256"));
    }
}
