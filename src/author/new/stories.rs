//! How a loss is brought about: for each fault or pattern, a few steps in which it bites, and the one value in which
//! its twin differs.
//!
//! To have `new` write scenarios for a fault that no feature uses yet, add a row.

/// What the attack and its twin do.
pub struct Builtin {
    /// A fault's or a pattern's id, as `reproduce:` names it.
    pub cause: &'static str,
    /// Givens and Whens, in English.
    pub steps: &'static [&'static str],
    /// In the twin this part of a step is that.
    pub differs: (&'static str, &'static str),
}

/// The stories of the practice shop.
pub const STORIES: &[Builtin] = &[
    Builtin {
        cause: "app.price-guard.bypassed",
        steps: &[
            r#"Given item "SKU-1" has a 7-day median of 1,999.00 CNY"#,
            r#"Given fault "app.price-guard.bypassed" is active"#,
            r#"When a seller who means 1,999.00 CNY bids 199.90 CNY for item "SKU-1""#,
        ],
        differs: ("bids 199.90 CNY", "bids 1,999.00 CNY"),
    },
    Builtin {
        cause: "lost-digit",
        steps: &[
            r#"Given item "SKU-1" has a 7-day median of 1,999.00 CNY"#,
            r#"When a seller's bid for item "SKU-1" follows the pattern "lost-digit""#,
        ],
        differs: ("lost-digit", "honest-price"),
    },
    Builtin {
        cause: "app.payment-callback.dropped",
        steps: &[
            r#"Given order "O-1" awaits payment of 199.00 CNY"#,
            r#"Given fault "app.payment-callback.dropped" is active"#,
            r#"When a buyer pays 199.00 CNY for order "O-1" through channel "alipay" and is charged"#,
        ],
        differs: ("callback.dropped", "callback.delayed"),
    },
    Builtin {
        cause: "app.refund-payout.not-idempotent",
        steps: &[
            r#"Given order "O-1" was paid 199.00 CNY through channel "alipay""#,
            r#"Given refund "R-1" of 199.00 CNY on order "O-1" is approved"#,
            r#"Given fault "app.refund-payout.not-idempotent" is active"#,
            r#"When the refund-approved message of refund "R-1" is delivered 2 times"#,
        ],
        differs: ("delivered 2 times", "delivered 1 time"),
    },
    Builtin {
        cause: "app.refund-guard.bypassed",
        steps: &[
            r#"Given order "O-1" was paid 199.00 CNY through channel "alipay""#,
            r#"Given refund "R-1" of 100.00 CNY on order "O-1" was paid out"#,
            r#"Given fault "app.refund-guard.bypassed" is active"#,
            r#"When refund "R-2" of 150.00 CNY on order "O-1" is paid out where 99.00 CNY is due"#,
        ],
        differs: ("of 150.00 CNY", "of 99.00 CNY"),
    },
    Builtin {
        cause: "link.binlog.stalled",
        steps: &[
            r#"Given order "O-1" was paid 199.00 CNY through channel "alipay""#,
            r#"When fault "link.binlog.stalled" strikes"#,
        ],
        differs: ("stalled", "slow"),
    },
];
