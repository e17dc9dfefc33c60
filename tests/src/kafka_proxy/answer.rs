//! Answers with an error, in the versions that librdkafka 2.12 asks for and those around them. The
//! layouts are those of Kafka's message definitions (<https://kafka.apache.org/protocol>).

use super::{
    Api,
    body::{Reader, Writer},
    frame::Header,
};

/// A topic and its partitions, as a request names them.
type Topics = Vec<(String, Vec<i32>)>;

/// Whether requests of a kind are flexible in a version; `None` if they are not known here.
pub(super) fn is_flexible(api: i16, version: i16) -> Option<bool> {
    known(api).map(|(_, flexible_from, _)| version >= flexible_from)
}

/// The topics that a request names, of those kinds that a rule may ask for.
pub(super) fn topics(header: &Header, frame: &[u8]) -> Vec<String> {
    let read = || {
        let (api, flexible_from, _) = known(header.api)?;
        let mut request = Reader::new(&frame[header.end..], header.version >= flexible_from);
        request.tags()?;
        match api {
            Api::Produce => topics_of_records(&mut request, header.version),
            Api::AddPartitionsToTxn => topics_that_join(&mut request),
            _ => None,
        }
    };
    read().unwrap_or_default().into_iter().map(|(name, _)| name).collect()
}

/// The answer to a request that refuses everything it asks for; `None` for a request that is not
/// known in this version.
pub(super) fn refusal(header: &Header, frame: &[u8], code: i16) -> Option<Vec<u8>> {
    let (api, flexible_from, newest) = known(header.api)?;
    if header.version > newest {
        return None;
    }
    let flexible = header.version >= flexible_from;
    let mut request = Reader::new(&frame[header.end..], flexible);
    request.tags()?;
    let mut answer = Writer::new(flexible);
    answer.i32(header.correlation).tags();
    match api {
        Api::Produce => produce(&mut request, &mut answer, header.version, code)?,
        Api::Metadata => metadata(&mut request, &mut answer, header.version, code)?,
        Api::FindCoordinator => {
            if header.version >= 1 {
                answer.i32(0); // throttle time
            }
            answer.i16(code);
            if header.version >= 1 {
                answer.string(None);
            }
            answer.i32(-1).string(Some("")).i32(-1).tags();
        }
        Api::InitProducerId => {
            answer.i32(0).i16(code).i64(-1).i16(-1).tags();
        }
        Api::AddPartitionsToTxn => {
            let topics = topics_that_join(&mut request)?;
            answer.i32(0).array(&topics, |answer, (name, partitions)| {
                answer.string(Some(name));
                answer.array(partitions, |answer, partition| {
                    answer.i32(*partition).i16(code).tags();
                });
                answer.tags();
            });
            answer.tags();
        }
        Api::EndTxn => {
            answer.i32(0).i16(code).tags();
        }
        // What is read is never refused here.
        Api::Fetch => return None,
    }
    Some(answer.into_bytes())
}

/// A kind of request, its first flexible version, and the newest that is known here.
fn known(api: i16) -> Option<(Api, i16, i16)> {
    let all = [
        (Api::Produce, 9, 12),
        (Api::Metadata, 9, 12),
        (Api::FindCoordinator, 3, 3),
        (Api::InitProducerId, 2, 5),
        (Api::AddPartitionsToTxn, 3, 3),
        (Api::EndTxn, 3, 4),
    ];
    all.into_iter().find(|(known, ..)| *known as i16 == api)
}

/// Where records are for.
fn topics_of_records(request: &mut Reader<'_>, version: i16) -> Option<Topics> {
    if version >= 3 {
        request.string()?; // transactional id
    }
    request.take(2 + 4)?; // acks, timeout
    request.array(|request| {
        let name = request.string()??;
        let partitions = request.array(|request| {
            let partition = request.i32()?;
            request.bytes()?;
            request.tags()?;
            Some(partition)
        })?;
        request.tags()?;
        Some((name, partitions))
    })
}

/// What joins a transaction.
fn topics_that_join(request: &mut Reader<'_>) -> Option<Topics> {
    request.string()?; // transactional id
    request.take(8 + 2)?; // producer's id and epoch
    request.array(|request| {
        let name = request.string()??;
        let partitions = request.array(Reader::i32)?;
        request.tags()?;
        Some((name, partitions))
    })
}

fn produce(request: &mut Reader<'_>, answer: &mut Writer, version: i16, code: i16) -> Option<()> {
    let topics = topics_of_records(request, version)?;
    answer.array(&topics, |answer, (name, partitions)| {
        answer.string(Some(name));
        answer.array(partitions, |answer, partition| {
            answer.i32(*partition).i16(code).i64(-1);
            if version >= 2 {
                answer.i64(-1); // time of appending
            }
            if version >= 5 {
                answer.i64(-1); // start of the log
            }
            if version >= 8 {
                answer.array(&[(); 0], |_, ()| {}).string(None); // errors of records
            }
            answer.tags();
        });
        answer.tags();
    });
    if version >= 1 {
        answer.i32(0); // throttle time
    }
    answer.tags();
    Some(())
}

/// Of no broker, and of the topics that were asked for only the error.
fn metadata(request: &mut Reader<'_>, answer: &mut Writer, version: i16, code: i16) -> Option<()> {
    const ID_BYTES: usize = 16;
    let topics = request.array(|request| {
        let id = if version >= 10 { request.take(ID_BYTES)?.to_vec() } else { Vec::new() };
        let name = request.string()?;
        request.tags()?;
        Some((id, name))
    })?;
    if version >= 3 {
        answer.i32(0); // throttle time
    }
    answer.array(&[(); 0], |_, ()| {}); // brokers
    if version >= 2 {
        answer.string(None); // cluster id
    }
    if version >= 1 {
        answer.i32(-1); // controller
    }
    answer.array(&topics, |answer, (id, name)| {
        answer.i16(code).string(name.as_deref()).raw(id);
        if version >= 1 {
            answer.i8(0); // internal
        }
        answer.array(&[(); 0], |_, ()| {}); // partitions
        if version >= 8 {
            answer.i32(i32::MIN); // rights
        }
        answer.tags();
    });
    if (8..=10).contains(&version) {
        answer.i32(i32::MIN);
    }
    answer.tags();
    Some(())
}
