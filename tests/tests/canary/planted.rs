//! Values that must not come out, in every form in which they might.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};

/// The values.
#[derive(Debug, Default)]
pub struct Planted {
    values: Vec<String>,
}

impl Planted {
    /// A new value, whose name tells which it is.
    pub fn text(&mut self, name: &str) -> String {
        let unique: String = (0..24).map(|_| char::from(b'a' + random() % 26)).collect();
        let value = format!("CANARY{}{unique}", name.replace('-', ""));
        self.values.push(value.clone());
        value
    }

    /// The lines of a private key in PEM.
    pub fn key(&mut self, pem: &str) {
        let lines = pem.lines().filter(|line| !line.starts_with("-----") && line.len() >= 16);
        self.values.extend(lines.map(str::to_owned));
    }

    /// A token (JWT): as a whole, what it says, and its signature.
    pub fn token(&mut self, token: &str) {
        self.values.push(token.to_owned());
        self.values.extend(token.split('.').skip(1).map(str::to_owned));
    }

    /// Something that was made elsewhere.
    pub fn add(&mut self, value: String) {
        self.values.push(value);
    }

    /// Looks for each value in all that was printed; returns how many bytes that are.
    pub fn assert_absent_in(&self, shown: &[(String, String)]) -> usize {
        let bytes: usize = shown.iter().map(|(_, text)| text.len()).sum();
        println!("{bytes} bytes of output, {} values looked for", self.values.len());
        for (name, text) in shown {
            self.assert_absent(name, text);
        }
        bytes
    }

    /// Looks for each value: as it is, in base64 at each of its three places, and in hex.
    fn assert_absent(&self, name: &str, text: &str) {
        let lower = text.to_ascii_lowercase();
        for value in &self.values {
            let hex: String = value.bytes().map(|byte| format!("{byte:02x}")).collect();
            let base64 = (0..3).flat_map(|shift| {
                // What stands before it moves its letters; those at the ends depend on neighbours.
                let padded = [vec![b'x'; shift], value.as_bytes().to_vec()].concat();
                [STANDARD_NO_PAD.encode(&padded), URL_SAFE_NO_PAD.encode(&padded)]
                    .map(|coded| coded[4..coded.len() - 4].to_owned())
            });
            let found = text.contains(value.as_str())
                || lower.contains(&hex)
                || base64.into_iter().any(|coded| text.contains(&coded));
            if found {
                let at = text.find(value.as_str()).unwrap_or_default();
                let around: String = text[..at].chars().rev().take(200).collect();
                let around: String = around.chars().rev().collect();
                panic!("{name}: {}… comes out behind: {around}", &value[..14.min(value.len())]);
            }
        }
    }
}

/// A byte that nobody guesses, from the hasher's seed.
fn random() -> u8 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(()).to_le_bytes()[0]
}
