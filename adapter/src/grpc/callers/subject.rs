//! Distinguished names: whose a certificate is, and whose it should be.
//!
//! Names are compared part by part and never as text: a common name may hold `, O=Contoso`, and
//! would look like two parts when printed without care.
use std::fmt;

use x509_parser::x509::{AttributeTypeAndValue, X509Name};

/// A distinguished name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject(Vec<Relative>);

/// A part of a name: attributes with their values, sorted. Nearly always one.
type Relative = Vec<(String, String)>;

impl Subject {
    /// The name of a certificate.
    pub fn of(name: &X509Name<'_>) -> Self {
        let relative = |attributes: Vec<_>| {
            let mut attributes = attributes;
            attributes.sort();
            attributes
        };
        Self(name.iter_rdn().map(|rdn| relative(rdn.iter().map(attribute).collect())).collect())
    }

    /// Reads a name as RFC 4514 writes it, `CN=engine,O=Contoso`; spaces around `,`, `+` and `=`
    /// are allowed. `None` if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = Vec::new();
        for part in split(text, ',')? {
            let mut attributes = Vec::new();
            for attribute in split(part, '+')? {
                let (kind, value) = attribute.split_once('=')?;
                let kind = kind.trim().to_ascii_uppercase();
                if kind.is_empty() {
                    return None;
                }
                attributes.push((kind, unescape(value)?));
            }
            attributes.sort();
            parts.push(attributes);
        }
        Some(Self(parts))
    }

    /// Whether both are the same name, in either order: RFC 4514 writes the last part first, and
    /// `openssl x509 -subject` does not.
    pub fn is(&self, other: &Self) -> bool {
        self.0 == other.0 || self.0.iter().eq(other.0.iter().rev())
    }

    /// The common name; `None` if there is none or more than one.
    pub fn common_name(&self) -> Option<&str> {
        let mut names = self.0.iter().flatten().filter(|(kind, _)| kind == "CN");
        match (names.next(), names.next()) {
            (Some((_, name)), None) => Some(name),
            _ => None,
        }
    }

    /// Whether it consists of nothing but a common name.
    pub fn is_common_name_alone(&self) -> bool {
        matches!(&self.0[..], [part] if matches!(&part[..], [(kind, _)] if kind == "CN"))
    }
}

impl fmt::Display for Subject {
    /// As RFC 4514 writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.0.iter().rev().enumerate() {
            f.write_str(if index > 0 { "," } else { "" })?;
            for (index, (kind, value)) in part.iter().enumerate() {
                write!(f, "{}{kind}={}", if index > 0 { "+" } else { "" }, escape(value))?;
            }
        }
        Ok(())
    }
}

fn attribute(attribute: &AttributeTypeAndValue<'_>) -> (String, String) {
    let registry = x509_parser::objects::oid_registry();
    let kind = x509_parser::objects::oid2abbrev(attribute.attr_type(), registry)
        .map_or_else(|_| attribute.attr_type().to_id_string(), str::to_ascii_uppercase);
    let value = attribute.as_str().map_or_else(
        |_| {
            let hex = attribute.as_slice().iter().map(|byte| format!("{byte:02x}"));
            format!("#{}", hex.collect::<String>())
        },
        ToOwned::to_owned,
    );
    (kind, value)
}

/// The parts between separators that no backslash stands before; `None` if one of them is empty.
fn split(text: &str, separator: char) -> Option<Vec<&str>> {
    let (mut parts, mut start, mut escaped) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == separator => {
                parts.push(&text[start..at]);
                start = at + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts.iter().all(|part| !part.trim().is_empty()).then_some(parts)
}

/// A value without its escapes (RFC 4514, 2.4) and without spaces around it.
fn unescape(text: &str) -> Option<String> {
    let text = text.trim_start();
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    // Up to here spaces at the end belong to the value, since they were escaped.
    let mut kept = 0;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        let digit = |at: usize| char::from(*rest.get(at)?).to_digit(16);
        if let (Some(high), Some(low)) = (digit(0), digit(1)) {
            bytes.push((16 * high + low) as u8);
            rest = &rest[2..];
        } else {
            let (&special, tail) = rest.split_first()?;
            if !b" \"#+,;<=>\\".contains(&special) {
                return None;
            }
            bytes.push(special);
            rest = tail;
        }
        kept = bytes.len();
    }
    while bytes.len() > kept && bytes.last() == Some(&b' ') {
        bytes.pop();
    }
    String::from_utf8(bytes).ok()
}

fn escape(value: &str) -> String {
    let last = value.chars().count().saturating_sub(1);
    let mut escaped = String::with_capacity(value.len());
    for (at, c) in value.chars().enumerate() {
        match c {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => escaped.extend(['\\', c]),
            ' ' if at == 0 || at == last => escaped.push_str("\\ "),
            '#' if at == 0 => escaped.push_str("\\#"),
            c if c.is_control() => {
                let mut utf8 = [0; 4];
                let codes = c.encode_utf8(&mut utf8).bytes();
                escaped.extend(codes.map(|byte| format!("\\{byte:02x}")));
            }
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Subject {
        Subject::parse(text).unwrap_or_else(|| panic!("{text} is a name"))
    }

    #[test]
    fn names_are_the_same_in_either_order_and_spacing() {
        let name = parse("CN=engine,O=Contoso,C=US");
        assert!(name.is(&parse("C = US, O = Contoso, CN = engine")));
        assert!(name.is(&parse("cn=engine,o=Contoso,c=US")));
        for other in ["CN=engine", "CN=engine,O=Contoso", "CN=Engine,O=Contoso,C=US", "O=Contoso"] {
            assert!(!name.is(&parse(other)), "{other}");
        }
        assert!(parse("CN=a+OU=b,O=c").is(&parse("OU=b+CN=a,O=c")));
        assert!(!parse("CN=a+OU=b").is(&parse("CN=a,OU=b")));
    }

    #[test]
    fn one_part_never_counts_as_two() {
        let one = parse(r"CN=engine\,O=Contoso");
        assert_eq!(one.common_name(), Some("engine,O=Contoso"));
        assert!(!one.is(&parse("CN=engine,O=Contoso")));
        assert!(one.is_common_name_alone());
    }

    #[test]
    fn what_is_written_is_read_again() {
        for value in ["plain", " both ends ", "#x", r#"a,b+c"d\e<f>g;h=i"#, "ä\u{1}\n", "a  "] {
            let name = Subject(vec![
                vec![("O".to_owned(), "Contoso".to_owned())],
                vec![("CN".to_owned(), value.to_owned()), ("OU".to_owned(), value.to_owned())],
            ]);
            let text = name.to_string();
            assert!(name.is(&parse(&text)), "{text}");
            assert!(!text.contains(char::is_control), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_name_is_told() {
        for text in ["", "engine", "CN=a,", ",CN=a", "=a", r"CN=a\", r"CN=a\x", "CN=a++OU=b"] {
            assert_eq!(Subject::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_common_name_is_one() {
        assert_eq!(parse("O=x,CN=engine").common_name(), Some("engine"));
        assert_eq!(parse("O=x").common_name(), None);
        assert_eq!(parse("CN=a,CN=b").common_name(), None);
    }
}
