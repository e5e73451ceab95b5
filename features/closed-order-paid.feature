# language: zh-CN
@lp:closed-order-paid
功能: 订单超时关闭后才到账的钱要退回
  用户付了款，订单却先一步超时关闭；货已放回，钱若留下，就是白收。

  背景:
    假如订单“O-1”待支付 199.00 元
    并且故障“app.payment-callback.delayed”生效
      | delay | 10 s |

  @tier:gate
  场景: 关单之后到账，钱被留下
    假如故障“app.late-payment.kept”生效
    当用户刚通过渠道“alipay”为订单“O-1”支付 199.00 元，订单就超时关闭
    那么及时产生告警“closed-order-paid”，对象为订单“O-1”
    并且该告警的风险金额为 199.00 元
    并且预案“return-late-payment”及时生效，对象为订单“O-1”
    并且没有其他告警
    并且损失不超过 199.00 元

  @control @tier:gate
  场景: 关单之后到账，钱晚几秒退回
    假如故障“app.late-payment.put-off”生效
    当用户刚通过渠道“alipay”为订单“O-1”支付 199.00 元，订单就超时关闭
    那么没有任何告警

  @control @tier:nightly
  场景: 关单之后到账，店铺当即退回
    当用户刚通过渠道“alipay”为订单“O-1”支付 199.00 元，订单就超时关闭
    那么没有任何告警
