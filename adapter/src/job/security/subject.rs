//! Distinguished names: whose a certificate is, and whose it should be.
//!
//! Names are compared part by part and never as text: a common name may hold `, O=Contoso`, and
//! would look like two parts when printed without care. Attributes are known by their number, under
//! every name that RFC 4514, X.520, OpenSSL, Java and .NET print for it; a name that nobody prints
//! is an error, since a rule with it would never let anybody in.

use std::{fmt, str::FromStr};

use keyvault::material::escape_name_value;

use super::super::{text::InvalidText, words};

/// The attributes of names: the number, the name that is printed here, and the others that it has.
const ATTRIBUTES: [(&str, &str, &[&str]); 26] = [
    ("2.5.4.3", "CN", &["commonName"]),
    ("2.5.4.4", "SN", &["surname"]),
    ("2.5.4.5", "serialNumber", &[]),
    ("2.5.4.6", "C", &["countryName"]),
    ("2.5.4.7", "L", &["localityName"]),
    ("2.5.4.8", "ST", &["S", "stateOrProvinceName"]),
    ("2.5.4.9", "STREET", &["streetAddress"]),
    ("2.5.4.10", "O", &["organizationName"]),
    ("2.5.4.11", "OU", &["organizationalUnitName"]),
    ("2.5.4.12", "title", &["T"]),
    ("2.5.4.13", "description", &[]),
    ("2.5.4.15", "businessCategory", &[]),
    ("2.5.4.17", "postalCode", &[]),
    ("2.5.4.41", "name", &[]),
    ("2.5.4.42", "GN", &["G", "givenName"]),
    ("2.5.4.43", "initials", &["I"]),
    ("2.5.4.44", "generationQualifier", &["GENERATION"]),
    ("2.5.4.45", "x500UniqueIdentifier", &["uniqueIdentifier"]),
    ("2.5.4.46", "dnQualifier", &["dnQ"]),
    ("2.5.4.65", "pseudonym", &[]),
    ("2.5.4.97", "organizationIdentifier", &[]),
    ("0.9.2342.19200300.100.1.1", "UID", &["userId"]),
    ("0.9.2342.19200300.100.1.25", "DC", &["domainComponent"]),
    ("1.2.840.113549.1.9.1", "emailAddress", &["E", "EMAIL", "pkcs9email"]),
    ("1.2.840.113549.1.9.2", "unstructuredName", &[]),
    ("1.2.840.113549.1.9.8", "unstructuredAddress", &[]),
];

/// What a name looks like.
const HELP: &str = "write it as RFC 4514 does, such as `CN=engine,O=Contoso`";

/// A distinguished name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject(Vec<Relative>);

/// A part of a name: attributes with their values, sorted. Nearly always one.
type Relative = Vec<(String, String)>;

impl Subject {
    /// The name of a certificate: its parts in their order, each attribute by its number.
    pub fn of(parts: impl IntoIterator<Item = Vec<(String, String)>>) -> Self {
        let relative = |attributes: Vec<(String, String)>| {
            let named = attributes.into_iter().map(|(number, value)| (printed(number), value));
            let mut named: Relative = named.collect();
            named.sort();
            named
        };
        Self(parts.into_iter().map(relative).collect())
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

impl FromStr for Subject {
    type Err = InvalidText;

    /// Reads a name as RFC 4514 writes it, `CN=engine,O=Contoso`, or as OpenSSL prints it, with
    /// spaces and quotes; or a common name alone, `engine`.
    fn from_str(text: &str) -> Result<Self, InvalidText> {
        if text.trim().is_empty() {
            return Err(InvalidText::new("names nobody", HELP));
        }
        if !text.contains('=') {
            return Ok(Self(vec![vec![("CN".to_owned(), text.trim().to_owned())]]));
        }
        let (mut parts, mut attributes, mut rest) = (Vec::new(), Relative::new(), text);
        loop {
            let (kind, after) = rest
                .split_once('=')
                .ok_or_else(|| InvalidText::new("has a part without `=`", HELP))?;
            let (value, end, after) = value(after)?;
            attributes.push((known(kind.trim())?, value));
            if end != Some('+') {
                attributes.sort();
                parts.push(std::mem::take(&mut attributes));
            }
            if end.is_none() {
                // As certificates have them: the last that is written is the first.
                parts.reverse();
                return Ok(Self(parts));
            }
            rest = after;
        }
    }
}

impl fmt::Display for Subject {
    /// As RFC 4514 writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.0.iter().rev().enumerate() {
            f.write_str(if index > 0 { "," } else { "" })?;
            for (index, (kind, value)) in part.iter().enumerate() {
                write!(
                    f,
                    "{}{kind}={}",
                    if index > 0 { "+" } else { "" },
                    escape_name_value(value)
                )?;
            }
        }
        Ok(())
    }
}

