//! One blob up, in one request, from a blocking reader.
//!
//! A thread reads and checks the blob, and hands pieces through a short channel to the body of the
//! request. As long as pieces leave, the upload lives; when none does for a while it is given up and
//! begun anew. After the last piece the registry gets more time: it may move what it got.

use std::io::Read;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use reqwest::header::{CONTENT_TYPE, LOCATION};
use reqwest::{Response, StatusCode, Url};
use serde::Deserialize;
use tokio::sync::mpsc;

use super::blob::Blob;
use super::client::Client;
use super::error::Error;
use super::retry::is_passing;
use crate::digest::Sha256Digest;
use crate::progress::Cancel;

const PIECE_BYTES: usize = 256 << 10;
const WAITING_PIECES: usize = 4;
/// How many times the usual patience a registry gets once it has all bytes.
const TIMES_TO_STORE: u32 = 10;
const REASON_LIMIT_BYTES: u64 = 64 << 10;
const REASON_LIMIT_CHARS: usize = 300;

/// Opens the blob to upload, each time from its first byte.
pub(crate) type Open<'a> = dyn Fn() -> Result<Box<dyn Read + Send>, Error> + Sync + 'a;

/// Uploads a blob of known digest and length, beginning anew when it is cut.
pub(crate) async fn upload(
    client: &Client,
    open: &Open<'_>,
    (digest, size_bytes): (Sha256Digest, u64),
    cancel: &Cancel,
) -> Result<(), Error> {
    let mut failures = 0;
    let mut renewed = false;
    loop {
        let place = begin(client, digest).await?;
        let blob = Blob::new(open()?, digest, size_bytes, cancel.clone());
        let error = match send(client, place, blob, (digest, size_bytes)).await? {
            Ok(response) => match response.status() {
                status if status.is_success() => return Ok(()),
                // A token lives for minutes, an upload may take longer.
                StatusCode::UNAUTHORIZED if !renewed => {
                    renewed = true;
                    client.authorize(&response).await?;
                    continue;
                }
                status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                    return Err(client.denied(status));
                }
                status => {
                    let error = refused(client, &format!("blob {digest}"), response).await;
                    if !is_passing(status.as_u16()) && status != StatusCode::NOT_FOUND {
                        return Err(error);
                    }
                    error
                }
            },
            Err(error) => error,
        };
        failures += 1;
        match client.patience.pause(failures, None) {
            Some(pause) => client.unless_cancelled(tokio::time::sleep(pause)).await?,
            None => return Err(error),
        }
    }
}

/// Asks for a place to upload to.
async fn begin(client: &Client, digest: Sha256Digest) -> Result<Url, Error> {
    let url = client.url("blobs/uploads/");
    let response = client.call(&|http| http.post(&url).body(Vec::new())).await?;
    if response.status() != StatusCode::ACCEPTED {
        return Err(refused(client, "wish to upload", response).await);
    }
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let place = location.and_then(|location| response.url().join(location).ok());
    match place {
        Some(mut place) => {
            place.query_pairs_mut().append_pair("digest", &digest.to_oci());
            Ok(place)
        }
        None => Err(refused(client, "wish to upload", response).await),
    }
}

/// Sends the blob once. The outer error is for good, the inner one may pass.
async fn send(
    client: &Client,
    place: Url,
    blob: Blob,
    (digest, size_bytes): (Sha256Digest, u64),
) -> Result<Result<Response, Error>, Error> {
    let (sender, pieces) = mpsc::channel(WAITING_PIECES);
    let sent = Arc::new(AtomicU64::new(0));
    let reading = tokio::task::spawn_blocking(move || read(blob, digest, &sender));
    let body = Pieces { pieces, left_bytes: size_bytes, sent: Arc::clone(&sent) };
    let request = client
        .upload_to(place)
        .header(CONTENT_TYPE, "application/octet-stream")
        .body(reqwest::Body::wrap(body))
        .send();
    let stalled = async {
        let (mut before, mut silent) = (u64::MAX, 0);
        loop {
            tokio::time::sleep(client.patience.stall).await;
            let now = sent.load(Ordering::Relaxed);
            silent = if now == before { silent + 1 } else { 0 };
            before = now;
            if silent >= if now >= size_bytes { TIMES_TO_STORE } else { 1 } {
                return Error::Stalled { host: client.host().to_owned(), digest, position: now };
            }
        }
    };
    let outcome = client
        .unless_cancelled(async {
            tokio::select! {
                response = request => response.map_err(|error| client.failed(error)),
                error = stalled => Err(error),
            }
        })
        .await?;
    match outcome {
        Ok(response) => Ok(Ok(response)),
        // What cannot be read will not be read better next time, and is the better reason.
        Err(error) => match reading.await {
            Ok(Err(unreadable)) => Err(unreadable),
            _ => Ok(Err(error)),
        },
    }
}

/// Reads the blob into the channel; ends early when nobody listens.
fn read(
    mut blob: Blob,
    digest: Sha256Digest,
    sender: &mpsc::Sender<std::io::Result<Bytes>>,
) -> Result<(), Error> {
    loop {
        let mut piece = vec![0; PIECE_BYTES];
        let mut filled = 0;
        while filled < piece.len() {
            match blob.read(&mut piece[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) => {
                    let _ = sender.blocking_send(Err(std::io::ErrorKind::InvalidData.into()));
                    return Err(Error::from_io(error, |source| Error::Blob { digest, source }));
                }
            }
        }
        piece.truncate(filled);
        if piece.is_empty() || sender.blocking_send(Ok(piece.into())).is_err() {
            return Ok(());
        }
    }
}

/// The request's body.
struct Pieces {
    pieces: mpsc::Receiver<std::io::Result<Bytes>>,
    left_bytes: u64,
    sent: Arc<AtomicU64>,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        let piece = ready!(self.pieces.poll_recv(context));
        if let Some(Ok(bytes)) = &piece {
            let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            self.left_bytes = self.left_bytes.saturating_sub(len);
            self.sent.fetch_add(len, Ordering::Relaxed);
        }
        Poll::Ready(piece.map(|piece| piece.map(Frame::data)))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left_bytes)
    }
}

/// The error for an answer that is none of those hoped for, with the registry's own words.
pub(crate) async fn refused(client: &Client, what: &str, response: Response) -> Error {
    #[derive(Deserialize)]
    struct Answer {
        errors: Vec<Reason>,
    }
    #[derive(Deserialize)]
    struct Reason {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
    }
    let status = response.status().as_u16();
    let body = client.read_body(response, REASON_LIMIT_BYTES).await.unwrap_or_default();
    let answer: Option<Answer> = serde_json::from_slice(&body).ok();
    let first = answer.and_then(|answer| answer.errors.into_iter().next());
    let words = first.map(|reason| format!(": {} {}", reason.code, reason.message));
    let printable = words.unwrap_or_default();
    let printable = printable.chars().filter(|c| !c.is_control()).take(REASON_LIMIT_CHARS);
    let reason = printable.collect::<String>().trim_end().to_owned();
    Error::Refused { host: client.host().to_owned(), what: what.to_owned(), status, reason }
}
