//! `Platform` against a stand-in of the shop: an axum server that answers from a script. The real
//! shop is met in `tests/`.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;

use super::*;
use crate::money::Money;

#[derive(Clone, Default)]
struct StandIn {
    /// Answers to come; the last one stays.
    script: Arc<Mutex<VecDeque<(u16, &'static str)>>>,
    asked: Arc<Mutex<Vec<(String, String)>>>,
}

impl StandIn {
    async fn start(script: &[(u16, &'static str)]) -> (StandIn, Platform) {
        let stand_in = StandIn::default();
        stand_in.script.lock().unwrap().extend(script);
        let router = Router::new().fallback(answer).with_state(stand_in.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let at = Builtin {
            shop_url: url.clone(),
            channel_url: url,
            bootstrap: "127.0.0.1:1".into(),
            topic_prefix: "t.".into(),
        };
        (stand_in, Platform::builtin(&at).unwrap())
    }

    fn asked(&self) -> Vec<(String, String)> {
        self.asked.lock().unwrap().clone()
    }
}

async fn answer(State(stand_in): State<StandIn>, request: Request) -> (StatusCode, &'static str) {
    let line = format!("{} {}", request.method(), request.uri());
    let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
    let body = String::from_utf8(body.to_vec()).unwrap();
    stand_in.asked.lock().unwrap().push((line, body));
    let mut script = stand_in.script.lock().unwrap();
    let (status, body) = if script.len() > 1 { script.pop_front().unwrap() } else { script[0] };
    (StatusCode::from_u16(status).unwrap(), body)
}

fn order() -> Act {
    Act::PlaceOrder {
        order: "O-1".into(),
        buyer: "李雷".into(),
        channel: "alipay".into(),
        payable: Money::cny(19_900),
    }
}

#[tokio::test]
async fn outcomes_of_answers() {
    for (script, expect) in [
        (vec![(201, "{}")], Outcome::Ok),
        (vec![(422, r#"{"reason":"guard"}"#)], Outcome::Refused { reason: "guard".into() }),
        (vec![(503, ""), (503, ""), (201, "")], Outcome::Ok),
        (vec![(503, ""), (409, r#"{"reason":"no"}"#)], Outcome::Refused { reason: "no".into() }),
        (vec![(500, "x")], Outcome::Unknown { reason: "http 500: x".into() }),
    ] {
        let (stand_in, platform) = StandIn::start(&script).await;
        assert_eq!(platform.apply(&order(), CellTime(0)).await, expect, "{script:?}");
        let asked = stand_in.asked();
        assert_eq!(asked.len(), script.len(), "asked again only when it was busy: {asked:?}");
        assert!(asked.iter().all(|call| *call == asked[0]), "the same request each time");
    }
}

#[tokio::test]
async fn a_refund_waits_for_its_payment_and_not_for_a_lost_callback() {
    let refund = Act::Refund {
        refund: "R-1".into(),
        order: "O-1".into(),
        channel: "alipay".into(),
        due: Money::cny(100),
        amount: Money::cny(100),
        hold: true,
    };
    let busy = r#"{"status":"PENDING","now":"","offset_ms":0,"busy":1}"#;
    let idle = r#"{"status":"PENDING","now":"","offset_ms":0,"busy":0}"#;
    let paid = r#"{"status":"PAID","now":"","offset_ms":0,"busy":0}"#;
    for (script, looks) in [
        (vec![(200, paid)], 1),
        (vec![(200, busy), (200, busy), (200, busy), (200, paid)], 2),
        (vec![(200, idle)], 2),
    ] {
        let (stand_in, platform) = StandIn::start(&script).await;
        assert_eq!(platform.apply(&refund, CellTime(0)).await, Outcome::Ok);
        let asked = stand_in.asked();
        let lines = asked.iter().filter(|call| call.0 == "GET /orders/O-1").count();
        assert_eq!(lines, looks, "{asked:?}");
        assert!(asked.last().unwrap().1.contains(r#""hold":true"#));
    }
}

#[tokio::test]
async fn a_held_message_is_delivered_or_the_reason_is_told() {
    let delivery = Act::DeliverApproval { refund: "R-1".into(), times: 0 };
    for (status, body, expect) in [
        (200, r#"{"topic":"refund.events","key":"O-1","payload":{"a":1}}"#, "Ok"),
        (409, r#"{"reason":"not held"}"#, "Refused { reason: \"not held\" }"),
        (200, "{}", "Refused { reason: \"the shop's message of refund R-1 is none: missing"),
    ] {
        let (stand_in, platform) = StandIn::start(&[(status, body)]).await;
        let outcome = format!("{:?}", platform.apply(&delivery, CellTime(0)).await);
        assert!(outcome.starts_with(expect), "{outcome}");
        assert_eq!(stand_in.asked()[0].0, "GET /refunds/R-1/message");
    }
}

#[tokio::test]
async fn clocks_are_read_and_advanced_at_both() {
    let report = r#"{"now":"1970-01-01T00:00:00.000Z","offset_ms":5,"busy":2,"activity":9}"#;
    let (stand_in, platform) = StandIn::start(&[(200, report)]).await;
    let [shop, channel] = platform.clock().await.unwrap();
    assert_eq!((shop.busy, channel.activity), (2, 9));
    platform.advance(Advance { seq: 3, offset_ms: 30_000 }).await.unwrap();
    let advances = stand_in.asked().into_iter().filter(|call| call.0 == "POST /clock/advance");
    let bodies: Vec<String> = advances.map(|call| call.1).collect();
    assert_eq!(bodies, [r#"{"seq":3,"offset_ms":30000}"#; 2]);

    let (_, platform) = StandIn::start(&[(403, "no drill clock")]).await;
    let error = platform.advance(Advance { seq: 1, offset_ms: 1 }).await.unwrap_err().to_string();
    assert!(error.ends_with("was answered with http 403: no drill clock"), "{error}");
}

#[tokio::test]
async fn nobody_there_is_no_answer() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let peer = ClockPeer::new("shop", url).unwrap();
    let error = peer.ready().await.unwrap_err().to_string();
    assert!(error.starts_with("shop: no answer to GET /healthz"), "{error}");
}
