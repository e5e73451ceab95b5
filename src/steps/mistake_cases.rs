//! Every way to write a feature wrong, as data; what the parser would let through stands here row by row.

/// A feature without a mistake; the cases change one text of it.
pub const EN: &str = "\
@lp:refund-exceeds-payment @tier:gate
Feature: Refunds stay within the payment
  What has left is lost.

  Background:
    Given order \"O-1\" was paid 199.00 CNY through channel \"alipay\"
    And fault \"app.refund-guard.bypassed\" is active

  Rule: What is above freezes refunds

    Scenario: One refund too much
      When refund \"R-1\" of 250.00 CNY on order \"O-1\" is paid out where 199.00 CNY is due
      Then alert \"refund-exceeds-payment\" is raised in time for order \"O-1\"
      And the alert puts 51.00 CNY at risk
      And plan \"refund-breaker\" is effective within 5 min for channel \"alipay\"
      And the loss is at most 51.00 CNY

    @control
    Scenario: One refund
      When refund \"R-1\" of 199.00 CNY on order \"O-1\" is paid out where 199.00 CNY is due
      Then no alert is raised
";

pub const ZH: &str = "\
# language: zh-CN
@lp:refund-exceeds-payment @tier:gate
功能: 退款不超过实付
  打出去的款追不回来。

  背景:
    假如订单“O-1”已通过渠道“alipay”支付 199.00 元
    并且故障“app.refund-guard.bypassed”生效

  场景: 多退
    当订单“O-1”应退 199.00 元，退款“R-1”实际打款 250.00 元
    那么及时产生告警“refund-exceeds-payment”，对象为订单“O-1”

  @control
  场景: 正好
    当订单“O-1”应退 199.00 元，退款“R-1”实际打款 199.00 元
    那么没有任何告警
";

/// From, to, and the mistake: code, line and column, parts of its message and of its help.
pub type Case = (&'static str, &'static str, &'static str, (usize, usize), [&'static str; 2]);

/// Lines that the parser would take for prose.
pub const LINES: [Case; 22] = [
    (
        "    Scenario: One refund too",
        "    Scenaro: One refund too",
        "misspelt-keyword",
        (11, 5),
        ["`Scenaro`", "write `Scenario:`"],
    ),
    (
        "  Background:",
        "  Backgroud:",
        "misspelt-keyword",
        (5, 3),
        ["`Backgroud`", "write `Background:`"],
    ),
    ("  Rule:", "  Rul:", "misspelt-keyword", (9, 3), ["`Rul`", "write `Rule:`"]),
    ("Feature:", "Featur:", "misspelt-keyword", (2, 1), ["`Featur`", "write `Feature:`"]),
    ("    Given order", "    Givn order", "misspelt-keyword", (6, 5), ["`Givn`", "write `Given`"]),
    (
        "      When refund",
        "      when refund",
        "misspelt-keyword",
        (12, 7),
        ["`when`", "write `When`"],
    ),
    (
        "      When refund",
        "      refund",
        "step-without-keyword",
        (12, 7),
        ["has no keyword", "begin it with"],
    ),
    (
        "      And the alert puts",
        "      Additionally: it puts",
        "unaccounted-line",
        (14, 7),
        ["no rule accounts for it", "begin a step"],
    ),
    (
        "  What has left is lost.",
        "  Givn order \"O-9\" awaits payment of 9.00 CNY",
        "misspelt-keyword",
        (3, 3),
        ["`Givn`", "`Given`"],
    ),
    (
        "  What has left is lost.",
        "  Given the loss, act.",
        "unaccounted-line",
        (3, 3),
        ["cannot stand here", "reword the prose"],
    ),
    (
        "  What has left is lost.",
        "  | a | b |",
        "unaccounted-line",
        (3, 3),
        ["no rule accounts", ""],
    ),
    (
        "Scenario: One refund too much",
        "Scenario One refund too much",
        "missing-colon",
        (11, 5),
        ["without a colon", "write `Scenario:`"],
    ),
    (
        "Scenario: One refund too much",
        "Scenario：One refund too much",
        "full-width",
        (11, 13),
        ["full-width colon", "write `Scenario:`"],
    ),
    ("      And the alert", "      * the alert", "star-step", (14, 7), ["hides", "keyword"]),
    (
        "      And the alert",
        "      \"\"\"\n      x\n      \"\"\"\n      And the alert",
        "doc-string",
        (14, 7),
        ["doc string", ""],
    ),
    ("@control", "＠control", "full-width", (18, 5), ["full-width", "write `@`"]),
    ("@control", "@control kontrol", "bad-tag", (18, 14), ["`kontrol` is no tag", ""]),
    (
        "Feature: Refunds",
        "Story\nFeature: Refunds",
        "unaccounted-line",
        (2, 1),
        ["no rule accounts", "above `Feature:`"],
    ),
    ("Feature: Refunds stay within the payment\n", "", "no-feature", (0, 0), ["no `Feature:`", ""]),
    ("@lp:", "# language: fr\n@lp:", "language", (1, 13), ["`fr`", "`en` or `zh-CN`"]),
    ("@lp:", "# language: zh\n@lp:", "language", (1, 13), ["`zh`", "zh-CN"]),
    (
        "  What has left",
        "  # language: en\n  What has left",
        "language",
        (3, 3),
        ["above the feature", ""],
    ),
];

