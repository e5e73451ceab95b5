# language: zh-CN
@lp:paid-order-unpaid @tier:gate
功能: 支付回调丢失时，不漏单、不少收
  用户已被扣款，订单却仍是待支付：超时关单之后，钱和货都对不上。

  场景: 支付成功的回调被丢弃
    假如订单“O-2”待支付 199.00 元
    并且故障“app.payment-callback.dropped”生效
    当用户通过渠道“alipay”为订单“O-2”支付 199.00 元且扣款成功
    那么及时产生告警“paid-order-unpaid”，对象为订单“O-2”
    并且该告警的风险金额为 199.00 元
    并且预案“backfill-payment”及时生效，对象为订单“O-2”
    并且订单“O-2”及时变为已支付
    并且没有其他告警
    并且损失不超过 199.00 元

  @control
  场景: 支付成功的回调迟到，但仍在窗口之内
    假如订单“O-2”待支付 199.00 元
    并且故障“app.payment-callback.delayed”生效
    当用户通过渠道“alipay”为订单“O-2”支付 199.00 元且扣款成功
    那么没有任何告警
