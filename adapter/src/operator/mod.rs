//! A client of the admin port of a running service: what the commands of operators ask.
use std::time::Duration;

use axum::body::Body;
use http_body_util::BodyExt as _;
use hyper::{
    Method, Request, StatusCode,
    body::{Bytes, Incoming},
    client::conn::http1,
    header,
};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::{net::TcpStream, time::timeout};

use crate::exit::Exit;

/// Of a machine that answers at all.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// What is told comes from memory.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// Which service is meant.
#[derive(Clone, Debug, clap::Args)]
pub struct ServiceArgs {
    /// The admin port of the service, `listen.admin.address` of its job file
    #[arg(
        long,
        value_name = "HOST:PORT",
        env = "KAFKA_OUTPUT_ADMIN",
        default_value = "127.0.0.1:7071"
    )]
    pub admin: String,
}

/// A running service, seen from its admin port.
#[derive(Clone, Debug)]
pub struct Operator {
    authority: String,
}

/// Why the service did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// Nobody answers there, or nobody who speaks HTTP.
    #[error(
        "no answer from the admin port at {authority}: {reason}; name it with --admin HOST:PORT, \
         as `listen.admin.address` of the job file has it (without that key there is none)"
    )]
    Unreachable {
        /// Where it was looked for.
        authority: String,
        /// Why.
        reason: String,
    },
    /// The service refuses; nothing was changed.
    #[error("the service refuses: {said}")]
    Refused {
        /// In its words.
        said: String,
    },
}

/// An answer that is read as it comes.
pub struct Flow {
    authority: String,
    body: Incoming,
    /// What has come of the next line.
    rest: Vec<u8>,
}

impl OperatorError {
    /// How a command ends because of it.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Unreachable { .. } => Exit::Unreachable,
            Self::Refused { .. } => Exit::Refused,
        }
    }
}

impl Operator {
    /// The service that is meant. Nothing is connected yet.
    pub fn new(args: &ServiceArgs) -> Self {
        let typed = args.admin.trim_end_matches('/');
        let authority = typed.strip_prefix("http://").unwrap_or(typed).to_owned();
        Self { authority }
    }

    /// Where the port is.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Asks for a path, and reads the answer as JSON.
    ///
    /// # Errors
    /// If there is none, or it is a refusal.
    pub async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T, OperatorError> {
        let text = self.text(path).await?;
        serde_json::from_str(&text).map_err(|error| self.unreachable(&error))
    }

    /// Asks for a path, and reads the answer as text.
    ///
    /// # Errors
    /// As [`Operator::read`].
    pub async fn text(&self, path: &str) -> Result<String, OperatorError> {
        self.within(self.whole(Method::GET, path)).await
    }

    /// Has something done, and reads what the service says of it, however long that takes: as long
    /// as the job's `shutdownTimeout`, or twice where another change is under way.
    ///
    /// # Errors
    /// If it did not, or did not say so.
    pub async fn order(&self, path: &str) -> Result<String, OperatorError> {
        self.whole(Method::POST, path).await
    }

    /// Asks for a path whose answer goes on.
    ///
    /// # Errors
    /// As [`Operator::read`].
    pub async fn follow(&self, path: &str) -> Result<Flow, OperatorError> {
        let body = self.within(self.send(Method::GET, path)).await?;
        Ok(Flow { authority: self.authority.clone(), body, rest: Vec::new() })
    }

    async fn whole(&self, method: Method, path: &str) -> Result<String, OperatorError> {
        let body = self.send(method, path).await?;
        self.collect(body).await
    }

    async fn send(&self, method: Method, path: &str) -> Result<Incoming, OperatorError> {
        let connected = timeout(CONNECT_MAX, TcpStream::connect(&self.authority)).await;
        let stream = connected
            .map_err(|_| self.unreachable(&"it cannot be connected to"))?
            .map_err(|error| self.unreachable(&error))?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|e| self.unreachable(&e))?;
        // Ends with the answer; its errors come with that.
        tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, &self.authority)
            .body(Body::empty())
            .map_err(|error| self.unreachable(&error))?;
        let answer = sender.send_request(request).await.map_err(|e| self.unreachable(&e))?;
        let status = answer.status();
        let body = answer.into_body();
        if status.is_success() {
            return Ok(body);
        }
        let said = self.collect(body).await?;
        let said = match said.trim_end() {
            "" if status == StatusCode::NOT_FOUND => format!("it knows nothing of {path}"),
            "" => status.to_string(),
            said => said.to_owned(),
        };
        Err(OperatorError::Refused { said })
    }

    async fn collect(&self, body: Incoming) -> Result<String, OperatorError> {
        let bytes = body.collect().await.map_err(|e| self.unreachable(&e))?.to_bytes();
        String::from_utf8(bytes.into()).map_err(|error| self.unreachable(&error))
    }

    async fn within<T>(
        &self,
        asked: impl Future<Output = Result<T, OperatorError>>,
    ) -> Result<T, OperatorError> {
        let answered = timeout(ANSWER_MAX, asked).await;
        answered.unwrap_or_else(|_| Err(self.unreachable(&"it is silent")))
    }

    fn unreachable(&self, reason: &dyn std::fmt::Display) -> OperatorError {
        let authority = self.authority.clone();
        OperatorError::Unreachable { authority, reason: reason.to_string() }
    }
}

impl Flow {
    /// The next line, when it comes; `None` when the service has ended the answer.
    ///
    /// # Errors
    /// If the connection ends in the middle.
    pub async fn line(&mut self) -> Result<Option<Bytes>, OperatorError> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let mut line: Vec<u8> = self.rest.drain(..=end).collect();
                line.pop();
                return Ok(Some(line.into()));
            }
            let Some(frame) = self.body.frame().await else { return Ok(None) };
            let frame = frame.map_err(|error| OperatorError::Unreachable {
                authority: self.authority.clone(),
                reason: error.to_string(),
            })?;
            if let Ok(data) = frame.into_data() {
                self.rest.extend_from_slice(&data);
            }
        }
    }
}
