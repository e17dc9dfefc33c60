//! What can be chosen about CSV.

use std::str::FromStr;

use crate::format::{NonFinite, TimestampFormat};

/// How rows become CSV: RFC 4180, in UTF-8 without a byte order mark.
///
/// | Arrow | CSV, unless an option says otherwise |
/// | --- | --- |
/// | any null | the [null text](Self::null_text), unquoted: by default nothing at all |
/// | boolean | `true`, `false` |
/// | integers, floats, decimals, durations | the digits of JSON's numbers, never by a locale |
/// | text | itself |
/// | binary | base64 (RFC 4648, section 4, padded) |
/// | date, time, timestamp | JSON's ISO 8601 text: `2013-01-01T05:00:00Z` |
/// | struct, list, map | its JSON, always in quotes: `"{""a"":1,""b"":[2,null]}"` |
/// | extension `arrow.json` on text | that JSON without white space, always in quotes |
/// | dictionary | its value |
///
/// JSON within CSV follows [`timestamps`](Self::timestamps) and [`non_finite`](Self::non_finite),
/// and else the defaults of [`JsonOptions`](crate::JsonOptions); a row is rejected and a schema
/// refused for the same reasons as there, a schema without columns also.
///
/// # Lines
///
/// Lines end with CR LF, but for the last of a record, which ends with it. A record may hold
/// several lines, by packing or with a [header](Self::header).
///
/// # Quotes
///
/// A value stands in quotes, and a quote within it twice, if it
/// - holds the delimiter, a quote, CR or LF, as RFC 4180 demands;
/// - begins or ends with a space or tab, which some readers take away;
/// - begins with a byte order mark (U+FEFF), which readers take away at the beginning of a file;
/// - is the empty text or no bytes, which is `""`, while null is unquoted;
/// - is no null and yet reads as the null text.
///
/// Header names follow the same rules.
///
/// # Null and the empty text
///
/// They differ by their quotes alone if the null text is empty, its default. PostgreSQL's `COPY`,
/// DuckDB with `allow_quoted_nulls = false` and Python from 3.13 on with `csv.QUOTE_NOTNULL` tell
/// them apart. Other readers do not see quotes: give them a null text that does not occur.
///
/// In a table of one column a null would then be an empty line, which most readers pass over, and
/// the row with it. There it is written `""`: the row stays, but as the empty text. A table of one
/// column in which null and the empty text differ needs a null text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CsvOptions {
    /// What stands between two values. Default [`Delimiter::Comma`].
    pub delimiter: Delimiter,
    /// Whether the first line of every record, packed or not, is the names of the columns. It
    /// counts to the record's limits, though not as a row. Default false.
    pub header: bool,
    /// What null is written as. Default nothing.
    pub null_text: NullText,
    /// How timestamps are written. Default [`TimestampFormat::Iso`].
    pub timestamps: TimestampFormat,
    /// What becomes of a float that no number is written for. Default [`NonFinite::Null`].
    pub non_finite: NonFinite,
    /// Whether texts that a spreadsheet may take for a formula get a single quote before them:
    /// those of text columns, and names in the header, that begin with `=`, `+`, `-`, `@`, one of
    /// these in full width, a tab, CR, LF or NUL, as OWASP advises, and base64 that begins with
    /// `+`. Default false.
    ///
    /// Only for people who open records in a spreadsheet: a reader cannot know which single quotes
    /// were added to texts. Numbers, which may be negative, and JSON are not touched.
    pub formula_guard: bool,
}

/// What stands between two values of a line: those that Stream Analytics knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delimiter {
    /// `,`
    #[default]
    Comma,
    /// `;`
    Semicolon,
    /// One space. Every text with a space is in quotes then, and two spaces have a null between
    /// them.
    Space,
    /// A tab.
    Tab,
    /// `|`
    VerticalBar,
}

impl Delimiter {
    const ALL: [Self; 5] =
        [Self::Comma, Self::Semicolon, Self::Space, Self::Tab, Self::VerticalBar];

    /// The delimiter's character.
    pub const fn as_byte(self) -> u8 {
        match self {
            Self::Comma => b',',
            Self::Semicolon => b';',
            Self::Space => b' ',
            Self::Tab => b'\t',
            Self::VerticalBar => b'|',
        }
    }
}

/// What null is written as: a short text that never needs quotes, since quotes would make it the
/// value of that text.
///
/// ```
/// use serializers::NullText;
///
/// assert_eq!("NULL".parse::<NullText>()?.as_str(), "NULL");
/// assert!("not available".parse::<NullText>().is_err());
/// # Ok::<(), serializers::NullTextError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NullText(String);

impl NullText {
    /// The longest null text, in bytes.
    pub const BYTES_MAX: usize = 32;

    /// The text; empty by default.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for NullText {
    type Err = NullTextError;

    fn from_str(text: &str) -> Result<Self, NullTextError> {
        if text.len() > Self::BYTES_MAX {
            return Err(NullTextError::TooLong { bytes: text.len() });
        }
        let delimiter =
            |found: char| Delimiter::ALL.iter().any(|of| char::from(of.as_byte()) == found);
        let special =
            |found: char| matches!(found, '"' | '\r' | '\n' | '\u{feff}') || delimiter(found);
        match text.chars().find(|&found| special(found)) {
            Some(character) => Err(NullTextError::Character { character }),
            None => Ok(Self(text.to_owned())),
        }
    }
}

/// Why a text cannot stand for null.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NullTextError {
    /// A character that a value is quoted for, or that is some table's delimiter.
    #[error(
        "a null text must not contain {character:?}: it is never quoted, so quotes, line breaks, \
         commas, semicolons, spaces, tabs and vertical bars would be misread"
    )]
    Character {
        /// The first such character.
        character: char,
    },
    /// More than [`NullText::BYTES_MAX`].
    #[error("a null text has {} bytes at most, and this has {bytes}", NullText::BYTES_MAX)]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
}