pub const LINES_ZH: [Case; 10] = [
    (
        "  场景: 多退",
        "  规则: 冻结\n  场景: 多退",
        "misspelt-keyword",
        (10, 3),
        ["`规则` is not a keyword of the parser", "write `Rule:`"],
    ),
    ("  场景: 多退", "  场景：多退", "full-width", (10, 5), ["full-width colon", "write `场景:`"]),
    ("  场景: 多退", "  场境: 多退", "misspelt-keyword", (10, 3), ["`场境`", "write `场景:`"]),
    ("  背景:", "  背景：", "full-width", (6, 5), ["full-width colon", "write `背景:`"]),
    ("    假如订单", "    假入订单", "misspelt-keyword", (7, 5), ["`假入`", "write `假如`"]),
    ("    那么及时", "    那末及时", "misspelt-keyword", (12, 5), ["`那末`", "write `那么`"]),
    ("    那么及时", "    及时", "step-without-keyword", (12, 5), ["no keyword", "那么"]),
    ("# language: zh-CN\n", "", "language", (2, 1), ["does not say so", "# language: zh-CN"]),
    (
        "    并且故障“app.refund-guard.bypassed”生效",
        "    并且故障“app.refund-guard.bypassed”生效\n      ｜ delay ｜ 2 s ｜",
        "full-width",
        (9, 7),
        ["`｜`", "write `|`"],
    ),
    ("那么没有任何告警", "那么没有告警", "undefined-step", (17, 7), ["没有告警", "没有任何告警"]),
];

