//! The ways to whoever is told: a first channel, and a second that takes over while the first is
//! dead.
//!
//! Owns one post, and which channel is believed dead. A channel is dead after [`DEATH_ATTEMPTS`]
//! posts in a row without acknowledgement, and alive at the next one that is acknowledged; a
//! heartbeat (a webhook without alerts) asks the first one even when there is nothing to tell.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::wire::Webhook;

/// A receiver that has not answered by then is asked again.
const POST_LIMIT: Duration = Duration::from_secs(3);
/// Posts without acknowledgement after which a channel counts as dead: one lost post is a blip.
const DEATH_ATTEMPTS: usize = 3;
/// Between the posts of one heartbeat.
const BEAT_PAUSE: Duration = Duration::from_millis(50);

/// Told when the first channel dies (why) and when it is back (none).
pub type OnFirst = Arc<dyn Fn(Option<&str>) + Send + Sync>;

pub struct Routes {
    first: String,
    second: Option<String>,
    http: reqwest::Client,
    /// Posts to the first channel in a row that were not acknowledged.
    failures: Mutex<usize>,
    on_first: OnFirst,
}

impl Routes {
    pub fn new(
        first: &str,
        second: Option<&str>,
        http: reqwest::Client,
        on_first: OnFirst,
    ) -> Routes {
        let (first, second) = (first.to_owned(), second.map(str::to_owned));
        Routes { first, second, http, failures: Mutex::new(0), on_first }
    }

    /// One attempt: the first channel, and the second where the first is dead. Errors where nobody
    /// acknowledged.
    pub async fn post(&self, body: &str) -> Result<(), String> {
        let Some(second) = &self.second else {
            return self.post_first(body).await;
        };
        if !self.first_is_dead() {
            let posted = self.post_first(body).await;
            if posted.is_ok() || !self.first_is_dead() {
                return posted;
            }
        }
        post(&self.http, second, body).await
    }

    /// Asks the first channel with nothing to tell, until it answers or counts as dead.
    pub async fn beat(&self) {
        let body = heartbeat();
        for _ in 0..DEATH_ATTEMPTS {
            if self.post_first(&body).await.is_ok() || self.failures() > DEATH_ATTEMPTS {
                return;
            }
            tokio::time::sleep(BEAT_PAUSE).await;
        }
    }

    async fn post_first(&self, body: &str) -> Result<(), String> {
        let posted = post(&self.http, &self.first, body).await;
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let was_dead = *failures >= DEATH_ATTEMPTS;
        *failures = if posted.is_ok() { 0 } else { *failures + 1 };
        let is_dead = *failures >= DEATH_ATTEMPTS;
        // Told under the lock: death and return keep their order.
        match &posted {
            Err(why) if is_dead && !was_dead => (self.on_first)(Some(why)),
            Ok(()) if was_dead => (self.on_first)(None),
            _ => {}
        }
        posted
    }

    fn first_is_dead(&self) -> bool {
        self.failures() >= DEATH_ATTEMPTS
    }

    fn failures(&self) -> usize {
        *self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One post; an error says why it was not acknowledged.
pub async fn post(http: &reqwest::Client, url: &str, body: &str) -> Result<(), String> {
    let request = http.post(url).header("content-type", "application/json").body(body.to_owned());
    match request.timeout(POST_LIMIT).send().await {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => Err(format!("{url} answers {}", answer.status())),
        Err(error) if error.is_timeout() => Err(format!("{url} gives no answer")),
        Err(error) if error.is_connect() => Err(format!("{url} cannot be reached")),
        Err(_) => Err(format!("{url} cuts the connection")),
    }
}

fn heartbeat() -> String {
    let body = Webhook {
        version: "4".into(),
        group_key: "{}:{alertname=\"heartbeat\"}".into(),
        status: "resolved".into(),
        receiver: "dcheck".into(),
        group_labels: Default::default(),
        common_labels: Default::default(),
        common_annotations: Default::default(),
        external_url: String::new(),
        truncated_alerts: 0,
        alerts: Vec::new(),
    };
    serde_json::to_string(&body).expect("invariant: a webhook is plain data")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

    use axum::Router;
    use axum::extract::State;
    use axum::http::StatusCode;
    use axum::routing::post;

    use super::*;

    #[derive(Default)]
    struct Channel {
        dead: AtomicBool,
        heard: AtomicU64,
    }

    impl Channel {
        fn heard(&self) -> u64 {
            self.heard.load(Ordering::SeqCst)
        }
    }

    /// A stand-in of a receiver that acknowledges unless it is dead.
    async fn channel() -> (Arc<Channel>, String) {
        async fn take(State(channel): State<Arc<Channel>>) -> StatusCode {
            if channel.dead.load(Ordering::SeqCst) {
                return StatusCode::SERVICE_UNAVAILABLE;
            }
            channel.heard.fetch_add(1, Ordering::SeqCst);
            StatusCode::OK
        }
        let channel = Arc::new(Channel::default());
        let router = Router::new().route("/", post(take)).with_state(channel.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (channel, url)
    }

    fn told() -> (Arc<Mutex<Vec<bool>>>, OnFirst) {
        let told: Arc<Mutex<Vec<bool>>> = Arc::default();
        let kept = told.clone();
        (told, Arc::new(move |why: Option<&str>| kept.lock().unwrap().push(why.is_some())))
    }

    #[tokio::test]
    async fn the_second_takes_over_from_a_dead_first_and_gives_back() {
        let ((first, first_url), (second, second_url)) = (channel().await, channel().await);
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let (told, on_first) = told();
        let routes = Routes::new(&first_url, Some(&second_url), http, on_first);
        routes.post("{}").await.unwrap();
        assert_eq!((first.heard(), second.heard()), (1, 0));
        first.dead.store(true, Ordering::SeqCst);
        for _ in 1..DEATH_ATTEMPTS {
            assert!(routes.post("{}").await.is_err(), "a blip is tried again on the first");
        }
        routes.post("{}").await.unwrap();
        routes.post("{}").await.unwrap();
        assert_eq!((first.heard(), second.heard()), (1, 2));
        assert_eq!(*told.lock().unwrap(), [true], "told once");
        routes.beat().await;
        assert_eq!(second.heard(), 2, "a heartbeat asks the first alone");
        first.dead.store(false, Ordering::SeqCst);
        routes.beat().await;
        routes.post("{}").await.unwrap();
        assert_eq!((first.heard(), second.heard()), (3, 2));
        assert_eq!(*told.lock().unwrap(), [true, false]);
    }

    #[tokio::test]
    async fn a_heartbeat_finds_a_dead_channel_that_nobody_needed() {
        let (first, url) = channel().await;
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let (told, on_first) = told();
        let routes = Routes::new(&url, None, http, on_first);
        routes.beat().await;
        assert!(told.lock().unwrap().is_empty());
        first.dead.store(true, Ordering::SeqCst);
        routes.beat().await;
        assert_eq!(*told.lock().unwrap(), [true]);
        assert!(routes.post("{}").await.is_err(), "without a second there is no one else");
    }
}
