//! What is stored of a writer, as JSON: people read it with any client.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// How far a writer has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stored {
    /// Counts how often the writer was forgotten on request: what was stored before counts less.
    pub generation: u64,
    /// Every batch up to this one is in the topic.
    pub sequence: u64,
    /// The engine's own resume point, in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::kafka) position: Option<String>,
    /// The id of the topic that the rows are in: one of the same name that is made anew does not
    /// have them. Empty where brokers do not tell.
    #[serde(default)]
    pub topic_id: String,
    /// The engine's epoch of the writer.
    #[serde(default)]
    pub epoch: u64,
    /// Who has written it.
    pub instance: String,
    /// When, in milliseconds since 1970.
    pub time_ms: u64,
}

/// Who has opened a writer last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Claim {
    /// Names the opening, and no other.
    pub nonce: String,
    /// The host, for people.
    pub host: String,
    /// When, in milliseconds since 1970.
    pub time_ms: u64,
}

impl Stored {
    /// The engine's own resume point.
    pub fn position(&self) -> Option<Bytes> {
        let position = self.position.as_ref()?;
        STANDARD.decode(position).ok().map(Bytes::from)
    }

    /// The same with this resume point.
    #[must_use]
    pub fn at(mut self, position: Option<&Bytes>) -> Self {
        self.position = position.map(|position| STANDARD.encode(position));
        self
    }

    /// Where it stands among all that is stored of the writer: the highest counts, wherever it
    /// stands in the log.
    pub fn rank(&self) -> (u64, u64) {
        (self.generation, self.sequence)
    }

    /// As it is stored.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("numbers and text become JSON")
    }

    /// From what is stored; `None` if it is nothing of ours.
    pub fn decode(value: &[u8]) -> Option<Self> {
        serde_json::from_slice(value).ok()
    }
}

impl Claim {
    /// As it is stored.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("numbers and text become JSON")
    }

    /// From what is stored; `None` if it is nothing of ours.
    pub fn decode(value: &[u8]) -> Option<Self> {
        serde_json::from_slice(value).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_comes_back_and_is_legible() {
        let stored = Stored { sequence: 7, instance: "i".into(), ..Stored::default() };
        let stored = stored.at(Some(&Bytes::from_static(b"\x00\xff")));
        let text = String::from_utf8(stored.encode()).unwrap();
        assert!(
            text.contains(r#""sequence":7"#) && text.contains(r#""position":"AP8=""#),
            "{text}"
        );
        let back = Stored::decode(text.as_bytes()).unwrap();
        assert_eq!(back, stored);
        assert_eq!(back.position().unwrap(), Bytes::from_static(b"\x00\xff"));
        assert_eq!(Stored::decode(b"7"), None);
    }

    #[test]
    fn a_writer_that_was_forgotten_does_not_come_back_by_an_old_record() {
        let old = Stored { generation: 0, sequence: 100, ..Stored::default() };
        let reset = Stored { generation: 1, sequence: 0, ..Stored::default() };
        assert!(reset.rank() > old.rank());
    }
}