/// Steps, tags and names.
pub const MEANINGS: [Case; 46] = [
    (
        "was paid 199.00",
        "was payed 199.00",
        "undefined-step",
        (6, 11),
        ["no sentence", "Given order {name} was paid {money} through channel {name}"],
    ),
    (
        "      And the loss is",
        "      When the loss is",
        "wrong-keyword",
        (16, 7),
        ["is a Then, and stands as a When", "begin it with `Then`"],
    ),
    ("51.00 CNY at risk", "51.0 CNY at risk", "bad-value", (14, 26), ["2 digits", ""]),
    ("51.00 CNY at risk", "51.00 at risk", "bad-value", (14, 26), ["no currency", ""]),
    ("within 5 min", "within 5 minutes", "bad-value", (15, 53), ["unknown unit `minutes`", ""]),
    ("within 5 min", "within 0 min", "bad-value", (15, 53), ["zero", ""]),
    (
        "within 5 min",
        "within 6 min",
        "bound-too-long",
        (15, 11),
        ["6 min is longer than the 5 min", "in time"],
    ),
    ("for channel \"alipay\"", "for chanel \"alipay\"", "bad-value", (15, 63), ["`chanel`", ""]),
    (
        "channel \"alipay\"\n    And",
        "channel \"alypay\"\n    And",
        "unknown-channel",
        (6, 60),
        ["`alypay`", "did you mean `alipay`?"],
    ),
    (
        "channel \"alipay\"\n    And",
        "channel \"\"\n    And",
        "bad-value",
        (6, 59),
        ["may not be empty", ""],
    ),
    ("order \"O-1\" was", "order \"O 1\" was", "bad-value", (6, 17), ["must be an id", ""]),
    (
        "for order \"O-1\"",
        "for order \"O-2\"",
        "unknown-name",
        (13, 72),
        ["no step above makes order \"O-2\"", "did you mean `O-1`?"],
    ),
    (
        "alert \"refund-exceeds-payment\"",
        "alert \"refund-exceed-payment\"",
        "unknown-alert",
        (13, 19),
        ["`refund-exceed-payment`", "`refund-exceeds-payment`"],
    ),
    (
        "alert \"refund-exceeds-payment\"",
        "alert \"bid-below-market\"",
        "alert-of-another-point",
        (13, 19),
        ["does not belong", "its rules are `refund-exceeds-payment`, `refund-paid-twice`"],
    ),
    (
        "plan \"refund-breaker\"",
        "plan \"refund-braker\"",
        "unknown-plan",
        (15, 17),
        ["`refund-braker`", "did you mean `refund-breaker`?"],
    ),
    (
        "for channel \"alipay\"",
        "for order \"O-1\"",
        "wrong-scope",
        (15, 70),
        ["acts on one channel", ""],
    ),
    (
        "fault \"app.refund-guard",
        "fault \"app.refund-gard",
        "bad-fault",
        (7, 16),
        ["unknown fault `app.refund-gard.bypassed`", ""],
    ),
    (
        "bypassed\" is active\n",
        "bypassed\" is active\n      | speed | 1 |\n",
        "bad-fault",
        (7, 16),
        ["no parameter `speed`", ""],
    ),
    (
        "bypassed\" is active\n",
        "bypassed\" is active\n      | delay |\n",
        "bad-table",
        (8, 7),
        ["| name | value |", ""],
    ),
    (
        "bypassed\" is active\n",
        "bypassed\" is active\n      | delay | 1 s |\n      | delay | 2 s |\n",
        "bad-table",
        (9, 7),
        ["given twice", ""],
    ),
    (
        "bypassed\" is active\n",
        "bypassed\" is active\n      | delay | 1 s\n",
        "bad-table",
        (8, 7),
        ["ends with `|`", ""],
    ),
    ("at risk\n", "at risk\n      | delay | 1 s |\n", "table-not-taken", (15, 7), ["no table", ""]),
    (
        "@lp:refund-exceeds-payment ",
        "",
        "no-loss-point",
        (11, 5),
        ["no loss point", "`refund-exceeds-payment`"],
    ),
    (
        "@lp:refund-exceeds-payment",
        "@lp:refund-exceed-payment",
        "unknown-loss-point",
        (1, 1),
        ["`refund-exceed-payment`", "`refund-exceeds-payment`"],
    ),
    (
        "    @control",
        "    @control @lp:change-capture-stalled",
        "many-loss-points",
        (18, 14),
        ["has a loss point already", "exactly one"],
    ),
    ("@tier:gate", "@tier:gatte", "unknown-tier", (1, 28), ["`gatte`", "`gate`"]),
    ("@tier:gate", "@tier:gate @tier:drill", "many-tiers", (11, 5), ["more than one", ""]),
    (" @tier:gate", "", "no-tier", (11, 5), ["no @tier", "@tier:gate"]),
    ("@tier:gate", "@teir:gate", "misspelt-tag", (1, 28), ["`@teir:gate`", "write `@tier:gate`"]),
    ("@control", "@contol", "misspelt-tag", (18, 5), ["`@contol`", "write `@control`"]),
    ("@control", "@slow", "attack-expects-silence", (21, 12), ["only a @control", "@control"]),
    (
        "    Scenario: One refund too",
        "    @control\n    Scenario: One refund too",
        "control-expects-alert",
        (14, 12),
        ["must stay silent", "no alert is raised"],
    ),
    (
        "    Scenario: One refund too",
        "    @control\n    Scenario: One refund too",
        "no-canary",
        (12, 5),
        ["no attack of this loss point", ""],
    ),
    (
        "      Then no alert is raised\n",
        "      Then the loss is at most 0.00 CNY\n",
        "control-without-silence",
        (19, 5),
        ["does not ask for silence", "no alert is raised"],
    ),
    (
        "      Then no alert is raised\n",
        "",
        "no-then",
        (19, 5),
        ["no Then", "say what a defender does"],
    ),
    (
        "      Then alert \"refund-exceeds-payment\" is raised in time for order \"O-1\"\n      And the alert",
        "      Then the alert",
        "at-risk-of-nothing",
        (13, 12),
        ["at risk by which", ""],
    ),
    (
        "      And the loss is at most 51.00 CNY",
        "      Given order \"O-2\" awaits payment of 1.00 CNY",
        "given-after-when",
        (16, 13),
        ["too late", "make it a When"],
    ),
    (
        "    Scenario: One refund\n",
        "    Scenario: One refund too much\n",
        "duplicate-name",
        (19, 5),
        ["line 11 already", ""],
    ),
    (
        "R-1\" of 199.00 CNY on",
        "R-1\" of 250.00 CNY on",
        "not-a-twin",
        (19, 5),
        ["nothing differs", "correct data"],
    ),
    (
        "R-1\" of 199.00 CNY on",
        "R-2\" of 199.00 CNY on",
        "not-a-twin",
        (19, 5),
        ["2 values differ; line 20: `250.00 CNY` against `199.00 CNY`", "keep one"],
    ),
    (
        "is paid out where 199.00 CNY is due\n      Then no",
        "is paid out\n      And a buyer buys item \"S\" through channel \"alipay\"\n      Then no",
        "not-a-twin",
        (21, 7),
        ["4 Givens and Whens against 3", ""],
    ),
    (
        "    @control",
        "    @lp-is-free",
        "no-twin",
        (11, 5),
        ["has no twin", "other in exactly one value"],
    ),
    (
        "    Scenario: One refund\n",
        "    Scenario Outline: One refund\n",
        "no-examples",
        (19, 5),
        ["no row of examples", ""],
    ),
    (
        "      Then no alert is raised\n",
        "      Then no alert is raised\n      Examples:\n        | a |\n        | 1 |\n",
        "no-outline",
        (19, 5),
        ["takes examples", ""],
    ),
    (
        "    Given order \"O-1\" was",
        "    And order \"O-1\" was",
        "and-first",
        (6, 5),
        ["first step", "begin with `Given`"],
    ),
    (
        "    And fault \"app.refund-guard.bypassed\" is active",
        "    And fault \"app.refund-guard.bypassed\" is active\n    And refund \"R-0\" of 1.00 CNY on order \"O-1\" was paid out",
        "fault-before-given",
        (8, 9),
        ["never feels it", "make this a When"],
    ),
];
