//! HTTP as all of this crate speaks it: bounded, without redirects, TLS 1.2 at least.

use std::{
    net::IpAddr,
    time::{Duration, SystemTime},
};

use jiff::fmt::rfc2822;
use reqwest::{
    Certificate, Client, ClientBuilder, RequestBuilder, Url,
    header::{HeaderMap, RETRY_AFTER},
    redirect::Policy,
    tls::Version,
};
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::{Error, failure::Failure};

/// The most bytes of an answer. A secret of Key Vault has 25 KiB at most.
pub(crate) const BODY_BYTES_MAX: usize = 256 << 10;
/// For a name, TCP, the proxy and TLS.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A metadata endpoint is on the machine itself.
const LOCAL_CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Between two pieces of an answer.
const READ_TIMEOUT: Duration = Duration::from_secs(8);
/// A wish for more waiting than this is cut.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// An answer, whatever its status.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// Wiped when dropped, since it may hold a secret.
    pub(crate) body: Zeroizing<Vec<u8>>,
}

/// For hosts out there: by the proxy of `HTTPS_PROXY` but for `NO_PROXY`; trusts what the system
/// trusts, or what `SSL_CERT_FILE` holds.
pub(crate) fn outside() -> Result<Client, Error> {
    build(builder().https_only(true))
}

/// For endpoints of this machine: never by a proxy, which would get the token of its own machine
/// or see that of ours.
pub(crate) fn inside() -> Result<Client, Error> {
    build(builder().no_proxy().connect_timeout(LOCAL_CONNECT_TIMEOUT))
}

/// For one address; by no proxy if it is on loopback. With `trust_pem` exactly those authorities
/// are trusted there.
pub(crate) fn for_url(url: &Url, trust_pem: Option<&str>) -> Result<Client, Error> {
    let mut builder = builder().https_only(url.scheme() == "https");
    if is_loopback(url) {
        builder = builder.no_proxy();
    }
    if let Some(pem) = trust_pem {
        let certificates = Certificate::from_pem_bundle(pem.as_bytes());
        let certificates = certificates.ok().filter(|certificates| !certificates.is_empty());
        let certificates = certificates.ok_or_else(|| {
            let message = format!("the authorities to trust at {url} are not PEM certificates");
            Error::new("TRUST_NOT_PEM", message, "check the trust store")
        })?;
        builder = builder.tls_certs_only(certificates);
    }
    build(builder)
}

/// Reads an address that secrets are sent to: `https`, or `http` on loopback.
pub(crate) fn secure_url(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "is not a URL")?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("holds a user name or a password");
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        "http" => Err("is `http`, which anybody on the way can read and change"),
        _ => Err("is not `https`"),
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Sends a request and reads the answer.
pub(crate) async fn send(request: RequestBuilder) -> Result<Answer, Failure> {
    let mut response = request.send().await.map_err(|error| Failure::of(&error))?;
    let length = response.content_length().unwrap_or(BODY_BYTES_MAX as u64);
    let length = usize::try_from(length).ok().filter(|length| *length <= BODY_BYTES_MAX);
    // Reserved whole: a buffer that grows would leave copies of a secret behind.
    let mut body = Zeroizing::new(Vec::with_capacity(length.ok_or_else(Failure::too_large)?));
    while let Some(piece) = response.chunk().await.map_err(|error| Failure::of(&error))? {
        if body.len() + piece.len() > BODY_BYTES_MAX {
            return Err(Failure::too_large());
        }
        body.extend_from_slice(&piece);
    }
    let headers = std::mem::take(response.headers_mut());
    Ok(Answer { status: response.status().as_u16(), headers, body })
}

impl Answer {
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body, if it is what is expected.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.body).ok()
    }

    /// How long the other side wants to be left alone.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        retry_after(self.headers.get(RETRY_AFTER)?.to_str().ok()?)
    }
}

/// Reads `Retry-After`: seconds or a date (RFC 9110, 10.2.3).
pub(crate) fn retry_after(text: &str) -> Option<Duration> {
    let wanted = match text.trim().parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => date(text)?.duration_since(SystemTime::now()).unwrap_or_default(),
    };
    Some(wanted.min(RETRY_AFTER_MAX))
}

/// Reads the date of a header (RFC 9110, 5.6.7).
pub(crate) fn date(text: &str) -> Option<SystemTime> {
    rfc2822::parse(text).ok().map(|date| date.timestamp().into())
}

fn builder() -> ClientBuilder {
    Client::builder()
        .tls_version_min(Version::TLS_1_2)
        .redirect(Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .user_agent(concat!("kafka-output/", env!("CARGO_PKG_VERSION")))
}

fn build(builder: ClientBuilder) -> Result<Client, Error> {
    builder.build().map_err(|error| {
        let said =
            super::failure::causes(&error).last().map_or_else(String::new, ToString::to_string);
        Error::new(
            "TLS_NO_AUTHORITIES",
            format!("TLS to Azure or an issuer cannot be set up: {said}"),
            "install the system's certificate authorities (`ca-certificates`), or name a file of \
             them by `SSL_CERT_FILE`",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_to_https_or_loopback() {
        for good in
            ["https://a.example/t", "http://127.0.0.1:80/t", "http://localhost/t", "http://[::1]/t"]
        {
            assert!(secure_url(good).is_ok(), "{good}");
        }
        for bad in ["http://a.example/t", "ftp://127.0.0.1/", "a.example", "https://u:p@a.example/"]
        {
            assert!(secure_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(retry_after("3"), Some(Duration::from_secs(3)));
        assert_eq!(retry_after("99999999"), Some(RETRY_AFTER_MAX));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        let soon = jiff::Zoned::now() + Duration::from_secs(100);
        let text = rfc2822::to_string(&soon).unwrap();
        assert!(retry_after(&text).unwrap() > Duration::from_secs(90), "{text}");
        assert_eq!(retry_after("soon"), None);
    }
}
