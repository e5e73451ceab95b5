//! Mode -> word -> scenarios, from the catalogue and the features.
//!
//! How it was reasoned. The word of a scenario is that of its first sentence that does not hold. A control is judged by its
//! silence and by its canary, which is its attack once more: what spoils an attack's alert takes the control's proof of
//! silence; what spoils only a plan, an amount or a number of alerts leaves it. Modes whose reconciler reads or says
//! nothing at all spoil every scenario alike.

use lossdrill::journal::Word;

// features/bid.feature
const LOW_BID: &str = "A seller who means 1,999.00 types 199.90";
const HONEST_BID: &str = "A seller who means 1,999.00 types 1,999.00";
const CLEARANCE: &str = "An approved clearance at less than a third of the median";
const HONEST_CUT: &str = "An honest cut of 10 percent";
const DRAWN_BID: &str = "A price with a digit lost, drawn from the seed";
const DRAWN_HONEST: &str = "A price within the market's spread, drawn from the seed";
// features/payment-callback.feature
const DROPPED: &str = "支付成功的回调被丢弃";
const DELAYED: &str = "支付成功的回调迟到，但仍在窗口之内";
// features/refund-twice.feature
const TWICE: &str = "The approval is delivered twice, and each delivery pays out";
const ONCE: &str = "The approval is delivered once";
const PARTIAL: &str = "Two partial refunds that add up to the order are not a loss";
// features/refund-exceeds.feature
const EXCEEDS: &str = "应退 99.00 元，实际打款 150.00 元";
const EXACT: &str = "应退 99.00 元，实际打款 99.00 元";
const REST: &str = "余下的款分两笔退完，合计等于实付";
// features/binlog.feature
const STALLED: &str = "The change stream stands still";
const SLOW: &str = "The change stream is slow, and still arrives";

pub const SCENARIOS: &[&str] = &[
    LOW_BID,
    HONEST_BID,
    CLEARANCE,
    HONEST_CUT,
    DRAWN_BID,
    DRAWN_HONEST,
    DROPPED,
    DELAYED,
    TWICE,
    ONCE,
    PARTIAL,
    EXCEEDS,
    EXACT,
    REST,
    STALLED,
    SLOW,
];
const ATTACKS: &[&str] = &[LOW_BID, DRAWN_BID, DROPPED, TWICE, EXCEEDS, STALLED];
const CONTROLS: &[&str] =
    &[HONEST_BID, CLEARANCE, HONEST_CUT, DRAWN_HONEST, DELAYED, ONCE, PARTIAL, EXACT, REST, SLOW];

/// One mode of the saboteur, and every scenario that it turns red.
pub struct Row {
    pub mode: &'static str,
    pub red: &'static [(Word, &'static [&'static str])],
    /// The reconciler stops answering: the harness's patience is shortened.
    pub silent: bool,
}

const fn row(mode: &'static str, red: &'static [(Word, &'static [&'static str])]) -> Row {
    Row { mode, red, silent: false }
}

pub const TABLE: &[Row] = &[
    row("pass-through", &[]),
    // The rule's own attacks hear nothing, and its controls have no canary left.
    row(
        "swallow:bid-below-market",
        &[
            (Word::Never, &[LOW_BID, DRAWN_BID]),
            (Word::SilenceUnproved, &[HONEST_BID, CLEARANCE, HONEST_CUT, DRAWN_HONEST]),
        ],
    ),
    // `refund-paid-twice` lists this rule under `with:`; one that never fires in the attack is red.
    row(
        "swallow:refund-exceeds-payment",
        &[(Word::Never, &[EXCEEDS, TWICE]), (Word::SilenceUnproved, &[EXACT, REST])],
    ),
    row(
        "swallow:change-capture-stalled",
        &[(Word::Never, &[STALLED]), (Word::SilenceUnproved, &[SLOW])],
    ),
    // Every point's alert comes past its 60 s and within the minute after; so do the canaries'.
    row("late", &[(Word::Late, ATTACKS), (Word::SilenceUnproved, CONTROLS)]),
    // A canary's alert about something else is not the canary's.
    row("wrong-subject", &[(Word::WrongSubject, ATTACKS), (Word::SilenceUnproved, CONTROLS)]),
    // Only these say what the alert puts at risk.
    row("wrong-amount", &[(Word::WrongAmount, &[LOW_BID, DROPPED, TWICE, EXCEEDS])]),
    row("second-fingerprint", &[(Word::Duplicate, ATTACKS)]),
    // Honest bids for the scenario's own item are cried at: on the twins nothing was to be heard. An attack's bid is
    // honest once its seller has mended it: the same rule and bid under another fingerprint.
    row(
        "cries-wolf:bid-below-market@SKU-1",
        &[
            (Word::UnexpectedAlert, &[HONEST_BID, CLEARANCE, HONEST_CUT, DRAWN_HONEST]),
            (Word::Duplicate, &[LOW_BID, DRAWN_BID]),
        ],
    ),
    // Paid orders are in the healthy traffic of every scenario, before anything goes wrong.
    row("cries-wolf:paid-order-unpaid", &[(Word::AlreadyAlerting, SCENARIOS)]),
    // A watcher point has no plan; a control's own plans are none.
    row(
        "plan-without-effect",
        &[(Word::PlanWithoutEffect, &[LOW_BID, DRAWN_BID, DROPPED, TWICE, EXCEEDS])],
    ),
    // `backfill-payment` stops nothing.
    row("plan-out-of-scope", &[(Word::PlanOutOfScope, &[LOW_BID, DRAWN_BID, TWICE, EXCEEDS])]),
    Row { silent: true, ..row("deaf-after-a-reconnect", &[(Word::Deaf, SCENARIOS)]) },
    Row { silent: true, ..row("dead-from-the-start", &[(Word::Deaf, SCENARIOS)]) },
];
