//! Single batches, each in a call of its own.

use std::time::Duration;

use proto::v1::{self, Primitive};
use tonic::Request;

use super::{Engine, Failure, call};

/// A schema with these columns and the id 0.
pub fn schema(columns: &[(&str, Primitive)]) -> v1::Schema {
    let columns = columns.iter().map(|(name, primitive)| v1::Column {
        name: (*name).to_owned(),
        r#type: Some(v1::DataType {
            kind: Some(v1::data_type::Kind::Primitive((*primitive).into())),
        }),
        required: false,
    });
    let columns = v1::Columns { columns: columns.collect() };
    v1::Schema { id: 0, columns: Some(v1::schema::Columns::Typed(columns)) }
}

impl Engine {
    /// Sends one batch and waits for its answer, no longer than this.
    ///
    /// # Errors
    /// What the service says instead.
    ///
    /// # Panics
    /// When it says nothing.
    pub fn write_once(
        &self,
        request: v1::WriteOnceRequest,
        within: Duration,
    ) -> Result<v1::WriteOnceResponse, Failure> {
        let mut request = Request::new(request);
        request.set_timeout(within);
        call(self.client.clone().write_once(request))
    }
}
