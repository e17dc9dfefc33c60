//! What an error says of retries and of rows is what the catalogue says of its code.
use super::*;
use crate::{
    codes::{self, Entry, Place, Retry, RowsWritten},
    kafka::Cause,
};

/// Every error with a code of its own.
fn fixed() -> Vec<CallError> {
    use CallError as E;
    let all = vec![
        E::OpenExpected,
        E::SecondOpen,
        E::EmptyRequest,
        E::OutputNotFound { alias: String::new(), others: String::new() },
        E::TokenMissing,
        E::TokenInvalid,
        E::KeysUnavailable,
        E::CertificateMissing,
        E::CertificateInvalid,
        E::CallerNotAllowed,
        E::TooManyDenied,
        E::CreditExceeded { bytes: 1, bytes_max: 1, batches_max: 1 },
        E::MessageTooLarge { bytes_max: 1 },
        E::FirstMessageTooLarge { bytes_max: 1 },
        E::TooManySchemas { schemas_max: 1 },
        E::TooManyWriters { writers_max: 1 },
        E::TooManyTransactional { writers_max: 1 },
        E::TakenOver,
        E::StaleEpoch { highest: 1 },
        E::WriterBusy,
        E::ResetBusy,
        E::SequenceReused { sequence: 1 },
        E::BatchTimeout { sequence: 1 },
        E::CallTimeout,
        E::ClientSilent,
        E::AnswersUnread,
        E::Draining,
        E::Drained,
        E::Moved,
        E::DeliveryUnknown { sequence: 1, cause: String::new() },
        E::ProgressLost { known: 1, stored: 0 },
    ];
    // A new variant stands in the list above, or with those that bring their code.
    for error in &all {
        match error {
            E::OpenExpected | E::SecondOpen | E::EmptyRequest | E::OutputNotFound { .. } => {}
            E::TokenMissing | E::TokenInvalid | E::KeysUnavailable | E::CertificateMissing => {}
            E::CertificateInvalid | E::CallerNotAllowed | E::TooManyDenied => {}
            E::CreditExceeded { .. } | E::MessageTooLarge { .. } => {}
            E::FirstMessageTooLarge { .. } | E::TooManySchemas { .. } => {}
            E::TooManyWriters { .. } | E::TooManyTransactional { .. } => {}
            E::TakenOver | E::StaleEpoch { .. } | E::WriterBusy | E::ResetBusy => {}
            E::SequenceReused { .. } | E::BatchTimeout { .. } | E::CallTimeout => {}
            E::ClientSilent | E::AnswersUnread | E::Draining | E::Drained | E::Moved => {}
            E::DeliveryUnknown { .. } | E::ProgressLost { .. } => {}
            E::Invalid(..) | E::InvalidMessage(..) | E::ProgressUnavailable(..) => unreachable!(),
            E::WriterRefused(..) | E::Refused(..) | E::OutputClosed(..) => unreachable!(),
        }
    }
    all
}

/// Errors that bring their code, with each that they may bring.
fn brought() -> Vec<CallError> {
    let mut all = vec![CallError::Invalid("INVALID_OPEN", "", String::new())];
    for code in ["INVALID_BATCH", "INVALID_SCHEMA"] {
        all.push(CallError::Invalid(code, "", String::new()));
        all.push(CallError::InvalidMessage(code, "", String::new()));
    }
    let told = |place| {
        let entries = codes::AREAS.iter().flat_map(|area| area.entries);
        entries.filter(move |entry| entry.places.contains(&place)).map(|entry| entry.code)
    };
    for code in told(Place::Waits) {
        all.push(CallError::ProgressUnavailable(code, String::new()));
        all.push(CallError::WriterRefused(code, String::new()));
    }
    for code in ["OUTPUT_CHANGES", "OUTPUT_DRAINED"] {
        all.push(CallError::OutputClosed(Cause::new(code, "")));
    }
    // A stream refuses such a batch, a single call has its own error.
    let refused = told(Place::Refused).filter(|code| *code != "BATCH_TIMEOUT");
    all.extend(refused.map(|code| CallError::Refused(code, String::new())));
    all
}

/// What the code means as an answer of this kind.
fn entry(error: &CallError) -> &'static Entry {
    let places: &[Place] = match error {
        CallError::Refused(..) => &[Place::Refused],
        CallError::ProgressUnavailable(..) | CallError::WriterRefused(..) => {
            &[Place::Call, Place::Waits]
        }
        _ => &[Place::Call],
    };
    let reason = error.answer().reason;
    let entries = codes::all().remove(reason).unwrap_or_default();
    let meant = |place| entries.iter().find(|entry| entry.places.contains(place)).copied();
    places.iter().find_map(meant).unwrap_or_else(|| panic!("{reason} is in no catalogue"))
}

#[test]
fn retries_are_what_the_catalogue_says() {
    for error in fixed().into_iter().chain(brought()) {
        let (is_retried, entry) = (error.answer().retry.is_some(), entry(&error));
        assert_eq!(is_retried, entry.retry != Retry::Never, "{error:?} {entry:?}");
    }
}

#[test]
fn whether_rows_may_be_written_is_what_the_catalogue_says() {
    for error in fixed().into_iter().chain(brought()) {
        let entry = entry(&error);
        // The rows of a batch that the catalogue says more of may be written or not.
        let may_be = entry.rows_written == RowsWritten::Maybe;
        assert!(may_be || !error.answer().may_be_written, "{error:?} {entry:?}");
    }
    let told = |code| {
        fixed()
            .into_iter()
            .chain(brought())
            .map(|error| error.answer())
            .any(|answer| answer.reason == code && answer.may_be_written)
    };
    for error in fixed() {
        let entry = entry(&error);
        let may_be = entry.rows_written == RowsWritten::Maybe;
        // Of lost progress the engine learns before it sends anything; rows before that are there.
        let is_before = entry.places.contains(&Place::Unknown);
        assert!(!may_be || is_before || told(entry.code), "{entry:?} is never told with rows");
    }
}
