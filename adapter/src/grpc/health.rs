//! The health service: what it knows, and to whom it says so.
//!
//! Whether the process serves (the empty name) and whether rows pass (the name of the service) is
//! told to anybody who can connect: probes have neither token nor certificate. How one output does
//! (`output/ALIAS`) is told to those who may write into it; for all others there is no such name.
use std::{collections::HashMap, sync::Arc, time::Duration};

use tonic::{Request, Response, Status};
use tonic_health::{
    ServingStatus,
    pb::{
        HealthCheckRequest, HealthCheckResponse,
        health_server::{Health, HealthServer},
    },
    server::{HealthReporter, HealthService},
};

use super::{served::Shared, service::Admitted};

/// Name under which it is told whether rows pass (readiness).
const SERVICE: &str = "kafkaoutput.v1.KafkaOutputService";

/// What the names of outputs begin with.
const OUTPUT: &str = "output/";

/// The largest question.
const QUESTION_BYTES_MAX: usize = 1 << 10;

/// Between looks at the outputs' state.
const REFRESH: Duration = Duration::from_millis(250);

/// Answers each caller what it may know.
pub struct Discreet(HealthService);

/// The health service as it is served. What it says comes from `reporter`.
pub fn health_service(reporter: HealthReporter) -> HealthServer<Discreet> {
    let service = Discreet(HealthService::from_health_reporter(reporter));
    HealthServer::new(service).max_decoding_message_size(QUESTION_BYTES_MAX)
}

#[tonic::async_trait]
impl Health for Discreet {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        self.0.check(discreet(request)).await
    }

    type WatchStream = <HealthService as Health>::WatchStream;

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        self.0.watch(discreet(request)).await
    }
}

/// The question, or one after something that is not there if it is not for this caller.
fn discreet(mut request: Request<HealthCheckRequest>) -> Request<HealthCheckRequest> {
    if let Some(alias) = request.get_ref().service.strip_prefix(OUTPUT) {
        let admitted = request.extensions().get::<Arc<Admitted>>();
        let is_theirs = admitted
            .is_some_and(|admitted| admitted.outputs().any(|served| served.output.alias == alias));
        if !is_theirs {
            OUTPUT.clone_into(&mut request.get_mut().service); // no output has an empty alias
        }
    }
    request
}

/// Keeps the health service true. Liveness is that this runs; readiness is that some output is
/// ready, since a caller whose output is away learns so by name on its own stream.
pub async fn report_health(shared: Arc<Shared>, mut reporter: HealthReporter) {
    let of = |ready: bool| if ready { ServingStatus::Serving } else { ServingStatus::NotServing };
    let mut known = HashMap::<String, bool>::new();
    let mut tick = tokio::time::interval(REFRESH);
    loop {
        tick.tick().await;
        let mut news = false;
        let outputs = shared.outputs.load_full();
        let now: HashMap<&str, bool> =
            outputs.iter().map(|served| (&*served.output.alias, served.is_ready())).collect();
        for (alias, ready) in &now {
            if known.get(*alias) != Some(ready) {
                known.insert((*alias).to_owned(), *ready);
                news = true;
                reporter.set_service_status(format!("{OUTPUT}{alias}"), of(*ready)).await;
            }
        }
        let gone: Vec<_> = known.extract_if(|alias, _| !now.contains_key(&**alias)).collect();
        for (alias, _) in gone {
            news = true;
            reporter.clear_service_status(&format!("{OUTPUT}{alias}")).await;
        }
        if news {
            reporter.set_service_status(SERVICE, of(known.values().any(|ready| *ready))).await;
        }
    }
}
