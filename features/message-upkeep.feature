@lp:paid-order-unpaid @tier:nightly
Feature: Upkeep of what carries messages hides no lost payment
  Whoever tends it moves things about, and readers come and go meanwhile. What the watcher reads there
  must neither be missed nor be counted twice.

  Background:
    Given order "O-1" awaits payment of 199.00 CNY

  Rule: Readers that come and go keep nobody from seeing a lost payment

    Scenario: Somebody joins and leaves all the time while the callback is dropped
      Given fault "app.payment-callback.dropped" is active
      When fault "kafka.group.rebalancing" strikes
      And a buyer pays 199.00 CNY for order "O-1" through channel "alipay" and is charged
      Then alert "paid-order-unpaid" is raised in time for order "O-1"
      And the alert puts 199.00 CNY at risk
      And plan "backfill-payment" is effective in time for order "O-1"
      And no other alert is raised
      And the loss is at most 199.00 CNY

    @control
    Scenario: Somebody joins and leaves all the time while the callback is late
      Given fault "app.payment-callback.delayed" is active
      When fault "kafka.group.rebalancing" strikes
      And a buyer pays 199.00 CNY for order "O-1" through channel "alipay" and is charged
      Then no alert is raised

  Rule: What is read again is judged once

    Scenario: The watcher is set back after the callback was dropped
      Given fault "app.payment-callback.dropped" is active
      When a buyer pays 199.00 CNY for order "O-1" through channel "alipay" and is charged
      And fault "kafka.dcheck-offsets.rewound" strikes
        | topic | channel.flow |
      Then alert "paid-order-unpaid" is raised in time for order "O-1"
      And the alert puts 199.00 CNY at risk
      And plan "backfill-payment" is effective in time for order "O-1"
      And no other alert is raised
      And the loss is at most 199.00 CNY

    @control
    Scenario: The watcher is set back while the callback is late
      Given fault "app.payment-callback.delayed" is active
      When a buyer pays 199.00 CNY for order "O-1" through channel "alipay" and is charged
      And fault "kafka.dcheck-offsets.rewound" strikes
        | topic | channel.flow |
      Then no alert is raised

  Rule: A message goes on elsewhere without being lost

    Scenario: Another leader takes over before the callback is dropped
      Given fault "app.payment-callback.dropped" is active
      When fault "kafka.leader.moved" strikes
      And a buyer pays 199.00 CNY for order "O-1" through channel "alipay" and is charged
      Then alert "paid-order-unpaid" is raised in time for order "O-1"
      And the alert puts 199.00 CNY at risk
      And plan "backfill-payment" is effective in time for order "O-1"
      And no other alert is raised
      And the loss is at most 199.00 CNY

    @control
    Scenario: Another leader takes over before the callback is late
      Given fault "app.payment-callback.delayed" is active
      When fault "kafka.leader.moved" strikes
      And a buyer pays 199.00 CNY for order "O-1" through channel "alipay" and is charged
      Then no alert is raised
