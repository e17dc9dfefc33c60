//! Names that Kafka or an engine must accept: job, alias, topic, and the address of a broker.

use std::{fmt, net::IpAddr, str::FromStr, sync::Arc};

use super::text::InvalidText;

/// The most characters in the name of a job.
pub(super) const JOB_NAME_CHARS_MAX: usize = 64;
/// The most characters in the alias of an output.
pub(super) const ALIAS_CHARS_MAX: usize = 128;
/// The most characters in the name of a topic: Kafka's own limit.
pub(super) const TOPIC_CHARS_MAX: usize = 249;
/// The most characters in a host name: the limit of the Domain Name System.
const HOST_CHARS_MAX: usize = 253;

/// What the query calls an output: 1 to 128 of `[A-Za-z0-9._-]`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutputAlias(Arc<str>);

/// A legal Kafka topic name: 1 to 249 of `[A-Za-z0-9._-]`, and neither `.` nor `..`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName(Arc<str>);

/// Where a broker is: a host name or IP address, and a port.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPort {
    host: Arc<str>,
    port: u16,
}

impl OutputAlias {
    /// The alias as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TopicName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl HostPort {
    /// The host name or IP address; an IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, never 0.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether this is an address of this machine that others cannot reach.
    pub fn is_loopback(&self) -> bool {
        match self.host.parse::<IpAddr>() {
            Ok(address) => address.is_loopback(),
            Err(_) => self.host.eq_ignore_ascii_case("localhost"),
        }
    }
}

impl FromStr for OutputAlias {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        plain_name(text, "a name for an output", ALIAS_CHARS_MAX)?;
        Ok(Self(text.into()))
    }
}

impl FromStr for TopicName {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        plain_name(text, "a Kafka topic name", TOPIC_CHARS_MAX)?;
        if matches!(text, "." | "..") {
            let reason = "is not a Kafka topic name: Kafka keeps `.` and `..` for itself";
            return Err(InvalidText::new(reason, "choose another name"));
        }
        Ok(Self(text.into()))
    }
}

impl FromStr for HostPort {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        let invalid = |why: &str, help: &str| {
            Err(InvalidText::new(format!("is not the address of a broker: {why}"), help))
        };
        if text.contains('@') {
            return invalid(
                "it holds an `@`",
                "write `host:port`; user name and password belong under `sasl`",
            );
        }
        if text.contains("://") {
            return invalid(
                "it begins with a protocol",
                "write `host:port`; `securityProtocol` says the protocol",
            );
        }
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => match rest.split_once(']') {
                Some((host, port)) => (host, port.strip_prefix(':')),
                None => return invalid("a bracket is not closed", "write `[::1]:9092`"),
            },
            None if text.parse::<IpAddr>().is_ok_and(|address| address.is_ipv6()) => {
                return invalid("it has no port", "write `[::1]:9092`");
            }
            None => match text.rsplit_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let Some(port) = port else {
            return invalid("it has no port", "write `host:port`, such as `kafka-1:9092`");
        };
        let Some(port) = port.parse::<u16>().ok().filter(|port| *port > 0) else {
            return invalid(
                "the port is not a number from 1 to 65535",
                "write `host:port`, such as `kafka-1:9092`",
            );
        };
        if text.starts_with('[') {
            if !host.parse::<IpAddr>().is_ok_and(|address| address.is_ipv6()) {
                return invalid("the brackets hold no IPv6 address", "write `[::1]:9092`");
            }
        } else if host.contains(':') {
            return invalid("an IPv6 address stands in brackets", "write `[::1]:9092`");
        } else if host.is_empty()
            || host.len() > HOST_CHARS_MAX
            || !host.chars().all(is_name_character)
        {
            return invalid(
                "the host is not a name or an IP address",
                "write `host:port`, such as `kafka-1:9092`",
            );
        }
        Ok(Self { host: host.into(), port })
    }
}

/// Checks a name of letters, digits, dots, hyphens and underscores.
pub(super) fn plain_name(text: &str, what: &str, chars_max: usize) -> Result<(), InvalidText> {
    const ALLOWED: &str = "use only the letters A to Z and a to z, digits, `.`, `_` and `-`";
    if text.is_empty() {
        return Err(InvalidText::new(format!("is empty, and {what} is not"), ALLOWED));
    }
    if let Some(strange) = text.chars().find(|c| !is_name_character(*c)) {
        let strange = match strange {
            ' ' => "a space".to_owned(),
            other => format!("`{}`", other.escape_debug()),
        };
        let reason = format!("is not {what}: it may not hold {strange}");
        return Err(InvalidText::new(reason, ALLOWED));
    }
    if text.len() > chars_max {
        let reason = format!("is not {what}: it has {} characters", text.len());
        return Err(InvalidText::new(reason, format!("use at most {chars_max} characters")));
    }
    Ok(())
}

pub(super) fn is_name_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

impl fmt::Display for OutputAlias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for OutputAlias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OutputAlias({})", self.0)
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TopicName({})", self.0)
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl fmt::Debug for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HostPort({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(text: &str) -> String {
        match text.parse::<TopicName>() {
            Ok(name) => name.to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_topic_name_is_what_kafka_takes() {
        assert_eq!(topic("flight-delays_2.v1"), "flight-delays_2.v1");
        assert_eq!(topic(&"t".repeat(249)), "t".repeat(249));
        assert_eq!(topic(""), "is empty, and a Kafka topic name is not");
        assert_eq!(topic("a b"), "is not a Kafka topic name: it may not hold a space");
        assert_eq!(topic("flüge"), "is not a Kafka topic name: it may not hold `ü`");
        assert_eq!(topic(&"t".repeat(250)), "is not a Kafka topic name: it has 250 characters");
        for name in [".", ".."] {
            let reason = "is not a Kafka topic name: Kafka keeps `.` and `..` for itself";
            assert_eq!(topic(name), reason);
        }
    }

    #[test]
    fn brokers_are_hosts_with_ports() {
        for text in ["kafka-1:9092", "10.0.0.7:1", "[::1]:9092", "[fe80::1]:65535", "a_b.c:9"] {
            assert_eq!(text.parse::<HostPort>().unwrap().to_string(), text);
        }
        for (text, reason) in [
            ("kafka-1", "it has no port"),
            ("::1", "it has no port"),
            ("kafka-1:0", "the port is not a number from 1 to 65535"),
            ("kafka-1:kafka", "the port is not a number from 1 to 65535"),
            ("1:2:3:9092", "an IPv6 address stands in brackets"),
            ("[::1", "a bracket is not closed"),
            ("[kafka]:9092", "the brackets hold no IPv6 address"),
            ("[::1]", "it has no port"),
            (":9092", "the host is not a name or an IP address"),
            ("kafka 1:9092", "the host is not a name or an IP address"),
            ("SSL://kafka:9092", "it begins with a protocol"),
            ("user:word@kafka:9092", "it holds an `@`"),
        ] {
            let error = text.parse::<HostPort>().unwrap_err().to_string();
            assert_eq!(error, format!("is not the address of a broker: {reason}"), "{text}");
        }
    }

    #[test]
    fn loopback_is_told_from_the_rest() {
        let loopback = |text: &str| text.parse::<HostPort>().unwrap().is_loopback();
        assert!(loopback("localhost:9092"));
        assert!(loopback("127.8.9.1:9092"));
        assert!(loopback("[::1]:9092"));
        assert!(!loopback("kafka:9092"));
        assert!(!loopback("10.0.0.1:9092"));
        assert!(!loopback("localhost.example.org:9092"));
    }
}
