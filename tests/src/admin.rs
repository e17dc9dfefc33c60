//! The admin port as a probe, a scrape or a browser asks it, by hand over HTTP/1.1.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use serde_json::Value;

/// An answer takes far less.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// An admin port.
#[derive(Clone, Debug)]
pub struct Admin(String);

/// An answer of it.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub code: u16,
    /// The headers, as they came.
    pub headers: String,
    /// The body.
    pub body: String,
}

impl Admin {
    /// The port at this host and port.
    pub fn at(address: &str) -> Self {
        Self(address.to_owned())
    }

    /// Its host and port.
    pub fn address(&self) -> &str {
        &self.0
    }

    /// Asks for a path.
    ///
    /// # Panics
    /// When nobody answers.
    pub fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[("Host", &self.0)])
    }

    /// The same with these headers, of which one should be the host.
    ///
    /// # Panics
    /// As [`Admin::get`].
    pub fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.ask("GET", path, headers)
    }

    /// Has something done, with these headers.
    ///
    /// # Panics
    /// As [`Admin::get`].
    pub fn post_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let headers = [headers, &[("Content-Length", "0")]].concat();
        self.ask("POST", path, &headers)
    }

    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut stream = TcpStream::connect(&self.0).expect("the admin port listens");
        stream.set_read_timeout(Some(ANSWER_MAX)).expect("a time-out can be set");
        let headers: String =
            headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).expect("the admin port reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the admin port answers in text");
        let (headers, body) = answer.split_once("\r\n\r\n").expect("headers have an end");
        let code = headers.split(' ').nth(1).and_then(|code| code.parse().ok());
        let code = code.unwrap_or_else(|| panic!("no status code: {headers}"));
        Answer { code, headers: headers.to_ascii_lowercase(), body: body.to_owned() }
    }

    /// `/status`.
    ///
    /// # Panics
    /// When it is not JSON.
    pub fn status(&self) -> Value {
        let answer = self.get("/status");
        assert_eq!(answer.code, 200, "{answer:?}");
        serde_json::from_str(&answer.body).expect("the status is JSON")
    }

    /// What `/status` says of an output.
    ///
    /// # Panics
    /// When it has none.
    pub fn output(&self, alias: &str) -> Value {
        let status = self.status();
        let mut outputs = status["outputs"].as_array().into_iter().flatten();
        outputs.find(|output| output["alias"] == alias).expect("the output is shown").clone()
    }

    /// A scrape.
    pub fn metrics(&self) -> Scrape {
        Scrape(self.get("/metrics").body)
    }
}

/// What `/metrics` printed.
#[derive(Clone, Debug)]
pub struct Scrape(pub String);

impl Scrape {
    /// The value of a series: `name`, or `name{label="value"}` with labels in their order.
    pub fn value(&self, series: &str) -> Option<f64> {
        let line = self.0.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.map(|value| value.trim().parse().expect("a value is a number"))
    }
}
