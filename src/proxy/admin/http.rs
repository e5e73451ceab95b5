//! Paths and methods; each handler reads, asks `proxies`, and shows.

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch, post};
use serde_json::{Map, Value, json};

use super::fields::body;
use super::proxies::Proxies;
use super::refusal::{Refusal, Title, mistake};
use super::toxics::{NamedToxic, read_list};
use super::wanted::Wanted;
use super::{leases, metrics};

/// The Toxiproxy whose interface this is: clients look at it to know what they may ask for.
const TOXIPROXY: &str = "2.12.0";

type Asked = State<Arc<Proxies>>;
type Answer<T = Json<Value>> = Result<T, Refusal>;

pub(super) fn router(proxies: Arc<Proxies>) -> Router {
    Router::new()
        .route("/reset", post(reset))
        .route("/populate", post(populate))
        .route("/proxies", get(list).post(create))
        .route("/proxies/{proxy}", get(show).post(update).patch(update).delete(delete))
        .route("/proxies/{proxy}/toxics", get(toxics).post(add).put(replace))
        .route("/proxies/{proxy}/toxics/{toxic}", get(toxic).merge(toxic_changes()))
        .route("/leases", get(lease_list).post(lease_take))
        .route("/leases/{lease}", axum::routing::delete(lease_end))
        .route("/version", get(version))
        .route("/metrics", get(metric_page))
        .fallback(async || (StatusCode::NOT_FOUND, "404 page not found\n"))
        .layer(from_fn(no_browser))
        .with_state(proxies)
}

fn toxic_changes() -> axum::routing::MethodRouter<Arc<Proxies>> {
    patch(change).post(change).delete(remove)
}

/// A page in somebody's browser may not reach an API that has no password.
async fn no_browser(request: Request, next: Next) -> Response {
    let agent = request.headers().get(header::USER_AGENT);
    if agent.is_some_and(|agent| agent.as_bytes().starts_with(b"Mozilla/")) {
        return (StatusCode::FORBIDDEN, "User agent not allowed\n").into_response();
    }
    next.run(request).await
}

async fn reset(State(proxies): Asked) -> Answer<StatusCode> {
    proxies.reset().await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn list(State(proxies): Asked) -> Json<Value> {
    let state = proxies.state();
    let shown: Map<_, _> =
        state.proxies.iter().map(|(name, proxy)| (name.clone(), proxy.json())).collect();
    Json(Value::Object(shown))
}

async fn create(State(proxies): Asked, bytes: Bytes) -> Answer<(StatusCode, Json<Value>)> {
    let wanted = Wanted::read(&body(&bytes)?, None).await?;
    let proxy = proxies.create(wanted).await?;
    Ok((StatusCode::CREATED, Json(proxy.json())))
}

/// All proxies of a list; shared with the configuration file.
pub(super) async fn read_proxies(value: &Value) -> Answer<Vec<Wanted>> {
    let Some(list) = value.as_array() else {
        return Err(mistake(Title::BadBody, "proxies are a list").into());
    };
    let (mut read, mut mistakes) = (Vec::new(), Vec::new());
    for (number, value) in (1..).zip(list) {
        match Wanted::read(value, Some(number)).await {
            Ok(wanted) => read.push(wanted),
            Err(refusal) => mistakes.extend(refusal.0),
        }
    }
    if mistakes.is_empty() { Ok(read) } else { Err(Refusal(mistakes)) }
}

async fn populate(State(proxies): Asked, bytes: Bytes) -> (StatusCode, Json<Value>) {
    let populated = async {
        let wanted = read_proxies(&body(&bytes)?).await?;
        proxies.populate(wanted).await
    };
    match populated.await {
        Ok(made) => {
            let shown: Vec<_> = made.iter().map(|proxy| proxy.json()).collect();
            (StatusCode::CREATED, Json(json!({"proxies": shown})))
        }
        Err(refusal) => {
            let mut shown = refusal.json();
            shown["proxies"] = json!([]);
            (refusal.status(), Json(shown))
        }
    }
}

async fn show(State(proxies): Asked, Path(proxy): Path<String>) -> Answer {
    Ok(Json(proxies.state().proxy(&proxy)?.json()))
}

async fn update(State(proxies): Asked, Path(proxy): Path<String>, bytes: Bytes) -> Answer {
    proxies.state().proxy(&proxy)?;
    Ok(Json(proxies.update(&proxy, &body(&bytes)?).await?.json()))
}

async fn delete(State(proxies): Asked, Path(proxy): Path<String>) -> Answer<StatusCode> {
    proxies.delete(&proxy).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn toxics(State(proxies): Asked, Path(proxy): Path<String>) -> Answer {
    Ok(Json(proxies.state().proxy(&proxy)?.toxics_json()))
}

async fn add(State(proxies): Asked, Path(proxy): Path<String>, bytes: Bytes) -> Answer {
    proxies.state().proxy(&proxy)?;
    let toxic = NamedToxic::read(&body(&bytes)?, "")?;
    Ok(Json(proxies.add_toxic(&proxy, toxic).await?.json()))
}

async fn replace(State(proxies): Asked, Path(proxy): Path<String>, bytes: Bytes) -> Answer {
    proxies.state().proxy(&proxy)?;
    let toxics = read_list(&body(&bytes)?, "")?;
    Ok(Json(proxies.replace_toxics(&proxy, toxics).await?.toxics_json()))
}

async fn toxic(State(proxies): Asked, Path((proxy, toxic)): Path<(String, String)>) -> Answer {
    Ok(Json(proxies.state().proxy(&proxy)?.toxic(&toxic)?.named.json()))
}

async fn change(
    State(proxies): Asked,
    Path((proxy, toxic)): Path<(String, String)>,
    bytes: Bytes,
) -> Answer {
    proxies.state().proxy(&proxy)?.toxic(&toxic)?;
    Ok(Json(proxies.change_toxic(&proxy, &toxic, &body(&bytes)?).await?.json()))
}

async fn remove(
    State(proxies): Asked,
    Path((proxy, toxic)): Path<(String, String)>,
) -> Answer<StatusCode> {
    proxies.remove_toxic(&proxy, &toxic).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn lease_list(State(proxies): Asked) -> Json<Value> {
    let state = proxies.state();
    Json(state.leases.iter().map(|(name, lease)| lease.json(name)).collect())
}

async fn lease_take(State(proxies): Asked, bytes: Bytes) -> Answer {
    Ok(Json(leases::take(&proxies, &body(&bytes)?).await?))
}

async fn lease_end(State(proxies): Asked, Path(lease): Path<String>) -> Answer<StatusCode> {
    leases::end(&proxies, &lease).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn version() -> Json<Value> {
    Json(json!({"version": TOXIPROXY, "lossdrill": env!("CARGO_PKG_VERSION")}))
}

async fn metric_page(State(proxies): Asked) -> impl IntoResponse {
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], metrics::page(&proxies.state()))
}
