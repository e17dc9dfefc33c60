//! Why a request got no answer, told by what lies at the bottom of it.

use std::{error, io, iter};

use rustls::CertificateError;

use super::Error;

/// Why a request got no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub(crate) struct Failure {
    /// Told apart by what somebody must do.
    pub(crate) cause: Cause,
    /// What the system or the TLS library said; nothing of a request or an answer.
    pub(crate) detail: String,
}

/// What a request can fail of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The name of the host is unknown.
    NotResolved,
    /// Nobody listens there.
    Refused,
    /// There is no way to it.
    Unreachable,
    /// The connection ended in the middle.
    Reset,
    /// There was no connection in time.
    Slow,
    /// There was a connection, and no answer in time.
    Silent,
    /// The proxy cannot be reached, or does not let it pass.
    Proxy,
    /// An authority that is not trusted has signed the certificate.
    Untrusted,
    /// The certificate is for another host.
    WrongHost,
    /// The certificate does not hold at this time.
    Expired,
    /// Another fault of TLS.
    Tls,
    /// The answer is longer than any that makes sense.
    TooLarge,
    /// Something else.
    Other,
}

impl Failure {
    /// The failure of an answer that goes on and on.
    pub(crate) fn too_large() -> Self {
        Self { cause: Cause::TooLarge, detail: "the answer is too large".to_owned() }
    }

    /// Whether it was too slow, be it before or after there was a connection.
    pub(crate) fn is_slow(&self) -> bool {
        matches!(self.cause, Cause::Slow | Cause::Silent)
    }

    /// Finds the cause of what the HTTP client reports; its own text names none.
    pub(crate) fn of(error: &reqwest::Error) -> Self {
        let chain: Vec<_> = causes(error).collect();
        let innermost = chain.last().map_or_else(String::new, ToString::to_string);
        let failure = |cause| Self { cause, detail: innermost.clone() };
        if let Some(error) = chain.iter().find_map(|e| e.downcast_ref::<rustls::Error>()) {
            return Self { cause: cause_in_tls(error), detail: error.to_string() };
        }
        // The type is not public.
        if chain.iter().any(|e| e.to_string().starts_with("tunnel error")) {
            return failure(Cause::Proxy);
        }
        if error.is_dns() {
            return failure(Cause::NotResolved);
        }
        let kind =
            chain.iter().rev().find_map(|e| e.downcast_ref::<io::Error>()).map(io::Error::kind);
        let cause = match kind {
            Some(io::ErrorKind::ConnectionRefused) => Cause::Refused,
            Some(io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable) => {
                Cause::Unreachable
            }
            _ if error.is_timeout() && error.is_connect() => Cause::Slow,
            _ if error.is_timeout() => Cause::Silent,
            Some(
                io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::UnexpectedEof,
            ) => Cause::Reset,
            // There was a connection, and no whole answer came.
            _ if !error.is_connect() && (error.is_request() || error.is_body()) => Cause::Reset,
            _ => Cause::Other,
        };
        failure(cause)
    }

    /// The error about `peer`, which is named in words such as `the vault https://…`.
    pub(crate) fn tell(&self, peer: &str) -> Error {
        Error::new(self.cause.code(), self.message(peer), self.cause.remedy()).later(None)
    }

    fn message(&self, peer: &str) -> String {
        let Self { cause, detail } = self;
        match cause {
            Cause::NotResolved => format!("the name of {peer} cannot be resolved: {detail}"),
            Cause::Refused => format!("{peer} refuses connections"),
            Cause::Unreachable => format!("there is no way to {peer}: {detail}"),
            Cause::Reset => {
                format!("the connection to {peer} ended before there was a whole answer: {detail}")
            }
            Cause::Slow => format!("no connection to {peer} came about in time"),
            Cause::Silent => format!("{peer} takes connections and has not answered in time"),
            Cause::Proxy => format!("the proxy gives no way to {peer}: {detail}"),
            Cause::Untrusted => format!("the certificate of {peer} is not trusted: {detail}"),
            Cause::WrongHost => format!("the certificate of {peer} is for another host: {detail}"),
            Cause::Expired => format!("the certificate of {peer} does not hold now: {detail}"),
            Cause::Tls => format!("no TLS connection to {peer} came about: {detail}"),
            Cause::TooLarge => format!("the answer of {peer} is larger than 256 KiB"),
            Cause::Other => format!("{peer} cannot be asked: {detail}"),
        }
    }
}

impl Cause {
    fn code(self) -> &'static str {
        match self {
            Self::NotResolved => "NAME_NOT_RESOLVED",
            Self::Refused => "CONNECTION_REFUSED",
            Self::Unreachable => "NETWORK_UNREACHABLE",
            Self::Reset => "CONNECTION_RESET",
            Self::Slow => "CONNECTION_SLOW",
            Self::Silent => "NO_ANSWER",
            Self::Proxy => "PROXY_FAILED",
            Self::Untrusted => "TLS_UNTRUSTED",
            Self::WrongHost => "TLS_WRONG_HOST",
            Self::Expired => "TLS_CERTIFICATE_EXPIRED",
            Self::Tls => "TLS_FAILED",
            Self::TooLarge => "ANSWER_TOO_LARGE",
            Self::Other => "CONNECTION_FAILED",
        }
    }

    fn remedy(self) -> &'static str {
        match self {
            Self::NotResolved => {
                "check the name, and the DNS of this machine (a private endpoint needs its \
                 private DNS zone)"
            }
            Self::Refused => "check the address, and what stands between",
            Self::Unreachable => "check routes and firewalls",
            Self::Reset => {
                "it is tried again; if it stays, look for a firewall or proxy in between"
            }
            Self::Slow => "check routes, firewalls and, if one is set, the proxy",
            Self::Silent => {
                "it is tried again; if it stays, look at its health and at what stands between"
            }
            Self::Proxy => {
                "check the proxy that `HTTPS_PROXY` names, or except the host by `NO_PROXY`"
            }
            Self::Untrusted => {
                "trust its authority (the system's certificates, or `SSL_CERT_FILE`); a proxy \
                 that opens TLS shows its own"
            }
            Self::WrongHost => "check the address, DNS and proxies",
            Self::Expired => {
                "check the clock of this machine; otherwise the certificate must be renewed there"
            }
            Self::Tls => "check that it speaks TLS 1.2 or newer there",
            Self::TooLarge => "check the address",
            Self::Other => "check the network",
        }
    }
}

/// The error and all below it.
pub(crate) fn causes<'a>(
    error: &'a (dyn error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn error::Error + 'static)> {
    iter::successors(Some(error), |error| {
        // An `io::Error` passes over what it was made of: its source is that one's source.
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner as &(dyn error::Error + 'static)),
            None => error.source(),
        }
    })
}

fn cause_in_tls(error: &rustls::Error) -> Cause {
    match error {
        rustls::Error::InvalidCertificate(error) => match error {
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Cause::WrongHost
            }
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => Cause::Expired,
            _ => Cause::Untrusted,
        },
        _ => Cause::Tls,
    }
}
