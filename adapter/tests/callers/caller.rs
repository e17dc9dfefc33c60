//! A caller with what it shows, and every call that there is.
use std::sync::Arc;

use kafka_output::grpc::{Entrance, ServerTls, callers::TokenCheck};
use proto::v1::{
    Batch, GetOutputRequest, GetWriterRequest, ListOutputsRequest, Open, ResetWriterRequest,
    WriteOnceRequest, kafka_output_service_client::KafkaOutputServiceClient,
    write_request::Message as In, write_response::Message as Out,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Code, Request, Status,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};
use tonic_types::StatusExt as _;

use crate::support::{
    Bench, PATIENCE,
    certificates::{Authority, Certified},
    engine::Stream,
    in_time,
    rows::{batch, numbers},
};

/// Everything that can be called, with the output and the writer it is about.
pub const CALLS: [&str; 6] =
    ["Open", "WriteOnce", "WriteOnce unnumbered", "GetWriter", "ResetWriter", "GetOutput"];

/// A caller.
#[derive(Clone)]
pub struct Caller {
    pub channel: Channel,
    token: Option<String>,
}

/// Whom the service lets in: a certificate of this authority or a token of this kind.
pub fn entrance(tls: Option<ServerTls>, tokens: Option<TokenCheck>) -> Entrance {
    Entrance::new(tls.map(Arc::new), tokens, true)
}

/// TLS of a caller that trusts an authority and may show a certificate.
pub fn client_tls(authority: &Authority, own: Option<&Certified>) -> ClientTlsConfig {
    let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&authority.pem));
    match own {
        Some(own) => tls.identity(Identity::from_pem(&own.pem, &own.key_pem)),
        None => tls,
    }
}

/// An address with TLS.
pub fn secure(bench: &Bench, tls: ClientTlsConfig) -> Endpoint {
    let endpoint = Endpoint::try_from(format!("https://localhost:{}", bench.address.port()));
    endpoint.unwrap().tls_config(tls).unwrap()
}

impl Caller {
    /// A caller over plaintext.
    pub async fn plain(bench: &Bench) -> Self {
        Self::over(Endpoint::try_from(format!("http://{}", bench.address)).unwrap()).await.unwrap()
    }

    /// A caller over an endpoint.
    pub async fn over(endpoint: Endpoint) -> Result<Self, tonic::transport::Error> {
        let channel = in_time(PATIENCE, endpoint.connect()).await.expect("it connects in time")?;
        Ok(Self { channel, token: None })
    }

    /// The same caller with a token.
    pub fn with(&self, token: impl Into<String>) -> Self {
        Self { channel: self.channel.clone(), token: Some(token.into()) }
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(token) = &self.token {
            let value = format!("Bearer {token}").parse().unwrap();
            request.metadata_mut().insert("authorization", value);
        }
        request
    }

    /// Makes one of [`CALLS`].
    pub async fn call(&self, call: &str, output: &str, writer_id: &str) -> Result<(), Status> {
        in_time(PATIENCE, self.answered(call, output, writer_id)).await.expect("an answer in time")
    }

    async fn answered(&self, call: &str, output: &str, writer_id: &str) -> Result<(), Status> {
        let mut calls = KafkaOutputServiceClient::new(self.channel.clone());
        let (output, writer_id) = (output.to_owned(), writer_id.to_owned());
        match call {
            "Open" => match self.stream(&output, &writer_id).await?.next().await? {
                Some(Out::Opened(_)) => Ok(()),
                other => panic!("instead of Opened: {other:?}"),
            },
            "WriteOnce" | "WriteOnce unnumbered" => {
                let numbered = call == "WriteOnce";
                let (schema, sequence) = (Some(numbers()), u64::from(numbered));
                let batch = Some(Batch { sequence, ..batch(1) });
                let writer_id = numbered.then_some(writer_id);
                let request = WriteOnceRequest { output, writer_id, schema, batch, epoch: None };
                calls.write_once(self.request(request)).await.map(drop)
            }
            "GetWriter" => {
                let request = GetWriterRequest { output, writer_id };
                calls.get_writer(self.request(request)).await.map(drop)
            }
            "ResetWriter" => {
                let request = ResetWriterRequest { output, writer_id };
                calls.reset_writer(self.request(request)).await.map(drop)
            }
            "GetOutput" => {
                calls.get_output(self.request(GetOutputRequest { output })).await.map(drop)
            }
            other => panic!("{other} is no call"),
        }
    }

    /// A stream on which `Open` is sent.
    pub async fn stream(&self, output: &str, writer_id: &str) -> Result<Stream, Status> {
        let (to, messages) = mpsc::channel(16);
        let mut calls = KafkaOutputServiceClient::new(self.channel.clone());
        let call = calls.write(self.request(ReceiverStream::new(messages)));
        let from = in_time(PATIENCE, call).await.expect("it starts in time")?.into_inner();
        let stream = Stream::new(to, from);
        let (output, writer_id) = (output.to_owned(), writer_id.to_owned());
        stream.say(In::Open(Open { output, writer_id, ..Open::default() })).await;
        Ok(stream)
    }

    /// The outputs that the service shows this caller.
    pub async fn outputs(&self) -> Result<Vec<String>, Status> {
        let mut calls = KafkaOutputServiceClient::new(self.channel.clone());
        let outputs = calls.list_outputs(self.request(ListOutputsRequest {})).await?.into_inner();
        Ok(outputs.outputs.into_iter().map(|output| output.alias).collect())
    }
}

/// The code and the stable reason of an answer, and that it says nothing else of why.
#[track_caller]
pub fn denied(answer: Result<(), Status>) -> (Code, String) {
    let status = answer.expect_err("the caller is denied");
    let details = status.get_error_details();
    let info = details.error_info().unwrap_or_else(|| panic!("no ErrorInfo: {status:?}"));
    assert_eq!(info.metadata["may_be_written"], "no");
    for word in ["`", "claim", "prefix", "subject", "role", "expire"] {
        assert!(!status.message().contains(word), "{}", status.message());
    }
    (status.code(), info.reason.clone())
}
