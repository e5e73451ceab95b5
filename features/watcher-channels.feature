# language: zh-CN
@tier:gate
功能: 告警发不出去、预案执行不了，也要有人知道
  发现了却没人知道，或者知道了却无法止损，与没有发现一样。

  @lp:alert-channel-dead
  Rule: 首选告警通道失效时，由第二通道接手并说明

    场景: 首选告警通道不断被切断
      假如订单“O-1”已通过渠道“alipay”支付 199.00 元
      当发生故障“link.alerts.reset”
      那么及时产生告警“alert-channel-dead”，对象为部件“alert-channel”
      并且没有其他告警

    @control
    场景: 首选告警通道变慢，但仍有回执
      假如订单“O-1”已通过渠道“alipay”支付 199.00 元
      当发生故障“link.alerts.slow”
      那么没有任何告警

  @lp:plan-executor-dead
  Rule: 预案执行不了时，说明哪些发现在等待

    场景: 预案的目标系统连不上
      假如商品“SKU-1”的 7 日成交中位价为 1,999.00 元
      当发生故障“link.plans.reset”
      那么及时产生告警“plan-executor-dead”，对象为部件“plan-executor”
      并且没有其他告警

    @control
    场景: 预案的目标系统变慢，但仍有应答
      假如商品“SKU-1”的 7 日成交中位价为 1,999.00 元
      当发生故障“link.plans.slow”
      那么没有任何告警