/// The name that is printed for an attribute: its number, if it has no other.
fn printed(number: String) -> String {
    let known = ATTRIBUTES.iter().find(|(known, ..)| *known == number);
    known.map_or(number, |(_, name, _)| (*name).to_owned())
}

/// The name that is printed for an attribute that somebody wrote.
fn known(written: &str) -> Result<String, InvalidText> {
    let number = match written.split_at_checked(4) {
        Some((oid, number)) if oid.eq_ignore_ascii_case("OID.") => number,
        _ => written,
    };
    if number.contains('.') && number.split('.').all(|arc| arc.parse::<u64>().is_ok()) {
        return Ok(printed(number.to_owned()));
    }
    let names = |(_, name, others): &'static (&str, &'static str, &'static [&'static str])| {
        std::iter::once(*name).chain(others.iter().copied())
    };
    let found = ATTRIBUTES
        .iter()
        .find(|attribute| names(attribute).any(|name| name.eq_ignore_ascii_case(written)));
    if let Some((_, name, _)) = found {
        return Ok((*name).to_owned());
    }
    let reason = format!("has an attribute that is not known, `{}`", words::excerpt(written));
    let help = match words::nearest(written, ATTRIBUTES.iter().flat_map(names)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("{HELP}; an attribute without a name has a number, such as `2.5.4.3`"),
    };
    Err(InvalidText::new(reason, help))
}

