//! The calls that need no stream.
use std::time::Duration;

use proto::v1::{
    GetOutputRequest, GetWriterRequest, GetWriterResponse, ListOutputsRequest, Output,
    ResetWriterRequest, WriteOnceRequest, WriteOnceResponse,
    kafka_output_service_client::KafkaOutputServiceClient,
};
use tokio::time::{Instant, timeout};
use tonic::{Request, transport::Channel};

use super::{
    Error,
    endpoint::{chain, endpoint},
    options::ANSWER_BYTES_MAX,
};

/// A connection for calls of one question and one answer.
#[derive(Clone, Debug)]
pub struct Client {
    inner: KafkaOutputServiceClient<Channel>,
    deadline: Duration,
}

impl Client {
    /// Connects; `deadline` holds for this and for each call, except where a call has its own.
    pub async fn connect(address: &str, deadline: Duration) -> Result<Self, Error> {
        let start = Instant::now();
        let unreachable = |cause: String| Error::Unreachable {
            endpoint: address.to_owned(),
            tried_s: start.elapsed().as_secs(),
            cause,
        };
        let connected = timeout(deadline, endpoint(address)?.connect()).await;
        let channel = connected
            .map_err(|_| unreachable("no connection in time".to_owned()))?
            .map_err(|error| unreachable(chain(&error)))?;
        let inner =
            KafkaOutputServiceClient::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX);
        Ok(Self { inner, deadline })
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(self.deadline);
        request
    }

    /// What is known of a writer. Advisory: never a reason to drop rows.
    pub async fn get_writer(
        &mut self,
        output: &str,
        writer_id: &str,
    ) -> Result<GetWriterResponse, Error> {
        let (output, writer_id) = (output.to_owned(), writer_id.to_owned());
        let request = self.request(GetWriterRequest { output, writer_id });
        Ok(self.inner.get_writer(request).await?.into_inner())
    }

    /// Forgets a writer; its next batch is 1 again. Tells whether there was one to forget.
    pub async fn reset_writer(&mut self, output: &str, writer_id: &str) -> Result<bool, Error> {
        let (output, writer_id) = (output.to_owned(), writer_id.to_owned());
        let request = self.request(ResetWriterRequest { output, writer_id });
        Ok(self.inner.reset_writer(request).await?.into_inner().was_known)
    }

    /// All outputs of the job, in its order.
    pub async fn list_outputs(&mut self) -> Result<Vec<Output>, Error> {
        let request = self.request(ListOutputsRequest {});
        Ok(self.inner.list_outputs(request).await?.into_inner().outputs)
    }

    /// One output.
    pub async fn get_output(&mut self, output: &str) -> Result<Output, Error> {
        let request = self.request(GetOutputRequest { output: output.to_owned() });
        let answer = self.inner.get_output(request).await?.into_inner();
        answer.output.ok_or_else(|| Error::Protocol("it answers without an output".to_owned()))
    }

    /// Sends one batch and waits at most `deadline` for its answer. Without `writer_id` a call
    /// that is made again writes again.
    pub async fn write_once(
        &mut self,
        request: WriteOnceRequest,
        deadline: Duration,
    ) -> Result<WriteOnceResponse, Error> {
        let mut request = Request::new(request);
        request.set_timeout(deadline);
        Ok(self.inner.write_once(request).await?.into_inner())
    }
}
