@lp:charged-twice @tier:gate
Feature: Records may go, the next charge is seen all the same
  What the channel collected is kept for a while and then thrown away to make room; on a worse day the whole stream is gone and
  made anew. Who reads on from there must not miss the buyer who is charged twice a moment later.

  Background:
    Given order "O-1" awaits payment of 199.00 CNY
    And a person on duty approves the plans that ask

  Rule: A second charge stops the channel, whatever was thrown away before it

    Scenario: Old records are thrown away, then the shop asks again under a new number
      Given fault "kafka.retention.cut" is active
        | topic | channel.flow |
      And fault "app.payment-retry.renumbered" is active
      When a buyer pays 199.00 CNY for order "O-1" through channel "alipay" and is charged
      Then alert "charged-twice" is raised in time for order "O-1"
      And the alert puts 199.00 CNY at risk
      And plan "stop-channel" is effective in time for channel "alipay"
      And no other alert is raised

    @control
    Scenario: Old records are thrown away, then the shop asks again under the same number
      Given fault "kafka.retention.cut" is active
        | topic | channel.flow |
      And fault "app.payment-retry.repeated" is active
      When a buyer pays 199.00 CNY for order "O-1" through channel "alipay" and is charged
      Then no alert is raised

  Rule: A second charge is told late rather than never, where there was nowhere to tell it

    Scenario: The stream of charges is gone while the shop asks again under a new number
      Given fault "app.payment-retry.renumbered" is active
      And these faults come and go:
        | fault               | first after | lasts       | topic        |
        | kafka.topic.deleted | 0 to 2 acts | 2 to 3 acts | channel.flow |
      When a buyer pays 199.00 CNY for order "O-1" through channel "alipay" and is charged
      Then alert "charged-twice" is raised in time for order "O-1"
      And the alert puts 199.00 CNY at risk
      And no other alert is raised
      And the loss is at most 199.00 CNY

    @control
    Scenario: The stream of charges is gone while the shop asks again under the same number
      Given fault "app.payment-retry.repeated" is active
      And these faults come and go:
        | fault               | first after | lasts       | topic        |
        | kafka.topic.deleted | 0 to 2 acts | 2 to 3 acts | channel.flow |
      When a buyer pays 199.00 CNY for order "O-1" through channel "alipay" and is charged
      Then no alert is raised
