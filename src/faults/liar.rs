//! Whoever carries out the plans says that it is done, and does nothing.
//!
//! The reconciler's orders to the shop end at a stand-in, which answers each with 200 and counts it; its questions go on to
//! the shop and are answered with the truth, so that who looks for the effect can see that there is none. Proved by the
//! first order that was lied about. The stand-in is the harness and ends with it. Not covered: plans that act by SQL.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::task::JoinHandle;

use super::link::clear;
use super::{Blast, FaultError, FaultSpec, Ground, Late, Layer, Need, Speech};
use crate::proxy::Link;

/// The shop answers in milliseconds; this only bounds a starved machine.
const ASK_LIMIT: Duration = Duration::from_secs(5);

pub(super) fn spec() -> FaultSpec {
    FaultSpec {
        id: "watcher.plan-executor.lying".to_owned(),
        doc: "whoever carries out the plans says that it is done, and does nothing".to_owned(),
        layer: Layer::Watcher,
        params: Vec::new(),
        needs: Need::Orders("plans"),
        blast: Blast::Link,
        withholds: Vec::new(),
        raises: Vec::new(),
        waits_for_traffic: true,
        late: Late::default(),
    }
}

pub(super) struct LiarFault {
    spec: &'static FaultSpec,
    link: Link,
    /// Where the link leads while nobody lies.
    truth: String,
    stand_in: Option<StandIn>,
}

struct StandIn {
    at: SocketAddr,
    lies: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl StandIn {
    async fn start(truth: &str) -> Result<StandIn, String> {
        let asker = reqwest::Client::builder().no_proxy().timeout(ASK_LIMIT).build();
        let asker = asker.map_err(|error| format!("no HTTP client: {error}"))?;
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.map_err(|error| format!("no port to listen on: {error}"))?;
        let at = listener.local_addr().map_err(|error| error.to_string())?;
        let lies = Arc::new(AtomicU64::new(0));
        let desk = Desk { asker, truth: format!("http://{truth}"), lies: lies.clone() };
        let router = Router::new().fallback(answer).with_state(desk);
        let task = tokio::spawn(async move {
            // Ends by being aborted.
            let _ = axum::serve(listener, router).await;
        });
        Ok(StandIn { at, lies, task })
    }
}

#[derive(Clone)]
struct Desk {
    asker: reqwest::Client,
    truth: String,
    lies: Arc<AtomicU64>,
}

async fn answer(State(desk): State<Desk>, request: Request) -> Response {
    if request.method() != Method::GET {
        desk.lies.fetch_add(1, Ordering::Relaxed);
        return (StatusCode::OK, "{}").into_response();
    }
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let asked = async {
        let answer = desk.asker.get(format!("{}{path}", desk.truth)).send().await?;
        Ok::<_, reqwest::Error>((answer.status(), answer.bytes().await?))
    };
    match asked.await {
        Ok(answer) => answer.into_response(),
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}

impl LiarFault {
    pub fn new(
        spec: &'static FaultSpec,
        ground: &Ground,
        name: &str,
    ) -> Result<LiarFault, FaultError> {
        let link = ground.link(spec, name)?;
        let truth = link.upstream();
        Ok(LiarFault { spec, link, truth, stand_in: None })
    }

    pub async fn inject(&mut self) -> Result<String, FaultError> {
        if self.stand_in.is_none() {
            let started = StandIn::start(&self.truth).await;
            let failed = |reason| FaultError::Inject { fault: self.spec.id.clone(), reason };
            self.stand_in = Some(started.map_err(failed)?);
        }
        let at = self.stand_in.as_ref().expect("invariant: just started").at;
        if self.link.upstream() != at.to_string() {
            self.link.redirect(&at.to_string());
        }
        Ok(format!("orders by link `{}` end at {at}", self.link.name()))
    }

    /// None while nobody has ordered anything.
    pub async fn bites(&mut self) -> Result<Option<String>, FaultError> {
        let lies = self.stand_in.as_ref().map_or(0, |liar| liar.lies.load(Ordering::Relaxed));
        Ok((lies > 0).then(|| format!("{lies} orders were said to be done, and were not")))
    }

    pub async fn heal(&mut self) -> Result<(), FaultError> {
        if self.link.upstream() != self.truth {
            self.link.redirect(&self.truth);
        }
        Ok(())
    }

    pub async fn healed(&mut self) -> Result<String, FaultError> {
        let seen = match self.link.upstream() == self.truth {
            true => clear(&self.link, Speech::Http).await,
            false => Err(format!("link `{}` leads elsewhere", self.link.name())),
        };
        seen.map_err(|reason| FaultError::NotHealed { fault: self.spec.id.clone(), reason })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn orders_are_lied_about_and_questions_are_not() {
        let shop = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let truth = shop.local_addr().unwrap().to_string();
        let router = Router::new().fallback(async |request: Request| {
            (StatusCode::ACCEPTED, format!("{} {}", request.method(), request.uri()))
        });
        let shop = tokio::spawn(async { axum::serve(shop, router).await });
        let liar = StandIn::start(&truth).await.unwrap();
        let asker = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("http://{}/items/1?a=b", liar.at);
        for (method, status, text, lies) in [
            (reqwest::Method::GET, 202, "GET /items/1?a=b", 0),
            (reqwest::Method::PUT, 200, "{}", 1),
            (reqwest::Method::DELETE, 200, "{}", 2),
        ] {
            let answer = asker.request(method, &url).send().await.unwrap();
            assert_eq!(answer.status().as_u16(), status);
            assert_eq!(answer.text().await.unwrap(), text);
            assert_eq!(liar.lies.load(Ordering::Relaxed), lies);
        }
        shop.abort();
        let away = asker.get(&url).send().await.unwrap();
        assert!(away.status().is_success() || away.status() == StatusCode::BAD_GATEWAY);
    }
}
