//! Names in certificates as people read them: on one line, and each name in one way only.
//!
//! Whoever made a certificate chose them. A common name may hold a line break and look like the
//! next line of a log, or `,O=Contoso` and look like two parts.

use std::{fmt::Write as _, ops::RangeInclusive};

use x509_parser::{
    asn1_rs::Tag,
    objects::{oid_registry, oid2abbrev},
    prelude::FromDer as _,
    x509::{AttributeTypeAndValue, X509Name},
};

/// The name of somebody in DER, as in `CN=writer,O=Contoso`: as RFC 4514 writes it, and Kafka a
/// principal. `None` if it is no name.
pub fn distinguished_name(der: &[u8]) -> Option<String> {
    X509Name::from_der(der).ok().map(|(_, name)| text(&name))
}

/// The parts of a name in DER, in their order: each attribute by its number, such as `2.5.4.3`, with
/// its value as text; one that is no text is `#` and its bytes in hexadecimal. `None` if it is no name.
pub fn name_parts(der: &[u8]) -> Option<Vec<Vec<(String, String)>>> {
    let (_, name) = X509Name::from_der(der).ok()?;
    let attribute = |attribute: &AttributeTypeAndValue| {
        let value = value(attribute).unwrap_or_else(|bytes| format!("#{}", hex(bytes)));
        (attribute.attr_type().to_id_string(), value)
    };
    Some(name.iter_rdn().map(|part| part.iter().map(attribute).collect()).collect())
}

/// The same of a name that is read already.
pub(super) fn text(name: &X509Name) -> String {
    let mut parts: Vec<_> = name
        .iter_rdn()
        .map(|part| part.iter().map(attribute).collect::<Vec<_>>().join("+"))
        .collect();
    // The last part comes first.
    parts.reverse();
    parts.join(",")
}

/// The same characters without those that do not stand for themselves on a line.
pub(super) fn harmless(text: &str) -> String {
    text.replace(is_harmful, "\u{fffd}")
}

/// What is not seen, breaks a line, or turns the direction of what comes after it.
const UNSEEN: [RangeInclusive<char>; 4] = [
    '\u{200b}'..='\u{200f}',
    '\u{2028}'..='\u{202e}',
    '\u{2060}'..='\u{206f}',
    '\u{feff}'..='\u{feff}',
];

fn is_harmful(c: char) -> bool {
    c.is_control() || UNSEEN.iter().any(|range| range.contains(&c))
}

fn attribute(attribute: &AttributeTypeAndValue) -> String {
    let kind = oid2abbrev(attribute.attr_type(), oid_registry())
        .map_or_else(|_| attribute.attr_type().to_id_string(), str::to_ascii_uppercase);
    let value = match value(attribute) {
        Ok(value) => escape_name_value(&value),
        Err(bytes) => format!("#{}", hex(bytes)),
    };
    format!("{kind}={value}")
}

/// The value of an attribute; its bytes if they are no text.
fn value<'a>(attribute: &'a AttributeTypeAndValue<'_>) -> Result<String, &'a [u8]> {
    let bytes = attribute.as_slice();
    let text = match attribute.attr_value().tag() {
        Tag::BmpString => {
            let units =
                bytes.chunks(2).map(|pair| pair.iter().fold(0, |c, b| c << 8 | u16::from(*b)));
            String::from_utf16(&units.collect::<Vec<_>>()).ok()
        }
        Tag::T61String => Some(bytes.iter().copied().map(char::from).collect()),
        _ => attribute.as_str().ok().map(ToOwned::to_owned),
    };
    text.ok_or(bytes)
}