/// The value at the beginning of a text, without its escapes (RFC 4514, 2.4), its quotes and the
/// spaces around it; the separator behind it, and what follows that.
fn value(text: &str) -> Result<(String, Option<char>, &str), InvalidText> {
    let invalid = |why: &str| InvalidText::new(why, HELP);
    let text = text.trim_start();
    let (quoted, text) = match text.strip_prefix('"') {
        Some(inside) => (true, inside),
        None => (false, text),
    };
    let (mut bytes, mut at, all) = (Vec::with_capacity(text.len()), 0, text.as_bytes());
    // Up to here spaces at the end belong to the value, since they were escaped.
    let mut kept = 0;
    while let Some(&byte) = all.get(at) {
        at += 1;
        match byte {
            b'\\' => {
                let digit = |at: usize| char::from(*all.get(at)?).to_digit(16);
                if let (Some(high), Some(low)) = (digit(at), digit(at + 1)) {
                    bytes.push((16 * high + low) as u8);
                    at += 2;
                } else {
                    let special = all.get(at).filter(|byte| b" \"#+,;<=>\\".contains(byte));
                    bytes.push(
                        *special.ok_or_else(|| invalid("has a `\\` before nothing special"))?,
                    );
                    at += 1;
                }
                kept = bytes.len();
            }
            b'"' if quoted => {
                let rest = text[at..].trim_start();
                let end = rest.chars().next();
                if end.is_some_and(|end| end != ',' && end != '+') {
                    return Err(invalid("goes on behind a quote"));
                }
                let value = String::from_utf8(bytes);
                let value = value.map_err(|_| invalid("has an escape that is no text"))?;
                return Ok((value, end, rest.get(1..).unwrap_or_default()));
            }
            b',' | b'+' if !quoted => {
                at -= 1;
                break;
            }
            byte => bytes.push(byte),
        }
    }
    if quoted {
        return Err(invalid("has a quote that does not end"));
    }
    while bytes.len() > kept && bytes.last() == Some(&b' ') {
        bytes.pop();
    }
    if bytes.is_empty() {
        return Err(invalid("has a part without a value"));
    }
    let value = String::from_utf8(bytes).map_err(|_| invalid("has an escape that is no text"))?;
    let end = text[at..].chars().next();
    Ok((value, end, text.get(at + 1..).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Subject {
        text.parse().unwrap_or_else(|error| panic!("{text} is a name: {error}"))
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
    fn an_attribute_is_known_by_every_name_that_it_has() {
        for (number, names) in [
            ("1.2.840.113549.1.9.1", ["E", "emailAddress", "EMAILADDRESS", "Email"]),
            ("2.5.4.9", ["STREET", "street", "streetAddress", "OID.2.5.4.9"]),
            ("2.5.4.8", ["ST", "S", "stateOrProvinceName", "2.5.4.8"]),
            ("2.5.4.42", ["GN", "G", "givenName", "GIVENNAME"]),
        ] {
            let certificate = Subject::of([vec![(number.to_owned(), "x@y".to_owned())]]);
            for name in names {
                assert!(certificate.is(&parse(&format!("{name}=x@y"))), "{name}");
            }
        }
        // One that has no name goes by its number.
        let odd = Subject::of([vec![("1.3.6.1.4.1.9.9".to_owned(), "x".to_owned())]]);
        assert!(odd.is(&parse("1.3.6.1.4.1.9.9=x")) && odd.is(&parse("oid.1.3.6.1.4.1.9.9 = x")));
        let mut names: Vec<_> = ATTRIBUTES
            .iter()
            .flat_map(|(_, name, others)| others.iter().chain([name]))
            .map(|name| name.to_ascii_lowercase())
            .collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count, "no name is of two attributes");
    }

    #[test]
    fn one_part_never_counts_as_two() {
        for text in [r"CN=engine\,O=Contoso", r#"CN = "engine,O=Contoso""#] {
            let one = parse(text);
            assert_eq!(one.common_name(), Some("engine,O=Contoso"));
            assert!(!one.is(&parse("CN=engine,O=Contoso")));
            assert!(one.is_common_name_alone());
        }
        assert!(
            parse(r#"O = "Contoso, Inc.", CN = "a \"b\"""#)
                .is(&parse(r#"CN=a \"b\",O=Contoso\, Inc."#))
        );
    }

    #[test]
    fn what_is_written_is_read_again() {
        for value in ["plain", " both ends ", "#x", r#"a,b+c"d\e<f>g;h=i"#, "ä\u{1}\n", "a  "] {
            let name = Subject(vec![
                vec![("O".to_owned(), "Contoso".to_owned())],
                vec![("CN".to_owned(), value.to_owned()), ("OU".to_owned(), value.to_owned())],
            ]);
            let text = name.to_string();
            assert_eq!(name, parse(&text), "{text}");
            assert!(!text.contains(char::is_control), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_name_is_told() {
        let check = |text: &str, reason: &str, help: &str| {
            let error = text.parse::<Subject>().expect_err(text);
            assert_eq!((&*error.to_string(), error.help()), (reason, help), "{text}");
        };
        let unknown = |name: &str| format!("has an attribute that is not known, `{name}`");
        check(" ", "names nobody", HELP);
        check("CN=a,", "has a part without `=`", HELP);
        check(",CN=a", &unknown(",CN"), "did you mean `CN`?");
        check("CM=a", &unknown("CM"), "did you mean `CN`?");
        check("CN=a,emailAdress=b", &unknown("emailAdress"), "did you mean `emailAddress`?");
        let number = format!("{HELP}; an attribute without a name has a number, such as `2.5.4.3`");
        check("=a", &unknown(""), &number);
        check("/C=US/CN=a", &unknown("/C"), "did you mean `C`?");
        check("CN=", "has a part without a value", HELP);
        check("CN=a++OU=b", &unknown("+OU"), "did you mean `OU`?");
        for text in [r"CN=a\", r"CN=a\x"] {
            check(text, "has a `\\` before nothing special", HELP);
        }
        check(r"CN=\ff", "has an escape that is no text", HELP);
        check("CN=\"a", "has a quote that does not end", HELP);
        check("CN=\"a\"b", "goes on behind a quote", HELP);
    }

    #[test]
    fn a_common_name_is_one() {
        assert_eq!(parse("O=x,CN=engine").common_name(), Some("engine"));
        assert_eq!(parse("O=x").common_name(), None);
        assert_eq!(parse("CN=a,CN=b").common_name(), None);
        assert_eq!(parse(" engine-7 "), parse("CN=engine-7"));
    }
}
