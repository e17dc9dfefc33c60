//! Base64 as people and vaults hand it on: with any white space, with or without padding.

use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use zeroize::Zeroizing;

const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Decodes text without its white space; line breaks may also be written `\n`, as they are in
/// variables and JSON.
pub(super) fn decode(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    // Both reserved whole: what grows leaves copies behind.
    let mut plain = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.iter().copied();
    while let Some(byte) = rest.next() {
        match byte {
            b'\\' if matches!(rest.next(), Some(b'n' | b'r')) => {}
            b'\\' => return None,
            byte if byte.is_ascii_whitespace() => {}
            byte => plain.push(byte),
        }
    }
    let mut bytes = Zeroizing::new(vec![0; plain.len().div_ceil(4) * 3]);
    let length = ENGINE.decode_slice(&*plain, &mut bytes).ok()?;
    bytes.truncate(length);
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_does_not_matter() {
        for text in ["AQIDBA==", "AQIDBA", " AQ\r\nID\tBA= =\n", r"AQID\nBA==\r\n"] {
            assert_eq!(decode(text.as_bytes()).unwrap().as_slice(), [1, 2, 3, 4], "{text}");
        }
        for text in ["AQI$", "AQIDB", "AQ==AQ==", r"AQ\tID", r"AQID\"] {
            assert!(decode(text.as_bytes()).is_none(), "{text}");
        }
    }
}
