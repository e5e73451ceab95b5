# language: zh-CN
@lp:points-granted-twice
功能: 一笔订单的积分只发一次
  支付消息重复投递，积分就重复到账；单笔不多，却可以当钱花。

  背景:
    假如订单“O-1”已支付 199.00 元，可得积分

  @tier:gate
  场景: 支付消息投递两次，积分发了两次
    假如故障“app.points.not-idempotent”生效
    当订单“O-1”的支付消息到达积分服务 2 次
    那么及时产生告警“points-granted-twice”，对象为订单“O-1”
    并且该告警的风险金额为 1.99 元
    并且预案“take-back-points”及时生效，对象为订单“O-1”
    并且没有其他告警
    并且损失不超过 1.99 元

  @control @tier:gate
  场景: 支付消息投递一次
    假如故障“app.points.not-idempotent”生效
    当订单“O-1”的支付消息到达积分服务 1 次
    那么没有任何告警

  @control @tier:nightly
  场景: 四个积分服务同时收到，积分只发一次
    当订单“O-1”的支付消息同时到达 4 个积分服务
    那么没有任何告警
