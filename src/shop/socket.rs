//! What the HTTP sides of shop and channel share: the listener, the body reader, requests in
//! progress, the drill clock.
//!
//! Knows no business route. A request that changes something runs to its end even when its client
//! goes away, and counts as in progress until then. Try it: `tests/shop.rs`. Not covered: TLS,
//! authentication.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::pulse::Pulse;
use super::refusal::Refusal;
use crate::clock::Clock;
use crate::wire::Advance;

/// The paths that report on the process and are no work of it.
const REPORTS: [&str; 3] = ["/clock", "/clock/advance", "/healthz"];

/// A JSON body, refused with a reason when it does not read.
pub struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|error| Refusal::invalid(format!("the body was not read: {error}")))?;
        serde_json::from_slice(&bytes).map(Body).map_err(|error| {
            Refusal::invalid(format!("the body is not the JSON of this request: {error}"))
        })
    }
}

/// Counts each request that may change something, and lets it run to its end.
pub async fn count_requests(State(pulse): State<Pulse>, request: Request, next: Next) -> Response {
    let is_work = *request.method() != Method::GET && !REPORTS.contains(&request.uri().path());
    if !is_work {
        return next.run(request).await;
    }
    let work = pulse.begin();
    let task = tokio::spawn(async move {
        let response = next.run(request).await;
        drop(work);
        response
    });
    match task.await {
        Ok(response) => response,
        Err(error) => Refusal::unreadable("a request", error).into_response(),
    }
}

/// Orders the clock forward, where this process has a drill clock.
pub fn advance(clock: &Clock, drill_clock: bool, order: Advance) -> Result<Response, Refusal> {
    if !drill_clock {
        return Err(Refusal::Forbidden(
            "the clock cannot be advanced: start the process with --drill-clock".to_owned(),
        ));
    }
    clock.advance(order.seq, order.offset_ms);
    Ok(axum::Json(json!({"seq": clock.seq(), "offset_ms": clock.offset_ms()})).into_response())
}

/// Listens, says where on stdout, and serves until SIGTERM or SIGINT. Whatever is in progress then
/// is left as a crash would leave it: every piece of work here survives that.
pub async fn serve(listen: SocketAddr, router: Router) -> std::io::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    println!("{}", json!({"listening": listener.local_addr()?.to_string()}));
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        served = async { axum::serve(listener, router).await } => served,
        _ = term.recv() => Ok(()),
        _ = int.recv() => Ok(()),
    }
}
