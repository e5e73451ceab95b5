//! Two channels: who is told, who counts as dead, and what is told again.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;

use super::super::channels::ChannelSpec;
use super::*;

fn routes(first: &str, second: Option<&str>, on_first: OnChannel) -> Routes {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let to = |url: &str| Channel::new(ChannelSpec::WebhookV4 { url: url.to_owned() }, http.clone());
    let second = second.map(|url| Way::new(to(url), None));
    Routes::new(Way::new(to(first), Some(on_first)), second, Ladder::Steady)
}

#[derive(Default)]
struct StandIn {
    dead: AtomicBool,
    heard: AtomicU64,
}

impl StandIn {
    fn heard(&self) -> u64 {
        self.heard.load(Ordering::SeqCst)
    }
}

/// A stand-in of a receiver that acknowledges unless it is dead.
async fn channel() -> (Arc<StandIn>, String) {
    async fn take(State(channel): State<Arc<StandIn>>) -> StatusCode {
        if channel.dead.load(Ordering::SeqCst) {
            return StatusCode::SERVICE_UNAVAILABLE;
        }
        channel.heard.fetch_add(1, Ordering::SeqCst);
        StatusCode::OK
    }
    let channel = Arc::new(StandIn::default());
    let router = Router::new().route("/", post(take)).with_state(channel.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (channel, url)
}

fn told() -> (Arc<Mutex<Vec<bool>>>, OnChannel) {
    let told: Arc<Mutex<Vec<bool>>> = Arc::default();
    let kept = told.clone();
    (told, Arc::new(move |why: Option<&str>| kept.lock().unwrap().push(why.is_some())))
}

#[tokio::test]
async fn the_second_takes_over_from_a_dead_first_and_gives_back() {
    let ((first, first_url), (second, second_url)) = (channel().await, channel().await);
    let (told, on_first) = told();
    let routes = routes(&first_url, Some(&second_url), on_first);
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
    let (told, on_first) = told();
    let routes = routes(&url, None, on_first);
    routes.beat().await;
    assert!(told.lock().unwrap().is_empty());
    first.dead.store(true, Ordering::SeqCst);
    routes.beat().await;
    assert_eq!(*told.lock().unwrap(), [true]);
    assert!(routes.post("{}").await.is_err(), "without a second there is no one else");
}

#[tokio::test]
async fn a_second_that_dies_unneeded_is_told_where_it_is_watched() {
    let ((_first, first_url), (second, second_url)) = (channel().await, channel().await);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let way = |url: &str, on_channel: Option<OnChannel>| {
        let spec = ChannelSpec::WebhookV4 { url: url.to_owned() };
        Way::new(Channel::new(spec, http.clone()), on_channel)
    };
    second.dead.store(true, Ordering::SeqCst);
    for watched in [true, false] {
        let (told, on_second) = told();
        let second = way(&second_url, watched.then_some(on_second));
        let routes = Routes::new(way(&first_url, None), Some(second), Ladder::Steady);
        routes.beat().await;
        assert_eq!(told.lock().unwrap().len(), usize::from(watched));
    }
}

#[tokio::test]
async fn a_dead_one_that_cannot_be_asked_is_tried_once_a_heartbeat() {
    let ((first, first_url), (second, second_url)) = (channel().await, channel().await);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = first_url.clone();
    let spec = ChannelSpec::Webhook { url, headers: Vec::new(), body: None };
    let (told, on_first) = told();
    let to_first = Way::new(Channel::new(spec, http.clone()), Some(on_first));
    let spec = ChannelSpec::WebhookV4 { url: second_url };
    let to_second = Way::new(Channel::new(spec, http), None);
    let routes = Routes::new(to_first, Some(to_second), Ladder::Steady);
    let body = super::super::webhook::heartbeat();
    first.dead.store(true, Ordering::SeqCst);
    for _ in 1..DEATH_ATTEMPTS {
        assert!(routes.post(&body).await.is_err());
    }
    routes.post(&body).await.unwrap();
    first.dead.store(false, Ordering::SeqCst);
    routes.post(&body).await.unwrap();
    assert_eq!((first.heard(), second.heard()), (0, 2), "it is still believed dead");
    routes.beat().await;
    assert_eq!(first.heard(), 0, "a heartbeat tells its readers nothing");
    routes.post(&body).await.unwrap();
    routes.post(&body).await.unwrap();
    assert_eq!((first.heard(), second.heard()), (2, 2));
    assert_eq!(*told.lock().unwrap(), [true, false]);
}

#[tokio::test]
async fn a_channel_that_forgets_is_reminded_of_what_fires_and_of_nothing_that_ended() {
    let dead = Arc::new(AtomicBool::new(false));
    let posts: Arc<Mutex<Vec<usize>>> = Arc::default();
    let (kept, is_dead) = (posts.clone(), dead.clone());
    let take = move |axum::Json(body): axum::Json<serde_json::Value>| {
        let (kept, is_dead) = (kept.clone(), is_dead.clone());
        async move {
            if is_dead.load(Ordering::SeqCst) {
                return StatusCode::SERVICE_UNAVAILABLE;
            }
            kept.lock().unwrap().push(body.as_array().unwrap().len());
            StatusCode::OK
        }
    };
    let router = Router::new().route("/api/v2/alerts", post(take));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let channel = Channel::new(ChannelSpec::Alertmanager { url }, http);
    let routes = Routes::new(Way::new(channel, None), None, Ladder::Steady);
    let told = |print: &str, status: &str| WebhookAlert {
        status: status.to_owned(),
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        starts_at: String::new(),
        ends_at: String::new(),
        generator_url: String::new(),
        fingerprint: print.to_owned(),
    };
    routes.remember(&[told("a", FIRING)]);
    let body = super::super::webhook::single;
    routes.post(&body(told("b", FIRING))).await.unwrap();
    routes.post(&body(told("c", FIRING))).await.unwrap();
    routes.post(&body(told("a", "resolved"))).await.unwrap();
    for _ in 0..=REMIND_BEATS {
        routes.beat().await;
    }
    assert_eq!(*posts.lock().unwrap(), [1, 1, 1, 2, 0, 0, 2], "three posts, then heartbeats");
    dead.store(true, Ordering::SeqCst);
    routes.beat().await;
    dead.store(false, Ordering::SeqCst);
    routes.beat().await;
    assert_eq!(posts.lock().unwrap().last(), Some(&2), "one that is back has forgotten all");
}

/// A restart knows what fires, and not which channel was told.
#[tokio::test]
async fn a_second_that_forgets_is_reminded_after_a_restart_while_the_first_is_dead() {
    let posts: Arc<Mutex<Vec<usize>>> = Arc::default();
    let kept = posts.clone();
    let take = move |axum::Json(body): axum::Json<serde_json::Value>| {
        let kept = kept.clone();
        async move {
            kept.lock().unwrap().push(body.as_array().unwrap().len());
            StatusCode::OK
        }
    };
    let router = Router::new().route("/api/v2/alerts", post(take));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let (first, first_url) = channel().await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let to = |spec: ChannelSpec| Channel::new(spec, http.clone());
    let (_, on_second) = told();
    let second = Way::new(to(ChannelSpec::Alertmanager { url }), Some(on_second));
    let first_way = Way::new(to(ChannelSpec::WebhookV4 { url: first_url }), None);
    let routes = Routes::new(first_way, Some(second), Ladder::Steady);
    let mut alert = WebhookAlert {
        status: FIRING.to_owned(),
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        starts_at: String::new(),
        ends_at: String::new(),
        generator_url: String::new(),
        fingerprint: "a".to_owned(),
    };
    routes.remember(std::slice::from_ref(&alert));
    routes.beat().await;
    assert_eq!(*posts.lock().unwrap(), [0], "the first lives, and knows");
    first.dead.store(true, Ordering::SeqCst);
    for _ in 0..REMIND_BEATS {
        routes.beat().await;
    }
    assert_eq!(posts.lock().unwrap().iter().sum::<usize>(), 1, "{posts:?}");
    alert.status = "resolved".to_owned();
    routes.post(&super::super::webhook::single(alert)).await.unwrap();
    posts.lock().unwrap().clear();
    for _ in 0..REMIND_BEATS {
        routes.beat().await;
    }
    assert_eq!(posts.lock().unwrap().iter().sum::<usize>(), 0, "nothing that ended");
}

#[tokio::test]
async fn a_channel_that_takes_heartbeats_alone_is_dead() {
    async fn take(body: String) -> StatusCode {
        match body.contains("\"alerts\":[]") {
            true => StatusCode::OK,
            false => StatusCode::BAD_REQUEST,
        }
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let router = Router::new().route("/", post(take));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let (second, second_url) = channel().await;
    let (told, on_first) = told();
    let routes = routes(&url, Some(&second_url), on_first);
    for _ in 1..DEATH_ATTEMPTS {
        assert!(routes.post("{\"alerts\":[1]}").await.is_err());
        routes.beat().await;
    }
    routes.post("{\"alerts\":[1]}").await.unwrap();
    assert_eq!((second.heard(), told.lock().unwrap().clone()), (1, vec![true]));
    routes.beat().await;
    routes.post("{\"alerts\":[1]}").await.unwrap();
    assert_eq!((second.heard(), told.lock().unwrap().clone()), (2, vec![true]), "and stays so");
}
