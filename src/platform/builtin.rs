//! The practice shop and its payment channel.

use std::time::{Duration, Instant};

use serde::Deserialize;

use super::answer::{self, Answer};
use super::delivery::{Courier, HeldMessage};
use super::peer::{ClockPeer, direct_client};
use super::{PlatformError, request};
use crate::clock::CellTime;
use crate::journal::{Act, Outcome};
use crate::wire::{Advance, ClockReport, Health};

/// An act that takes longer has no known outcome. Delays of links above 1 s are cell time, never
/// real.
const ACT_LIMIT: Duration = Duration::from_secs(3);
/// How long a shop that says 503, or does not listen, is asked again: longer than MySQL takes to
/// start again.
const BUSY_LIMIT: Duration = Duration::from_secs(5);
/// Between two tries at a busy shop.
const BUSY_PAUSE: Duration = Duration::from_millis(20);
/// How long a refund waits for its order's payment to be booked: the callback of a healthy shop
/// takes milliseconds.
const BOOKING_LIMIT: Duration = Duration::from_millis(500);
/// Between two looks at an order that is being booked.
const BOOKING_PAUSE: Duration = Duration::from_millis(5);

/// Where the built-in platform is reached, direct.
#[derive(Clone, Debug)]
pub struct Builtin {
    /// `http://127.0.0.1:PORT`
    pub shop_url: String,
    pub channel_url: String,
    /// Kafka's bootstrap address.
    pub bootstrap: String,
    /// The cell's topic prefix, like `c3.`
    pub topic_prefix: String,
}

/// Applies acts. Cheap to make, and shared by reference.
pub struct Platform {
    shop: ClockPeer,
    channel: ClockPeer,
    http: reqwest::Client,
    courier: Courier,
}

#[derive(Deserialize)]
struct OrderStatus {
    status: String,
}

impl Platform {
    /// Connects lazily: errors only on addresses that are none.
    pub fn builtin(at: &Builtin) -> Result<Platform, PlatformError> {
        Ok(Platform {
            shop: ClockPeer::new("shop", &at.shop_url)?,
            channel: ClockPeer::new("channel", &at.channel_url)?,
            http: direct_client()?,
            courier: Courier::new(&at.bootstrap, &at.topic_prefix),
        })
    }

    pub fn shop(&self) -> &ClockPeer {
        &self.shop
    }

    pub fn channel(&self) -> &ClockPeer {
        &self.channel
    }

    /// The processes that live by the cell's clock.
    pub fn peers(&self) -> [&ClockPeer; 2] {
        [&self.shop, &self.channel]
    }

    /// Shop and channel both ready, or why not.
    pub async fn ready(&self) -> Result<Health, PlatformError> {
        let (shop, channel) = tokio::try_join!(self.shop.ready(), self.channel.ready())?;
        let mut reasons = Vec::new();
        for (name, health) in [("shop", &shop), ("channel", &channel)] {
            if !health.ready {
                reasons.extend(health.reasons.iter().map(|reason| format!("{name}: {reason}")));
            }
        }
        Ok(Health { ready: shop.ready && channel.ready, reasons })
    }

    /// What shop and channel say of their work, in this order.
    pub async fn clock(&self) -> Result<[ClockReport; 2], PlatformError> {
        let (shop, channel) = tokio::try_join!(self.shop.clock(), self.channel.clock())?;
        Ok([shop, channel])
    }

    /// Advances shop and channel.
    pub async fn advance(&self, advance: Advance) -> Result<(), PlatformError> {
        tokio::try_join!(self.shop.advance(advance), self.channel.advance(advance))?;
        Ok(())
    }

    /// Applies `act` at cell time `now` (which dates a price history). The same act again is
    /// answered as before.
    pub async fn apply(&self, act: &Act, now: CellTime) -> Outcome {
        if let Act::Refund { order, .. } = act {
            self.await_booking(order).await;
        }
        match (act, request::of(act, now)) {
            (Act::DeliverApproval { refund, times }, _) => self.deliver(refund, *times).await,
            (_, Some(request)) => {
                let url = format!("{}{}", self.shop.base_url, request.path);
                outcome(self.ask(|| self.http.post(&url).json(&request.body)).await)
            }
            (act, None) => Outcome::Refused { reason: format!("no request for {act:?}") },
        }
    }

    async fn deliver(&self, refund: &str, times: u32) -> Outcome {
        let url = format!("{}/refunds/{refund}/message", self.shop.base_url);
        let told = match self.ask(|| self.http.get(&url)).await {
            Answer::Done(told) => told,
            other => return outcome(other),
        };
        let message: HeldMessage = match serde_json::from_value(told) {
            Ok(message) => message,
            Err(error) => {
                let reason = format!("the shop's message of refund {refund} is none: {error}");
                return Outcome::Refused { reason };
            }
        };
        match self.courier.deliver(&message, times).await {
            Ok(()) => Outcome::Ok,
            Err((copies, error)) => {
                let reason = format!("{copies} of {times} copies acknowledged, then: {error}");
                Outcome::Unknown { reason }
            }
        }
    }

    /// Asks until the shop takes the request or its limit is over.
    async fn ask(&self, request: impl Fn() -> reqwest::RequestBuilder) -> Answer {
        let until = Instant::now() + BUSY_LIMIT;
        loop {
            let answer = match request().timeout(ACT_LIMIT).send().await {
                Ok(answer) => {
                    let status = answer.status().as_u16();
                    match answer.bytes().await {
                        Ok(body) => answer::read(status, &body),
                        Err(error) => Answer::Unclear(chain(&error)),
                    }
                }
                // Nobody listened: nothing happened.
                Err(error) if error.is_connect() => Answer::Busy(chain(&error)),
                Err(error) => Answer::Unclear(chain(&error)),
            };
            match answer {
                Answer::Busy(_) if Instant::now() < until => tokio::time::sleep(BUSY_PAUSE).await,
                answer => return answer,
            }
        }
    }

    /// Whoever asks for a refund sees the order as paid first. Waits until the payment is booked,
    /// or until shop and channel have nothing more to do about it now (a lost or late callback).
    async fn await_booking(&self, order: &str) {
        let until = Instant::now() + BOOKING_LIMIT;
        let path = format!("/orders/{order}");
        let mut idle_before = false;
        while Instant::now() < until {
            let told: Result<OrderStatus, _> = self.shop.get_json(&path).await;
            if told.map_or(true, |order| order.status != "PENDING") {
                return;
            }
            let idle = self.clock().await.is_ok_and(|reports| reports.iter().all(|r| r.busy == 0));
            if idle && idle_before {
                return;
            }
            idle_before = idle;
            tokio::time::sleep(BOOKING_PAUSE).await;
        }
    }
}

fn outcome(answer: Answer) -> Outcome {
    match answer {
        Answer::Done(_) => Outcome::Ok,
        Answer::Refused(reason) => Outcome::Refused { reason },
        Answer::Busy(reason) => {
            Outcome::Unknown { reason: format!("still busy after {BUSY_LIMIT:?}: {reason}") }
        }
        Answer::Unclear(reason) => Outcome::Unknown { reason },
    }
}

/// An error with its causes: reqwest's own text hides them.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
#[path = "builtin_tests.rs"]
mod tests;
