//! The kinds of things that a loss point, an alert or a plan is about.

use serde::{Deserialize, Serialize};

/// What an alert or plan may be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SubjectKind {
    Order,
    Refund,
    Item,
    Bid,
    Merchant,
    Payment,
    Coupon,
    Account,
    /// Of marketing: what gives out coupons and promotions.
    Activity,
    Channel,
    Warehouse,
    /// A stream that the reconciler reads: `binlog`, a topic.
    Source,
    /// A part of the watcher itself: `reconciler`, `alert-channel`, `rules`, `plan-executor`.
    Part,
    /// A rule of the reconciler.
    Rule,
    /// A service of the platform, as `services.yaml` names it.
    Service,
    /// A service and one that it calls: `checkout/points`.
    Dependency,
}

impl SubjectKind {
    pub const ALL: [SubjectKind; 16] = [
        SubjectKind::Order,
        SubjectKind::Refund,
        SubjectKind::Item,
        SubjectKind::Bid,
        SubjectKind::Merchant,
        SubjectKind::Payment,
        SubjectKind::Coupon,
        SubjectKind::Account,
        SubjectKind::Activity,
        SubjectKind::Channel,
        SubjectKind::Warehouse,
        SubjectKind::Source,
        SubjectKind::Part,
        SubjectKind::Rule,
        SubjectKind::Service,
        SubjectKind::Dependency,
    ];

    /// The English word, which is also the `kind` of [`Subject`] on the wire.
    pub fn en(self) -> &'static str {
        match self {
            SubjectKind::Order => "order",
            SubjectKind::Refund => "refund",
            SubjectKind::Item => "item",
            SubjectKind::Bid => "bid",
            SubjectKind::Merchant => "merchant",
            SubjectKind::Payment => "payment",
            SubjectKind::Coupon => "coupon",
            SubjectKind::Account => "account",
            SubjectKind::Activity => "activity",
            SubjectKind::Channel => "channel",
            SubjectKind::Warehouse => "warehouse",
            SubjectKind::Source => "source",
            SubjectKind::Part => "part",
            SubjectKind::Rule => "rule",
            SubjectKind::Service => "service",
            SubjectKind::Dependency => "dependency",
        }
    }

    pub fn zh(self) -> &'static str {
        match self {
            SubjectKind::Order => "订单",
            SubjectKind::Refund => "退款",
            SubjectKind::Item => "商品",
            SubjectKind::Bid => "出价",
            SubjectKind::Merchant => "商家",
            SubjectKind::Payment => "支付",
            SubjectKind::Coupon => "优惠券",
            SubjectKind::Account => "账户",
            SubjectKind::Activity => "活动",
            SubjectKind::Channel => "渠道",
            SubjectKind::Warehouse => "仓库",
            SubjectKind::Source => "数据源",
            SubjectKind::Part => "部件",
            SubjectKind::Rule => "规则",
            SubjectKind::Service => "服务",
            SubjectKind::Dependency => "依赖",
        }
    }
}
