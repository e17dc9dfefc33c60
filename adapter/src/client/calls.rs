//! The calls that need no stream.
use std::{sync::Arc, time::Duration};

use proto::v1::{
    GetOutputRequest, GetWriterRequest, GetWriterResponse, ListOutputsRequest, Output,
    ResetWriterRequest, WriteOnceRequest, WriteOnceResponse,
    kafka_output_service_client::KafkaOutputServiceClient,
};
use tokio::time::timeout;
use tonic::{Request, Response, Status, transport::Channel};

use super::{Error, Security, options::ANSWER_BYTES_MAX, way::Way};

/// A connection for calls of one question and one answer.
#[derive(Clone, Debug)]
pub struct Client {
    inner: KafkaOutputServiceClient<Channel>,
    way: Arc<Way>,
    deadline: Duration,
}

impl Client {
    /// Connects without more security than the address says; `deadline` holds for this and for
    /// each call, except where a call has its own.
    pub async fn connect(address: &str, deadline: Duration) -> Result<Self, Error> {
        Self::connect_with(address, &Security::default(), deadline).await
    }

    /// The same, secured.
    pub async fn connect_with(
        address: &str,
        security: &Security,
        deadline: Duration,
    ) -> Result<Self, Error> {
        let way = Way::new(address, security)?;
        let channel = timeout(deadline, way.connect()).await.unwrap_or_else(|_| {
            let (endpoint, tried_s) = (way.address(), deadline.as_secs());
            let cause = "no connection in time".to_owned();
            Err(Error::Unreachable { endpoint, tried_s, cause })
        })?;
        let inner =
            KafkaOutputServiceClient::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX);
        Ok(Self { inner, way: Arc::new(way), deadline })
    }

    async fn request<T>(&self, message: T, deadline: Duration) -> Result<Request<T>, Error> {
        let mut request = Request::new(message);
        request.set_timeout(deadline);
        self.way.authorize(&mut request).await?;
        Ok(request)
    }

    /// The answer to a call, or why there is none.
    async fn answer<T>(&self, answer: Result<Response<T>, Status>) -> Result<T, Error> {
        match answer {
            Ok(answer) => Ok(answer.into_inner()),
            Err(status) => Err(self.way.explain(status.into()).await),
        }
    }

    /// What is known of a writer. Advisory: never a reason to drop rows.
    pub async fn get_writer(
        &mut self,
        output: &str,
        writer_id: &str,
    ) -> Result<GetWriterResponse, Error> {
        let (output, writer_id) = (output.to_owned(), writer_id.to_owned());
        let request = self.request(GetWriterRequest { output, writer_id }, self.deadline).await?;
        let answer = self.inner.get_writer(request).await;
        self.answer(answer).await
    }

    /// Forgets a writer; its next batch is 1 again. Tells whether there was one to forget.
    pub async fn reset_writer(&mut self, output: &str, writer_id: &str) -> Result<bool, Error> {
        let (output, writer_id) = (output.to_owned(), writer_id.to_owned());
        let request = self.request(ResetWriterRequest { output, writer_id }, self.deadline).await?;
        let answer = self.inner.reset_writer(request).await;
        Ok(self.answer(answer).await?.was_known)
    }

    /// All outputs of the job, in its order.
    pub async fn list_outputs(&mut self) -> Result<Vec<Output>, Error> {
        let request = self.request(ListOutputsRequest {}, self.deadline).await?;
        let answer = self.inner.list_outputs(request).await;
        Ok(self.answer(answer).await?.outputs)
    }

    /// One output.
    pub async fn get_output(&mut self, output: &str) -> Result<Output, Error> {
        let request =
            self.request(GetOutputRequest { output: output.to_owned() }, self.deadline).await?;
        let answer = self.inner.get_output(request).await;
        let answer = self.answer(answer).await?;
        answer.output.ok_or_else(|| Error::Protocol("it answers without an output".to_owned()))
    }

    /// Sends one batch and waits at most `deadline` for its answer. Without `writer_id` a call
    /// that is made again writes again.
    pub async fn write_once(
        &mut self,
        request: WriteOnceRequest,
        deadline: Duration,
    ) -> Result<WriteOnceResponse, Error> {
        let request = self.request(request, deadline).await?;
        let answer = self.inner.write_once(request).await;
        self.answer(answer).await
    }
}
