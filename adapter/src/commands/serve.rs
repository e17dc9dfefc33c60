//! `serve`: the service of a job file, until a signal stops it.
use std::path::Path;

use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::check;
use crate::{
    exit::Exit,
    job::Job,
    output_format::OutputFormat,
    serve::{Service, StartError, Stopped},
    steering::{OutputError, Watching},
};

/// Serves until SIGTERM or SIGINT.
pub async fn run(path: &Path, watch: bool, format: OutputFormat) -> Exit {
    let Some((job, version)) = check::load_with_version(path, format) else {
        return Exit::BadInput;
    };
    // Before the service listens: a signal must never find nobody.
    let signals = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()];
    let [Some(mut terminate), Some(mut interrupt), Some(mut hangup)] = signals.map(listen) else {
        return Exit::Failure;
    };
    // A port whose certificate is in a vault that is away waits for it, and may be told to stop.
    let started = tokio::select! {
        started = Service::start(&job) => started,
        _ = terminate.recv() => return Exit::Done,
        _ = interrupt.recv() => return Exit::Done,
    };
    let service = match started {
        Ok(service) => service,
        Err(error) => {
            eprintln!("{error}");
            return match error {
                StartError::Output(OutputError::Secret { .. })
                | StartError::Entrance(_)
                | StartError::Identity(_) => Exit::BadInput,
                StartError::Listen { .. }
                | StartError::ListenAdmin { .. }
                | StartError::Output(OutputError::Producer { .. }) => Exit::Failure,
            };
        }
    };
    let steering = service.steering.clone();
    steering.came_from(path.to_owned(), version.clone());
    let watching = watch.then(|| Watching::new(steering.clone(), path.to_owned(), version));
    announce(&job, &service, format);
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => {
                let steering = steering.clone();
                // What comes of it is logged. A signal that ends the service does not wait for it.
                tokio::spawn(async move { steering.reload().await });
            }
        }
    }
    drop(watching);
    let timeout = steering.job().shutdown_timeout;
    tracing::info!(?timeout, "stopping: writers are told, records settle");
    let stopped = tokio::select! {
        stopped = service.stop(timeout) => stopped,
        _ = terminate.recv() => return at_once(),
        _ = interrupt.recv() => return at_once(),
    };
    farewell(stopped, format)
}

fn listen(kind: SignalKind) -> Option<Signal> {
    signal(kind).map_err(|error| eprintln!("cannot listen for signals: {error}")).ok()
}

fn announce(job: &Job, service: &Service, format: OutputFormat) {
    let (address, admin) = (service.address, service.admin_address);
    tracing::info!(job = job.name, %address, admin = admin.map(tracing::field::display), "listening");
    match format {
        OutputFormat::Json => {
            let mut event = json!({ "event": "listening", "address": address.to_string() });
            if let Some(admin) = admin {
                event["admin"] = admin.to_string().into();
            }
            println!("{event}");
        }
        OutputFormat::Text => {
            println!("job `{}` listens on {address}", job.name);
            if let Some(admin) = admin {
                println!("  status and metrics: http://{admin}/");
            }
            for output in &job.outputs {
                let servers: Vec<String> =
                    output.bootstrap_servers.iter().map(ToString::to_string).collect();
                let (alias, topic) = (&output.alias, &output.topic);
                println!("  output `{alias}` writes topic `{topic}` of {}", servers.join(","));
            }
        }
    }
}

fn at_once() -> Exit {
    tracing::warn!("a second signal: stopping at once, records without an answer may be written");
    Exit::Unsettled
}

fn farewell(stopped: Stopped, format: OutputFormat) -> Exit {
    let Stopped { unsettled, streams_ended } = stopped;
    if format == OutputFormat::Json {
        println!("{}", json!({ "event": "stopped", "unsettled_records": unsettled }));
    }
    if unsettled > 0 {
        tracing::error!(unsettled, "stopped; these records may or may not be written");
        return Exit::Unsettled;
    }
    tracing::info!(streams_ended, "stopped; every record is settled");
    Exit::Done
}
