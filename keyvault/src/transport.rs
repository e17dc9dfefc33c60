//! The HTTP client under the official crates: bounded answers, and failures by their cause.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use azure_core::{
    Bytes,
    error::ErrorKind,
    http::{
        AsyncRawResponse, Body, ClientOptions, HttpClient, Request, RetryOptions, StatusCode,
        Transport,
        headers::{HeaderName, Headers},
    },
};
use reqwest::Client;

use super::{
    failure::{Cause, Failure},
    http::{self, Answer},
};

/// What came of one request.
pub(crate) type Outcome = Result<Answer, Failure>;

/// Options for the official crates: this client, and no tries of their own. They would wait as
/// long as `Retry-After` says, and nobody would hear why.
pub(crate) fn options(
    client: Client,
    seen: impl Fn(&Outcome) + Send + Sync + 'static,
) -> ClientOptions {
    let transport = Bounded { client, seen: Box::new(seen) };
    ClientOptions {
        transport: Some(Transport::new(Arc::new(transport))),
        retry: RetryOptions::none(),
        ..Default::default()
    }
}

struct Bounded {
    client: Client,
    /// Hears what comes of each request, also of those that the crates try again.
    seen: Box<dyn Fn(&Outcome) + Send + Sync>,
}

impl fmt::Debug for Bounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bounded")
    }
}

#[async_trait]
impl HttpClient for Bounded {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let method = reqwest::Method::from_bytes(request.method().as_str().as_bytes());
        let method = method.expect("each is a method of HTTP");
        let mut made = self.client.request(method, request.url().clone());
        for (name, value) in request.headers().iter() {
            made = made.header(name.as_str(), value.as_str());
        }
        if let Body::Bytes(bytes) = request.body()
            && !bytes.is_empty()
        {
            made = made.body(bytes.clone());
        }
        let outcome = http::send(made).await;
        (self.seen)(&outcome);
        match outcome {
            Ok(answer) => Ok(response(answer)),
            // Of these two kinds the crates make another try where they make any.
            Err(failure) if failure.cause == Cause::TooLarge => {
                Err(azure_core::Error::new(ErrorKind::Other, failure))
            }
            Err(failure) => Err(azure_core::Error::new(ErrorKind::Io, failure)),
        }
    }
}

fn response(answer: Answer) -> AsyncRawResponse {
    let mut headers = Headers::new();
    for (name, value) in &answer.headers {
        if let Ok(value) = value.to_str() {
            headers.insert(HeaderName::from(name.as_str().to_owned()), value.to_owned());
        }
    }
    // The owner is wiped when the last reader is done.
    let body = Bytes::from_owner(answer.body);
    AsyncRawResponse::from_bytes(StatusCode::from(answer.status), headers, body)
}
