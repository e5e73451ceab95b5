@tier:nightly @lp:paid-order-unpaid
Feature: Where messages are kept on a bad disk or under a wrong clock no lost payment is hidden
  Messages tell of charges, and wait on some machine's disk until they are read. A disk that is slow makes the news late,
  and a wrong clock dates it wrongly: neither may hide a lost payment, and neither may invent one.

  Background:
    Given order "O-1" awaits payment of 199.00 CNY

  Rule: News that comes late is news

    Scenario: The messages' disk is slow, and the callback is lost
      Given fault "disk.kafka.slow" is active
      And fault "app.payment-callback.dropped" is active
      When a buyer pays 199.00 CNY for order "O-1" through channel "alipay" and is charged
      Then alert "paid-order-unpaid" is raised in time for order "O-1"
      And the alert puts 199.00 CNY at risk
      And plan "backfill-payment" is effective in time for order "O-1"
      And no other alert is raised

    @control
    Scenario: The messages' disk is slow, and the callback is late
      Given fault "disk.kafka.slow" is active
      And fault "app.payment-callback.delayed" is active
      When a buyer pays 199.00 CNY for order "O-1" through channel "alipay" and is charged
      Then no alert is raised

  Rule: A wrong date neither hides a loss nor invents one

    Scenario: The messages' clock is an hour behind, and the callback is lost
      Given fault "process.kafka.clock-behind" is active
      And fault "app.payment-callback.dropped" is active
      When a buyer pays 199.00 CNY for order "O-1" through channel "alipay" and is charged
      Then alert "paid-order-unpaid" is raised in time for order "O-1"
      And the alert puts 199.00 CNY at risk
      And no other alert is raised

    @control
    Scenario: The messages' clock is an hour behind, and the callback is late
      Given fault "process.kafka.clock-behind" is active
      And fault "app.payment-callback.delayed" is active
      When a buyer pays 199.00 CNY for order "O-1" through channel "alipay" and is charged
      Then no alert is raised

    @control
    Scenario: The messages' clock is an hour ahead, and the callback is late
      Given fault "process.kafka.clock-ahead" is active
      And fault "app.payment-callback.delayed" is active
      When a buyer pays 199.00 CNY for order "O-1" through channel "alipay" and is charged
      Then no alert is raised
