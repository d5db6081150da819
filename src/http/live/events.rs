//! A subscription as `text/event-stream`: one request, whose reply goes on; what the npm package
//! `graphql-sse` calls distinct connections.

use std::sync::Arc;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use async_graphql::Response;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use tokio::time::interval;

use super::super::clients::Client;
use super::super::{Shared, Visitor};
use super::outgoing::{self, Unwritten, Writer};
use super::protocol::is_last;
use super::{
    ANSWER_BYTES_MAX, Asking, LOOK_EVERY, Place, SIGN_OF_LIFE_EVERY, Stands, permissions_stale,
    too_long, too_many,
};
use graphql::errors::unauthenticated;

pub const MEDIA_TYPE: &str = "text/event-stream";
const COMPLETE: &[u8] = b"event: complete\ndata:\n\n";
/// A comment, which no client is told of.
const SIGN_OF_LIFE: &[u8] = b":\n\n";

/// Whether a request wants its reply so.
pub fn are_wanted(request: &HttpRequest) -> bool {
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let mut kinds = accept.into_iter().flat_map(|all| all.split(','));
    kinds.any(|kind| {
        let kind = kind.split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case(MEDIA_TYPE)
    })
}

/// The reply to a subscription that was begun; an error, where there are too many.
pub fn told(
    request: &HttpRequest,
    mut reply: HttpResponseBuilder,
    shared: &web::Data<Shared>,
    client: &Arc<Client>,
    (asking, answers): (Asking, BoxStream<'static, Response>),
) -> Result<HttpResponse, async_graphql::ServerError> {
    let place = Place::take(client, &shared.places, &shared.limits).ok_or_else(too_many)?;
    if let Some(visitor) = request.conn_data::<Visitor>() {
        visitor.arrival.goes_on(false);
    }
    let (writer, body) = outgoing::channel(&shared.places, &shared.limits);
    actix_web::rt::spawn(tell(writer, asking, answers, place));
    // It ends with its connection: nothing that was sent behind it was read.
    let reply = reply.force_close().insert_header((header::CONTENT_TYPE, MEDIA_TYPE)).body(body);
    Ok(reply)
}

async fn tell(
    writer: Writer,
    mut asking: Asking,
    mut answers: BoxStream<'static, Response>,
    _place: Place,
) {
    let (mut looks, mut signs) = (interval(LOOK_EVERY), interval(SIGN_OF_LIFE_EVERY));
    loop {
        let written = tokio::select! {
            answer = answers.next() => match answer {
                None => return writer.end_with(COMPLETE.to_vec()).await,
                Some(answer) if is_last(&answer) => {
                    return writer.end_with(last(&answer)).await;
                }
                Some(answer) => {
                    let told = event(&answer);
                    if told.len() > ANSWER_BYTES_MAX {
                        let answer = Response::from_errors(vec![too_long()]);
                        return writer.end_with(last(&answer)).await;
                    }
                    writer.write(told).await
                }
            },
            _ = looks.tick() => match asking.stands().await {
                Stands::AsBefore => Ok(()),
                Stands::Ended => {
                    let answer = Response::from_errors(vec![unauthenticated()]);
                    return writer.end_with(last(&answer)).await;
                }
                Stands::Otherwise => {
                    let answer = Response::from_errors(vec![permissions_stale()]);
                    return writer.end_with(last(&answer)).await;
                }
            },
            _ = signs.tick() => writer.write(SIGN_OF_LIFE.to_vec()).await,
            () = writer.gone() => return,
        };
        if let Err(Unwritten::Gone | Unwritten::TooSlow) = written {
            return;
        }
    }
}

fn event(answer: &Response) -> Vec<u8> {
    let mut told = b"event: next\ndata: ".to_vec();
    // JSON on one line.
    serde_json::to_writer(&mut told, answer).expect("a reply holds nothing that JSON cannot");
    told.extend_from_slice(b"\n\n");
    told
}

fn last(answer: &Response) -> Vec<u8> {
    [&event(answer), COMPLETE].concat()
}
