//! Floods of frames on one connection (fault F28): each ends that connection, and it alone.
use crate::{
    bystander::Bystander,
    raw::{END_HEADERS, END_STREAM, Heard, Raw, fields, frame, headers, kind},
    support::Setup,
};

/// Reasons of GOAWAY and RST_STREAM.
const ENHANCE_YOUR_CALM: u32 = 0xB;

/// The identifier of the n-th stream of a client.
fn stream(n: usize) -> u32 {
    2 * n as u32 + 1
}

/// Floods a service until it ends the connection, with an engine beside; what the peer heard.
async fn flooded(most: usize, before: &[u8], next: impl FnMut(usize) -> Vec<u8>) -> Heard {
    let mut bystander = Bystander::start(Setup::default()).await;
    let address = bystander.address();
    let abuse = async {
        let mut raw = Raw::start(address, &[]).await;
        raw.say(before).await;
        let sent = raw.flood(most, next).await;
        assert!(sent < most, "the connection outlives {sent} of them");
        println!("closed after at most {sent}");
        raw.ended().await
    };
    bystander.beside(abuse).await
}

fn assert_calmed(heard: &Heard) {
    let reason = heard.goaway.as_ref().map(|(reason, _)| *reason);
    assert_eq!(reason, Some(ENHANCE_YOUR_CALM), "{heard:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_are_opened_and_reset() {
    const CANCEL: &[u8] = &[0, 0, 0, 8];
    flooded(100_000, &[], |n| {
        let mut bytes = headers(stream(n), "GetOutput", 0);
        bytes.extend(frame(kind::RST_STREAM, 0, stream(n), CANCEL));
        bytes
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_the_service_is_made_to_reset() {
    // Content is announced, and none comes: an error of the stream (RFC 9113, 8.1.1).
    let block = fields("GetOutput", &[("content-length", "5")]);
    let heard = flooded(100_000, &[], |n| {
        frame(kind::HEADERS, END_HEADERS | END_STREAM, stream(n), &block)
    })
    .await;
    assert!(heard.frames[usize::from(kind::RST_STREAM)] > 100, "{heard:?}");
    assert_calmed(&heard);
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_do_not_end() {
    for payload in [&[][..], &[0; 1024]] {
        let begin = frame(kind::HEADERS, END_STREAM, 1, &fields("GetOutput", &[]));
        let next = |_| frame(kind::CONTINUATION, 0, 1, payload);
        let heard = flooded(100_000, &begin, next).await;
        assert!(heard.goaway.is_some(), "{heard:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_data() {
    let begin = headers(1, "Write", 0);
    let heard = flooded(100_000, &begin, |_| frame(kind::DATA, 0, 1, &[])).await;
    assert_calmed(&heard);
}

#[tokio::test(flavor = "multi_thread")]
async fn data_that_is_nothing_but_padding() {
    const PADDED: u8 = 0x8;
    let begin = headers(1, "Write", 0);
    let padded = frame(kind::DATA, PADDED, 1, &[7, 0, 0, 0, 0, 0, 0, 0]);
    flooded(2_000_000, &begin, |_| padded.clone()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings() {
    flooded(2_000_000, &[], |_| frame(kind::SETTINGS, 0, 0, &[])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pings() {
    flooded(2_000_000, &[], |_| frame(kind::PING, 0, 0, &[7; 8])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pings_whose_answers_nobody_reads() {
    let mut bystander = Bystander::start(Setup::default()).await;
    let address = bystander.address();
    let abuse = async {
        use tokio::io::AsyncWriteExt as _;
        let mut tcp = crate::raw::connect(crate::raw::ABUSER, address).await;
        tcp.write_all(crate::raw::PREFACE).await.unwrap();
        tcp.write_all(&frame(kind::SETTINGS, 0, 0, &[])).await.unwrap();
        let pings = frame(kind::PING, 0, 0, &[7; 8]).repeat(1_000);
        // The service stops to read, or closes: in both cases it keeps no more of them.
        let patience = std::time::Duration::from_secs(2);
        let mut sent = 0;
        while sent < 10_000 {
            match tokio::time::timeout(patience, tcp.write_all(&pings)).await {
                Ok(Ok(())) => sent += 1,
                Ok(Err(_)) | Err(_) => break,
            }
        }
        assert!(sent < 10_000, "it takes 10 million of them");
        tcp
    };
    drop(bystander.beside(abuse).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn priorities() {
    let priority = [0, 0, 0, 0, 7];
    flooded(2_000_000, &[], |n| frame(kind::PRIORITY, 0, stream(n), &priority)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_that_grow() {
    flooded(4_000_000, &[], |_| frame(kind::WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_of_no_known_kind() {
    flooded(2_000_000, &[], |_| frame(0xB7, 0, 0, &[7; 8])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_of_one_byte() {
    const INITIAL_WINDOW_SIZE_1: &[u8] = &[0, 4, 0, 0, 0, 1];
    let mut bystander = Bystander::start(Setup::default()).await;
    let address = bystander.address();
    let abuse = async {
        let mut raw = Raw::start(address, INITIAL_WINDOW_SIZE_1).await;
        // An empty ListOutputsRequest; its answer has some hundred bytes.
        for n in 0..100 {
            let mut call = headers(stream(n), "ListOutputs", 0);
            call.extend(frame(kind::DATA, END_STREAM, stream(n), &[0; 5]));
            assert!(raw.say(&call).await);
        }
        for _ in 0..50 {
            for n in 0..100 {
                let grow = frame(kind::WINDOW_UPDATE, 0, stream(n), &[0, 0, 0, 1]);
                assert!(raw.say(&grow).await, "slow is no fault");
            }
        }
        raw
    };
    let raw = bystander.beside(abuse).await;
    assert!(!raw.is_ended(), "slow is no fault");
}

#[tokio::test(flavor = "multi_thread")]
async fn huge_headers() {
    let mut bystander = Bystander::start(Setup::default()).await;
    let address = bystander.address();
    let with = |bytes: usize| {
        let value = "x".repeat(bytes);
        let block = fields("GetOutput", &[("x-large", &value)]);
        frame(kind::HEADERS, END_HEADERS | END_STREAM, 1, &block)
    };
    let abuse = async {
        // Somewhat too large ends the call, and far too large the connection.
        let mut raw = Raw::start(address, &[]).await;
        assert!(raw.say(&with(20 << 10)).await);
        assert!(raw.say(&headers(3, "GetOutput", END_STREAM)).await);
        raw.hears(|heard| heard.frames[usize::from(kind::HEADERS)] == 2).await;

        let mut raw = Raw::start(address, &[]).await;
        assert!(raw.say(&with(200 << 10)).await);
        raw.ended().await
    };
    let heard = bystander.beside(abuse).await;
    assert_calmed(&heard);
}
