//! Engines that have to show who they are.

use proto::v1::kafka_output_service_client::KafkaOutputServiceClient;
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::Interceptor,
    transport::Endpoint,
};

use super::{CONNECT_TIMEOUT, Engine, runtime};

/// What an engine shows with each call.
#[derive(Clone, Debug)]
pub struct Shown(Option<MetadataValue<Ascii>>);

impl Interceptor for Shown {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(shown) = &self.0 {
            request.metadata_mut().insert("authorization", shown.clone());
        }
        Ok(request)
    }
}

impl Engine {
    /// Connects as an endpoint says, and shows a token with each call.
    ///
    /// # Errors
    /// When there is no connection.
    ///
    /// # Panics
    /// When it is no token.
    pub fn connect_as(endpoint: Endpoint, token: Option<&str>) -> Result<Self, String> {
        let endpoint = endpoint.tcp_nodelay(true).connect_timeout(CONNECT_TIMEOUT);
        let channel =
            runtime().block_on(endpoint.connect()).map_err(|error| format!("{error:?}"))?;
        let shown = |token| format!("Bearer {token}").parse().expect("a token is ASCII");
        let shown = Shown(token.map(shown));
        let client = KafkaOutputServiceClient::with_interceptor(channel.clone(), shown);
        Ok(Self { client, channel })
    }
}