/// A value as RFC 4514, 2.4, writes it; control characters and the like by their bytes.
pub fn escape_name_value(value: &str) -> String {
    let last = value.chars().count().saturating_sub(1);
    let mut text = String::with_capacity(value.len());
    for (at, c) in value.chars().enumerate() {
        let is_edge = c == ' ' && (at == 0 || at == last) || c == '#' && at == 0;
        match c {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => text.extend(['\\', c]),
            c if is_edge => text.extend(['\\', c]),
            c if is_harmful(c) => {
                for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                    let _ = write!(text, "\\{byte:02x}");
                }
            }
            c => text.push(c),
        }
    }
    text
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A part in DER.
    fn part(identifier: u8, content: &[u8]) -> Vec<u8> {
        [&[identifier, content.len() as u8], content].concat()
    }

    /// An attribute: the last number of its kind (2.5.4.x), the kind of text, the text.
    fn attribute(kind: u8, text: u8, value: &[u8]) -> Vec<u8> {
        part(0x30, &[part(0x06, &[0x55, 0x04, kind]), part(text, value)].concat())
    }

    fn name(parts: &[Vec<u8>]) -> String {
        let parts: Vec<_> = parts.iter().map(|attributes| part(0x31, attributes)).collect();
        distinguished_name(&part(0x30, &parts.concat())).unwrap()
    }

    const UTF_8: u8 = 0x0c;
    const T61: u8 = 0x14;
    const BMP: u8 = 0x1e;
    const BITS: u8 = 0x03;

    #[test]
    fn the_last_part_comes_first() {
        let (o, ou, cn) = (
            attribute(10, UTF_8, b"Contoso"),
            attribute(11, UTF_8, b"x"),
            attribute(3, UTF_8, b"writer"),
        );
        assert_eq!(name(&[o.clone(), cn.clone()]), "CN=writer,O=Contoso");
        assert_eq!(name(&[o, [cn, ou].concat()]), "CN=writer+OU=x,O=Contoso");
        assert_eq!(name(&[]), "");
        assert_eq!(distinguished_name(b"\x30\x01"), None);
    }

    #[test]
    fn parts_are_texts_whatever_kind_of_text_they_are() {
        let bmp = attribute(3, BMP, b"\0w\0r");
        let both = [attribute(11, T61, b"\xfc"), attribute(45, BITS, b"\0\x01")].concat();
        let der = part(0x30, &[part(0x31, &bmp), part(0x31, &both)].concat());
        let of = |number: &str, value: &str| (number.to_owned(), value.to_owned());
        let second = vec![of("2.5.4.11", "ü"), of("2.5.4.45", "#0001")];
        assert_eq!(name_parts(&der).unwrap(), [vec![of("2.5.4.3", "wr")], second]);
        assert_eq!(name_parts(b"\x30\x01"), None);
    }

    #[test]
    fn no_name_looks_like_another_or_like_a_line() {
        let common = |value: &[u8]| name(&[attribute(3, UTF_8, value)]);
        for (value, shown) in [
            (&b"a,O=Contoso"[..], r"CN=a\,O=Contoso"),
            (b"a\n2030-01-01 INFO all is well", r"CN=a\0a2030-01-01 INFO all is well"),
            (b"\x1b[31m\0", r"CN=\1b[31m\00"),
            (br#"+";<>\"#, r#"CN=\+\"\;\<\>\\"#),
            (b" # ", r"CN=\ #\ "),
            (b"#", r"CN=\#"),
            (" ".as_bytes(), r"CN=\ "),
            ("ä\u{85}\u{2028}\u{202e}".as_bytes(), r"CN=ä\c2\85\e2\80\a8\e2\80\ae"),
            (b"", "CN="),
        ] {
            assert_eq!(common(value), shown);
        }
        assert_eq!(harmless("a\r\n\u{202e}b"), "a\u{fffd}\u{fffd}\u{fffd}b");
    }

    #[test]
    fn old_kinds_of_text_are_read() {
        assert_eq!(name(&[attribute(3, BMP, &[0x00, 0x61, 0x93, 0x75])]), "CN=a鍵");
        assert_eq!(name(&[attribute(3, T61, b"a\xe4\n")]), r"CN=aä\0a");
        assert_eq!(name(&[attribute(3, BMP, &[0xd8, 0x00])]), "CN=#d800");
        assert_eq!(name(&[attribute(3, BITS, &[0x00, 0xff])]), "CN=#00ff");
        let unknown = part(0x30, &[part(0x06, &[0x2a, 0x03]), part(UTF_8, b"x")].concat());
        assert_eq!(name(&[unknown]), "1.2.3=x");
    }
}
